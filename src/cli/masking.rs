//! `--mask` and `--mask-rule`: which secrets are stopped before an append.

use clap::Args;

use super::Failure;
use crate::mask::{Mask, OwnRule};

#[derive(Debug, Clone, Args)]
pub(super) struct Masking {
    /// Which rules stop secrets: all, none, or names with commas between; a leading - takes one away (all,-jwt)
    #[arg(long, env = "JOBLEDGER_MASK", default_value = "all", value_name = "RULES", allow_hyphen_values = true)]
    mask: String,

    /// A rule of your own: what the regular expression finds, or its first group, is masked. May repeat; in the environment
    /// one a line, in a file an array
    #[arg(long, env = "JOBLEDGER_MASK_RULE", value_name = "NAME=REGEX", value_parser = own_rule, value_delimiter = '\n')]
    mask_rule: Vec<OwnRule>,
}

impl Masking {
    pub(super) fn rules(&self) -> Result<Mask, Failure> {
        Mask::new(&self.mask, &self.mask_rule).map_err(|error| Failure::CouldNotRun(format!("--mask: {error}")))
    }
}

fn own_rule(text: &str) -> Result<OwnRule, String> {
    match text.split_once('=') {
        Some((name, pattern)) => Ok(OwnRule { name: name.trim().to_owned(), pattern: pattern.to_owned() }),
        None => Err("expected NAME=REGEX".to_owned()),
    }
}
