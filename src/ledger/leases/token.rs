//! The token of a lease, as the header `Ledger-Lease` has it: `jll_<position>_<code>`.

use std::fmt;
use std::str::FromStr;

use crate::job::Position;

/// Bytes of the authentication code in a token.
pub(super) const MAC_LEN: usize = 16;

/// A text that is no lease token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a lease token as the ledger gave it, `jll_<position>_<32 hex digits>`")]
pub struct BadLeaseToken;

/// The token of a lease. It names the position at which the lease began, and proves that the ledger gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaseToken {
    since: Position,
    mac: [u8; MAC_LEN],
}

impl LeaseToken {
    pub(super) fn new(since: Position, mac: [u8; MAC_LEN]) -> LeaseToken {
        LeaseToken { since, mac }
    }

    /// The position of the `job.started` that began the lease.
    pub(super) fn since(&self) -> Position {
        self.since
    }

    pub(super) fn mac(&self) -> &[u8; MAC_LEN] {
        &self.mac
    }
}

impl FromStr for LeaseToken {
    type Err = BadLeaseToken;

    fn from_str(text: &str) -> Result<LeaseToken, BadLeaseToken> {
        let (since, code) = text.strip_prefix("jll_").and_then(|rest| rest.split_once('_')).ok_or(BadLeaseToken)?;
        let mut mac = [0; MAC_LEN];
        hex::decode_to_slice(code, &mut mac).map_err(|_| BadLeaseToken)?;
        Ok(LeaseToken { since: since.parse().map_err(|_| BadLeaseToken)?, mac })
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "jll_{}_{}", self.since, hex::encode(self.mac))
    }
}

/// Hides the code, which proves that the sender holds the lease.
impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "jll_{}_…", self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_other_texts_do_not() {
        let token = LeaseToken::new(Position::new(42), [0xab; MAC_LEN]);
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        assert!(!format!("{token:?}").contains("abab"));
        for text in ["", "jll_", "jll_1_", "jll_1_ab", "jll_x_00112233445566778899aabbccddeeff", "jl_1_00"] {
            assert_eq!(text.parse::<LeaseToken>(), Err(BadLeaseToken), "{text}");
        }
    }
}
