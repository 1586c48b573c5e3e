//! A job's events as people read them, drawn by one piece of code for the pages and for the evidence bundle: an entry for each event,
//! text without invisible characters, and output as a terminal draws it.
//!
//! Not here: the pages around the entries (`page`), the file in a bundle (`evidence`), and which events a person asks for.

mod entries;
mod entry;
mod markup;
mod terminal;
mod words;

pub use entries::EntriesOf;
pub use entry::{Entry, LinksTo};
pub use markup::Markup;
pub use terminal::{Drawn, Terminal};
