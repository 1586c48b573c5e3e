//! Power loss: the real ledger on a machine whose disk loses, keeps or tears bytes that were not synced. These tests have a process of
//! their own, because the machine is SQLite's default VFS.
//!
//! Each seed is a life of one ledger with several power losses. `JOBLEDGER_POWER_SEED=<seed>` lives that life alone,
//! `JOBLEDGER_POWER_LIVES=<n>` lives so many. A seed decides which requests share a commit, what happens between them, in which call
//! the power is cut, and which bytes the disk then has. Salts, keys and SQLite's own random numbers differ from run to run.

mod gate;
mod life;
mod losses;
mod outside;
mod requests;

use std::sync::atomic::{AtomicU64, Ordering};

use life::{Lived, live};
use machine::Synchronous;
use outside::Broken;

/// Lives the lives of all seeds, on all cores. Returns the result of each.
fn live_all(lives: u64, synchronous: Synchronous) -> Vec<(u64, Lived)> {
    let setting = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds: Vec<u64> = match setting("JOBLEDGER_POWER_SEED") {
        Some(seed) => vec![seed],
        None => (0..setting("JOBLEDGER_POWER_LIVES").unwrap_or(lives)).collect(),
    };
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next_seed = || seeds.get(next.fetch_add(1, Ordering::SeqCst) as usize);
    let live_one = |seed: &u64| (*seed, named(*seed, || live(*seed, synchronous)));
    let one_core = || std::iter::from_fn(next_seed).map(live_one).collect::<Vec<_>>();
    let mut lived: Vec<(u64, Lived)> = std::thread::scope(|scope| {
        let cores: Vec<_> = (0..cores).map(|_| scope.spawn(one_core)).collect();
        cores.into_iter().flat_map(|core| core.join().expect("a life does not panic")).collect()
    });
    lived.sort_by_key(|(seed, _)| *seed);
    lived
}

/// Runs `live`, and names the seed if it panics.
fn named<T>(seed: u64, live: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(live)).unwrap_or_else(|_| panic!("the life of seed {seed}"))
}

#[test]
fn no_answered_event_is_lost() {
    let lives = live_all(300, Synchronous::AsAsked);
    let (cuts, events): (u64, u64) =
        lives.iter().fold((0, 0), |(cuts, events), (_, lived)| (cuts + lived.cuts, events + lived.events));
    println!("{} lives, {cuts} power losses, {events} events", lives.len());
    for (seed, lived) in &lives {
        let again = format!("JOBLEDGER_POWER_SEED={seed} cargo test --test power no_answered_event");
        assert!(lived.broken.is_empty(), "seed {seed}: {:#?}\nthis life alone: {again}", lived.broken);
    }
}

/// Proves that the test above can fail.
#[test]
fn with_synchronous_normal_the_same_lives_lose_answered_events() {
    let lives = live_all(40, Synchronous::Normal);
    let with = |kind: fn(&Broken) -> bool| lives.iter().filter(|(_, lived)| lived.broken.iter().any(kind)).count();
    let lost = with(|broken| matches!(broken, Broken::Lost(_)));
    let ahead = with(|broken| matches!(broken, Broken::Ahead(_)));
    println!("{} lives, {lost} lost an answered event, {ahead} had handed out a checkpoint of more", lives.len());
    assert!(lost > 0, "no answered event was lost");
    assert!(ahead > 0, "no checkpoint was ahead of the log");
}
