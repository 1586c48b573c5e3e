//! From a listening socket to requests and back: TLS, the limits of a connection, and its end with its answer's lease.
//!
//! Not here: what a request means (`request`), which handler answers it (`routes`), and what is logged and counted (`observe`).

mod arriving;
mod handle;
mod lease;
mod serve;
mod tls;
mod unparsed;

pub use arriving::Arriving;
pub use handle::{Bound, Line};
pub use lease::Lease;
pub use serve::{HttpOptions, Transport, serve};
pub use tls::{Tls, TlsError};
