//! Why a request is refused before any job is looked up.

use std::borrow::Cow;

use super::incoming::MAX_DATA;
use crate::json::ReadError;
use crate::mask::Mask;

/// Maximum length, in bytes, of a message, 2 KiB. A message may quote a producer's text.
const MAX_DETAIL: usize = 2 * 1024;

/// Why an event is refused before its job is looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The text is not JSON, or not a CloudEvent.
    #[error("{detail}")]
    Malformed {
        /// JSON pointer of the attribute; empty for the whole text.
        pointer: Cow<'static, str>,
        /// The message, with the expected and the found value.
        detail: String,
    },
    /// A CloudEvent with a value that the ledger does not accept.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer of the field, from the event's root.
        pointer: Cow<'static, str>,
        /// The message, with the expected and the found value.
        detail: String,
    },
    /// The name of a member says that its value is a secret. The message does not repeat the value.
    #[error(
        "the member is named like a secret, and the ledger keeps no secrets; leave it out, or name the place where the \
         secret is kept (`secret_id`, `secret_keys`)"
    )]
    Secret {
        /// JSON pointer of the member, from the event's root.
        pointer: String,
    },
    /// The data is longer than [`MAX_DATA`].
    #[error("expected at most {MAX_DATA} bytes of data in an event, found {found}")]
    TooLarge {
        /// Length of the data, in bytes.
        found: usize,
    },
}

impl Reject {
    /// JSON pointer of the field at fault, from the event's root; empty for the whole text.
    pub fn pointer(&self) -> &str {
        match self {
            Reject::Malformed { pointer, .. } | Reject::Invalid { pointer, .. } => pointer,
            Reject::Secret { pointer } => pointer,
            Reject::TooLarge { .. } => "/data",
        }
    }
}

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reject}")]
pub struct BatchReject {
    /// Index of the event at fault, from 0; `None` if the batch as a whole is at fault.
    pub index: Option<usize>,
    /// Why.
    pub reject: Reject,
}

impl Reject {
    pub(super) fn invalid(pointer: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Reject {
        Reject::Invalid { pointer: pointer.into(), detail: detail.into() }
    }

    pub(super) fn malformed(pointer: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Reject {
        Reject::Malformed { pointer: pointer.into(), detail: detail.into() }
    }

    pub(super) fn not_json(error: &serde_json::Error) -> Reject {
        Reject::malformed("", format!("expected JSON: {error}"))
    }

    /// Masks secrets in the message, which may quote the producer's text, and cuts the message to `MAX_DETAIL` bytes.
    pub fn masked(mut self, mask: &Mask) -> Reject {
        match &mut self {
            Reject::Malformed { detail, .. } | Reject::Invalid { detail, .. } => {
                mask.text(detail, &mut Vec::new());
                // Mask first: the beginning of a secret that was cut does not look like a secret.
                cut(detail);
            }
            Reject::Secret { .. } | Reject::TooLarge { .. } => {}
        }
        self
    }
}

impl From<ReadError> for Reject {
    fn from(error: ReadError) -> Reject {
        let detail = error.detail();
        Reject::invalid(error.pointer, detail)
    }
}

/// Keeps both ends of a long message. The beginning has the found text, the end the expected one.
fn cut(detail: &mut String) {
    if detail.len() > MAX_DETAIL {
        let head = detail.floor_char_boundary(MAX_DETAIL / 2);
        let tail = detail.ceil_char_boundary(detail.len() - MAX_DETAIL / 2);
        *detail = format!("{} [{} bytes left out] {}", &detail[..head], tail - head, &detail[tail..]);
    }
}
