//! The job's life as a page for people: no script, nothing from the network, every stored text escaped.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::Value;

use super::make::EvidenceError;
use crate::history::job_facts;
use crate::job::{Event, EventType, Fact, Job, JobKey, Position, plural};
use crate::log::Reader;
use crate::model::{ChangeTracker, Difference};
use crate::wire::Leaf;

/// The longest value of a field on the page, in bytes; `data.ndjson` has all of it.
const MAX_VALUE: usize = 1000;
/// The longest chunk of a hook's output on the page, in bytes.
const MAX_OUTPUT: usize = 16 << 10;
/// An event with more changes than this starts collapsed.
const MAX_OPEN: usize = 25;

/// Writes the page of a job's life up to `upto`; `job` is the job at its end.
pub(super) fn write(
    log: &Reader<'_>,
    key: &JobKey,
    upto: Position,
    job: &Job,
    out: &mut dyn Write,
) -> Result<(), EvidenceError> {
    out.write_all(head(job, upto).as_bytes())?;
    let mut changing = ChangeTracker::new(None);
    job_facts(log, key, Position::GENESIS, upto, |fact| {
        let (position, mut item) = (fact.position, ListItem::of(log, &fact)?);
        item.changed = changing.take(fact).map_err(EvidenceError::misfit(position))?;
        Ok::<_, EvidenceError>(out.write_all(item.html().as_bytes())?)
    })?;
    Ok(out.write_all(b"</ol>\n</main>\n</body>\n</html>\n")?)
}

fn head(job: &Job, upto: Position) -> String {
    let (id, status) = (escaped(job.key.id.as_str()), job.state.status());
    let time = |time: Option<String>| time.unwrap_or_else(|| "–".into());
    let ended = job.state.ended_at().map(|time| time.to_string());
    let rows = [
        ("Kind", job.kind.to_string()),
        ("Organisation", job.key.org.to_string()),
        ("Created", format!("{} for {}", job.created_at, escaped(&job.created_by))),
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

/// An event on the page.
struct ListItem {
    position: Position,
    event_type: EventType,
    actor: String,
    time: String,
    recorded: String,
    name: String,
    redacted: bool,
    output: Option<String>,
    changed: Vec<Difference>,
}

impl ListItem {
    fn of(log: &Reader<'_>, fact: &Fact) -> Result<ListItem, EvidenceError> {
        let stored = log.at(fact.position, |row| (row.leaf.to_vec(), row.data.is_none()))?;
        let (leaf, redacted) = stored.unwrap_or_default();
        let leaf = Leaf::parse(&leaf)?;
        let output = match &fact.event {
            Event::HookOutput(chunk) => chunk.output.clone(),
            _ => None,
        };
        Ok(ListItem {
            position: fact.position,
            event_type: fact.event.event_type(),
            actor: fact.actor.clone(),
            time: fact.time.to_string(),
            recorded: leaf.recordedtime.into_owned(),
            name: format!("{} from {}", leaf.id, leaf.source),
            redacted,
            output,
            changed: Vec::new(),
        })
    }

    fn html(&self) -> String {
        let ListItem { position, event_type, time, recorded, .. } = self;
        let (actor, name) = (escaped(&self.actor), escaped(&self.name));
        let ends = if event_type.ends_job() { " class=\"end\"" } else { "" };
        let redacted = if self.redacted { " <span class=\"redacted\">data redacted</span>" } else { "" };
        let mut html = format!(
            "<li id=\"p{position}\"{ends}>\n<h2>{event_type} <span class=\"by\">by {actor}</span>{redacted}</h2>\n\
             <p class=\"when\"><a href=\"#p{position}\">#{position}</a> <time>{time}</time>, recorded <time>{recorded}</time>, \
             as {name}</p>\n"
        );
        let output = self.output.as_deref().filter(|output| !output.is_empty());
        // The page shows the chunk itself instead of the output before and after it.
        let shown: Vec<&Difference> = self
            .changed
            .iter()
            .filter(|change| output.is_none() || !(change.pointer == "/hook" || change.pointer == "/hook/output"))
            .collect();
        let folded = shown.len() > MAX_OPEN;
        if folded {
            let _ = writeln!(html, "<details><summary>{} changed</summary>", plural(shown.len(), "field", "fields"));
        }
        if !shown.is_empty() {
            let rows: String = shown.iter().map(|change| row(change)).collect();
            let _ = writeln!(html, "<table>\n{rows}</table>");
        }
        if folded {
            html.push_str("</details>\n");
        }
        if let Some(output) = output {
            let all = output.len();
            let cut = &output[..output.floor_char_boundary(MAX_OUTPUT)];
            let more = if cut.len() < all { format!("\n… ({all} bytes)") } else { String::new() };
            let _ = writeln!(html, "<pre>{}{more}</pre>", escaped(cut));
        }
        html.push_str("</li>\n");
        html
    }
}

fn row(Difference { pointer, from, to }: &Difference) -> String {
    let value = |value: &Value| format!("<code>{}</code>", escaped(&excerpt(value)));
    let before = if from.is_null() { String::new() } else { format!("{} <span class=\"to\">→</span> ", value(from)) };
    format!("<tr><th>{}</th><td>{before}{}</td></tr>\n", escaped(pointer.trim_start_matches('/')), value(to))
}

/// A value as JSON, cut at [`MAX_VALUE`] bytes.
fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= MAX_VALUE {
        return text;
    }
    format!("{}… ({} bytes)", &text[..text.floor_char_boundary(MAX_VALUE)], text.len())
}

/// Stored text in a page: no character of the text is markup, and invisible characters are written as their code points.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' | '\t' => html.push(c),
            c if c.is_control() || is_invisible(c) => {
                let _ = write!(html, "<i class=\"odd\">U+{:04X}</i>", u32::from(c));
            }
            c => html.push(c),
        }
    }
    html
}

/// Whether a character is invisible or turns the text around: marks of direction, separators, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stored_text_is_markup_or_hidden() {
        let hostile = "<script>alert('1')</script> & \"x\" \u{1b}[2J \u{202e}gnp.exe\u{0} é\n";
        let html = escaped(hostile);
        let odd = |code: &str| format!("<i class=\"odd\">U+{code}</i>");
        let expected = format!(
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot; {}[2J {}gnp.exe{} é\n",
            odd("001B"),
            odd("202E"),
            odd("0000")
        );
        assert_eq!(html, expected);
    }
}
