//! An event of a job in a timeline.

use askama::Template;

use super::markup::Markup;
use super::words::words;
use crate::job::{Event, Fact};
use crate::model::Difference;
use crate::wire::Leaf;

/// The longest chunk of a hook's output that an entry shows, in bytes.
const OUTPUT: usize = 16 << 10;
/// An entry that stands alone and has more changes than this begins collapsed.
const OPEN: usize = 25;
/// Changes that the heading of an entry's details names.
const NAMED: usize = 5;

/// What the links of an entry lead to.
#[derive(Debug, Clone, Default)]
pub enum LinksTo {
    /// The entry itself: its file stands alone, and shows everything.
    #[default]
    Itself,
    /// The page of the job as the event left it, and the event's JSON. The page beside the entry shows the output.
    Pages {
        /// The path of the job's page.
        job: String,
        /// The parameter that names the organisation; empty for the person's own.
        org: String,
    },
}

/// An event of a job: who, when, what in a few words, and the fields that it changed. Its `Display` is HTML.
#[derive(Debug, Template)]
#[template(path = "entry.html", config = "src/drawn/askama.toml")]
pub struct Entry {
    /// The event's position.
    pub position: u64,
    /// The event's type.
    pub event_type: &'static str,
    /// The name of the token that sent the event.
    pub actor: String,
    time: String,
    recorded: String,
    /// Whether the event ends its job.
    is_end: bool,
    redacted: bool,
    /// The id and the source of the event.
    name: Markup,
    words: Markup,
    changed: Vec<Change>,
    /// Changes that the entry does not show.
    left_out: usize,
    /// The bytes of output that the event adds, and the beginning of this output.
    output_bytes: usize,
    output: Markup,
    links: LinksTo,
}

/// A field that the event changed.
#[derive(Debug)]
struct Change {
    field: String,
    /// Empty if the field was null.
    from: Markup,
    to: Markup,
}

impl LinksTo {
    /// Most changes of an entry, and the longest value in bytes.
    fn most(&self) -> (usize, usize) {
        match self {
            LinksTo::Itself => (usize::MAX, 1000),
            LinksTo::Pages { .. } => (20, 200),
        }
    }
}

impl Entry {
    /// The entry of an event, before its changes are known.
    pub(super) fn new(fact: &Fact, leaf: &Leaf<'_>, redacted: bool, links: LinksTo) -> Entry {
        let output = match &fact.event {
            Event::HookOutput(chunk) => chunk.output.as_deref().unwrap_or(""),
            _ => "",
        };
        let shown = match links {
            LinksTo::Itself => cut(output, OUTPUT),
            LinksTo::Pages { .. } => String::new(),
        };
        let event_type = fact.event.event_type();
        Entry {
            position: fact.position.get(),
            event_type: event_type.as_str(),
            actor: fact.actor.clone(),
            time: fact.time.to_string(),
            recorded: leaf.recordedtime.to_string(),
            is_end: event_type.ends_job(),
            redacted,
            name: Markup::of(&format!("{} from {}", leaf.id, leaf.source)),
            words: Markup::of(&words(&fact.event)),
            changed: Vec::new(),
            left_out: 0,
            output_bytes: output.len(),
            output: Markup::of(&shown),
            links,
        }
    }

    /// The entry with the fields that its event changed. The output that the event adds stands for the hook.
    pub(super) fn with_changes(mut self, changes: &[Difference]) -> Entry {
        let (most, longest) = self.links.most();
        let is_shown = |change: &&Difference| self.output_bytes == 0 || change.pointer != "/hook";
        let shown: Vec<&Difference> = changes.iter().filter(is_shown).collect();
        self.left_out = shown.len().saturating_sub(most);
        let change = |Difference { pointer, from, to }: &Difference| Change {
            field: pointer.trim_start_matches('/').to_owned(),
            from: if from.is_null() { Markup::default() } else { Markup::of(&cut(&from.to_string(), longest)) },
            to: Markup::of(&cut(&to.to_string(), longest)),
        };
        self.changed = shown.into_iter().take(most).map(change).collect();
        self
    }

    fn href(&self) -> String {
        match &self.links {
            LinksTo::Itself => format!("#p{}", self.position),
            LinksTo::Pages { job, org } => format!("{job}?as_of={}&{org}", self.position),
        }
    }

    /// The path of the event's JSON; empty if there is none.
    fn json(&self) -> String {
        match &self.links {
            LinksTo::Itself => String::new(),
            LinksTo::Pages { .. } => format!("/ledger/events/{}", self.position),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.links, LinksTo::Itself) && self.changed.len() <= OPEN
    }

    fn by(&self) -> Markup {
        Markup::of(&self.actor)
    }

    /// The names of the changed fields.
    fn summary(&self) -> Markup {
        let names = self.changed.iter().take(NAMED).map(|change| change.field.as_str());
        let bytes = (self.output_bytes > 0).then(|| format!("{} bytes of output", self.output_bytes));
        let named: Vec<&str> = bytes.as_deref().into_iter().chain(names).collect();
        let more = (self.changed.len() + self.left_out).saturating_sub(NAMED);
        Markup::of(&match (named.is_empty(), more) {
            (true, _) => "no field changed".to_owned(),
            (false, 0) => named.join(", "),
            (false, more) => format!("{} and {more} more", named.join(", ")),
        })
    }
}

impl Change {
    fn name(&self) -> Markup {
        Markup::of(&self.field)
    }
}

/// The beginning of a text, up to `most` bytes. Tells the length of a longer text.
fn cut(text: &str, most: usize) -> String {
    match text.len() > most {
        true => format!("{}… ({} bytes)", &text[..text.floor_char_boundary(most)], text.len()),
        false => text.to_owned(),
    }
}
