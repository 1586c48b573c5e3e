//! `jobledger login`, and the commands that use what it keeps.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::cli::{Cli, Serving, cli, on, token};
use crate::support::task_job;

fn at_home<'a>(home: &Path, words: impl IntoIterator<Item = &'a str>) -> Cli {
    cli(words).env("HOME", home)
}

#[test]
fn a_login_is_kept_for_its_owner_and_used_by_other_commands() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("ledger"));
    let server = Serving::start(&folder);
    let worker = token(&folder, "worker");
    let login = at_home(&home, ["login", "--url", &server.url]).run_with(format!("{worker}\n")).expect(0);
    assert!(login.stdout.starts_with("server `default`: worker, role worker") && !login.stdout.contains(&worker));
    let file = home.join(".config/jobledger/servers.toml");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    for words in [&["whoami"][..], &["whoami", "--url", &server.url], &["whoami", "--server", "default"]] {
        assert!(at_home(&home, words.iter().copied()).run().expect(0).stdout.starts_with("worker, role worker"));
    }
    server.client(&worker).append(&task_job("a")).expect(201);
    assert!(at_home(&home, ["jobs"]).run().expect(0).stdout.contains("\na "));
    at_home(&home, ["note", "a", "by login"]).run().expect(0);
    // A command that also works on a folder is told which of both it is for.
    let event = dir.path().join("event.json");
    fs::write(&event, task_job("b").to_string()).unwrap();
    at_home(&home, ["append"]).arg(&event).run().refused(2, &["--data, or --url"]);
    at_home(&home, ["append", "--server", "default"]).arg(&event).run().expect(0);
    at_home(&home, ["append", "--url", &server.url]).arg(&event).run().expect(0);
    // A token that is given wins over the one that is kept.
    at_home(&home, ["whoami", "--token", "jl_wrong"]).run().refused(1, &["401"]);
    assert!(at_home(&home, ["logout"]).run().expect(0).stdout.contains("`default` is no longer in"));
    at_home(&home, ["whoami"]).run().refused(2, &["`jobledger login`"]);
    at_home(&home, ["logout"]).run().refused(1, &["`default`"]);
}

#[test]
fn several_servers_have_names_and_the_newest_login_is_asked_first() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let folders = ["one", "two"].map(|name| dir.path().join(name));
    let servers = folders.each_ref().map(|folder| Serving::start(folder));
    for ((folder, server), (name, role)) in folders.iter().zip(&servers).zip([("one", "viewer"), ("two", "admin")]) {
        let token = token(folder, role);
        let login = at_home(&home, ["login", "--server", name, "--url", &server.url]);
        // The environment may hold the token too.
        login.env("JOBLEDGER_TOKEN", &token).run().expect(0);
    }
    let role = |command: Cli| command.run().expect(0).json_lines()[0]["role"].as_str().unwrap().to_owned();
    assert_eq!(role(at_home(&home, ["whoami", "--json"])), "admin");
    assert_eq!(role(at_home(&home, ["whoami", "--json", "--server", "one"])), "viewer");
    assert_eq!(role(at_home(&home, ["whoami", "--json"]).env("JOBLEDGER_SERVER", "one")), "viewer");
    assert_eq!(role(at_home(&home, ["whoami", "--json", "--url", &servers[0].url])), "viewer");
    // The command line wins over the environment.
    let both = at_home(&home, ["whoami", "--json", "--server", "two"]).env("JOBLEDGER_URL", &servers[0].url);
    assert_eq!(role(both), "admin");
    at_home(&home, ["whoami", "--server", "one", "--url", &servers[0].url]).run().refused(2, &["found both"]);
    at_home(&home, ["whoami", "--server", "three"]).run().refused(2, &["`three`", "jobledger login"]);
    // The folder of settings may be elsewhere.
    let elsewhere = at_home(&home, ["whoami"]).env("XDG_CONFIG_HOME", dir.path().join("elsewhere"));
    elsewhere.run().refused(2, &["`jobledger login`"]);
}

#[test]
fn a_token_that_the_server_does_not_know_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("ledger"));
    let server = Serving::start(&folder);
    let login = || at_home(&home, ["login", "--url", &server.url]);
    login().run_with("jl_wrong\n").refused(1, &["401"]);
    login().run_with("\n").refused(2, &["expected a token"]);
    login().run().refused(2, &["expected a token"]);
    login().args(["--server", "a/b", "--token", "t"]).run().refused(2, &["--server"]);
    assert!(!home.join(".config").exists());
    cli(["login", "--url", &server.url, "--token", &token(&folder, "viewer")]).run().refused(2, &["HOME"]);
}

#[test]
fn a_file_that_others_may_read_or_that_is_no_such_file_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("ledger"));
    let server = Serving::start(&folder);
    let viewer = token(&folder, "viewer");
    at_home(&home, ["login", "--url", &server.url, "--token", &viewer]).run().expect(0);
    let file = home.join(".config/jobledger/servers.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    at_home(&home, ["whoami"]).run().refused(2, &["others may read", "chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "servers = 7\n").unwrap();
    at_home(&home, ["whoami"]).run().refused(2, &["servers.toml"]);
    // With an address and a token the file is not read.
    at_home(&home, ["whoami", "--url", &server.url, "--token", &viewer]).run().expect(0);
}

#[test]
fn an_auditor_verifies_with_the_token_of_the_login() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("ledger"));
    let server = Serving::start(&folder);
    let key = on(&folder, "key show", &[]).expect(0).stdout;
    let auditor = token(&folder, "auditor");
    at_home(&home, ["verify", "url", &server.url]).run().refused(1, &["`jobledger login`"]);
    at_home(&home, ["login", "--url", &server.url, "--token", &auditor]).run().expect(0);
    at_home(&home, ["verify", "url", &server.url, "--vkey", key.trim_end()]).run().expect(0);
}
