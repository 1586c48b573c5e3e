//! Tokens, roles, organisations, sources and browser sessions: the file `access.db`, apart from the log.
//!
//! [`Access`] is the file, as commands change it. [`LiveAccess`] is the file's content in the memory of a running server, read
//! again after each change.
//!
//! Not here: HTTP headers and cookies (`http`), and any event: the log knows only the name of a token, as an actor.

mod copies;
mod error;
mod known;
mod live;
mod principal;
mod role;
mod sessions;
mod store;
mod token;
mod tokens;

pub use copies::TokenCopy;
pub use error::AccessError;
pub use live::LiveAccess;
pub use principal::{Principal, SourceRefusal};
pub use role::{Capability, Role};
pub use sessions::{MAX_SESSIONS, MAX_SESSIONS_OF_TOKEN, SESSION_SECONDS};
pub use store::Access;
pub use token::Secret;
pub use tokens::{MAX_OVERLAP, MAX_SOURCES, MAX_TOKENS, NewToken, TokenInfo, check_name};
