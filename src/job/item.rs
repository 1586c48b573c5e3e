//! The parts of a job that have results of their own: database roles, rule actions.

use std::collections::HashMap;

use super::event::{Credentials, Detail, ItemResult};
use super::id::ItemId;
use super::spec::words;
use super::time::Time;

words! {
    /// Where an item stands.
    ItemStatus, "item status" {
        /// Declared, not yet reported (rule actions).
        Pending = "pending",
        /// Being worked on.
        Running = "running",
        /// Done.
        Completed = "completed",
        /// Tried and failed.
        Failed = "failed",
    }
}

/// One item and its newest result.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its id inside the job.
    pub id: ItemId,
    /// Where it stands.
    pub status: ItemStatus,
    /// The newest result's message.
    pub message: Option<String>,
    /// The newest result's detail.
    pub detail: Option<Detail>,
    /// When the newest result happened; absent while nothing was reported.
    pub at: Option<Time>,
    /// The job's event that gave the item its newest result, counted from 1; 1 while nothing was reported.
    pub since: u64,
}

impl Item {
    /// An item that was declared and not yet reported.
    pub fn pending(id: ItemId) -> Item {
        Item { id, status: ItemStatus::Pending, message: None, detail: None, at: None, since: 1 }
    }

    /// Where its credentials lie: those of a database role.
    pub fn credentials(&self) -> Option<&Credentials> {
        match &self.detail {
            Some(Detail::Credentials(info)) => Some(info),
            _ => None,
        }
    }

    /// Whether the item has an outcome.
    pub fn ended(&self) -> bool {
        matches!(self.status, ItemStatus::Completed | ItemStatus::Failed)
    }
}

/// A job's items in the order in which each was declared or first reported; found by id in O(1).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Items {
    list: Vec<Item>,
    index: HashMap<ItemId, usize>,
    completed: usize,
}

impl Items {
    /// Items as they were stored, in order.
    pub fn from_list(list: Vec<Item>) -> Items {
        let index = list.iter().enumerate().map(|(at, item)| (item.id.clone(), at)).collect();
        let completed = list.iter().filter(|item| item.status == ItemStatus::Completed).count();
        Items { list, index, completed }
    }

    /// In order.
    pub fn as_slice(&self) -> &[Item] {
        &self.list
    }

    /// The item with that id.
    pub fn get(&self, id: &ItemId) -> Option<&Item> {
        self.index.get(id).map(|at| &self.list[*at])
    }

    /// The place of the item with that id.
    pub fn place(&self, id: &ItemId) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether every item is completed.
    pub fn all_completed(&self) -> bool {
        self.completed == self.list.len()
    }

    /// Takes the result in the job's event number `since`, which replaces the item's earlier one whole; answers the item's
    /// place.
    pub(super) fn report(&mut self, result: ItemResult, at: Time, since: u64) -> usize {
        let place = *self.index.entry(result.item.clone()).or_insert(self.list.len());
        let item = Item {
            id: result.item,
            status: result.status,
            message: result.message,
            detail: result.detail,
            at: Some(at),
            since,
        };
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
