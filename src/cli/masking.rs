//! `--mask` and `--mask-rule`: the rules that mask or refuse secrets in an append.

use clap::Args;

use super::Failure;
use crate::mask::{Mask, OwnRule};

#[derive(Debug, Clone, Args)]
pub(super) struct Masking {
    /// The rules that stop secrets: all, none, or names with commas between; a leading - removes a rule (all,-jwt)
    #[arg(long, env = "JOBLEDGER_MASK", default_value = "all", value_name = "RULES", allow_hyphen_values = true)]
    mask: String,

    /// A rule of your own: the ledger masks each match of the regular expression, or of its first group. May repeat; in the
    /// environment a rule on each line, in the file of options an array
    #[arg(long, env = "JOBLEDGER_MASK_RULE", value_name = "NAME=REGEX", value_parser = own_rule, value_delimiter = '\n')]
    mask_rule: Vec<OwnRule>,
}

impl Masking {
    pub(super) fn rules(&self) -> Result<Mask, Failure> {
        Mask::new(&self.mask, &self.mask_rule).map_err(|error| Failure::CouldNotRun(format!("--mask: {error}")))
    }
}

/// A text without `=`.
#[derive(Debug, thiserror::Error)]
#[error("expected NAME=REGEX")]
struct NotARule;

fn own_rule(text: &str) -> Result<OwnRule, NotARule> {
    let (name, pattern) = text.split_once('=').ok_or(NotARule)?;
    Ok(OwnRule { name: name.trim().to_owned(), pattern: pattern.to_owned() })
}
