//! The stored shapes of version 1, one for each type of a job's events.
//!
//! A released shape never changes. A new version is a new module beside this one, an arm in [`super::stored`], and a
//! new number in the table of types; the old shape's `into_event` then makes today's event of it.
//!
//! Not here: the choice of a shape by type and version (`wire::stored`).

mod created;
mod generic;
mod item;
mod reports;
mod rule;

pub use created::{Created1, Spec1};
pub use item::ItemResult1;
pub use reports::{
    Cancelled1, Completed1, Failed1, HookOutput1, Noted1, Progress1, Redacted1, RedactedWithResidue1, Retried1,
    Started1,
};

use super::fields::{Count, Text};

pub(super) fn text_mut<const MAX: usize>(text: &mut Option<Text<MAX>>) -> Option<&mut String> {
    text.as_mut().map(|text| &mut text.0)
}

pub(super) fn into_text<const MAX: usize>(text: Option<Text<MAX>>) -> Option<String> {
    text.map(|text| text.0)
}

pub(super) fn into_count(count: Option<Count>) -> Option<u64> {
    count.map(|count| count.0)
}
