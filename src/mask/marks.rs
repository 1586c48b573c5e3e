//! Marks: `[masked:<rule>]`, what stands in the place of a secret.

use std::ops::Range;

pub(super) const MARK: &str = "[masked:";
/// The longest name of a rule.
pub(super) const NAME: usize = 32;

/// The pieces of `text` between marks. A mark is never looked into, and nothing is found across one.
pub(super) fn unmasked(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = Some(0);
    std::iter::from_fn(move || {
        let start = rest?;
        let mark = next_mark(&text[start..]);
        rest = mark.as_ref().map(|mark| start + mark.end);
        Some(start..mark.map_or(text.len(), |mark| start + mark.start))
    })
}

fn next_mark(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    // Looking for the whole beginning costs more where marks stand close to each other.
    while let Some(at) = text[from..].find('[') {
        let start = from + at;
        if !text[start..].starts_with(MARK) {
            from = start + 1;
            continue;
        }
        let name = &text.as_bytes()[start + MARK.len()..];
        let of_name = |b: &&u8| b.is_ascii_lowercase() || b.is_ascii_digit() || **b == b'-';
        let len = name.iter().take(NAME + 1).take_while(of_name).count();
        if (1..=NAME).contains(&len) && name.get(len) == Some(&b']') {
            return Some(start..start + MARK.len() + len + 1);
        }
        from = start + MARK.len();
    }
    None
}

/// How long a text counts as: a mark as one byte, because what it stands for was at least that. So a text at its limit stays
/// within it when it is masked, and a masked text may be sent again.
pub(crate) fn counted(text: &str) -> usize {
    let (pieces, bytes) = unmasked(text).fold((0, 0), |(pieces, bytes), piece| (pieces + 1, bytes + piece.len()));
    bytes + pieces - 1
}
