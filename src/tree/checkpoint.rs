//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log in three signed lines.

use std::fmt;
use std::str::FromStr;

use super::note::read_note;
use super::{BadHash, BadSize, Head, NoteError, SigningKey, VerifierKey, excerpt, open_note, sign_note};

/// The state of a log at one moment. Its text is the three lines that are signed.
///
/// Extension lines are neither written nor read, because an auditor cannot check them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's unique name.
    pub origin: String,
    /// The size and the root of the log's tree.
    pub head: Head,
}

/// Why a text is no checkpoint, or no checkpoint of the log in question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is not a note signed by a known key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signed text has other lines.
    #[error("expected a checkpoint of three lines, origin, size and root, found `{0}`")]
    Lines(String),
    /// The second line is no size.
    #[error(transparent)]
    Size(#[from] BadSize),
    /// The third line is no hash.
    #[error(transparent)]
    Root(#[from] BadHash),
    /// The checkpoint is another log's.
    #[error("expected a checkpoint of `{expected}`, found one of `{found}`")]
    Origin {
        /// The origin of the log in question.
        expected: String,
        /// The origin in the checkpoint.
        found: String,
    },
}

impl Checkpoint {
    /// The checkpoint as a note signed by each of `keys`; several keys sign while a key is replaced.
    ///
    /// # Errors
    /// An origin that cannot stand in a line.
    pub fn sign(&self, keys: &[&SigningKey]) -> Result<String, CheckpointError> {
        let text = self.to_string();
        // Sign only a text that parses back to this checkpoint.
        if text.parse::<Checkpoint>()? != *self {
            return Err(CheckpointError::Lines(excerpt(&text)));
        }
        Ok(sign_note(&text, keys)?)
    }

    /// Reads a signed checkpoint without checking its signatures. The result proves nothing: it tells which size and origin to
    /// compare.
    ///
    /// # Errors
    /// The text differs from the form of a signed checkpoint in any byte.
    pub fn claimed(note: &str) -> Result<Checkpoint, CheckpointError> {
        read_note(note)?.0.parse()
    }

    /// Reads a checkpoint of the log `origin`.
    ///
    /// # Errors
    /// None of the `known` keys signed the note, or the text is no checkpoint of `origin`. Checks signatures first.
    pub fn open(note: &str, origin: &str, known: &[VerifierKey]) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open_signed(note, origin, known).map(|(checkpoint, _)| checkpoint)
    }

    /// As [`Checkpoint::open`], and also returns the known keys that signed: at least one.
    pub fn open_signed<'k>(
        note: &str,
        origin: &str,
        known: &'k [VerifierKey],
    ) -> Result<(Checkpoint, Vec<&'k VerifierKey>), CheckpointError> {
        let note = open_note(note, known)?;
        let checkpoint: Checkpoint = note.text.parse()?;
        if checkpoint.origin != origin {
            let (expected, found) = (origin.to_owned(), excerpt(&checkpoint.origin));
            return Err(CheckpointError::Origin { expected, found });
        }
        Ok((checkpoint, note.signers))
    }

    /// Reads a checkpoint of any log that one of the known keys signs for: a key has the name of its log.
    ///
    /// # Errors
    /// If no key has the name in the checkpoint, the error expects the name of the last key.
    pub fn open_known(note: &str, known: &[VerifierKey]) -> Result<(Checkpoint, Vec<VerifierKey>), CheckpointError> {
        let origin = note.lines().next().unwrap_or_default();
        let named: Vec<VerifierKey> = known.iter().filter(|key| key.name() == origin).cloned().collect();
        if named.is_empty() {
            let expected = known.last().map(|key| key.name().to_owned()).unwrap_or_default();
            return Err(CheckpointError::Origin { expected, found: excerpt(origin) });
        }
        let (checkpoint, signers) = Checkpoint::open_signed(note, origin, &named)?;
        Ok((checkpoint, signers.into_iter().cloned().collect()))
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, self.head.root)
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Checkpoint, CheckpointError> {
        let lines: Vec<&str> = text.split('\n').take(5).collect();
        match lines[..] {
            [origin, size, root, ""] if !origin.is_empty() => {
                let head = Head { size: size.parse()?, root: root.parse()? };
                Ok(Checkpoint { origin: origin.to_owned(), head })
            }
            _ => Err(CheckpointError::Lines(excerpt(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Size, leaf_hash};

    const ORIGIN: &str = "jobledger/test";

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: ORIGIN.into(), head: Head { size: Size::new(7).unwrap(), root: leaf_hash(b"") } }
    }

    fn key() -> SigningKey {
        SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
    }

    #[test]
    fn a_checkpoint_has_three_lines() {
        let text = checkpoint().to_string();
        assert_eq!(text, "jobledger/test\n7\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n");
        assert_eq!(text.parse(), Ok(checkpoint()));
        let bad = [
            String::new(),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!("{text}extension\n"),
            format!("\n{text}"),
            text.replace(ORIGIN, ""),
            text.replace("\n7\n", "\n0\n"),
            text.replace("\n7\n", "\n07\n"),
            text.replace("\n7\n", "\n+7\n"),
            text.replace("\n7\n", "\n7 \n"),
            text.replace("\n7\n", "\n\n"),
            text.replace("\n7\n", "\n18446744073709551615\n"),
            text.replace("B0=", "B1="),
            text.replace("B0=", "B0"),
            text.replace('\n', "\r\n"),
        ];
        for bad in bad {
            assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_checkpoint_opens_only_for_its_own_log_and_keys() {
        let (key, next) = (key(), SigningKey::from_seed(ORIGIN, &[2; 32]).unwrap());
        let note = checkpoint().sign(&[&key, &next]).unwrap();
        for known in [key.verifier(), next.verifier()] {
            let known = std::slice::from_ref(known);
            assert_eq!(Checkpoint::open(&note, ORIGIN, known), Ok(checkpoint()));
            let other = Checkpoint::open(&note, "jobledger/other", known);
            assert!(matches!(other, Err(CheckpointError::Origin { .. })));
        }
        assert!(matches!(Checkpoint::open(&note, ORIGIN, &[]), Err(CheckpointError::Note(_))));
    }

    #[test]
    fn a_text_that_does_not_parse_back_is_not_signed() {
        for origin in ["", "a\nb", "a\n8", "tab\t"] {
            let odd = Checkpoint { origin: origin.into(), ..checkpoint() };
            assert!(odd.sign(&[&key()]).is_err(), "{origin:?}");
        }
    }
}
