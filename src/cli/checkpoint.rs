//! Reads small files that the command line names, such as a signed checkpoint. Each read has a limit.

use std::fs::File;
use std::io::{Error, Read};
use std::path::Path;

use super::Failure;
use crate::tree::{Checkpoint, MAX_NOTE};

/// Reads the signed checkpoint that the option `name` gives. Returns its text and its claims; the caller checks the signature.
/// If the file is no checkpoint, the error says why.
pub(super) fn checkpoint(name: &str, path: &Path) -> Result<(String, Checkpoint), Failure> {
    let wrong = |why: String| {
        let what =
            format!("{name}: `{}` is no signed checkpoint: {why}; keep the file as the ledger gave it", path.display());
        Failure::CouldNotRun(what)
    };
    let text = String::from_utf8(small_file(path, MAX_NOTE as u64)?).map_err(|error| wrong(error.to_string()))?;
    if text.starts_with('\u{feff}') {
        return Err(wrong("it begins with a byte order mark".into()));
    }
    match Checkpoint::claimed(&text) {
        Ok(claimed) => Ok((text, claimed)),
        Err(_) if text.contains('\r') => Err(wrong("its lines end with CRLF".into())),
        Err(_) if !text.ends_with('\n') => Err(wrong("the newline at its end is missing".into())),
        Err(_) if text.ends_with("\n\n") => Err(wrong("there is an empty line at its end".into())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Reads a file of at most `limit` bytes.
pub(super) fn small_file(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(path, &error))?;
    match bytes.len() as u64 > limit {
        true => Err(Failure::CouldNotRun(format!("`{}`: expected at most {limit} bytes, found more", path.display()))),
        false => Ok(bytes),
    }
}

pub(super) fn unreadable(path: &Path, error: &Error) -> Failure {
    Failure::CouldNotRun(format!("cannot read `{}`: {error}", path.display()))
}
