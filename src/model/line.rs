//! Models as text.

use serde::Serialize;

/// Renders a model of the ledger's own API as one line of JSON. The newline keeps a terminal's next prompt on its own line.
pub fn line(model: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(model).expect("the models are JSON");
    text.push(b'\n');
    text
}
