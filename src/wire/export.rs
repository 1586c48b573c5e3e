//! The lines of an export. A line holds one entry: `{"leaf":"…","salt":"…hex…","data":…}`; `data` is last and verbatim,
//! so any tool can cut out the exact bytes. The last line may be `{"checkpoint":"…"}`, the signed note over the lines
//! before it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::leaf::SALT_LEN;

/// A text that is not a line of an export. Holds the message.
#[derive(Debug, thiserror::Error)]
#[error("expected `{{\"leaf\":\"…\",\"salt\":\"…hex…\",\"data\":…}}`: {0}")]
pub struct NotAnExportLine(String);

/// An entry: one event with everything that restores it exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The leaf's stored bytes.
    pub leaf: Vec<u8>,
    /// Salt and data; `None` if the event was redacted.
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

/// The last line of an export with a checkpoint.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: String,
}

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportedLine {
    /// One entry.
    Entry(Entry),
    /// The signed checkpoint over all lines before. No line follows it.
    Checkpoint(String),
}

impl ExportedLine {
    /// Reads a line of either form.
    ///
    /// # Errors
    /// [`NotAnExportLine`] if `line` is neither.
    pub fn parse(line: &str) -> Result<ExportedLine, NotAnExportLine> {
        if !line.starts_with(r#"{"checkpoint":"#) {
            return Entry::parse(line).map(ExportedLine::Entry);
        }
        let read: CheckpointLine = serde_json::from_str(line).map_err(|error| NotAnExportLine(error.to_string()))?;
        Ok(ExportedLine::Checkpoint(read.checkpoint))
    }

    /// The last line of an export, without a newline. `note` is the signed checkpoint over the lines before.
    pub fn checkpoint(note: &str) -> Vec<u8> {
        serde_json::to_vec(&CheckpointLine { checkpoint: note.to_owned() }).expect("a string is JSON")
    }
}

impl Entry {
    /// Salt and data as slices.
    pub fn content(&self) -> Option<(&[u8], &[u8])> {
        self.content.as_ref().map(|(salt, data)| (salt.as_slice(), data.as_slice()))
    }

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

    /// Reads a line with an entry.
    ///
    /// # Errors
    /// [`NotAnExportLine`] if `line` has another form.
    pub fn parse(line: &str) -> Result<Entry, NotAnExportLine> {
        let read: Line<'_> = serde_json::from_str(line).map_err(|error| NotAnExportLine(error.to_string()))?;
        let content = match (read.salt, read.data) {
            (Some(salt), Some(data)) => {
                let mut bytes = [0; SALT_LEN];
                hex::decode_to_slice(&salt, &mut bytes)
                    .map_err(|_| NotAnExportLine(format!("salt is not {SALT_LEN} bytes in hex")))?;
                Some((bytes, data.get().as_bytes().to_vec()))
            }
            (None, None) => None,
            _ => return Err(NotAnExportLine("expected salt and data, or null for both".into())),
        };
        Ok(Entry { leaf: read.leaf.into_bytes(), content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_line_reads_back_as_the_same_entry() {
        for content in [Some(([9; SALT_LEN], br#"{"n":9007199254740993,"s":"\u00e9"}"#.to_vec())), None] {
            let line = Entry { leaf: "{\"id\":\"é\\\"\"}".as_bytes().to_vec(), content };
            let text = String::from_utf8(line.to_bytes()).unwrap();
            assert_eq!(Entry::parse(&text).unwrap(), line);
            assert_eq!(ExportedLine::parse(&text).unwrap(), ExportedLine::Entry(line));
        }
        let note = "origin\n1\nroot\n\n— signature\n";
        let text = String::from_utf8(ExportedLine::checkpoint(note)).unwrap();
        assert_eq!(ExportedLine::parse(&text).unwrap(), ExportedLine::Checkpoint(note.into()));
        assert!(ExportedLine::parse(&text.replace('}', ",\"leaf\":\"x\"}")).is_err());
    }
}
