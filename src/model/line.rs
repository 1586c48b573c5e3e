//! Models as text.

use serde::Serialize;

/// A model of the ledger's own API as text: a line of JSON, so that a terminal shows the next prompt on a line of its own.
pub fn line(model: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(model).expect("the models are JSON");
    text.push(b'\n');
    text
}
