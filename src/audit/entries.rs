//! The check of the entries, nodes and checkpoints of a log's file, block by block.

use std::slice;
use std::sync::mpsc::Receiver;

use super::columns::Columns;
use super::newest::NewestEvents;
use super::rows::{Block, Item, StoredEntry, StoredNode};
use super::{Auditor, Class};
use crate::job::Position;
use crate::tree::{Hash, NodeId};

/// Entries between two reports of progress.
const PROGRESS_EVERY: u64 = 4096;

/// Checks what another thread reads.
pub(super) struct Entries<'a> {
    pub(super) auditor: &'a mut Auditor,
    pub(super) columns: Columns,
    /// Whether the log has nodes.
    pub(super) tree: bool,
    /// `None` if the log has no table `newest`.
    pub(super) newest: Option<NewestEvents>,
}

impl Entries<'_> {
    /// Takes every block, and answers the newest entries of all jobs. `progress` gets how many entries were taken.
    pub(super) fn take(mut self, blocks: &Receiver<Block>, mut progress: impl FnMut(u64)) -> Option<NewestEvents> {
        for block in blocks {
            let mut nodes = Nodes { rows: block.nodes.iter(), fault: None };
            for item in &block.items {
                match item {
                    Item::Checkpoint(note) => self.auditor.checkpoint(note),
                    Item::Entry(row) => self.entry(&block, row, &mut nodes),
                }
                if self.auditor.size().is_multiple_of(PROGRESS_EVERY) {
                    progress(self.auditor.size());
                }
            }
        }
        progress(self.auditor.size());
        self.newest
    }

    fn entry(&mut self, block: &Block, row: &StoredEntry, nodes: &mut Nodes<'_>) {
        let position = Position::new(self.auditor.size());
        let content = block.bytes(&row.salt).zip(block.bytes(&row.data));
        let read = self.auditor.entry(block.bytes(&row.leaf).unwrap_or_default(), content, |id, hash| {
            if self.tree {
                nodes.compare(id, hash);
            }
        });
        if let Some(what) = nodes.fault.take() {
            self.auditor.fault(Class::Content, Some(position), what);
        }
        if let Some(leaf) = read
            && let Some(column) = self.columns.differing(&leaf, block, row)
        {
            let what = format!(
                "the column `{column}` of log.db differs from the entry, so a search by this column finds wrong events"
            );
            self.auditor.fault(Class::Content, Some(position), what);
        }
        if let (Some(newest), Some(job)) = (&mut self.newest, row.job) {
            newest.take(job, position);
        }
    }
}

/// The stored nodes of a block, in the order in which its entries complete them.
struct Nodes<'b> {
    rows: slice::Iter<'b, StoredNode>,
    /// The first fault among the nodes of the newest entry.
    fault: Option<String>,
}

impl Nodes<'_> {
    fn compare(&mut self, id: NodeId, hash: Hash) {
        let name = || format!("node {} of level {}", id.index, id.level);
        let wrong = match self.rows.next() {
            None => Some(format!("{} is missing", name())),
            Some(StoredNode { level, index, .. }) if (*level, *index) != (i64::from(id.level), id.index as i64) => {
                Some(format!("expected {}, found node {index} of level {level}", name()))
            }
            Some(stored) if stored.hash == Some(hash) => None,
            Some(_) => Some(format!("{} is not the hash over its entries: an entry or the node was changed", name())),
        };
        self.fault = self.fault.take().or(wrong);
    }
}
