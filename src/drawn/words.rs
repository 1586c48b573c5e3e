//! An event in a few words.

use super::terminal::Terminal;
use crate::job::Event;

/// Most characters of the words.
const WORDS: usize = 300;

/// The event in a few words; empty if its type says all.
pub(super) fn words(event: &Event) -> String {
    let words = all_words(event);
    match words.char_indices().nth(WORDS) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}

fn all_words(event: &Event) -> String {
    let message = |message: &Option<String>| message.clone().unwrap_or_default();
    match event {
        Event::Created(created) => created.created_by.clone().map(|by| format!("for {by}")).unwrap_or_default(),
        Event::Started(started) => {
            let worker = started.worker.as_ref().map(|worker| format!("by worker {worker}"));
            let parts = [worker, started.message.clone()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
        }
        Event::Progress(progress) => {
            let percent = progress.percent.map(|percent| format!("{percent} %"));
            let counted = progress.counts.processed.map(|processed| format!("{processed} records"));
            let parts = [percent, counted, progress.current_step.clone(), progress.message.clone()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        Event::ItemResult(result) => match &result.message {
            Some(message) => format!("{} {}: {message}", result.item, result.status),
            None => format!("{} {}", result.item, result.status),
        },
        Event::HookOutput(chunk) => match chunk.exit {
            Some(exit) => format!("exit code {} after {} s", exit.code, exit.seconds),
            None => first_line(chunk.output.as_deref().unwrap_or("")),
        },
        Event::Completed(completed) => message(&completed.message),
        Event::Failed(failed) => failed.message.clone(),
        Event::Cancelled(cancelled) => message(&cancelled.reason),
        Event::Noted(noted) => noted.text.clone(),
        Event::Redacted(redacted) => format!("event {}: {}", redacted.position, redacted.reason),
        Event::Retried(retried) => format!("as {}", retried.retried_as),
    }
}

/// The first line of output, without what a terminal does not draw.
fn first_line(output: &str) -> String {
    let mut terminal = Terminal::default();
    terminal.write(output.lines().next().unwrap_or(""));
    let spans = terminal.finish().lines.into_iter().flat_map(|line| line.spans);
    spans.map(|span| span.text).collect()
}
