//! `jobledger demo`: shows a ledger, and is gone when it is told.

use crate::support::cli::cli;

/// Starts a demo, lets it play, and ends it with a signal.
fn played(signal: &str) {
    let demo = cli(["demo", "--pace", "1"]).start();
    let mut folder = None;
    while let Some(line) = demo.line() {
        if let Some(rest) = line.strip_prefix("a ledger in ") {
            folder = rest.split(',').next().map(str::to_owned);
        }
        if line.contains("as_of=2") {
            break;
        }
    }
    demo.signal(signal);
    let done = demo.wait().expect(0);
    assert!(done.stdout.contains("the demo has ended"), "{}", done.stdout);
    assert!(done.stderr.len() < 10_000, "{}", done.stderr);
    assert!(!std::path::Path::new(&folder.unwrap()).exists());
}

/// Its players are in the middle of an append each time, or about to begin one.
#[test]
fn it_ends_every_time() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| played("INT")));
        }
    });
}

#[test]
fn it_ends_with_its_terminal() {
    played("HUP");
    played("TERM");
}
