//! `GET /jobs/{id}/output`: lines of the hook's output, drawn as a terminal draws them. The page of the job shows the newest ones.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::refusal::Refusal;
use super::row::{org_query, segment};
use super::shell::{Shell, answer};
use super::shown::ShownJob;
use super::visitor::Visitor;
use crate::drawn::{Drawn, Terminal};
use crate::http::off_thread;
use crate::http::{App, Error, Params, Segment};
use crate::job::{Job, Position};
use crate::ledger::{Ledger, ReadError, hook_chunks};

/// The hook's output and its exit.
pub(super) struct Output {
    pub drawn: Drawn,
    /// The length of the whole output in UTF-8.
    pub bytes: u64,
    pub exit: String,
}

#[derive(Template)]
#[template(path = "output.html", config = "src/page/askama.toml")]
struct OutputPage {
    shell: Shell,
    id: String,
    id_path: String,
    org_query: String,
    /// The parameter of the moment that the page shows; empty for now.
    moment: String,
    output: Output,
}

/// The page of older output.
pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Segment(id): Segment,
    params: Params,
) -> Result<Response, Refusal> {
    let mut params = params.without_empty();
    let before = params.one("before")?;
    let ShownJob { turn, job, is_past } = ShownJob::read(&app, &visitor, params, &id).await?;
    let key = job.key.clone();
    let moment = if is_past { format!("as_of={}&", job.position) } else { String::new() };
    let ledger = app.ledger.clone();
    let drawn = off_thread(move || {
        let _turn = turn;
        Output::of(&ledger, &job, before)
    });
    let none = || Error::new(crate::http::Code::NOT_FOUND, "the hook of this job has written nothing");
    let page = OutputPage {
        shell: visitor.shell(format!("Output of {}", key.id)),
        id: key.id.to_string(),
        id_path: segment(key.id.as_str()),
        org_query: org_query("", key.org, visitor.principal().org),
        moment,
        output: drawn.await?.ok_or_else(none)?,
    };
    Ok(answer(StatusCode::OK, &page))
}

impl Output {
    /// Draws the newest lines of the output, or the newest of those before line `before`. `None` for a job whose hook has written
    /// nothing.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn of(ledger: &Ledger, job: &Job, before: Option<usize>) -> Result<Option<Output>, ReadError> {
        let Some(hook) = &job.hook else { return Ok(None) };
        let mut terminal = Terminal::before(before);
        for chunk in hook_chunks(ledger, &job.key, Position::GENESIS, job.position) {
            terminal.write(&chunk?.text);
        }
        let exit = hook.exit.map(|exit| format!("exit code {} after {} s", exit.code, exit.seconds));
        Ok(Some(Output { drawn: terminal.finish(), bytes: hook.len, exit: exit.unwrap_or_default() }))
    }
}
