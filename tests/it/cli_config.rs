//! Options from the command line, the environment and a file, in that order.

use std::path::{Path, PathBuf};

use crate::support::cli::{Done, Serving, cli, token};
use crate::support::task_job;

/// A file of options in `dir`.
fn file(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("jobledger.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_server_takes_every_option_from_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let told = cli(["serve"])
        .env("JOBLEDGER_DATA", dir.path())
        .env("JOBLEDGER_LISTEN", "127.0.0.1:0")
        .env("JOBLEDGER_CHECKPOINT", "external")
        .env("JOBLEDGER_QUEUE", "10")
        .env("JOBLEDGER_MEMORY", "256MiB")
        .env("JOBLEDGER_INSECURE_HTTP", "true")
        .env("JOBLEDGER_MASK", "-jwt")
        .env("JOBLEDGER_MASK_RULE", "badge=BDG-[0-9]+\npin=pin ([0-9]+)")
        .env("JOBLEDGER_LOG", "debug");
    let server = Serving::of(told);
    server.client(&token(dir.path(), "worker")).append(&task_job("a")).expect(201);
    let metrics = server.client(&token(dir.path(), "auditor")).get("/metrics").expect(200).text();
    let bodies = "jobledger_memory_share_bytes{share=\"bodies\"} 33554432\n";
    assert!(metrics.contains(bodies), "an eighth of 256 MiB: {metrics}");
    let second = cli(["serve", "--listen", "127.0.0.1:0"]).env("JOBLEDGER_DATA", dir.path());
    second.env("JOBLEDGER_JSON", "true").run().refused(2, &["is in use"]);
    for (variable, value, option) in [
        ("JOBLEDGER_LISTEN", "here", "--listen"),
        ("JOBLEDGER_QUEUE", "many", "--queue"),
        ("JOBLEDGER_CHECKPOINT", "sometimes", "--checkpoint"),
        ("JOBLEDGER_MEMORY", "some", "--memory"),
        ("JOBLEDGER_MASK", "most", "--mask"),
        ("JOBLEDGER_MASK_RULE", "badge", "--mask-rule"),
        ("JOBLEDGER_JSON", "perhaps", "--json"),
    ] {
        cli(["serve", "--data"]).arg(dir.path()).env(variable, value).run().refused(2, &[option, value]);
    }
}

#[test]
fn a_server_takes_every_option_from_a_file_in_either_spelling() {
    for text in [
        "data = 'DIR'\ncreate = true\nlisten = '127.0.0.1:0'\ninsecure-http = false\nqueue = 10\ncheckpoint = 'external'\nmask = 'jwt,badge'\nmask-rule = ['badge=B[0-9]', 'pin=pin ([0-9])']\nlog = 'error'\njson = false\n",
        "data = 'DIR'\ncreate = true\nlisten = '127.0.0.1:0'\ninsecure_http = true\nqueue = '10'\nmemory = '1GiB'\ncheckpoint = 'internal'\nmask_rule = 'badge=B[0-9]'\n",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let config = file(dir.path(), &text.replace("DIR", data.to_str().unwrap()));
        let server = Serving::of(cli(["serve", "--config"]).arg(&config));
        server.client(&token(&data, "worker")).append(&task_job("a")).expect(201);
        drop(server);
        Serving::of(cli(["serve"]).env("JOBLEDGER_CONFIG", &config)).end("TERM").expect(0);
        let joined = format!("--config={}", config.display());
        Serving::of(cli([joined.as_str(), "serve"])).end("TERM").expect(0);
    }
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| dir.path().join(name);
    let config = file(dir.path(), &format!("data = '{}'\n", folder("file").display()));
    let create = || cli(["token", "create", "--name", "a", "--role", "viewer", "--config"]).arg(&config);
    create().run().expect(0);
    assert!(folder("file").exists());
    create().env("JOBLEDGER_DATA", folder("environment")).run().expect(0);
    assert!(folder("environment").exists());
    create().env("JOBLEDGER_DATA", folder("never")).arg("--data").arg(folder("line")).run().expect(0);
    assert!(folder("line").exists() && !folder("never").exists());
}

#[test]
fn a_faulty_setting_in_a_file_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("no_such_option = 1", &["`no_such_option`"][..]),
        ("listen = ['127.0.0.1:0']", &["`listen`"]),
        ("queue = 'many'", &["--queue", "many"]),
        ("queue = 0", &["--queue"]),
        ("json = 3", &["--json", "3"]),
        ("insecure-http = 'perhaps'", &["--insecure-http", "perhaps"]),
        ("listen = 'here'", &["--listen", "here"]),
        ("tls-cert = 'cert.pem'", &["--tls-cert", "--tls-key"]),
        ("listen", &["jobledger.toml"]),
        ("listen = ['127.0.0.1:0', '127.0.0.1:0']", &["`listen`", "an array"]),
        ("mask-rule = [['badge']]", &["`mask-rule`"]),
        ("mask-rule = ['badge=(']", &["--mask", "`badge`"]),
        ("[serve]\nlisten = '127.0.0.1:0'", &["`serve`"]),
    ] {
        let config = file(dir.path(), text);
        let told = cli(["serve", "--data"]).arg(dir.path().join("data")).arg("--config").arg(&config);
        told.run().refused(2, words);
    }
    assert!(!dir.path().join("data").exists());
    let missing = dir.path().join("missing.toml");
    cli(["serve", "--config"]).arg(&missing).run().refused(2, &[missing.to_str().unwrap()]);
}

#[test]
fn append_takes_its_target_from_a_file_or_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let (data, events) = (dir.path().join("data"), dir.path().join("events.ndjson"));
    std::fs::write(&events, task_job("a").to_string()).unwrap();
    let server = Serving::start(&data);
    let token = token(&data, "worker");
    let append = || cli(["append", "--json"]).arg(&events);
    let appended = |done: Done| done.expect(0).json_lines()[0]["appended"].as_u64();
    // The server and its token stand in the file, or in the environment, or one on the command line and one in the file.
    let config = file(dir.path(), &format!("url = '{}'\ntoken = '{token}'\n", server.url));
    assert_eq!(appended(append().arg("--config").arg(&config).run()), Some(1));
    let told = append().env("JOBLEDGER_URL", &server.url).env("JOBLEDGER_TOKEN", &token);
    assert_eq!(appended(told.run()), Some(0));
    let config = file(dir.path(), &format!("token = '{token}'\n"));
    assert_eq!(appended(append().args(["--url", &server.url]).arg("--config").arg(&config).run()), Some(0));
    // A server on the command line wins over a folder in the environment or a file.
    let told = append().args(["--url", &server.url, "--token", &token]);
    assert_eq!(appended(told.env("JOBLEDGER_DATA", dir.path().join("never")).run()), Some(0));
    let config = file(dir.path(), &format!("data = '{}'\n", dir.path().join("never").display()));
    let told = append().args(["--url", &server.url, "--token", &token]).arg("--config").arg(&config);
    assert_eq!(appended(told.run()), Some(0));
    assert!(!dir.path().join("never").exists());
    drop(server);
    let config = file(dir.path(), &format!("data = '{}'\n", data.display()));
    assert_eq!(appended(append().arg("--config").arg(&config).run()), Some(0));
    let told = append().arg("--data").arg(&data).env("JOBLEDGER_URL", "http://127.0.0.1:1");
    assert_eq!(appended(told.env("JOBLEDGER_TOKEN", &token).run()), Some(0));
}

#[test]
fn a_folder_and_a_server_from_the_same_place_are_refused() {
    let told = |line: &[&str]| cli(["append", "events.ndjson"]).args(line);
    let url = "http://127.0.0.1:1";
    told(&["--data", "d", "--url", url, "--token", "t"]).run().refused(2, &["--data", "--url"]);
    let both = told(&["--token", "t"]).env("JOBLEDGER_DATA", "d").env("JOBLEDGER_URL", url);
    both.run().refused(2, &["--data", "--url"]);
    told(&["--url", url]).run().refused(2, &["--token"]);
    told(&[]).run().refused(2, &["--data", "--url"]);
    cli(["rebuild"]).run().refused(2, &["--data", "--url"]);
}

#[test]
fn replay_takes_its_folder_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    cli(["append", "-", "--create", "--data"]).arg(&data).run_with(task_job("a").to_string()).expect(0);
    let config = file(dir.path(), &format!("data = '{}'\n", data.display()));
    let replayed = cli(["replay", "a", "--config"]).arg(&config).run().expect(0);
    assert!(replayed.stdout.starts_with("#1 "), "{}", replayed.stdout);
    cli(["replay", "a"]).run().refused(2, &["--data", "--file"]);
}

#[test]
fn a_text_option_in_a_file_must_stand_in_quotes() {
    let dir = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("data = 5", ["`data`", "text in quotes", "integer `5`"]),
        ("anchor = true", ["`anchor`", "text in quotes", "boolean `true`"]),
        ("log = 1.5", ["`log`", "text in quotes", "float `1.5`"]),
        ("mask-rule = ['a=b', 7]", ["mask-rule", "7", "NAME=REGEX"]),
    ] {
        let config = file(dir.path(), text);
        let told = cli(["serve", "--config"]).arg(&config).env("JOBLEDGER_DATA", dir.path().join("data"));
        told.run().refused(2, &words);
    }
    assert!(!dir.path().join("data").exists());
}

#[test]
fn a_flag_in_the_environment_takes_the_usual_spellings() {
    let dir = tempfile::tempdir().unwrap();
    let list = |value: &str| cli(["token", "list", "--data"]).arg(dir.path()).env("JOBLEDGER_JSON", value).run();
    token(dir.path(), "worker");
    for value in ["1", "true", "yes", "on", "TRUE"] {
        assert_eq!(list(value).expect(0).json_lines().len(), 1, "{value}");
    }
    for value in ["0", "false", "no", "off", ""] {
        assert!(list(value).expect(0).stdout.starts_with("worker "), "{value}");
    }
    list("perhaps").refused(2, &["--json", "perhaps", "environment variable JOBLEDGER_JSON"]);
    // An error about the command line does not name the environment.
    let told = cli(["serve", "--data", "never", "--queue", "many"]).env("JOBLEDGER_QUEUE", "10").run();
    assert!(!told.stderr.contains("JOBLEDGER_QUEUE"), "{}", told.stderr);
    told.refused(2, &["--queue", "many"]);
}

#[test]
fn an_empty_variable_counts_as_unset_and_an_unknown_one_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let list = || cli(["token", "list", "--data"]).arg(dir.path());
    token(dir.path(), "worker");
    let done = list().env("JOBLEDGER_ANCHOR", "").env("JOBLEDGER_ORG", "").env("JOBLEDGER_CONFIG", "").run().expect(0);
    assert_eq!(done.stderr, "");
    cli(["token", "list"]).env("JOBLEDGER_DATA", "").run().refused(2, &["--data"]);
    let done = list().env("JOBLEDGER_DTAA", "x").env("JOBLEDGER_EMPTY", "").run().expect(0);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert!(done.stderr.contains("`JOBLEDGER_DTAA`; did you mean `JOBLEDGER_DATA`?"), "{}", done.stderr);
    let far = list().env("JOBLEDGER_NOTHING_LIKE_IT", "x").run().expect(0);
    assert!(!far.stderr.contains("mean"), "{}", far.stderr);
    // A server says it in its log.
    let told =
        cli(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(dir.path()).env("JOBLEDGER_LISTN", "x");
    let running = told.start();
    running.line().unwrap();
    running.signal("TERM");
    let log = running.wait().expect(0).stderr;
    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert!(line["fields"]["message"].as_str().unwrap().contains("`JOBLEDGER_LISTEN`"), "{line}");
}
