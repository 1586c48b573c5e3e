//! `jobledger rebuild`: makes the views again from the log.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::client::{Remote, failed, refused, unexpected};
use super::output::say;
use super::target::Target;
use super::{Outcome, progress};
use crate::ledger::Folder;
use crate::log::Reader;
use crate::memory::{self, Budget};
use crate::views;

/// Make the views again from the log
///
/// With --data no server may have the folder. With --url a running server makes new views beside the old ones, and answers from
/// the old ones until the new ones are complete.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger rebuild --data ledger
  jobledger rebuild --url http://127.0.0.1:8347")]
pub(super) struct Rebuild {
    #[command(flatten)]
    target: Target,
}

impl Rebuild {
    pub(super) fn run(self) -> Outcome {
        match self.target {
            Target::Folder(data) => local(&Folder::new(data)),
            Target::Server(server) => remote(&server),
        }
    }
}

fn local(folder: &Folder) -> Outcome {
    let conn = Reader::open(&folder.log())?;
    let _lock = folder.lock()?;
    let log = Reader::new(&conn);
    let head = log.head()?;
    let bar = progress::bar(head.get(), "events");
    views::rebuild(&log, &folder.new_views(), &Budget::new(memory::COMMAND), |position| {
        bar.set_position(position.get())
    })?;
    views::put_in_place(&folder.new_views(), &folder.views())?;
    bar.finish_and_clear();
    say!("the views show position {head}");
    Ok(())
}

fn remote(remote: &Remote) -> Outcome {
    let agent = remote.agent(Duration::from_secs(60))?;
    let bar = progress::bar(0, "events");
    loop {
        let request = agent.post(remote.at("/ledger/rebuild")).header("authorization", remote.bearer());
        let mut answer = request.send_empty().map_err(failed)?;
        if !answer.status().is_success() {
            bar.finish_and_clear();
            return Err(refused(&mut answer));
        }
        let body = answer.body_mut().read_to_string().map_err(failed)?;
        let state: Value = serde_json::from_str(&body).unwrap_or_default();
        bar.set_length(state["head"].as_u64().unwrap_or(0));
        bar.set_position(state["position"].as_u64().unwrap_or(0));
        if state["state"] == "done" {
            bar.finish_and_clear();
            say!("the views were made again, up to position {}", state["position"]);
            return Ok(());
        }
        if !state["state"].is_string() {
            bar.finish_and_clear();
            return Err(unexpected("expected JSON with a `state`, found something else"));
        }
    }
}
