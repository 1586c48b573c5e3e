//! The size of a job in bytes: approximately the length of its read model as JSON.

use super::event::Detail;
use super::item::Item;
use super::state::{Note, Redaction};

/// Length of `text` as a JSON string, quotes included.
pub(super) fn json_len(text: &str) -> u64 {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<u64>()
}

fn optional(text: Option<&String>) -> u64 {
    text.map_or(4, |text| json_len(text))
}

/// Bytes of an item: its texts, and 200 for its other members.
pub(super) fn of_item(item: &Item) -> u64 {
    of_id(item) + of_message(item) + of_detail(item)
}

/// Bytes of an item without its message and detail.
pub(super) fn of_id(item: &Item) -> u64 {
    200 + json_len(item.id.as_str())
}

/// Bytes of an item's message.
pub(super) fn of_message(item: &Item) -> u64 {
    optional(item.message.as_ref())
}

/// Bytes of an item's detail.
pub(super) fn of_detail(item: &Item) -> u64 {
    match &item.detail {
        None => 0,
        Some(Detail::Json(json)) => json.0.len() as u64,
        Some(Detail::Credentials(info)) => {
            // 32 more, because a short key takes more memory than JSON text.
            let keys = info.secret_keys.iter().map(|key| json_len(key) + 32);
            json_len(&info.secret_id) + keys.sum::<u64>()
        }
    }
}

/// Bytes of a note: its texts, and 100 for its other members.
pub(super) fn of_note(note: &Note) -> u64 {
    100 + json_len(&note.text) + json_len(&note.by)
}

/// Bytes of a redaction: its texts, and 100 for its other members.
pub(super) fn of_redaction(redaction: &Redaction) -> u64 {
    100 + json_len(&redaction.reason) + json_len(&redaction.by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_long_as_json_writes_it() {
        let every: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"quoted\"\\", "\u{0}\u{1b}\n\t\u{7f}", "é€😀", &every] {
            assert_eq!(json_len(text), serde_json::to_string(text).unwrap().len() as u64, "{text:?}");
        }
    }
}
