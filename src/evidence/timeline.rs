//! The job's life as a page for people: no script, nothing from the network. `drawn` draws each event, as it does for the pages of a
//! server.

use std::io::Write;

use super::make::EvidenceError;
use crate::drawn::{EntriesOf, LinksTo, Markup};
use crate::history::job_facts;
use crate::job::{Job, JobKey, Position};
use crate::log::Reader;

/// Writes the page of a job's life up to `upto`; `job` is the job at its end.
pub(super) fn write(
    log: &Reader<'_>,
    key: &JobKey,
    upto: Position,
    job: &Job,
    out: &mut dyn Write,
) -> Result<(), EvidenceError> {
    out.write_all(head(job, upto).as_bytes())?;
    let mut maker = EntriesOf::new(None, LinksTo::Itself);
    job_facts(log, key, Position::GENESIS, upto, |fact| {
        let entry = maker.entry(log, fact)?;
        Ok::<_, EvidenceError>(out.write_all(entry.to_string().as_bytes())?)
    })?;
    Ok(out.write_all(b"</ol>\n</main>\n</body>\n</html>\n")?)
}

fn head(job: &Job, upto: Position) -> String {
    let (id, status) = (Markup::of(job.key.id.as_str()), job.state.status());
    let time = |time: Option<String>| time.unwrap_or_else(|| "–".into());
    let ended = job.state.ended_at().map(|time| time.to_string());
    let rows = [
        ("Kind", job.kind.to_string()),
        ("Organisation", job.key.org.to_string()),
        ("Created", format!("{} for {}", job.created_at, Markup::of(&job.created_by))),
        ("Ended", time(ended.clone())),
        ("Newest event", job.position.to_string()),
        ("Log up to", upto.to_string()),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>\n")).collect();
    let open = match ended {
        Some(_) => "",
        None => "<p class=\"warn\">The job has not ended: later events are not in here.</p>\n",
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{id}: timeline</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<main>\n<h1>{id} <span class=\"status {status}\">{status}</span></h1>\n\
         <p class=\"warn\">For reading only: this page proves nothing. The leaves, the proofs and the checkpoint beside it do; \
         README.txt says how.</p>\n{open}<dl>\n{rows}</dl>\n<ol>\n",
        include_str!("timeline.css")
    )
}
