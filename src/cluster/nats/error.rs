//! Errors of the engine.

use std::path::PathBuf;

/// Why the engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// No server takes the connection.
    #[error("cannot connect to NATS at `{servers}`")]
    Connect {
        /// The servers.
        servers: String,
        /// The cause.
        #[source]
        cause: async_nats::ConnectError,
    },
    /// The file with the password cannot be read.
    #[error("cannot read the password for NATS in `{}`", .path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
    /// The servers are not set as the ledger needs them.
    #[error("expected {expected} of {what}, found {found}; change the configuration of NATS")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// There is no such stream.
    #[error(
        "there is no stream `{0}` on these servers; a ledger never makes a lost stream again by itself: see `jobledger cluster reseed \
         --help`"
    )]
    NoStream(String),
    /// There is a stream already.
    #[error("there is a stream `{0}` with messages on these servers already")]
    Exists(String),
    /// Another node begins the stream.
    #[error("another node with another log begins the stream `{0}`")]
    OtherStart(String),
    /// A request failed.
    #[error("cannot {doing}")]
    Request {
        /// The request, as words that follow "cannot".
        doing: &'static str,
        /// The cause.
        #[source]
        cause: async_nats::Error,
    },
}

impl NatsError {
    /// Makes the error of a failed request; `doing` names the request.
    pub(in crate::cluster) fn doing<E: Into<async_nats::Error>>(doing: &'static str) -> impl FnOnce(E) -> NatsError {
        move |cause| NatsError::Request { doing, cause: cause.into() }
    }
}
