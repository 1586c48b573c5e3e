//! A job's hook: the beginning of its output, and how it ended.

use super::event::{HookExit, HookOutput};

/// Maximum length, in bytes, of hook output that the fold keeps, 4 KiB. Readers take the whole output from the log.
pub const HOOK_HEAD: usize = 4096;

/// A job's hook: the command whose output and exit `job.hook_output` reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hook {
    /// The beginning of the output: at most [`HOOK_HEAD`] bytes, and no half character at the end.
    pub head: String,
    /// Length of the whole output, in bytes.
    pub len: u64,
    /// How the hook ended; `None` while it runs.
    pub exit: Option<HookExit>,
}

impl Hook {
    /// Folds a chunk of output.
    pub(super) fn take(&mut self, chunk: &HookOutput) {
        let text = chunk.output.as_deref().unwrap_or("");
        // A chunk that did not fit closes the head for good: a later, shorter chunk must not follow the gap.
        if self.head.len() as u64 == self.len {
            self.head.push_str(&text[..text.floor_char_boundary(HOOK_HEAD - self.head.len())]);
        }
        self.len += text.len() as u64;
        self.exit = chunk.exit.or(self.exit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(output: &str) -> HookOutput {
        HookOutput { output: Some(output.into()), ..HookOutput::default() }
    }

    #[test]
    fn the_head_is_cut_on_a_character_and_stays_closed() {
        let mut hook = Hook::default();
        hook.take(&chunk(&"x".repeat(HOOK_HEAD - 1)));
        hook.take(&chunk("é"));
        hook.take(&chunk("y"));
        assert_eq!(hook.head.len(), HOOK_HEAD - 1);
        assert_eq!(hook.len, HOOK_HEAD as u64 + 2);
    }

    #[test]
    fn a_head_filled_exactly_keeps_every_byte() {
        let mut hook = Hook::default();
        hook.take(&chunk(&"x".repeat(HOOK_HEAD - 2)));
        hook.take(&chunk("é"));
        assert_eq!((hook.head.len() as u64, hook.len), (4096, 4096));
    }
}
