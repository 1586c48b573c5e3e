//! Items: the parts of a job that have a result of their own, such as a database role or a rule action.

use std::collections::HashMap;

use super::event::{Credentials, Detail, ItemResult};
use super::id::ItemId;
use super::spec::words;
use super::time::Time;

words! {
    /// The status of an item.
    ItemStatus, "item status" {
        /// Declared by the spec, not yet reported. Only rule actions are declared.
        Pending = "pending",
        /// In progress.
        Running = "running",
        /// Succeeded.
        Completed = "completed",
        /// Did not succeed.
        Failed = "failed",
    }
}

/// One item and its newest result.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The item's id, unique in the job.
    pub id: ItemId,
    /// The newest result's status; pending before the first.
    pub status: ItemStatus,
    /// The newest result's message.
    pub message: Option<String>,
    /// The newest result's detail.
    pub detail: Option<Detail>,
    /// `time` of the newest result; `None` before the first.
    pub at: Option<Time>,
    /// The number of the job's event that holds the newest result, counted from 1; 1 before the first result.
    pub since: u64,
}

impl Item {
    /// An item that the spec declares and no event has reported.
    pub fn pending(id: ItemId) -> Item {
        Item { id, status: ItemStatus::Pending, message: None, detail: None, at: None, since: 1 }
    }

    /// An item with this result, which the job's event number `since` reports. The result replaces an earlier one whole.
    pub fn reported(result: ItemResult, at: Time, since: u64) -> Item {
        let ItemResult { item: id, status, message, detail } = result;
        Item { id, status, message, detail, at: Some(at), since }
    }

    /// Where the credentials are kept, if the item is a database role that has some.
    pub fn credentials(&self) -> Option<&Credentials> {
        match &self.detail {
            Some(Detail::Credentials(info)) => Some(info),
            _ => None,
        }
    }

    /// Whether the item is completed or failed.
    pub fn ended(&self) -> bool {
        matches!(self.status, ItemStatus::Completed | ItemStatus::Failed)
    }
}

/// A job's items, in the order in which each was declared or first reported. A look-up by id is O(1).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Items {
    list: Vec<Item>,
    index: HashMap<ItemId, usize>,
    completed: usize,
}

impl Items {
    /// The items of a stored job, in their order.
    pub fn from_list(list: Vec<Item>) -> Items {
        let index = list.iter().enumerate().map(|(at, item)| (item.id.clone(), at)).collect();
        let completed = list.iter().filter(|item| item.status == ItemStatus::Completed).count();
        Items { list, index, completed }
    }

    /// All items, in order.
    pub fn as_slice(&self) -> &[Item] {
        &self.list
    }

    /// The item with this id.
    pub fn get(&self, id: &ItemId) -> Option<&Item> {
        self.index.get(id).map(|at| &self.list[*at])
    }

    /// The index of the item with this id.
    pub fn place(&self, id: &ItemId) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the job has no items.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether every item is completed.
    pub fn all_completed(&self) -> bool {
        self.completed == self.list.len()
    }

    /// Takes a result out of the job's event number `since`. It replaces the item's earlier result whole. Returns the
    /// item's index.
    pub(super) fn report(&mut self, result: ItemResult, at: Time, since: u64) -> usize {
        let place = *self.index.entry(result.item.clone()).or_insert(self.list.len());
        let item = Item::reported(result, at, since);
        self.completed += usize::from(item.status == ItemStatus::Completed);
        if place == self.list.len() {
            self.list.push(item);
        } else {
            self.completed -= usize::from(self.list[place].status == ItemStatus::Completed);
            self.list[place] = item;
        }
        place
    }
}
