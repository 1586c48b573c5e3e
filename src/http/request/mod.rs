//! What a request says: who asks, which parameters, which preconditions, which body.
//!
//! Not here: the answer (`answer`), and what a role or a token may do (`access`).

pub mod accept;
mod auth;
pub mod body;
pub mod cursor;
mod encoding;
mod params;
mod preconditions;
mod segment;
mod unambiguous;

pub use auth::{COOKIE_NAME, Caller, bearer, same_origin, session_cookie};
pub use encoding::Encoding;
pub use params::{Params, Reading};
pub use preconditions::guard;
pub use segment::Segment;
pub use unambiguous::sound;
