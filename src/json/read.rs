//! The one reader of JSON that says where it failed.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_path_to_error::{Deserializer, Track};

use super::pointer;
use super::unknown::{unknown, unknown_field};

/// A text that does not have the expected shape, or is not JSON.
#[derive(Debug)]
pub(crate) struct ReadError {
    /// JSON pointer of the value that does not fit, below the root that the caller named.
    pub pointer: String,
    /// What the deserializer expected and found.
    pub cause: serde_json::Error,
}

impl ReadError {
    /// The deserializer's message without line and column, which mean nothing inside a larger body.
    pub(crate) fn detail(&self) -> String {
        without_place(&self.cause)
    }
}

/// Reads `text` as a `T`; `root` is the pointer of `text` in the whole body.
///
/// # Errors
/// A [`ReadError`] if `text` is not JSON, is not a `T`, or continues after the value.
pub(crate) fn read<'a, T: Deserialize<'a>>(root: &str, text: &'a str) -> Result<T, ReadError> {
    read_with(root, text, PhantomData)
}

/// As [`read`], with a seed.
pub(super) fn read_with<'a, S: DeserializeSeed<'a> + Clone>(
    root: &str,
    text: &'a str,
    seed: S,
) -> Result<S::Value, ReadError> {
    // The plain reader is twice as fast as the one that tracks the path, and nearly every read succeeds.
    let mut reader = serde_json::Deserializer::from_str(text);
    if let Ok(value) = seed.clone().deserialize(&mut reader)
        && reader.end().is_ok()
    {
        return Ok(value);
    }
    let (mut reader, mut track) = (serde_json::Deserializer::from_str(text), Track::new());
    let value = seed.deserialize(Deserializer::new(&mut reader, &mut track));
    let value = value.map_err(|cause| ReadError { pointer: pointer::of_path(root, &track.path()), cause })?;
    // The text may go on after a good value.
    reader.end().map_err(|cause| ReadError { pointer: root.to_owned(), cause })?;
    Ok(value)
}

/// serde_json's message without its `at line 1 column 9`. For an unknown member the message also names the nearest
/// known one.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    match unknown_field(text) {
        Some((found, known)) => unknown("member", found, &known),
        None => text.to_owned(),
    }
}
