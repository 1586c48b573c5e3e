//! The deliveries of webhooks: each event that a webhook names goes to its receiver by one HTTP POST, signed, in the order of the log,
//! at least once.
//!
//! A webhook keeps a position in `webhooks.db`, apart from the log. Its delivery is a tail that writes: read after the position,
//! send, wait for the bell. The position moves on only after the receiver has answered 2xx. So a receiver that fails or is slow
//! loses no event, and it delays no append and no other receiver.
//!
//! [`Webhooks`] notices changes of the file, and runs one delivery for each active webhook. On a cluster the node that leads delivers.
//!
//! Not here: the file (`webhooks`), and HTTP routes (`http`).

mod delivery;
mod page;
mod post;
mod resolver;
mod running;
mod settings;
mod status;

pub use running::Webhooks;
pub use settings::{Pauses, Settings};
