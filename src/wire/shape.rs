//! What every stored shape can do, whatever its version, and how one is read.

use std::sync::Arc;

use serde::Deserialize;

use super::fields::Object;
use super::incoming::Reject;
use super::residue::ERASED;
use crate::job::Event;
use crate::json;
use crate::mask::Mask;

/// Where data stands in an event.
pub(super) const DATA: &str = "/data";

/// What is wrong in data that has the right shape: the pointer below `/data`, and what was expected.
pub(super) type Wrong = (String, String);

/// A shape that knows which event it is.
pub(super) trait Shape {
    /// What people wrote or a hook printed: free text, which is masked before it is stored.
    fn texts(&mut self) -> Vec<&mut String>;

    /// Masks the secrets that are in it, and puts the rule of each into `hits`.
    fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        self.texts().into_iter().for_each(|text| mask.text(text, hits));
    }

    /// Leaves of it what [`super::residue`] says.
    fn erase(&mut self) {
        self.texts().into_iter().for_each(|text| ERASED.clone_into(text));
    }

    /// Rules that need more than one field.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// Today's event.
    fn into_event(self) -> Event;
}

/// The shape that stands at `root`, with the place of whatever is wrong.
pub(super) fn read<'a, S: Deserialize<'a>>(root: &str, data: &'a str) -> Result<S, Reject> {
    // The plain reader is twice as fast as the one that tracks the path, and nearly every read succeeds.
    if let Ok(Object(shape)) = serde_json::from_str(data) {
        return Ok(shape);
    }
    let mut reader = serde_json::Deserializer::from_str(data);
    let Object(shape) = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Reject::invalid(json::pointer(root, error.path()), json::message(error.inner())))?;
    // Without this, what follows the object would turn the refusal of the plain reader into an acceptance.
    reader.end().map_err(|error| Reject::invalid(root.to_owned(), json::message(&error)))?;
    Ok(shape)
}
