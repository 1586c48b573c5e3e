//! Who may do what: tokens, roles, organisations, browser sessions. Kept in `access.db`, apart from the log.

mod role;
mod store;
mod token;

pub use role::{Capability, Role};
pub use store::{Access, AccessError, NewToken, Principal, SESSION_SECONDS, TokenInfo, check_name};
pub use token::Secret;
