//! What a request says: the caller, parameters, preconditions, and the body.
//!
//! Not here: the answer (`answer`), and what a role or a token allows (`access`).

pub mod accept;
mod auth;
pub mod body;
pub mod cursor;
mod encoding;
mod lease;
mod origin;
mod params;
mod preconditions;
mod range;
mod segment;
mod size;
mod unambiguous;

pub use auth::{COOKIE_NAME, Caller, bearer, session_cookie};
pub use encoding::Encoding;
pub use lease::lease_token;
pub use origin::{NotAnOrigin, Origin, OwnOrigins};
pub use params::{JobRead, Params, Span, refuse_heartbeat};
pub use preconditions::precondition;
pub use range::ByteRange;
pub use segment::Segment;
pub use size::{MAX_HEADERS, check_size};
pub use unambiguous::check_unambiguous;
