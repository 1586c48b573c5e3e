//! A count with its noun, for messages.

use std::fmt::Display;

/// `n` and the fitting word: `1 event`, `2 events`, `0 entries`.
pub fn plural(n: impl Display, one: &str, many: &str) -> String {
    let n = n.to_string();
    let word = if n == "1" { one } else { many };
    format!("{n} {word}")
}
