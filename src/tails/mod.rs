//! Tails: recent events rendered once, the bells that wake watchers, and the late reads of the log.
//!
//! A tail is a loop: read after the cursor, send, wait for the bell. A bell carries positions and no events. So a slow watcher
//! costs its own socket only, no event is dropped for it, and no read holds a transaction while a socket is written to.
//!
//! Not here: HTTP. `http` answers with the frames, counts the streams of a token, and ends a stream when its token ends.

mod bells;
pub mod frame;
mod job;
mod joined;
mod late;
mod list;
mod publisher;
mod ring;

pub use bells::Bell;
pub use frame::Stretch;
pub use job::{LiveJob, LiveJobs, NextOfJob};
pub use list::{ListOf, LiveList};
pub use publisher::publish;
pub use ring::{Listening, Open, Tails};

use std::time::Duration;

use crate::{log, wire};

/// Least time between two messages of a live read: at most five a second. The newest state is always sent.
pub const PACE: Duration = Duration::from_millis(200);

/// Why a tail cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// An event in the log cannot be parsed.
    #[error(transparent)]
    Leaf(#[from] wire::BadLeaf),
}
