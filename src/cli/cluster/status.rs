//! `jobledger cluster status`.

use clap::Args;

use super::ClusterOptions;
use crate::cli::output::say;
use crate::cli::table::{lines, span};
use crate::cli::{Data, Outcome};
use crate::cluster::{self, Member, State};
use crate::job::Time;
use crate::ledger::system_clock;

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    options: ClusterOptions,

    /// Print the state as one JSON object
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

impl Status {
    pub(super) fn run(self) -> Outcome {
        let login = self.options.login()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let state = runtime.block_on(cluster::state(&login, &self.data.folder()))?;
        if self.json {
            say!("{}", serde_json::to_string(&state)?);
            return Ok(());
        }
        let State { stream, nats_leader, replicas, current_replicas, last, bytes, most_bytes, members, .. } = state;
        say!("stream    {stream}");
        say!("messages  {last}, {bytes} of {most_bytes} bytes");
        say!("replicas  {current_replicas} of {replicas}");
        say!("leader    {} (NATS)", nats_leader.as_deref().unwrap_or("none: an election is under way"));
        let rows: Vec<[String; 7]> = members.iter().map(|member| row(member, last)).collect();
        let columns = ["NODE", "ROLE", "VERSION", "HEAD", "BEHIND", "HEARD", "URL"];
        lines(columns, &rows).iter().for_each(|line| say!("{line}"));
        Ok(())
    }
}

/// A line of the table. `last` is the newest message of the stream.
fn row(member: &Member, last: u64) -> [String; 7] {
    let heard = system_clock()().millis_since(Time::from_micros(member.at_ms * 1000)) / 1000;
    let behind = last.saturating_sub(member.sequence);
    let Member { name, url, role, version, head, .. } = member.clone();
    [name, role, version, head.to_string(), behind.to_string(), span(heard), url]
}
