//! The body of a commit: the rows of its events, as the log holds them.

use std::ops::ControlFlow;

use crate::job::{Position, Time};
use crate::log::{self, Reader};
use crate::stream::{CommitBody, Entry};
use crate::tree::Head;
use crate::wire::SALT_LEN;

/// A leaf, and the salt and the data beside it.
type Row = (Vec<u8>, Option<([u8; SALT_LEN], Vec<u8>)>);

/// The body of the commit that holds the events from `first` on, after which the tree is `head`. The rows are read back, so the body
/// has what the file has: not the data that a redaction has removed.
pub(in crate::ledger) fn body_of_events(
    log: &Reader<'_>,
    first: Position,
    recorded: Time,
    head: Head,
) -> Result<Vec<u8>, log::Error> {
    let mut rows: Vec<Row> = Vec::new();
    log.scan(first, head.size.get() - first.get(), |row| {
        let salt = row.salt.and_then(|salt| salt.try_into().ok());
        rows.push((row.leaf.to_vec(), salt.zip(row.data.map(<[u8]>::to_vec))));
        Ok::<_, log::Error>(ControlFlow::Continue(()))
    })?;
    let entries = rows.iter().map(entry).collect();
    Ok(CommitBody { first, recorded, head, entries }.to_bytes())
}

fn entry((leaf, content): &Row) -> Entry<'_> {
    Entry { leaf, content: content.as_ref().map(|(salt, data)| (salt, data.as_slice())) }
}
