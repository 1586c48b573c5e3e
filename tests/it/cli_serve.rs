//! `jobledger serve`: how it starts, stops, and refuses to start.

use std::net::TcpListener;
use std::process::Command;

use ureq::http::Method;

use crate::support::certificates::certificate;
use crate::support::cli::{PROGRAM, Serving, cli, cli_under, on, token};
use crate::support::wait::until;
use crate::support::{Client, named, skipped, task_job};

#[test]
fn a_server_prints_its_address_and_either_signal_ends_it_cleanly() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().unwrap();
        let server = Serving::start(dir.path());
        let port = server.url.strip_prefix("http://127.0.0.1:").unwrap().parse::<u16>().unwrap();
        assert_ne!(port, 0);
        Client::new(&server.url, None).get("/healthz").expect(200);
        let done = server.end(signal).expect(0);
        assert_eq!(done.stdout, "", "the first line is the only one");
        assert!(done.stderr.contains("stopped"), "{}", done.stderr);
    }
}

#[test]
fn a_server_takes_as_many_open_files_as_it_may_and_says_if_they_are_too_few() {
    for (max_tails, are_too_few) in [("2048", true), ("40", false)] {
        let dir = tempfile::tempdir().unwrap();
        let args = ["serve", "--create", "--listen", "127.0.0.1:0", "--max-tails", max_tails, "--data"];
        let server = Serving::of(cli_under("ulimit -Sn 100; ulimit -Hn 300", PROGRAM, args).arg(dir.path()));
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(files.split_whitespace().collect::<Vec<_>>()[3..5], ["300", "300"]);
        let done = server.end("TERM").expect(0);
        assert_eq!(done.stderr.contains("fewer files than --max-tails needs"), are_too_few, "{}", done.stderr);
    }
}

#[test]
fn an_open_tail_ends_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let mut tail = server.client(&token(dir.path(), "worker")).stream("/ledger/events", &[]);
    assert_eq!(tail.next().unwrap().retry, Some(1000));
    server.end("TERM").expect(0);
    assert_eq!(tail.next(), None);
}

#[test]
fn with_json_logging_every_line_of_both_outputs_is_an_object() {
    let dir = tempfile::tempdir().unwrap();
    let told = cli(["serve", "--json", "--max-tails", "1", "--listen", "127.0.0.1:0", "--data"]);
    let running = told.arg(dir.path()).start();
    let first: serde_json::Value = serde_json::from_str(&running.line().unwrap()).unwrap();
    let url = first["listening"].as_str().unwrap();
    let worker = Client::new(url, Some(&token(dir.path(), "worker")));
    let open = worker.stream("/ledger/events", &[]);
    worker.get_with("/ledger/events", &[("accept", "text/event-stream"), ("x-request-id", "one-more")]).expect(503);
    running.signal("TERM");
    let done = running.wait().expect(0);
    drop(open);
    assert_eq!(done.stdout, "");
    let lines: Vec<serde_json::Value> = done.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(serde_json::Value::is_object));
    assert!(lines.iter().any(|line| line["fields"]["message"] == "serving" && line["fields"]["url"] == url));
    // A line about a request has the request's id, once.
    let answered = lines.iter().find(|line| line["fields"]["message"] == "answered").unwrap();
    assert_eq!(
        (&answered["span"]["id"], &answered["spans"]),
        (&"one-more".into(), &serde_json::Value::Null),
        "{answered}"
    );
}

#[test]
fn an_empty_folder_answers_401_until_there_is_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("not/there/yet");
    let server = Serving::start(&folder);
    Client::new(&server.url, None).append(&task_job("a")).expect(401);
    server.client("jl_guessed").append(&task_job("a")).expect(401);
    let token = token(&folder, "worker");
    server.client(&token).append(&task_job("a")).expect(201);
}

#[test]
fn a_server_listens_in_clear_to_other_machines_only_if_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        on(&folder, "serve", &["--listen", address]).refused(2, &["hint:", "--tls-cert", "--insecure-http"]);
    }
    assert!(!folder.exists(), "nothing is made by a server that does not start");
    let told = cli(["serve", "--create", "--listen", "0.0.0.0:0", "--insecure-http", "--data"]).arg(&folder);
    Serving::of(told).end("TERM").expect(0);
}

#[test]
fn behind_a_proxy_that_encrypts_browsers_know_the_server_as_https() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let told = cli(["serve", "--create", "--listen", "0.0.0.0:0", "--behind-tls", "--data"]).arg(&folder);
    let server = Serving::of(told);
    let url = server.url.replace("0.0.0.0", "127.0.0.1");
    let admin = Client::new(&url, Some(&token(&folder, "admin")));
    let signed_in = admin.send(Method::POST, "/session", &[], b"").expect(204);
    let (cookie, rest) = signed_in.header("set-cookie").split_once("; ").unwrap();
    assert!(rest.split("; ").any(|part| part == "Secure"), "{rest}");
    let write = |origin: &str, host: &str| {
        let headers = [("cookie", cookie), ("origin", origin), ("host", host)];
        Client::new(&url, None).append_with(&named("1", task_job("a")), &headers).status
    };
    assert_eq!(write("http://ledger.example", "ledger.example"), 403);
    assert_eq!(write("https://ledger.example:444", "ledger.example"), 403);
    assert_eq!(write("https://ledger.example", "ledger.example:443"), 201);
    assert_eq!(write("https://ledger.example", "ledger.example"), 200);
    server.end("TERM").expect(0);
    let both = ["--behind-tls", "--tls-cert", "c.pem", "--tls-key", "k.pem"];
    on(&folder, "serve", &both).refused(2, &["--behind-tls", "--tls-cert"]);
}

/// Whether the server uses the certificate in this file for a new connection.
fn greets_with(server: &Serving, certificate: &str) -> bool {
    let pem = ureq::tls::Certificate::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
    let trusted = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::new_with_certs(&[pem])).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(trusted).build().into();
    agent.get(format!("{}/healthz", server.url)).call().is_ok_and(|answer| answer.status() == 200)
}

#[test]
fn a_renewed_certificate_is_used_after_a_signal_or_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let Some((cert, key)) = certificate(dir.path()) else { return skipped("openssl") };
    let told = cli(["serve", "--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key, "--data"]);
    let server = Serving::of(told.arg(dir.path().join("data")).arg("--create"));
    assert!(greets_with(&server, &cert));
    for signal in [None, Some("HUP")] {
        certificate(dir.path()).unwrap();
        signal.inspect(|signal| server.signal(signal));
        until("the server greets with its new certificate", || greets_with(&server, &cert));
    }
    // The server does not use a key that does not fit the certificate.
    std::fs::write(&key, "not a key").unwrap();
    server.signal("HUP");
    assert!(greets_with(&server, &cert));
    server.end("TERM").refused(0, &["uses a new certificate"]);
}

#[test]
fn a_hangup_ends_nothing_and_reads_the_log_filter_again() {
    let dir = tempfile::tempdir().unwrap();
    let (config, log) = (dir.path().join("options.toml"), dir.path().join("log"));
    let say = |text: &str| std::fs::write(&config, text).unwrap();
    let lines = |words: &str| std::fs::read_to_string(&log).unwrap().matches(words).count();
    say("listen = '127.0.0.1:0'\nlog = 'error'");
    let told = cli(["serve", "--create", "--config"]).arg(&config).arg("--data").arg(dir.path().join("data"));
    let server = Serving::of(told.stderr(std::fs::File::create(&log).unwrap()));
    let asks = || Client::new(&server.url, None).get("/healthz").expect(200);
    asks();
    assert_eq!(lines(""), 1, "nothing is logged");
    say("listen = '127.0.0.1:0'\nlog = 'debug'");
    server.signal("HUP");
    until("what to log is read again", || lines("log filter again") == 1);
    asks();
    until("more is logged", || lines("/healthz") > 0);
    say("log = 'a=b=c'");
    server.signal("HUP");
    until("what is wrong is said", || lines("stays unchanged") == 1);
    asks();
    server.end("TERM").expect(0);
}

#[test]
fn a_server_listens_at_a_host_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::on(dir.path(), "localhost:0");
    Client::new(&server.url, None).get("/healthz").expect(200);
    let words = &["--listen", "no.such.name.invalid", "ADDRESS:PORT"];
    on(dir.path(), "serve", &["--listen", "no.such.name.invalid:1"]).refused(2, words);
}

#[test]
fn tls_is_served_and_nothing_else_on_that_port() {
    let dir = tempfile::tempdir().unwrap();
    let Some((certificate, key)) = certificate(dir.path()) else { return skipped("openssl") };
    let folder = dir.path().join("data");
    let told = cli(["serve", "--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key, "--data"]);
    let server = Serving::of(told.arg(&folder).arg("--create"));
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    assert!(greets_with(&server, &certificate));
    // The commands trust public authorities and those that an option names. They do not retry after an unknown certificate.
    let admin = token(&folder, "admin");
    let rebuild = |more: &[&str]| cli(["rebuild", "--url", &server.url, "--token", &admin]).args(more).run();
    rebuild(&["--ca", &certificate]).expect(0);
    rebuild(&[]).refused(2, &["certificate"]);
    cli(["tail", "--url", &server.url, "--token", &admin]).run().refused(2, &["certificate"]);
    rebuild(&["--ca", &key]).refused(2, &["--ca", "certificate in PEM"]);
    let in_clear = server.url.replace("https://", "http://");
    assert!(ureq::get(format!("{in_clear}/healthz")).call().is_err());
}

/// `openssl req -x509` without further options makes the certificate of an authority, which clients refuse for a server.
#[test]
fn the_refusal_of_a_certificate_of_an_authority_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let made = Command::new("openssl")
        .args(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
                .split(' '),
        )
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    let Ok(made) = made else { return skipped("openssl") };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let folder = dir.path().join("data");
    let told = cli(["serve", "--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key, "--data"]);
    let server = Serving::of(told.arg(&folder).arg("--create"));
    let event = path("event.json");
    std::fs::write(&event, "{}").unwrap();
    let tar = path("a.tar");
    for command in [&["rebuild"][..], &["tail"], &["append", &event], &["evidence", "a", "-o", &tar]] {
        let run = |more: &[&str]| cli(command).args(["--url", &server.url, "--token", "t"]).args(more).run();
        run(&["--ca", &certificate]).refused(2, &["CA:FALSE", "subjectAltName", "--ca"]);
        run(&[]).refused(2, &["CA:FALSE", "--ca"]);
    }
    let verify = cli(["verify", "url", &server.url, "--token", "t", "--ca", &certificate]);
    verify.run().refused(2, &["CA:FALSE"]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let wrong = dir.path().join("wrong.pem");
    std::fs::write(&wrong, "not a key").unwrap();
    let wrong = wrong.to_str().unwrap();
    on(&folder, "serve", &["--tls-cert", wrong, "--tls-key", wrong]).refused(2, &["TLS", wrong]);
    on(&folder, "serve", &["--tls-cert", wrong]).refused(2, &["--tls-key"]);
    assert!(!folder.exists());
}

#[test]
fn a_second_server_on_the_folder_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    on(dir.path(), "serve", &["--listen", "127.0.0.1:0"]).refused(2, &["is in use", dir.path().to_str().unwrap()]);
    server.client(&token(dir.path(), "worker")).append(&task_job("a")).expect(201);
}

#[test]
fn a_port_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    on(dir.path(), "serve", &["--listen", &address]).refused(2, &["cannot listen on", &address]);
}

#[test]
fn a_command_refuses_a_faulty_option_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = [("--listen", "here"), ("--checkpoint", "sometimes"), ("--queue", "0"), ("--log", "a=b=c")];
    for (option, value) in wrong.into_iter().chain([("--memory", "512"), ("--memory", "255MiB"), ("--memory", "2TiB")])
    {
        on(dir.path(), "serve", &[option, value]).refused(2, &[option]);
    }
    cli(["serve"]).run().refused(2, &["--data"]);
    cli(["serve", "--no-such-thing"]).run().refused(2, &["--no-such-thing"]);
}

#[test]
fn after_a_clean_end_the_log_is_whole_in_its_own_file() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let server = Serving::start(&folder);
    server.client(&token(&folder, "worker")).append(&serde_json::json!([task_job("a"), task_job("b")])).expect(201);
    server.end("TERM").expect(0);
    let alone = dir.path().join("alone");
    std::fs::create_dir(&alone).unwrap();
    std::fs::copy(folder.join("log.db"), alone.join("log.db")).unwrap();
    assert_eq!(on(&alone, "export", &[]).expect(0).stdout.lines().count(), 3);
}

/// `verify … | head -1`: closing the output changes no verdict.
#[test]
fn a_command_whose_output_is_closed_ends_with_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    token(dir.path(), "worker");
    drop(Serving::start(dir.path()).end("TERM"));
    for (args, code) in [(["verify", "db"], 7), (["token", "list"], 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobledger"));
        if code == 0 {
            command.args(args).arg("--data")
        } else {
            command.args(args)
        };
        let done = command.arg(dir.path()).stdout(writer).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
