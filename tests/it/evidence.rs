//! Evidence bundles as they are given out: through HTTP and by command, checked by both verifiers and by hand.

use std::fs;
use std::path::Path;
use std::process::Command;

use jobledger::access::Role;
use jobledger::wire::Leaf;
use serde_json::{Value, json};
use tar::Archive;

use crate::support::answers::admin_of;
use crate::support::bundles::{Bundle, both, verify};
use crate::support::cli::{cli, on};
use crate::support::erasures::{ERASED_JOBS, NAME, erasures, lives};
use crate::support::exports::{OTHER, append_to, import};
use crate::support::histories::{completed, noted, output, started};
use crate::support::{Client, TestServer, created, event, skipped};

const HOSTILE: &str =
    "<script>alert('x')</script> \u{1b}[31mred\u{1b}[0m \u{202e}gnp.exe </pre> & \"quotes\" \u{2028} é\u{0}";

/// A ledger with a finished job, an open one, a cancelled one, and one with hostile texts.
fn ledger() -> (TestServer, Client) {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let cancelled = |job: &str| event("job.cancelled", job, json!({"reason": "no longer needed"}));
    let mut events = vec![created("finished"), created("open"), started("finished"), started("open")];
    events.extend([
        noted("finished", "n"),
        completed("finished"),
        created("gone"),
        cancelled("gone"),
        noted("finished", "m"),
    ]);
    let labels =
        json!({"kind": "task", "spec": {"job_type": "full_sync"}, "labels": {"ticket": "<img src=x onerror=y>"}});
    events.extend([event("job.created", "hostile", labels), started("hostile")]);
    events.extend([output("hostile", HOSTILE), output("hostile", &"<b>".repeat(20_000)), noted("hostile", HOSTILE)]);
    worker.append(&json!(events)).expect(201);
    (server, worker)
}

fn key(folder: &Path) -> String {
    on(folder, "key show", &[]).expect(0).stdout.lines().next().unwrap().to_owned()
}

/// The report of `verify bundle` over a bundle that is verified.
fn report(bundle: &[u8], key: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.tar");
    fs::write(&path, bundle).unwrap();
    assert_eq!(both(&path, None), 7);
    assert_eq!(both(&path, Some(key)), 0);
    assert_eq!(both(&Bundle::read(bundle).unpack(folder.path()), Some(key)), 0);
    verify(&path, &["--vkey", key]).json_lines()[0]["report"].clone()
}

#[test]
fn it_is_the_same_by_every_way_and_both_verifiers_accept_it() {
    let (server, worker) = ledger();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence.tar");
    let token = worker.token.clone().unwrap();
    let key = key(server.path());
    for (job, ended, events) in [
        ("finished", json!("job.completed"), 5),
        ("open", json!(null), 2),
        ("gone", json!("job.cancelled"), 2),
        ("hostile", json!(null), 5),
    ] {
        let answer = worker.get(&format!("/ledger/jobs/{job}/evidence")).expect(200);
        assert_eq!(answer.header("content-type"), "application/x-tar");
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"evidence-{job}.tar\""));
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        let written = ["evidence", job, "-o", file.to_str().unwrap()];
        cli(written).arg("--data").arg(server.path()).run().expect(0);
        assert!(fs::read(&file).unwrap() == answer.body, "{job}: by --data");
        cli(written).args(["--url", &server.url, "--token", &token]).run().expect(0);
        assert!(fs::read(&file).unwrap() == answer.body, "{job}: by --url");

        let report = report(&answer.body, &key);
        let found = &report["job"];
        assert_eq!((&found["id"], &found["events"], &found["ended"]["type"]), (&json!(job), &json!(events), &ended));
        let unchecked = report["unchecked"].to_string();
        assert!(unchecked.contains(if ended.is_null() { "whether the job went on" } else { "remarks and redactions" }));

        let bundle = Bundle::read(&answer.body);
        assert_eq!(bundle.text("job.json"), worker.get(&format!("/ledger/jobs/{job}")).expect(200).text());
        assert_eq!(bundle.text("checkpoint"), worker.get("/ledger/checkpoint").expect(200).text());
        for line in bundle.text("leaves.ndjson").lines() {
            let position = Leaf::parse_strict(line.as_bytes()).unwrap().position().unwrap();
            assert_eq!(line, worker.get(&format!("/ledger/events/{position}/leaf")).expect(200).text());
            let proof = worker.get(&format!("/ledger/events/{position}/proof")).expect(200).text();
            assert_eq!(bundle.text(&format!("proofs/{position}.tlog-proof")), proof);
        }
    }
}

#[test]
fn its_bytes_say_nothing_of_when_and_where_it_was_made() {
    let (server, worker) = ledger();
    let tar = worker.get("/ledger/jobs/finished/evidence").expect(200).body;
    let recorded = worker.get("/ledger/events/9").expect(200).json()["recordedtime"].as_str().unwrap().to_owned();
    let time = recorded.parse::<jobledger::job::Time>().unwrap().micros() / 1_000_000;
    let mut names = Vec::new();
    for entry in Archive::new(tar.as_slice()).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap()), (0, 0, 0o644));
        assert_eq!(header.mtime().unwrap(), time as u64, "when the job's newest event was recorded");
        assert!(header.username().unwrap().unwrap_or("").is_empty());
        names.push(String::from_utf8(entry.path_bytes().into_owned()).unwrap());
    }
    // Sorted, the proofs by their number.
    let key = |name: &String| {
        let number = name.rsplit('/').next().and_then(|last| last.strip_suffix(".tlog-proof")?.parse::<u64>().ok());
        (if number.is_some() { name[..name.rfind('/').unwrap()].to_owned() } else { name.clone() }, number)
    };
    let mut sorted = names.clone();
    sorted.sort_by_key(key);
    assert_eq!(names, sorted);
    assert!(tar == worker.get("/ledger/jobs/finished/evidence").expect(200).body);
    drop(server);
}

#[test]
fn every_reader_of_the_job_may_have_it_and_no_other() {
    let (server, worker) = ledger();
    let other = admin_of(&server, OTHER);
    other.append(&created("theirs")).expect(201);
    let path = "/ledger/jobs/theirs/evidence";
    worker.get(path).expect(404);
    other.get("/ledger/jobs/finished/evidence").expect(404);
    let auditor = server.client(Role::Auditor);
    auditor.get(path).expect(404);
    let named = auditor.get(&format!("{path}?org={OTHER}")).expect(200);
    assert!(named.body == other.get(path).expect(200).body);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("theirs.tar");
    cli(["evidence", "theirs", "--org", OTHER, "--data"]).arg(server.path()).arg("-o").arg(&file).run().expect(0);
    assert!(fs::read(&file).unwrap() == named.body);
    cli(["evidence", "nobody", "--data"])
        .arg(server.path())
        .arg("-o")
        .arg(folder.path().join("n.tar"))
        .run()
        .refused(1, &["no job"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a refusal leaves nothing behind");
    for query in ["as_of=1", "since=0", "since=x", "since=1000", "unknown=1"] {
        worker.get(&format!("/ledger/jobs/finished/evidence?{query}")).expect(400);
    }
    let many = "since=1&".repeat(17);
    worker.get(&format!("/ledger/jobs/finished/evidence?{many}")).expect(400);
    // Nothing of it tells of others.
    let text = String::from_utf8_lossy(&worker.get("/ledger/jobs/finished/evidence").expect(200).body).into_owned();
    assert!(!text.contains("theirs") && !text.contains("hostile"));
}

#[test]
fn any_key_of_the_log_leads_to_the_one_that_signs_now() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("log"), dir.path().join("evidence.tar"));
    append_to(&folder, &json!([created("a")]), &[]);
    let mut keys = vec![key(&folder)];
    for n in 0..2 {
        on(&folder, "key rotate", &[]).expect(0);
        keys.push(key(&folder));
        append_to(&folder, &noted("a", &n.to_string()), &[]);
        fs::remove_file(folder.join("ledger.key.previous")).unwrap();
    }
    append_to(&folder, &json!([started("a")]), &[]);
    let make = |folder: &Path| {
        cli(["evidence", "a", "--data"]).arg(folder).arg("-o").arg(&file).run().expect(0);
        Bundle::read(&fs::read(&file).unwrap())
    };
    let bundle = make(&folder);
    for key in &keys {
        assert_eq!(bundle.verdict(Some(key)), 0, "{key}");
    }
    assert_eq!(bundle.verdict(None), 7);
    // Without a signature by the keys before it a new key is not trusted.
    let vouched: Vec<String> =
        bundle.files.iter().map(|(name, _)| name.clone()).filter(|name| name.contains("vouched")).collect();
    assert_eq!(vouched.len(), 2);
    for name in &vouched {
        let mut without = bundle.clone();
        without.remove(name);
        assert!([4, 7].contains(&without.verdict(Some(&keys[0]))), "{name}");
        let mut forged = bundle.clone();
        forged.proof(name, |proof| proof.proof[0].0[0] ^= 1);
        assert_eq!(forged.verdict(Some(&keys[0])), 3, "{name}");
        let mut signed = bundle.clone();
        let last = |note: &str| format!("{}\n", note.trim_end().rsplit_once('\n').unwrap().0);
        signed.proof(name, |proof| {
            let newest_key = keys.iter().find(|key| proof.checkpoint.contains(key.as_str()));
            assert_eq!(newest_key, None);
            proof.checkpoint = last(&proof.checkpoint);
        });
        // One of two signatures is left: either that of the older key, which is enough, or that of the new one alone.
        assert!([0, 4].contains(&signed.verdict(Some(&keys[0]))), "{name}");
    }

    // A copy that goes on under another name is vouched for by no key, and says so.
    let copy = dir.path().join("copy");
    import(&copy, on(&folder, "export", &[]).expect(0).stdout).expect(0);
    cli(["evidence", "a", "--data"]).arg(&copy).arg("-o").arg(&file).run().refused(1, &["no checkpoint", "recover"]);
    on(&copy, "recover", &[]).expect(0);
    let continued = make(&copy);
    assert_eq!(continued.verdict(Some(&key(&copy))), 0);
    assert_eq!(continued.verdict(Some(&keys[0])), 7);
    assert_eq!(continued.verdict(Some(&keys[2])), 7);
}

#[test]
fn what_was_erased_is_in_no_bundle_and_each_erasure_is_proven() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!(lives())).expect(201);
    let path = |job: &str| format!("/ledger/jobs/{job}/evidence");
    assert!(has(&admin.get(&path("t")).expect(200).body, NAME));
    admin.append(&json!(erasures(0))).expect(201);
    for (job, events) in ERASED_JOBS.into_iter().zip([8, 4, 2]) {
        let tar = admin.get(&path(job)).expect(200).body;
        assert!(!has(&tar, NAME), "{job}");
        let report = report(&tar, &key(server.path()));
        assert_eq!((&report["erased"], &report["job"]["events"]), (&json!(events), &json!(2 * events)));
        let bundle = Bundle::read(&tar);
        assert_eq!(bundle.text("job.json"), admin.get(&format!("/ledger/jobs/{job}")).expect(200).text());
        assert_eq!(bundle.text("timeline.html").matches("data redacted").count(), events);
        assert_eq!(bundle.text("data.ndjson").lines().filter(|line| *line == "null").count(), events);
        // Without the event that says why, data is just missing.
        let mut cut = bundle.clone();
        cut.lines(|lines| drop(lines.pop()));
        assert_eq!(cut.verdict(Some(&key(server.path()))), 6);
    }
}

#[test]
fn it_continues_the_log_of_an_older_checkpoint() {
    let (server, worker) = ledger();
    let dir = tempfile::tempdir().unwrap();
    let keep = |name: &str, text: String| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let old = keep("old.checkpoint", worker.get("/ledger/checkpoint").expect(200).text());
    worker.append(&noted("finished", "later")).expect(201);
    let same = keep("same.checkpoint", worker.get("/ledger/checkpoint").expect(200).text());
    let file = dir.path().join("evidence.tar");
    let make = |since: &[&Path]| {
        let command = cli(["evidence", "finished", "--data"]).arg(server.path()).arg("-o").arg(&file);
        since.iter().fold(command, |command, path| command.arg("--since").arg(path)).run().expect(0);
    };
    let key = key(server.path());
    let check = |held: &Path| verify(&file, &["--vkey", &key, "--since", held.to_str().unwrap()]);
    make(&[]);
    assert_eq!(check(&same).expect(0).json_lines()[0]["report"]["held"], 1);
    let told = check(&old).expect(0).stdout;
    assert!(told.contains("ask for a bundle with that as --since"), "{told}");
    make(&[&old]);
    let report = check(&old).expect(0).json_lines()[0]["report"].clone();
    assert_eq!(report["held"], 1);
    assert!(!report["unchecked"].to_string().contains("--since"), "{report}");
    let bundle = Bundle::read(&fs::read(&file).unwrap());
    let size = bundle.files.iter().find_map(|(name, _)| name.strip_prefix("consistency/")).unwrap().to_owned();
    let answer = worker.get(&format!("/ledger/jobs/finished/evidence?since={size}")).expect(200);
    assert!(answer.body == bundle.tar() || Bundle::read(&answer.body) == bundle);

    // The log's own key signs another history: its holder sees that.
    let secret = fs::read_to_string(server.path().join("ledger.key")).unwrap();
    let secret = jobledger::tree::SigningKey::parse(secret.trim_end()).unwrap();
    for held in [&old, &same] {
        let text = fs::read_to_string(held).unwrap();
        let mut checkpoint = jobledger::tree::Checkpoint::claimed(&text).unwrap();
        checkpoint.head.root.0[0] ^= 1;
        check(&keep("forked", checkpoint.sign(&[&secret]).unwrap())).expect(5);
        let broken = text.replacen(&format!("\n{}\n", checkpoint.head.size), "\n1\n", 1);
        check(&keep("broken", broken)).expect(4);
    }
    let (other, _) = ledger();
    check(&keep("another", other.client(Role::Admin).get("/ledger/checkpoint").expect(200).text())).expect(5);
    worker.append(&noted("finished", "still later")).expect(201);
    let newer = keep("newer", worker.get("/ledger/checkpoint").expect(200).text());
    assert!(check(&newer).expect(0).stdout.contains("the bundle of"));
    cli(["evidence", "finished", "--data"])
        .arg(other.path())
        .arg("-o")
        .arg(&file)
        .arg("--since")
        .arg(&newer)
        .run()
        .refused(1, &["newest"]);
}

#[test]
fn it_is_checked_by_hand_as_its_text_says() {
    let dir = tempfile::tempdir().unwrap();
    let shell = |folder: &Path, script: &str| {
        let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    if !shell(
        dir.path(),
        "openssl version | grep 'OpenSSL 3' && sha256sum --version && od --version && awk 1 /dev/null",
    )
    .0
    {
        return skipped("openssl 3, sha256sum, od and awk");
    }
    let (server, worker) = ledger();
    let bundle = Bundle::read(&worker.get("/ledger/jobs/finished/evidence").expect(200).body);
    let readme = bundle.text("README.txt");
    let by_hand = readme.split_once("\nBY HAND").unwrap().1;
    let commands: Vec<&str> = by_hand.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(commands.contains(&"n=1"));
    let typed = |bundle: &Bundle, line: usize| {
        let place = tempfile::tempdir().unwrap();
        let folder = bundle.unpack(place.path());
        fs::write(folder.join("vkey"), key(server.path()) + "\n").unwrap();
        shell(&folder, &commands.join("\n").replace("n=1\n", &format!("n={line}\n")))
    };
    for line in 1..=5 {
        let (fine, said) = typed(&bundle, line);
        assert!(fine, "{said}");
        let digest =
            bundle.text("leaves.ndjson").lines().nth(line - 1).unwrap().split("\"datadigest\":\"").nth(1).unwrap()
                [..64]
                .to_owned();
        let digest = format!("= {digest}\n");
        for words in [
            &*digest,
            "\nin the log\n",
            "Signature Verified Successfully",
            "\nof the log of that key\n",
            "\nunbroken\n",
        ] {
            assert!(said.contains(words), "line {line}, {words}: {said}");
        }
    }
    // Each of the four checks can fail.
    let fails = |line: usize, words: &str, change: &dyn Fn(&mut Bundle)| {
        let mut forged = bundle.clone();
        change(&mut forged);
        let (_, said) = typed(&forged, line);
        assert!(!said.contains(words), "{words}: {said}");
    };
    let digest = format!("= {}", &bundle.text("leaves.ndjson").split("\"datadigest\":\"").nth(1).unwrap()[..64]);
    fails(1, &digest, &|bundle| bundle.replace("data.ndjson", "full_sync", "half_sync"));
    fails(2, "\nin the log\n", &|bundle| bundle.leaf(1, "\"actor\":\"worker\"", "\"actor\":\"nobody\""));
    fails(1, "Signature Verified", &|bundle| bundle.edit("checkpoint", |note| note.replacen("\n15\n", "\n14\n", 1)));
    fails(1, "\nunbroken\n", &|bundle| bundle.lines(|lines| drop(lines.remove(1))));
}

#[test]
fn the_timeline_is_a_page_that_needs_nothing_and_runs_nothing() {
    let (_server, worker) = ledger();
    let bundle = Bundle::read(&worker.get("/ledger/jobs/hostile/evidence").expect(200).body);
    let page = bundle.text("timeline.html");
    // Every tag is one of the page's own; input from outside is text.
    let known = [
        "!doctype", "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "span", "p", "dl", "dt",
        "dd", "ol", "li", "a", "time", "table", "tr", "th", "td", "code", "pre", "details", "summary", "i",
    ];
    for tag in page.split('<').skip(1) {
        let name = tag.trim_start_matches('/').split(['>', ' ']).next().unwrap();
        assert!(known.contains(&name), "{name}");
        let inside = tag.split('>').next().unwrap();
        assert!(!inside.contains(" on") && !inside.contains("src=") && !inside.contains("javascript"), "{inside}");
        if let Some(link) = inside.split("href=\"").nth(1) {
            assert!(link.starts_with("#p"), "{inside}");
        }
    }
    for (outside, count) in [("http://", 0), ("https://", 0), ("url(", 0), ("@import", 0), ("default-src 'none'", 1)] {
        assert_eq!(page.matches(outside).count(), count, "{outside}");
    }
    assert!(!page.contains(['\u{1b}', '\u{202e}', '\u{2028}', '\0']));
    for shown in [
        "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;",
        "&lt;img src=x onerror=y&gt;",
        "U+202E",
        "gnp.exe &lt;/pre&gt;",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(page.contains("The job has not ended"));
    let finished = Bundle::read(&worker.get("/ledger/jobs/finished/evidence").expect(200).body).text("timeline.html");
    assert!(
        finished.contains("&quot;running&quot;</code> <span class=\"to\">→</span> <code>&quot;completed&quot;"),
        "{finished}"
    );
    assert_eq!(finished.matches("<li ").count(), 5);
}

#[test]
fn the_verifier_in_it_is_that_of_the_source_and_short_enough_to_be_read() {
    let (_server, worker) = ledger();
    let bundle = Bundle::read(&worker.get("/ledger/jobs/open/evidence").expect(200).body);
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/evidence/verify.py")).unwrap();
    assert_eq!(bundle.text("verify.py"), source);
    assert!(source.lines().count() <= 150, "{}", source.lines().count());
    assert!(source.lines().all(|line| line.chars().count() <= 140));
}

/// Whether `bytes` have `text` in them.
fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
