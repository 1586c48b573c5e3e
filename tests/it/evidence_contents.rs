//! The files in an evidence bundle that people read: the commands in `README.txt`, the timeline and the verifier.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::evidence::{key, ledger};
use crate::support::bundles::Bundle;
use crate::support::skipped;

#[test]
fn the_commands_of_the_bundles_readme_check_the_bundle() {
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
fn the_timeline_loads_no_file_and_runs_no_script() {
    let (_server, worker) = ledger();
    let bundle = Bundle::read(&worker.get("/ledger/jobs/hostile/evidence").expect(200).body);
    let page = bundle.text("timeline.html");
    // Every tag is one of the page's own; input from outside is text.
    let known = [
        "!doctype", "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "span", "p", "dl", "dt",
        "dd", "ol", "li", "a", "time", "table", "tr", "th", "td", "code", "pre", "details", "summary", "i", "strong",
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
fn the_verifier_in_a_bundle_is_that_of_the_source_and_is_short() {
    let (_server, worker) = ledger();
    let bundle = Bundle::read(&worker.get("/ledger/jobs/open/evidence").expect(200).body);
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/evidence/verify.py")).unwrap();
    assert_eq!(bundle.text("verify.py"), source);
    assert!(source.lines().count() <= 150, "{}", source.lines().count());
    assert!(source.lines().all(|line| line.chars().count() <= 140));
}
