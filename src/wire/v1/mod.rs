//! Version 1 of every event's data. Released shapes are never edited; a change is a new module beside this one, a line in
//! [`super::stored`], and a function that turns the old shape into today's event.

mod created;
mod generic;
mod item;
mod reports;
mod rule;

pub use created::{Created1, Spec1};
pub use item::ItemResult1;
pub use reports::{Cancelled1, Completed1, Failed1, HookOutput1, Noted1, Progress1, Redacted1, Residual1, Started1};

use super::fields::{Count, Text};

fn said<const MAX: usize>(text: &mut Option<Text<MAX>>) -> Option<&mut String> {
    text.as_mut().map(|text| &mut text.0)
}

fn text<const MAX: usize>(text: Option<Text<MAX>>) -> Option<String> {
    text.map(|text| text.0)
}

fn count(count: Option<Count>) -> Option<u64> {
    count.map(|count| count.0)
}
