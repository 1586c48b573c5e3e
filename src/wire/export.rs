//! The export line: `{"leaf":"…","salt":"…hex…","data":…}`, `data` last and verbatim, so that any tool can cut out the
//! exact bytes; and the line that may come last, `{"checkpoint":"…"}`, the signed note over the lines before it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::leaf::SALT_LEN;

/// A line that is not an export line.
#[derive(Debug, thiserror::Error)]
#[error("expected `{{\"leaf\":\"…\",\"salt\":\"…hex…\",\"data\":…}}`: {0}")]
pub struct NotAnExportLine(String);

/// One event with everything that restores it exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportLine {
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// Salt and data; `None` where they were erased.
    pub content: Option<([u8; SALT_LEN], Vec<u8>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    leaf: String,
    salt: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The line that may come last.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: String,
}

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exported {
    /// An event.
    Event(ExportLine),
    /// The signed checkpoint over all lines before this one, which is the last.
    Checkpoint(String),
}

impl Exported {
    /// Reads a line.
    pub fn parse(line: &str) -> Result<Exported, NotAnExportLine> {
        if !line.starts_with(r#"{"checkpoint":"#) {
            return ExportLine::parse(line).map(Exported::Event);
        }
        let read: CheckpointLine = serde_json::from_str(line).map_err(|error| NotAnExportLine(error.to_string()))?;
        Ok(Exported::Checkpoint(read.checkpoint))
    }

    /// The last line of an export, without a newline, for the signed note over the lines before it.
    pub fn checkpoint(note: &str) -> Vec<u8> {
        serde_json::to_vec(&CheckpointLine { checkpoint: note.to_owned() }).expect("a string is JSON")
    }
}

impl ExportLine {
    /// The line, without a newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let leaf = String::from_utf8_lossy(&self.leaf);
        let mut line = b"{\"leaf\":".to_vec();
        line.extend(serde_json::to_vec(&leaf).expect("a string is JSON"));
        match &self.content {
            Some((salt, data)) => {
                line.extend(format!(",\"salt\":\"{}\",\"data\":", hex::encode(salt)).bytes());
                line.extend_from_slice(data);
            }
            None => line.extend_from_slice(b",\"salt\":null,\"data\":null"),
        }
        line.push(b'}');
        line
    }

    /// Reads a line.
    pub fn parse(line: &str) -> Result<ExportLine, NotAnExportLine> {
        let read: Line<'_> = serde_json::from_str(line).map_err(|error| NotAnExportLine(error.to_string()))?;
        let content = match (read.salt, read.data) {
            (Some(salt), Some(data)) => {
                let mut bytes = [0; SALT_LEN];
                hex::decode_to_slice(&salt, &mut bytes)
                    .map_err(|_| NotAnExportLine(format!("salt is not {SALT_LEN} bytes in hex")))?;
                Some((bytes, data.get().as_bytes().to_vec()))
            }
            (None, None) => None,
            _ => return Err(NotAnExportLine("salt and data are erased together or not at all".into())),
        };
        Ok(ExportLine { leaf: read.leaf.into_bytes(), content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_was() {
        for content in [Some(([9; SALT_LEN], br#"{"n":9007199254740993,"s":"\u00e9"}"#.to_vec())), None] {
            let line = ExportLine { leaf: "{\"id\":\"é\\\"\"}".as_bytes().to_vec(), content };
            let text = String::from_utf8(line.to_bytes()).unwrap();
            assert_eq!(ExportLine::parse(&text).unwrap(), line);
            assert_eq!(Exported::parse(&text).unwrap(), Exported::Event(line));
        }
        let note = "origin\n1\nroot\n\n— signature\n";
        let text = String::from_utf8(Exported::checkpoint(note)).unwrap();
        assert_eq!(Exported::parse(&text).unwrap(), Exported::Checkpoint(note.into()));
        assert!(Exported::parse(&text.replace('}', ",\"leaf\":\"x\"}")).is_err());
    }
}
