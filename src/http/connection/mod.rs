//! From a listening socket to requests and back: TLS, HTTP/1.1 and HTTP/2, errors that hyper answers, and answers that end with
//! their lease.
//!
//! Not here: what a request means (`request`), which handler answers it (`routes`), and what is logged and counted (`observe`).

mod arriving;
mod error_bodies;
mod exchanges;
mod handle;
mod head_timer;
mod http1;
mod http2;
mod hyper_answer;
mod lease;
mod serve;
mod socket;
mod tls;

pub use arriving::ArrivingBody;
pub use handle::{ConnectionHandle, LeaseGuard};
pub use lease::Lease;
pub use serve::{HttpOptions, Transport, serve};
pub use tls::{Tls, TlsError};
