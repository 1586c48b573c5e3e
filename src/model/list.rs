//! The messages of a live list.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::JobEntry;
use crate::job::Summary;

/// A row of a live list: the row of the list, and its place in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveEntry {
    /// The row of the list.
    #[serde(flatten)]
    entry: JobEntry,
    /// The position of `job.created`. It names the job among all jobs, and the list is in its order, newest first.
    #[schema(minimum = 0)]
    created_position: u64,
}

/// The data of `event: snapshot` of a live list: the first page.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListSnapshot<'a> {
    /// The rows, newest first.
    #[schema(value_type = Vec<LiveEntry>)]
    pub jobs: Vec<&'a RawValue>,
    /// `after` of the next page; null on the last.
    pub next: Option<String>,
    /// Most rows of the page: `first`, or less if the rows are long.
    #[schema(minimum = 1)]
    pub first: usize,
    /// The page shows every event up to here.
    #[schema(minimum = 0)]
    pub position: u64,
}

/// The data of `event: changed` of a live list.
///
/// A client puts `jobs` into its rows, takes `gone` out, and drops the oldest rows beyond `first`. The rest is the page at
/// `position`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListChange<'a> {
    /// The rows of the page that changed or appeared, newest first.
    #[schema(value_type = Vec<LiveEntry>)]
    pub jobs: Vec<&'a RawValue>,
    /// The ids of jobs that the filters no longer show.
    #[schema(value_type = Vec<String>)]
    pub gone: Vec<&'a str>,
    /// The `created_position` of each job in `gone`, in the same order. It tells jobs of two organisations with the same id apart.
    #[schema(value_type = Vec<u64>)]
    pub gone_created: Vec<u64>,
    /// `after` of the next page; null on the last.
    pub next: Option<String>,
    /// The page shows every event up to here.
    #[schema(minimum = 0)]
    pub position: u64,
}

/// Renders a row of a live list.
pub fn live_row(job: &Summary) -> Box<RawValue> {
    let row = LiveEntry { entry: JobEntry::from(job), created_position: job.created_position.get() };
    to_raw_value(&row).expect("the model is JSON")
}
