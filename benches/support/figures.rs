//! Medians, tables, and the disk probe.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

/// The middle of `values`.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// The rate: `count` in the time `took`, per second.
pub fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// `part` as a percentage of `whole`.
pub fn percent(part: f64, whole: f64) -> String {
    format!("{:.0} %", 100.0 * part / whole)
}

/// `ours` as a percentage of `theirs`: the median of the ratios of each round. The two of a round ran one after the other, so slow
/// minutes of the machine meet both.
pub fn of(ours: &[f64], theirs: &[f64]) -> String {
    let parts: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    percent(median(&parts), 1.0)
}

/// A rate in a short form: `53.9k`, `1.20M`.
pub fn thousands(rate: f64) -> String {
    match rate {
        r if r >= 1e6 => format!("{:.2}M", r / 1e6),
        r if r >= 1e3 => format!("{:.1}k", r / 1e3),
        r => format!("{r:.0}"),
    }
}

/// The `p`-th part (0.5, 0.99) of latencies; `None` if there are none.
pub fn percentile(sorted: &[Duration], p: f64) -> Option<Duration> {
    let at = ((sorted.len() as f64 * p) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied()
}

/// The `p`-th part (0.5, 0.99) of latencies, in milliseconds.
pub fn latency(sorted: &[Duration], p: f64) -> String {
    percentile(sorted, p).map_or("–".into(), |found| format!("{:.2}", found.as_secs_f64() * 1e3))
}

/// Prints the time of a 4 KiB write with `fdatasync` on this disk: no commit can be faster.
pub fn probe(when: &str) {
    let folder = super::folder();
    let mut file = File::create(folder.path().join("probe")).expect("the folder can be written");
    let mut times: Vec<Duration> = (0..300)
        .map(|_| {
            let started = Instant::now();
            file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&[7; 4096])).expect("the probe can be written");
            file.sync_data().expect("the probe can be synced");
            started.elapsed()
        })
        .collect();
    times.sort();
    println!("disk {when}: 4 KiB + fdatasync p50 {} ms, p99 {} ms", latency(&times, 0.5), latency(&times, 0.99));
}

/// A table in Markdown, ready for the README.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(head: [&str; N]) -> Table {
        Table { rows: vec![head.iter().map(ToString::to_string).collect()] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub fn print(&self) {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        println!();
        for (n, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            println!("| {} |", cells.join(" | "));
            if n == 0 {
                println!("|{}", widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect::<String>());
            }
        }
        println!();
    }
}
