//! What messages bring. A thread reads later messages while the writer thread stores earlier ones.

use std::sync::mpsc::sync_channel;
use std::thread;

use super::error::FollowError;
use crate::ledger::node::Leader;
use crate::stream::{CommitBody, Kind, LeadBody, Whole};
use crate::wire::Leaf;

/// Most messages that wait between the two threads. The parser holds one more, and the writer thread another.
const AHEAD: usize = 2;
/// Messages with fewer bytes, 64 KiB, are read by the writer thread alone: the start of a thread takes about as long.
const ALONE: usize = 64 << 10;

/// What a message brings.
pub(super) enum Brought<'w> {
    /// The events of a commit.
    Events(Events<'w>),
    /// The node that begins to write.
    Leader(Leader),
    /// The shared files of the node that leads.
    Files,
    /// Nothing but its place.
    Barrier,
}

/// The events of a commit, and the leaf of each entry.
pub(super) struct Events<'w> {
    pub(super) body: CommitBody<'w>,
    pub(super) leaves: Vec<Leaf<'w>>,
}

impl<'w> Brought<'w> {
    fn read(whole: &'w Whole) -> Result<Brought<'w>, FollowError> {
        let unreadable = |error| FollowError::Body(whole.sequence, error);
        match whole.kind {
            Kind::Commit => {
                let body = CommitBody::read(&whole.body).map_err(unreadable)?;
                let leaves = body.entries.iter().map(|entry| Leaf::parse_strict(entry.leaf));
                let leaves = leaves.collect::<Result<_, _>>();
                let leaves = leaves.map_err(|error| FollowError::Entry(whole.sequence, error.to_string()))?;
                Ok(Brought::Events(Events { body, leaves }))
            }
            Kind::Lead => {
                let body = LeadBody::read(&whole.body).map_err(unreadable)?;
                Ok(Brought::Leader(Leader { name: whole.node.clone(), url: body.url.to_owned() }))
            }
            Kind::Files => Ok(Brought::Files),
            Kind::Barrier => Ok(Brought::Barrier),
        }
    }
}

/// Gives `store` each message with what it brings, in order, until `store` fails.
///
/// # Errors
///
/// A message cannot be read, or `store` fails.
pub(super) fn each<'w>(
    wholes: &'w [Whole],
    store: impl FnMut(&'w Whole, Brought<'w>) -> Result<(), FollowError>,
) -> Result<(), FollowError> {
    let bytes: usize = wholes.iter().map(|whole| whole.body.len()).sum();
    if wholes.len() == 1 || bytes < ALONE { each_alone(wholes, store) } else { each_ahead(wholes, store) }
}

/// As [`each`], in this thread alone.
fn each_alone<'w>(
    wholes: &'w [Whole],
    mut store: impl FnMut(&'w Whole, Brought<'w>) -> Result<(), FollowError>,
) -> Result<(), FollowError> {
    wholes.iter().try_for_each(|whole| store(whole, Brought::read(whole)?))
}

/// As [`each`], with a thread that reads ahead.
fn each_ahead<'w>(
    wholes: &'w [Whole],
    mut store: impl FnMut(&'w Whole, Brought<'w>) -> Result<(), FollowError>,
) -> Result<(), FollowError> {
    thread::scope(|scope| {
        let (sender, read) = sync_channel(AHEAD);
        let reads = move || drop(wholes.iter().map(Brought::read).try_for_each(|read| sender.send(read)));
        match thread::Builder::new().name("stream-parser".into()).spawn_scoped(scope, reads) {
            // If the thread panics, the scope does too.
            Ok(_) => wholes.iter().zip(read).try_for_each(|(whole, brought)| store(whole, brought?)),
            Err(_) => each_alone(wholes, store),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{CommitId, MessageHash, Sequence};

    fn whole(sequence: Sequence, kind: Kind, body: Vec<u8>) -> Whole {
        let (hash, commit) = (MessageHash([0; 32]), CommitId([0; 16]));
        Whole { generation: 1, sequence, hash, kind, commit, node: "a".into(), body }
    }

    fn leads(count: Sequence) -> Vec<Whole> {
        (1..=count).map(|sequence| whole(sequence, Kind::Lead, LeadBody { url: "http://a" }.to_bytes())).collect()
    }

    #[test]
    fn messages_come_in_order_up_to_one_that_cannot_be_read() {
        let mut wholes = leads(10);
        // A long body: a thread reads ahead.
        for body in [vec![0], vec![0; ALONE]] {
            wholes[4] = whole(5, Kind::Commit, body);
            let mut stored = Vec::new();
            let done = each(&wholes, |whole, brought| {
                assert!(matches!(brought, Brought::Leader(leader) if leader.url == "http://a"));
                stored.push(whole.sequence);
                Ok(())
            });
            assert_eq!(stored, [1, 2, 3, 4]);
            assert!(matches!(done, Err(FollowError::Body(5, _))));
        }
    }

    #[test]
    fn a_message_that_cannot_be_stored_ends_both_threads() {
        for count in [1, 2, 100] {
            let mut calls = 0;
            let done = each_ahead(&leads(count), |whole, _| {
                calls += 1;
                Err(FollowError::Entry(whole.sequence, "wrong".into()))
            });
            assert!(matches!(done, Err(FollowError::Entry(1, _))));
            assert_eq!(calls, 1);
        }
    }
}
