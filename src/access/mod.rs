//! Who may do what: tokens, roles, organisations, sources, browser sessions. Kept in `access.db`, apart from the log.
//!
//! [`Access`] is the file, as commands change it. [`LiveAccess`] is what a running server honours: the file's content in
//! memory, brought up to date whenever the file changes.

mod error;
mod known;
mod live;
mod principal;
mod role;
mod sessions;
mod store;
mod token;
mod tokens;

pub use error::AccessError;
pub use live::LiveAccess;
pub use principal::{Principal, SourceRefusal};
pub use role::{Capability, Role};
pub use sessions::{MAX_SESSIONS, MAX_SESSIONS_OF_TOKEN, SESSION_SECONDS};
pub use store::Access;
pub use token::Secret;
pub use tokens::{MAX_OVERLAP, MAX_SOURCES, MAX_TOKENS, NewToken, TokenInfo, check_name};
