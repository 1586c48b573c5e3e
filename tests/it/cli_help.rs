//! `--help` and `--version` of every command.

use crate::support::cli::{Done, cli};

/// A command, with its help.
pub struct Described {
    /// `["token", "create"]`.
    pub path: Vec<String>,
    help: String,
}

fn help(path: &[String]) -> Done {
    cli(path).arg("--help").run().expect(0)
}

/// The exit code of a mistake on the command line. It is 1 for `verify`, because there 2 means that the log cannot be read.
fn usage(path: &[String]) -> i32 {
    if path.first().is_some_and(|name| name == "verify") { 1 } else { 2 }
}

/// The names under `Commands:` in a help text.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned));
    names.filter(|name| !name.is_empty() && name != "help").collect()
}

/// Every command below `path`, groups of commands too.
fn walk(path: &[String], found: &mut Vec<Described>) {
    let help = help(path).stdout;
    for name in subcommands(&help) {
        walk(&[path, &[name]].concat(), found);
    }
    found.push(Described { path: path.to_vec(), help });
}

/// Every command, groups of commands too.
pub fn commands() -> Vec<Described> {
    let mut found = Vec::new();
    walk(&[], &mut found);
    found
}

/// The long options of a help text, each with its paragraph.
fn options(help: &str) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    for line in help.lines().skip_while(|line| *line != "Options:").skip(1) {
        let flags = line.trim_start();
        let long = flags.strip_prefix("--").or_else(|| flags.split_once(", --").map(|(_, long)| long));
        match long.filter(|_| flags.starts_with('-')) {
            Some(long) => {
                let name = long.split([' ', '<']).next().unwrap();
                options.push((name.to_owned(), line.to_owned()));
            }
            None => options.last_mut().into_iter().for_each(|(_, text)| text.push_str(line)),
        }
    }
    options
}

#[test]
fn every_command_has_help_and_none_runs_without_being_told_what_to_do() {
    let commands = commands();
    let names: Vec<String> = commands.iter().map(|command| command.path.join(" ")).collect();
    for name in [
        "",
        "serve",
        "token",
        "token create",
        "token list",
        "token revoke",
        "append",
        "jobs",
        "show",
        "note",
        "cancel",
        "whoami",
        "wait",
        "login",
        "logout",
        "tail",
        "replay",
        "export",
        "import",
        "rebuild",
        "backup",
        "recover",
        "key",
        "key show",
        "verify db",
        "verify export",
        "key rotate",
        "verify receipt",
        "verify bundle",
        "evidence",
        "completions",
        "man",
    ] {
        assert!(names.iter().any(|found| found == name), "`{name}` is not in {names:?}");
    }
    for Described { path, help } in &commands {
        assert!(
            help.contains(&format!("Usage: {}", [&["jobledger".to_owned()], &path[..]].concat().join(" "))),
            "{help}"
        );
        // These do something useful as they are.
        if path.first().is_none_or(|first| !["demo", "logout", "man"].contains(&first.as_str())) {
            cli(path).run().expect(usage(path));
        }
    }
}

#[test]
fn every_long_help_ends_with_two_examples_of_the_command() {
    for Described { path, help } in commands() {
        let lines: Vec<&str> = help.trim_end().lines().rev().take(3).collect();
        let [second, first, heading] = lines[..] else { panic!("{help}") };
        assert_eq!(heading, "Examples:", "{path:?}");
        let command = [&["jobledger".to_owned()], &path[..]].concat().join(" ");
        for example in [first, second] {
            // In a pipe the command may stand second.
            assert!(example.starts_with("  jobledger ") && example.contains(&command), "{path:?}: {example}");
        }
        assert_ne!(first, second);
    }
}

#[test]
fn the_version_is_the_packages() {
    let said = cli(["--version"]).run().expect(0).stdout;
    assert_eq!(said, format!("jobledger {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_option_of_serve_has_its_variable_and_every_variable_is_named_after_its_option() {
    let mut of_serve = 0;
    for Described { path, help } in commands() {
        for (name, text) in options(&help) {
            let variable = format!("JOBLEDGER_{}", name.to_uppercase().replace('-', "_"));
            let has_one = text.contains("[env: ");
            assert!(!has_one || text.contains(&format!("[env: {variable}")), "{path:?} --{name}: {text}");
            if path == ["serve"] && name != "help" {
                assert!(has_one, "serve --{name} has no variable");
                of_serve += 1;
            }
        }
    }
    assert!(of_serve >= 9, "found {of_serve} options of serve");
}

#[test]
fn every_variable_that_help_names_is_read() {
    for Described { path, help } in commands() {
        for (name, text) in options(&help) {
            let Some((_, variable)) = text.split_once("[env: ") else { continue };
            let variable = variable.split(['=', ']']).next().unwrap();
            if name == "config" {
                // The command reads this file first, so the file must exist.
                cli(&path).arg("--help").env(variable, "as-told").run().refused(2, &["--config as-told"]);
                continue;
            }
            // Help shows the values in the environment, but no secrets.
            let shown = cli(&path).arg("--help").env(variable, "as-told").run().expect(0).stdout;
            let secret = name == "token";
            assert_eq!(shown.contains("as-told"), !secret, "{path:?} --{name}");
        }
    }
}
