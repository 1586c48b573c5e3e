//! JSON as text: reading it into a shape, with the pointer of the value that does not fit; checking that all readers
//! agree on it; removing white space.
//!
//! Not here: the shapes of events ([`crate::wire`]) and the secrets in them ([`crate::mask`]).

mod compact;
mod pointer;
mod read;
mod unambiguous;
mod unknown;

pub(crate) use compact::{beginning, compact};
pub(crate) use pointer::{push_token, token};
pub(crate) use read::{ReadError, read, without_place};
pub(crate) use unambiguous::check_unambiguous;
pub(crate) use unknown::unknown;
