//! What a handler answers: errors with their status codes, JSON, streamed bodies, and renderings that several readers share.
//!
//! Not here: what the ledger's own API shows of a job (`model`), the documented read models (`kinds`), and frames of tails.

mod error;
mod json;
mod ndjson;
mod panics;
mod rendered_events;
mod rendered_jobs;
mod rendered_pages;
mod streamed;

pub use error::{Code, Error, ErrorStyle, KeepBody, Problem, render, shortened, title};
pub use json::{JsonLine, json, page};
pub use ndjson::{Lines, Range, ndjson};
pub use panics::caught;
pub use rendered_events::{LogState, PageQuery, RenderedEvents};
pub use rendered_jobs::{RenderedJob, RenderedJobs, RenderingKey};
pub use rendered_pages::{PageName, Pages};
pub use streamed::{LongAnswer, streamed};
