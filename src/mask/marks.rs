//! Marks: the text `[masked:<rule>]`, which replaces a secret.

use std::ops::Range;

/// The beginning of a mark. The rule's name and `]` follow.
pub(super) const MARK: &str = "[masked:";
/// Maximum length, in bytes, of the name of a rule.
pub(super) const MAX_NAME: usize = 32;

/// The pieces of `text` between marks. No rule looks into a mark, and no secret spans one.
pub(super) fn unmasked(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = Some(0);
    std::iter::from_fn(move || {
        let start = rest?;
        let mark = next_mark(&text[start..]);
        rest = mark.as_ref().map(|mark| start + mark.end);
        Some(start..mark.map_or(text.len(), |mark| start + mark.start))
    })
}

/// The place of the first mark in `text`.
fn next_mark(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    // Search for the bracket first: a search for the whole beginning is slower if marks stand close together.
    while let Some(at) = text[from..].find('[') {
        let start = from + at;
        if !text[start..].starts_with(MARK) {
            from = start + 1;
            continue;
        }
        let name = &text.as_bytes()[start + MARK.len()..];
        let of_name = |b: &&u8| b.is_ascii_lowercase() || b.is_ascii_digit() || **b == b'-';
        let len = name.iter().take(MAX_NAME + 1).take_while(of_name).count();
        if (1..=MAX_NAME).contains(&len) && name.get(len) == Some(&b']') {
            return Some(start..start + MARK.len() + len + 1);
        }
        from = start + MARK.len();
    }
    None
}

/// The length of `text` with each mark counted as one byte, the least that a secret has. So masking never takes a
/// text over its limit, and a producer may send a masked text again.
pub(crate) fn counted_len(text: &str) -> usize {
    let (pieces, bytes) = unmasked(text).fold((0, 0), |(pieces, bytes), piece| (pieces + 1, bytes + piece.len()));
    bytes + pieces - 1
}
