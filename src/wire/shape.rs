//! The operations that every stored shape has.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fields::Object;
use super::reject::Reject;
use crate::job::Event;
use crate::json;
use crate::mask::Mask;

/// JSON pointer of the data in an event.
pub(super) const DATA: &str = "/data";

/// The text that replaces a redacted text in a residue.
pub(super) const REDACTED_TEXT: &str = "[redacted]";

/// The stored shape of one version of one event type. It writes its members in a fixed order, so equal content gives
/// equal bytes.
pub(super) trait Shape: Serialize {
    /// The free texts: text by people, or a hook's output. They are masked when they come in, and redacted.
    fn texts(&mut self) -> Vec<&mut String>;

    /// Masks the secrets in the shape and adds the name of the rule of each to `hits`.
    fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        self.texts().into_iter().for_each(|text| mask.text(text, hits));
    }

    /// Replaces the content by its residue; [`super::residue`] has the rule.
    fn redact(&mut self) {
        self.texts().into_iter().for_each(|text| REDACTED_TEXT.clone_into(text));
    }

    /// Checks the rules that need more than one field.
    fn check(&self) -> Result<(), Reject> {
        Ok(())
    }

    /// The oldest version that has a place for every member of this shape.
    fn version(&self) -> u32 {
        1
    }

    /// The event as the fold takes it today.
    fn into_event(self) -> Event;

    /// The bytes to store: compact JSON.
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("stored shapes hold nothing that JSON cannot express")
    }
}

/// Reads the JSON object `text` as an `S`; `root` is its pointer in the event.
pub(super) fn read_object<'a, S: Deserialize<'a>>(root: &str, text: &'a str) -> Result<S, Reject> {
    let Object(shape) = json::read(root, text)?;
    Ok(shape)
}
