//! The settings of a node.

use std::str::FromStr;

use super::ClusterError;
use super::nats::Login;

/// How many nodes must have a commit durably before its appends are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confirm {
    /// More than half of the members.
    #[default]
    Majority,
    /// The leader alone. A server of NATS with a damaged file can then lose an answered event.
    One,
}

impl Confirm {
    /// How many other nodes must confirm, in a cluster of so many members.
    pub(super) fn others(self, members: usize) -> usize {
        match self {
            Confirm::Majority => members / 2,
            Confirm::One => 0,
        }
    }
}

/// A text that says neither `majority` nor `1`.
#[derive(Debug, thiserror::Error)]
#[error("expected `majority` or `1`")]
pub struct BadConfirm;

impl FromStr for Confirm {
    type Err = BadConfirm;

    fn from_str(text: &str) -> Result<Confirm, BadConfirm> {
        match text {
            "majority" => Ok(Confirm::Majority),
            "1" => Ok(Confirm::One),
            _ => Err(BadConfirm),
        }
    }
}

/// The settings of a node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's name, unlike those of the other nodes.
    pub name: String,
    /// The URL at which other nodes reach this one.
    pub url: String,
    /// How the node reaches NATS.
    pub login: Login,
    /// The monitoring URLs of all NATS servers, such as `http://a:8222`; with them the node checks how the servers sync.
    pub monitors: Vec<String>,
    /// How many copies the stream must have.
    pub replicas: usize,
    /// How many nodes must have a commit.
    pub confirm: Confirm,
}

/// Checks a node's name: 1 to 64 of `A-Z a-z 0-9 _ -`, because it becomes a key in NATS.
///
/// # Errors
///
/// Another text.
pub fn check_name(name: &str) -> Result<(), ClusterError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(ClusterError::BadName(name.chars().take(80).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_more_than_half_with_the_leader() {
        let others = [1, 2, 3, 4, 5].map(|members| Confirm::Majority.others(members));
        assert_eq!(others, [0, 1, 1, 2, 2]);
        assert_eq!("1".parse::<Confirm>().unwrap().others(5), 0);
        assert!("2".parse::<Confirm>().is_err());
    }

    #[test]
    fn a_name_can_be_a_key() {
        assert!(check_name("node-1_a").is_ok());
        for bad in ["", "a.b", "a b", "ä", &"a".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
