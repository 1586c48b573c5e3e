//! Signed notes (C2SP signed-note): a text, an empty line, and a line for each signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::key::is_name;
use super::{SigningKey, VerifierKey, excerpt};

/// The longest note, 64 KiB. The limit also bounds the number of signatures, and leaves room for far more than the 16 that every
/// verifier must accept.
pub const MAX_NOTE: usize = 64 * 1024;

/// Why a text is no note, or is not signed as expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The note is too long.
    #[error("expected a note of at most {MAX_NOTE} bytes, found {0}")]
    Long(usize),
    /// The text has control characters, or a last line without a newline.
    #[error("expected a text of whole lines without control characters, found `{0}`")]
    Text(String),
    /// No empty line separates the text from signatures.
    #[error("expected a text, an empty line and signatures, found `{0}`")]
    Unsigned(String),
    /// A line below the text is no signature.
    #[error("expected a line `— name base64`, found `{0}`")]
    Line(String),
    /// A signature has the name and id of a known key, but another key made it.
    #[error("expected a signature by `{0}`, found one that it did not make")]
    Forged(String),
    /// No known key signed the note.
    #[error("expected a signature by one of {expected:?}, found {found:?}")]
    Unknown {
        /// The known keys, each by `<name>+<id in hex>`.
        expected: Vec<String>,
        /// The keys that signed, at most 16 of them.
        found: Vec<String>,
    },
}

/// A note that a known key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'n, 'k> {
    /// The signed text, to its last newline.
    pub text: &'n str,
    /// The known keys that signed, each once: at least one.
    pub signers: Vec<&'k VerifierKey>,
}

/// The note of `text`, signed by each of `keys`; several keys sign while a key is replaced.
///
/// # Errors
/// A text that a note cannot hold, no key, or a note longer than [`MAX_NOTE`].
pub fn sign_note(text: &str, keys: &[&SigningKey]) -> Result<String, NoteError> {
    check_text(text)?;
    if keys.is_empty() {
        return Err(NoteError::Unsigned(excerpt(text)));
    }
    let lines = keys.iter().map(|key| {
        let signature = [&key.verifier().id().to_be_bytes()[..], &key.sign(text)].concat();
        format!("— {} {}\n", key.name(), BASE64.encode(signature))
    });
    let note = format!("{text}\n{}", lines.collect::<String>());
    if note.len() > MAX_NOTE { Err(NoteError::Long(note.len())) } else { Ok(note) }
}

/// Reads a note and checks the signatures of the known keys. Signatures of other keys are ignored.
///
/// # Errors
/// No known key signed, or one signature in the name of a known key is bad. A bad signature refuses the note even beside a good one
/// of the same key, because the note was tampered with.
pub fn open_note<'n, 'k>(note: &'n str, known: &'k [VerifierKey]) -> Result<Note<'n, 'k>, NoteError> {
    let (text, lines) = read_note(note)?;
    let mut signers: Vec<&VerifierKey> = Vec::new();
    for (name, id, signature) in &lines {
        let mut meant = known.iter().filter(|key| key.name() == *name && key.id() == *id).peekable();
        let Some(first) = meant.peek().copied() else { continue };
        let signer =
            meant.find(|key| key.verifies(text, signature)).ok_or_else(|| NoteError::Forged(first.to_string()))?;
        if !signers.contains(&signer) {
            signers.push(signer);
        }
    }
    if signers.is_empty() {
        let expected = known.iter().map(|key| named(key.name(), key.id())).collect();
        let found = lines.iter().take(16).map(|(name, id, _)| excerpt(&named(name, *id))).collect();
        return Err(NoteError::Unknown { expected, found });
    }
    Ok(Note { text, signers })
}

/// A signature line: the key's name and id, and the signature.
type Signature<'n> = (&'n str, u32, Vec<u8>);

/// The text of a note and its signature lines. Checks the form of the note, and no signature.
pub(super) fn read_note(note: &str) -> Result<(&str, Vec<Signature<'_>>), NoteError> {
    if note.len() > MAX_NOTE {
        return Err(NoteError::Long(note.len()));
    }
    // The text may have empty lines too, so the last empty line ends it.
    let (before, lines) = note.rsplit_once("\n\n").ok_or_else(|| NoteError::Unsigned(excerpt(note)))?;
    let text = &note[..=before.len()];
    check_text(text)?;
    let lines = lines.strip_suffix('\n').ok_or_else(|| NoteError::Unsigned(excerpt(note)))?;
    let lines = lines.split('\n').map(|line| parse_line(line).ok_or_else(|| NoteError::Line(excerpt(line))));
    Ok((text, lines.collect::<Result<_, _>>()?))
}

/// The beginning of a verifier key. The keys of one log share a name, so the id is needed too.
fn named(name: &str, id: u32) -> String {
    format!("{name}+{id:08x}")
}

/// Name, key id and signature of a line.
fn parse_line(line: &str) -> Option<Signature<'_>> {
    let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = BASE64.decode(encoded).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    (is_name(name) && !signature.is_empty()).then(|| (name, u32::from_be_bytes(*id), signature.to_vec()))
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let control = |byte: u8| byte < b' ' && byte != b'\n';
    if !text.ends_with('\n') || text.bytes().any(control) {
        return Err(NoteError::Text(excerpt(text)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, &[seed; 32]).unwrap()
    }

    fn known(keys: &[&SigningKey]) -> Vec<VerifierKey> {
        keys.iter().map(|key| key.verifier().clone()).collect()
    }

    /// A signature line with the name of one key and the signature of another.
    fn line(name: &SigningKey, by: &SigningKey, text: &str) -> String {
        let signature = [&name.verifier().id().to_be_bytes()[..], &by.sign(text)].concat();
        format!("— {} {}\n", name.name(), BASE64.encode(signature))
    }

    #[test]
    fn all_known_signers_are_found_and_strangers_ignored() {
        let (old, new, stranger) = (key("log", 1), key("log", 2), key("witness", 3));
        for text in ["one line\n", "two\nlines\n", "with\n\nempty lines\n\n", "\n", "ümläut — dash\n"] {
            let note = sign_note(text, &[&stranger, &old, &new]).unwrap();
            for keys in [vec![&old], vec![&new], vec![&old, &new], vec![&stranger]] {
                let known = known(&keys);
                let opened = open_note(&note, &known).unwrap();
                assert_eq!((opened.text, opened.signers), (text, known.iter().collect()));
            }
        }
        let note = sign_note("text\n", &[&old]).unwrap();
        let other = known(&[&new, &stranger]);
        assert!(matches!(open_note(&note, &other), Err(NoteError::Unknown { .. })));
        assert!(matches!(open_note(&note, &[]), Err(NoteError::Unknown { .. })));
    }

    #[test]
    fn a_bad_signature_of_a_known_key_spoils_good_ones() {
        let (log, other) = (key("log", 1), key("other", 2));
        let good = sign_note("text\n", &[&log, &other]).unwrap();
        let forged = line(&log, &other, "text\n");
        let replayed = line(&log, &log, "another text\n");
        let too_short =
            format!("— log {}\n", BASE64.encode([&log.verifier().id().to_be_bytes()[..], &[0; 63]].concat()));
        for bad in [forged, replayed, too_short] {
            let [before, after] = [good.replacen("— ", &format!("{bad}— "), 1), format!("{good}{bad}")];
            for note in [before, after] {
                for keys in [vec![&log], vec![&log, &other]] {
                    assert_eq!(open_note(&note, &known(&keys)), Err(NoteError::Forged(log.verifier().to_string())));
                }
                assert!(open_note(&note, &known(&[&other])).is_ok(), "an unknown key's signature counts for nothing");
            }
        }
    }

    #[test]
    fn name_and_id_together_name_a_key() {
        let (log, twin) = (key("log", 1), key("twin", 1));
        let other_name = sign_note("text\n", &[&twin]).unwrap();
        let other_id = sign_note("text\n", &[&key("log", 2)]).unwrap();
        for note in [other_name.replace("twin", "log"), other_id] {
            assert!(matches!(open_note(&note, &known(&[&log])), Err(NoteError::Unknown { .. })));
        }
        let twice = format!("{}{}", sign_note("text\n", &[&log]).unwrap(), line(&log, &log, "text\n"));
        let known = known(&[&log, &log]);
        assert_eq!(open_note(&twice, &known).unwrap().signers, [log.verifier()]);
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let log = key("log", 1);
        let known = known(&[&log]);
        let note = sign_note("origin\n7\nroot\n", &[&log]).unwrap();
        for at in 0..note.len() {
            for change in [1, 0x20] {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= change;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(open_note(&changed, &known).is_err(), "byte {at} of {changed:?}");
            }
        }
    }

    #[test]
    fn a_text_that_is_no_note_is_refused() {
        let log = key("log", 1);
        let known = known(&[&log]);
        let signature = line(&log, &log, "text\n");
        let good = format!("text\n\n{signature}");
        assert!(open_note(&good, &known).is_ok());
        let bad = [
            String::new(),
            "\n".into(),
            "text\n".into(),
            "text\n\n".into(),
            "text\n\n\n".into(),
            signature.clone(),
            format!("text\n{signature}"),
            format!("\n\n{signature}"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good}trailing\n"),
            format!("{good}— log\n"),
            format!("{good}— log AAAA\n"),
            format!("{good}— log AAAAAA=\n"),
            format!("{good}—  AAAAAAA=\n"),
            format!("{good}— a+b AAAAAAA=\n"),
            format!("{good}- log AAAAAAA=\n"),
            good.replace('\n', "\r\n"),
            good.replace("text", "te\txt"),
            good.replace("text", "te\0xt"),
            good.replace("— log ", "— log  "),
        ];
        for bad in bad {
            assert!(open_note(&bad, &known).is_err(), "{bad:?}");
        }
        for bad in ["", "no newline", "carriage return\r\n", "tab\t\n", "nul\0\n"] {
            assert!(sign_note(bad, &[&log]).is_err(), "{bad:?}");
        }
        assert!(sign_note("text\n", &[]).is_err());
    }

    #[test]
    fn many_signatures_are_read_and_endless_notes_are_not() {
        let log = key("log", 1);
        let known = known(&[&log]);
        let strangers: Vec<SigningKey> = (2..100).map(|seed| key("witness", seed)).collect();
        let signers: Vec<&SigningKey> = strangers.iter().chain([&log]).collect();
        assert!(open_note(&sign_note("text\n", &signers).unwrap(), &known).is_ok());
        let longest = "x".repeat(MAX_NOTE - sign_note("\n", &[&log]).unwrap().len());
        assert!(open_note(&sign_note(&format!("{longest}\n"), &[&log]).unwrap(), &known).is_ok());
        assert_eq!(sign_note(&format!("{longest}x\n"), &[&log]), Err(NoteError::Long(MAX_NOTE + 1)));
        assert_eq!(open_note(&"\n".repeat(MAX_NOTE + 1), &known), Err(NoteError::Long(MAX_NOTE + 1)));
    }
}
