//! The documents: each link has a target, the words are plain, and each command that they show prints the output that they show.

mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use regex_automata::meta::Regex;

use self::session::{Session, typed};
use crate::support::cli::cli;
use crate::support::shell::lacking;
use crate::support::skipped;

/// Words that hide who acts; the glossary and CONTRIBUTING.md say what to write instead.
const BANNED: [&str; 6] = ["whoever", "nobody", "somebody", "anybody", "whatever", "that which"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document by its path from the root, with its text.
fn documents() -> BTreeMap<PathBuf, String> {
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            match root().join(&path).is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "md") => found.push(path),
                // A picture.
                false => {}
            }
        }
    }
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in prose(text).filter_map(|line| line.strip_prefix('#')) {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|n| format!("{slug}-{n}"));
        let free = std::iter::once(slug.clone()).chain(numbered).find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

/// The targets of a document's links that lead to a file or a heading.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = prose(text).flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// `path`, seen from the folder of `document`, without `..`.
fn resolved(document: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in document.parent().unwrap().join(path).components() {
        match part {
            Component::ParentDir => assert!(whole.pop(), "{path} leads out of the repository"),
            part => whole.push(part),
        }
    }
    whole
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let documents = documents();
    let mut linked = BTreeSet::from([PathBuf::from("README.md")]);
    for (path, text) in &documents {
        for link in links(text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { resolved(path, file) };
            assert!(root().join(&target).is_file(), "{}: `{link}` leads to no file", path.display());
            if !anchor.is_empty() {
                let text = fs::read_to_string(root().join(&target)).unwrap();
                assert!(anchors(&text).contains(anchor), "{}: `{link}` leads to no heading", path.display());
            }
            linked.insert(target);
        }
    }
    let unlinked: Vec<&PathBuf> = documents.keys().filter(|path| !linked.contains(*path)).collect();
    assert!(unlinked.is_empty(), "no document links to {unlinked:?}");
}

#[test]
fn every_path_that_a_document_names_exists() {
    let path = Regex::new(r"\b(src|tests|schema|benches|docs|replay-fixtures)/[A-Za-z0-9_./-]*[A-Za-z0-9_/-]").unwrap();
    for (document, text) in documents() {
        // A link names a path from the document's folder, and an address one of a server.
        for word in text.split([' ', '\n', '`', '(', ')', '|']).filter(|word| !word.starts_with('/')) {
            let found = path.find(word).filter(|found| found.start() == 0).map(|found| &word[found.range()]);
            let target = found.map(|found| (found, resolved(&document, found)));
            let is_there = |(found, near): &(&str, PathBuf)| root().join(found).exists() || root().join(near).exists();
            assert!(
                target.iter().all(is_there),
                "{}: nothing is at `{}`",
                document.display(),
                found.unwrap_or_default()
            );
        }
    }
}

#[test]
fn the_readme_is_short() {
    let lines = document("README.md").lines().count();
    assert!(lines <= 180, "README.md has {lines} lines; move some to docs/");
}

#[test]
fn no_sentence_hides_who_acts() {
    for (path, text) in documents() {
        for line in prose(&text) {
            let lower = line.to_lowercase();
            let banned = BANNED.iter().find(|banned| lower.contains(*banned));
            // CONTRIBUTING.md names the words in quotes.
            let quoted = |word: &str| lower.contains(&format!("\"{word}\""));
            assert!(banned.is_none_or(|word| quoted(word)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_guide_has_every_command() {
    let guide = document("docs/guide.md");
    let help = cli(["--help"]).run().expect(0).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"serve"), "{help}");
    for name in names.iter().filter(|name| **name != "help") {
        let rows = guide.lines().filter(|line| line.starts_with("| `"));
        let listed = rows
            .filter_map(|row| row.split('|').nth(1))
            .any(|cell| cell.split('`').skip(1).step_by(2).any(|command| command.split(' ').next() == Some(name)));
        assert!(listed, "docs/guide.md has no row for `{name}`");
    }
}

#[test]
fn the_guide_or_the_page_on_proof_has_every_route() {
    let pages = document("docs/guide.md") + &document("docs/proof.md");
    let described: serde_json::Value = serde_json::from_str(&document("schema/openapi.json")).unwrap();
    for path in described["paths"].as_object().unwrap().keys() {
        let shown = pages.contains(&format!("{path}`")) || pages.contains(&format!("{path}?"));
        let schema = path.starts_with("/schema/") || path.starts_with("/ledger/tile/");
        assert!(shown || schema, "no page has the route {path}");
    }
}

#[test]
fn the_architecture_has_every_room_and_every_mode_of_the_projector() {
    let page = document("docs/architecture.md");
    for entry in fs::read_dir(root().join("src")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let room = format!("| `src/{}` |", entry.file_name().display());
        assert!(page.contains(&room), "docs/architecture.md has no row {room}");
    }
    let modes = document("src/ledger/projection/mode.rs");
    let modes = modes.split_once("enum Mode {").unwrap().1.split_once("\n}").unwrap().0;
    for mode in
        modes.lines().filter(|line| line.starts_with("    ") && line.chars().nth(4).is_some_and(char::is_uppercase))
    {
        let mode = mode.trim().trim_end_matches([',', '{', ' ']);
        assert!(page.contains(&format!("--> {mode}")), "the picture of the projector has no arrow to {mode}");
    }
}

#[test]
fn the_shapes_of_an_event_in_the_architecture_are_types() {
    let page = document("docs/architecture.md");
    let table = page.split_once("## The shapes of an event").unwrap().1.split_once("\n## ").unwrap().0;
    let mut code = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ext| ext == "rs") => code += &fs::read_to_string(path).unwrap(),
                false => {}
            }
        }
    }
    let shapes: Vec<&str> = table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    assert!(shapes.len() > 4, "{shapes:?}");
    for shape in shapes {
        let is_a = |what: &str| [" {", "<", "("].iter().any(|end| code.contains(&format!("{what} {shape}{end}")));
        assert!(is_a("struct") || is_a("enum"), "no type is called `{shape}`; docs/architecture.md lists the shapes");
    }
}

/// Runs the commands of `pages` in one shell, and compares their output.
fn runs(pages: &[&str]) {
    if let Some(tool) = lacking(&["curl", "openssl", "sha256sum", "xxd"]) {
        return skipped(tool);
    }
    let mut session = Session::start();
    for typed in pages.iter().flat_map(|page| typed(page, &document(page))) {
        session.type_in(&typed);
    }
}

#[test]
fn the_commands_of_the_readme_print_what_it_shows() {
    runs(&["README.md"]);
}

#[test]
fn the_commands_of_the_page_for_workers_print_what_it_shows() {
    runs(&["docs/guide.md", "docs/guide/worker.md"]);
}

#[test]
fn the_commands_of_the_page_for_watchers_print_what_it_shows() {
    runs(&["docs/guide.md", "docs/guide/watcher.md"]);
}

#[test]
fn the_commands_of_the_page_for_auditors_print_what_it_shows() {
    runs(&["docs/guide.md", "docs/guide/auditor.md"]);
}

#[test]
fn the_commands_of_the_page_on_proof_print_what_it_shows() {
    runs(&["docs/guide.md", "docs/proof.md"]);
}
