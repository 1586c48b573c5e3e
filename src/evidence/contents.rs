//! The table of a bundle's files: name, content, and how the audit of a bundle checks each. The maker writes the files in this
//! order.

use std::fmt::Display;

/// A file of a bundle, or all files of one folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// How to check a bundle.
    Readme,
    /// The signed checkpoint.
    Checkpoint,
    /// A consistency proof for each checkpoint that the caller holds.
    Consistency,
    /// The data of the job's events.
    Data,
    /// The job as its read model shows it.
    Job,
    /// The leaves of the job's events.
    Leaves,
    /// The data of the ledger's own events.
    LedgerData,
    /// The leaves of the ledger's own events.
    LedgerLeaves,
    /// A receipt for each of the ledger's own events.
    LedgerProofs,
    /// The salts of the ledger's own events.
    LedgerSalts,
    /// A receipt for each event that adds a key, under the first checkpoint that covers the event.
    LedgerVouched,
    /// What a bundle proves.
    Policy,
    /// A receipt for each of the job's events.
    Proofs,
    /// The salts of the job's events.
    Salts,
    /// The job's life as a page.
    Timeline,
    /// A verifier in Python.
    Verifier,
    /// The keys that the log names.
    ClaimedKeys,
}

/// How the audit of a bundle checks a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The file must have these bytes: it is the same in every bundle.
    Bytes(&'static [u8]),
    /// The signed root follows from the file's hashes: leaves, digests of data, proofs, the checkpoint.
    Hashes,
    /// The audit does not read the file: it is for people.
    Unchecked,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct BundleFile {
    /// Which file.
    pub part: Part,
    /// The file's name in the bundle. A name with a `*` stands for many files; each has a number in place of the `*`: the position of
    /// an event, or the size of an older checkpoint.
    pub name: &'static str,
    /// What the file holds.
    pub holds: &'static str,
    /// How the audit checks the file.
    pub check: Check,
    /// Whether the audit refuses a bundle that lacks the file.
    pub needed: bool,
}

const fn file(part: Part, name: &'static str, holds: &'static str, check: Check) -> BundleFile {
    BundleFile { part, name, holds, check, needed: false }
}

const fn needed(part: Part, name: &'static str, holds: &'static str) -> BundleFile {
    BundleFile { part, name, holds, check: Check::Hashes, needed: true }
}

/// Every file of a bundle, in the order of the archive.
pub const BUNDLE_FILES: [BundleFile; 17] = {
    use Check::{Bytes, Hashes, Unchecked};
    [
        file(Part::Readme, "README.txt", "how to check the bundle by hand", Bytes(include_bytes!("README.txt"))),
        needed(Part::Checkpoint, "checkpoint", "name, size and root of the log, signed"),
        file(Part::Consistency, "consistency/*", "hashes: the log continues the one of so many events", Hashes),
        needed(Part::Data, "data.ndjson", "the data of each event, a line each; null if redacted"),
        file(Part::Job, "job.json", "the job as the checkpoint covers it", Unchecked),
        needed(Part::Leaves, "leaves.ndjson", "the leaf of each event, a line each"),
        needed(Part::LedgerData, "ledger/data.ndjson", "the data of the ledger's own events"),
        needed(Part::LedgerLeaves, "ledger/leaves.ndjson", "the leaves of the ledger's own events"),
        file(Part::LedgerProofs, "ledger/proofs/*.tlog-proof", "a receipt for each of these events", Hashes),
        needed(Part::LedgerSalts, "ledger/salts.txt", "the salts of these events, in hex"),
        file(Part::LedgerVouched, "ledger/vouched/*.tlog-proof", "new keys, signed for by older ones", Hashes),
        file(Part::Policy, "policy.txt", "what the bundle proves, and what not", Bytes(include_bytes!("policy.txt"))),
        file(Part::Proofs, "proofs/*.tlog-proof", "a receipt for each event", Hashes),
        needed(Part::Salts, "salts.txt", "the salt of each event, in hex, a line each; null if redacted"),
        file(Part::Timeline, "timeline.html", "the job's life, for reading", Unchecked),
        file(Part::Verifier, "verify.py", "checks the bundle with Python", Bytes(include_bytes!("verify.py"))),
        file(Part::ClaimedKeys, "vkey.claimed", "the keys that the log names, to compare", Unchecked),
    ]
};

impl Part {
    /// The file's name in the bundle, with `*` in place of a number.
    pub(super) fn name(self) -> &'static str {
        self.row().name
    }

    /// The name of one of the part's files: `number` takes the place of the `*`.
    pub(super) fn numbered(self, number: impl Display) -> String {
        self.row().name.replace('*', &number.to_string())
    }

    fn row(self) -> &'static BundleFile {
        BUNDLE_FILES.iter().find(|file| file.part == self).expect("the table has a row for each part")
    }
}

/// The files that hold entries: of the job, or of the ledger itself. The three files of lines have one line for each entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryFiles {
    pub leaves: Part,
    pub data: Part,
    pub salts: Part,
    pub proofs: Part,
}

impl EntryFiles {
    pub(super) const JOB: EntryFiles =
        EntryFiles { leaves: Part::Leaves, data: Part::Data, salts: Part::Salts, proofs: Part::Proofs };
    pub(super) const LEDGER: EntryFiles = EntryFiles {
        leaves: Part::LedgerLeaves,
        data: Part::LedgerData,
        salts: Part::LedgerSalts,
        proofs: Part::LedgerProofs,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("README.txt");
    const VERIFIER: &str = include_str!("verify.py");

    /// The list at the top of README.txt: each name with its description.
    fn listed() -> Vec<(&'static str, &'static str)> {
        let lines = README.lines().skip(2).take_while(|line| line.starts_with("  "));
        lines.map(|line| line.trim().split_once(' ').unwrap()).collect()
    }

    fn is_listed_as(name: &str, file: &BundleFile) -> bool {
        name == file.name || name.ends_with('/') && file.name.starts_with(name)
    }

    #[test]
    fn the_readme_lists_every_file_and_says_which_are_no_evidence() {
        for (name, description) in listed() {
            let files: Vec<_> = BUNDLE_FILES.iter().filter(|file| is_listed_as(name, file)).collect();
            assert!(!files.is_empty(), "`{name}` is in the list and in no bundle");
            let no_evidence = files.iter().all(|file| file.check == Check::Unchecked);
            assert_eq!(description.contains("Not evidence"), no_evidence, "{name}");
        }
        for file in BUNDLE_FILES.iter().filter(|file| file.part != Part::Readme) {
            assert!(listed().iter().any(|(name, _)| is_listed_as(name, file)), "`{}` is not in the list", file.name);
        }
    }

    #[test]
    fn the_python_verifier_reads_every_file_that_leads_to_the_root() {
        for file in BUNDLE_FILES.iter().filter(|file| file.check == Check::Hashes && file.part != Part::Consistency) {
            let inner = file.name.strip_prefix("ledger/").unwrap_or(file.name);
            let name = inner.split_once('*').map_or(inner, |(folder, _)| folder);
            assert!(VERIFIER.contains(name), "verify.py does not read `{}`", file.name);
        }
    }

    #[test]
    fn names_are_sorted_and_numbers_take_the_place_of_the_star() {
        assert!(BUNDLE_FILES.is_sorted_by_key(|file| file.name));
        assert_eq!(Part::Proofs.numbered(7), "proofs/7.tlog-proof");
        assert_eq!(Part::Consistency.numbered(12), "consistency/12");
    }
}
