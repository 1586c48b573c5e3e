//! Messages for names that are not known: they name the nearest known one.

use super::beginning;

/// The unknown field and the known fields, parsed from serde's message: serde's error type has them only in its text.
pub(super) fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    // The field's name may itself look like the rest of the message; the known names cannot.
    let (found, known) = message.strip_prefix("unknown field `")?.rsplit_once("`, expected ")?;
    Some((found, known.split('`').skip(1).step_by(2).collect()))
}

/// The error text for the unknown name `found`. It names the nearest of the `known` names, and lists them all. `what` is the thing
/// that has the name, such as `field`.
pub(crate) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let found = beginning(found);
    // A name that is part of the other counts more than common letters: `processed` means `records_processed`.
    let part = |name: &str| f64::from(u8::from(name.contains(&found) || found.contains(name)));
    let likeness = |name: &str| part(name) + strsim::jaro_winkler(&found, name) + strsim::sorensen_dice(&found, name);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match (nearest, known) {
        (Some(only), [_]) => format!("unknown {what} `{found}`, expected `{only}`, the only one"),
        (Some(nearest), _) => {
            format!("unknown {what} `{found}`; the nearest is `{nearest}`; expected one of `{}`", known.join("`, `"))
        }
        (None, _) => format!("unknown {what} `{found}`, expected none"),
    }
}
