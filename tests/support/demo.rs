//! `jobledger demo`, played for a while and ended.

use super::cli::cli;

/// Starts a demo, waits until the demo has shown a job's past, and ends it with `signal`. Checks that the demo leaves no folder behind.
pub fn play(signal: &str) {
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
