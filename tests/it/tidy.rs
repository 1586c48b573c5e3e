//! The source tree keeps its own rules: rooms use only the rooms before them, each folder says what it is for, files and
//! functions stay short, comments are plain.
//!
//! A file that breaks a rule for a good reason stands in a list below, with the reason. A line of a list that is no longer
//! needed fails its test, so the lists only shrink.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file in `src/`, in lines.
const FILE: usize = 350;
/// The longest function in `src/`, in lines from its signature to its closing brace.
const FUNCTION: usize = 60;
/// Functions over [`FUNCTION`] lines (as `file: function`), each with the reason.
const LONG: [(&str, &str); 5] = [
    ("src/http/tail/changes.rs: live_changes", "the stream's body holds its state from one message to the next"),
    ("src/http/tail/events.rs: tail", "the stream's body holds its state from one frame to the next"),
    ("src/http/tail/live.rs: live", "the stream's body holds its state from one snapshot to the next"),
    ("src/ledger/open.rs: start_threads", "one statement a thread, in the order in which each needs the one before"),
    ("src/mask/names.rs: names_are_compared_by_their_ends", "a test that is a table of names"),
];
/// Uses of a room by a room before it as `file: room`, each with the reason.
const UPWARDS: [(&str, &str); 0] = [];
/// Words that hide who acts.
const HIDING: [&str; 7] = ["whoever", "nobody", "somebody", "anybody", "everybody", "whatever", "that which"];
/// Names that say nothing.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "manager", "managers", "service", "services"];

/// A source file: its path from the root of the repository, and its lines.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().zip(1..).map(|(line, number)| (number, line))
    }

    /// The text of a line without its comment. A `//` in a string begins no comment.
    fn code(line: &str) -> &str {
        let starts = line.match_indices("//").map(|(at, _)| at);
        let comment = starts.into_iter().find(|at| line[..*at].matches('"').count().is_multiple_of(2));
        &line[..comment.unwrap_or(line.len())]
    }

    /// The comment of a line, doc comments too.
    fn comment(line: &str) -> &str {
        &line[Source::code(line).len()..]
    }

    /// The room in `src/` that the file belongs to.
    fn room(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split('/').next().unwrap().trim_end_matches(".rs")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, in order.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(path));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!found.is_empty(), "no file in {folder}");
    found
}

fn source(path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap();
    Source { path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), text }
}

/// Whether `text` has `word` as a word of its own, in any case.
fn has_word(text: &str, word: &str) -> bool {
    let text = text.to_lowercase();
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut places = text.match_indices(word);
    places.any(|(at, _)| !text[..at].ends_with(in_word) && !text[at + word.len()..].starts_with(in_word))
}

/// Fails with each place that breaks the rule without an excuse, and with each excuse that is no longer needed.
#[track_caller]
fn expect_only(rule: &str, broken: &BTreeSet<String>, excused: &[(&str, &str)]) {
    let known: BTreeSet<String> = excused.iter().map(|(what, _)| (*what).to_owned()).collect();
    let wrong: Vec<&String> = broken.difference(&known).collect();
    assert!(wrong.is_empty(), "{rule}:\n{wrong:#?}");
    let idle: Vec<&String> = known.difference(broken).collect();
    assert!(idle.is_empty(), "{rule}: no longer an exception, so take it out of the list:\n{idle:#?}");
    assert!(excused.iter().all(|(_, reason)| reason.len() > 20), "{rule}: each exception has a reason");
}

/// Every line of `sources` that `breaks` a rule.
fn lines_that(sources: &[Source], breaks: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut broken = BTreeSet::new();
    for source in sources {
        let lines = source.lines().filter(|(_, line)| breaks(line));
        broken.extend(lines.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())));
    }
    broken
}

/// The rooms from the lowest to the highest: in `src/lib.rs`, the names in backticks of the paragraph with the arrows.
fn rooms() -> Vec<String> {
    let library = source(root().join("src/lib.rs"));
    let docs: Vec<&str> = library.text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let docs = docs.join("\n");
    let paragraph = docs.split("\n\n").find(|paragraph| paragraph.contains('→')).expect("the order of the rooms");
    let order = paragraph.split('→').map(|part| part.split('`').nth(usize::from(part.contains('`'))).unwrap_or(""));
    // The sentence before the first room may name others: the last name before the first arrow counts.
    let mut rooms: Vec<String> = order.map(str::to_owned).collect();
    let first = paragraph.split('→').next().unwrap();
    rooms[0] = first.rsplit('`').nth(1).unwrap().to_owned();
    rooms
}

/// The rooms that code names: `crate::room`, and each first name in `crate::{room::…, room::…}`.
fn named_rooms(code: &str) -> BTreeSet<&str> {
    let first_name = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut named = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            named.insert(&rest[..first_name(rest)]);
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                _ if begins && !letter.is_whitespace() => {
                    begins = false;
                    named.insert(&list[at..][..first_name(&list[at..])]);
                }
                _ => {}
            }
        }
    }
    named
}

#[test]
fn rooms_use_only_the_rooms_before_them() {
    let rooms = rooms();
    let library = source(root().join("src/lib.rs"));
    let declared: BTreeSet<String> = library
        .lines()
        .filter_map(|(_, line)| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(rooms.iter().cloned().collect::<BTreeSet<_>>(), declared, "src/lib.rs lists the rooms that it declares");
    let place = |room: &str| rooms.iter().position(|known| known == room);
    let mut upwards = BTreeSet::new();
    for source in sources("src") {
        let Some(own) = place(source.room()) else { continue };
        let code: Vec<&str> = source.text.lines().map(Source::code).collect();
        for room in named_rooms(&code.join("\n")) {
            if place(room).is_some_and(|named| named > own) {
                upwards.insert(format!("{}: {room}", source.path));
            }
        }
    }
    expect_only("a room may use only the rooms before it", &upwards, &UPWARDS);
}

#[test]
fn every_folder_says_what_it_is_for_and_what_is_not_there() {
    let mut silent = BTreeSet::new();
    for source in sources("src").iter().filter(|source| source.path.ends_with("/mod.rs")) {
        let docs: Vec<&str> = source.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        // A sentence ends with a full stop and a space, or a colon before a list.
        let sentences = docs.join(" ").split(". ").count();
        if sentences < 2 || !docs.iter().any(|line| line.starts_with("Not here: ")) {
            silent.insert(source.path.clone());
        }
    }
    expect_only("a `mod.rs` begins with what the room is for, and `Not here: …`", &silent, &[]);
}

#[test]
fn files_are_short() {
    let long = sources("src").into_iter().filter(|source| source.text.lines().count() > FILE);
    expect_only("a file is too long", &long.map(|source| source.path).collect(), &[]);
}

/// The functions of a file with their lengths. The code is formatted, so the brace that ends one stands under its first line.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut open: Vec<(usize, String, usize)> = Vec::new();
    for (number, line) in source.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.trim() == "}"
            && let Some(at) = open.iter().rposition(|(depth, ..)| *depth == indent)
        {
            let (_, name, begun) = open.swap_remove(at);
            open.truncate(at);
            found.push((name, number - begun + 1));
        }
        let code = Source::code(line).trim_start();
        let words: Vec<&str> = code.split([' ', '(', '<']).take(6).collect();
        let before = words.iter().position(|word| *word == "fn");
        let only_qualifiers = |at: usize| {
            words[..at].iter().all(|word| {
                word.is_empty() || word.ends_with(')') || ["pub", "async", "const", "unsafe"].contains(word)
            })
        };
        if let Some(at) = before.filter(|at| only_qualifiers(*at) && !line.ends_with('}') && !line.ends_with(';')) {
            open.push((indent, words[at + 1].to_owned(), number));
        }
    }
    found
}

#[test]
fn functions_are_short() {
    let mut long = BTreeSet::new();
    for source in sources("src") {
        let over = functions(&source).into_iter().filter(|(_, length)| *length > FUNCTION);
        long.extend(over.map(|(name, _)| format!("{}: {name}", source.path)));
    }
    expect_only("a function is too long", &long, &LONG);
}

#[test]
fn comments_name_their_subjects() {
    let hides = |line: &str| HIDING.iter().any(|word| has_word(Source::comment(line), word));
    expect_only("a comment hides who acts", &lines_that(&sources("src"), hides), &[]);
}

/// The parameters of the generic type whose `<` stands before `rest`.
fn generic_parameters(rest: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parameters) = (0, 0, Vec::new());
    for (at, c) in rest.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' if depth == 0 => {
                parameters.push(rest[start..at].trim());
                return parameters;
            }
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parameters.push(rest[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parameters
}

#[test]
fn errors_are_types_and_results_are_flat() {
    let faulty = |line: &str| {
        let code = Source::code(line);
        code.split("Result<").skip(1).any(|rest| {
            let parameters = generic_parameters(rest);
            parameters.get(1) == Some(&"String") || parameters.iter().any(|one| one.starts_with("Result<"))
        })
    };
    let mut broken = lines_that(&sources("src"), faulty);
    broken.retain(|line| !line.starts_with("src/main.rs"));
    expect_only("an error is a type, and a result holds no result", &broken, &[]);
}

#[test]
fn names_say_something() {
    let mut empty = BTreeSet::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        let parts = source.path.trim_end_matches(".rs").split('/');
        if parts.into_iter().any(|part| EMPTY_NAMES.contains(&part)) {
            empty.insert(source.path.clone());
        }
        for (number, line) in source.lines() {
            let mut words = Source::code(line).split(|c: char| !c.is_alphanumeric() && c != '_');
            let kind = words.find(|word| ["struct", "enum", "trait", "mod", "type"].contains(word));
            let name = kind.and_then(|_| words.find(|word| !word.is_empty())).unwrap_or_default().to_lowercase();
            if EMPTY_NAMES.iter().any(|empty| name.ends_with(empty)) {
                empty.insert(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    expect_only("a name says nothing", &empty, &[]);
}

#[test]
fn every_file_of_tests_is_compiled() {
    let files = sources("tests");
    let mut forgotten = BTreeSet::new();
    for source in &files {
        let path = Path::new(&source.path);
        let (folder, stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        // A folder's `mod.rs` is declared beside the folder; a crate's first file is declared by nothing.
        let (from, name) = match stem {
            "main" | "lib" => continue,
            "mod" => (folder.parent().unwrap(), folder.file_name().unwrap().to_str().unwrap()),
            _ => (folder, stem),
        };
        let declared = |other: &&Source| {
            let beside = Path::new(&other.path).parent() == Some(from);
            let first = ["main.rs", "mod.rs", "lib.rs"].iter().any(|first| other.path.ends_with(first));
            let folders_own = Path::new(&other.path) == from.with_extension("rs");
            let by_path = other.text.contains(&format!("#[path = \"../{name}/mod.rs\"]"));
            let line = [format!("mod {name};"), format!("pub mod {name};")];
            (beside && first || folders_own || by_path)
                && other.text.lines().any(|found| line.iter().any(|line| line == found.trim()))
        };
        if !files.iter().any(|other| declared(&other)) {
            forgotten.insert(source.path.clone());
        }
    }
    expect_only("a file of tests is declared nowhere", &forgotten, &[]);
}

/// Checks that each rule finds a break, because a rule that cannot fail checks nothing.
#[test]
fn the_rules_can_fail() {
    assert_eq!(Source::code(r#"let url = "http://x"; // a note"#), r#"let url = "http://x"; "#);
    assert!(has_word("Whoever asks", "whoever") && !has_word("nobody_listens", "nobody"));
    let code = "use crate::http::x; crate::job::Id; use crate::{a::{b, c}, d};";
    assert_eq!(named_rooms(code), BTreeSet::from(["http", "job", "a", "d"]));
    let text =
        format!("impl X {{\n    pub(super) fn long(\n{}    }}\n    fn short() {{}}\n}}\n", "        a();\n".repeat(58));
    let source = Source { path: "src/x.rs".into(), text };
    assert_eq!(functions(&source), [("long".to_owned(), 60)]);
}
