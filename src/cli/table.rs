//! Tables and ages, as people read them in a terminal.

use console::{Term, measure_text_width, truncate_str};

use super::output::shown;
use crate::job::Time;
use crate::ledger::system_clock;

/// Lays rows out as lines: each column but the last is as wide as its widest cell. On a terminal a line is at most as long as a
/// row of the terminal; in a pipe it is whole.
pub(super) fn lines<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let drawn = rows.iter().map(|row| row.each_ref().map(|cell| shown(cell).into_owned()));
    let all: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(drawn).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| all.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or(0));
    let most = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - measure_text_width(cell) + 2));
        }
        let line = line.trim_end();
        most.map_or(line.to_owned(), |most| truncate_str(line, most, "…").into_owned())
    };
    all.iter().map(line).collect()
}

/// How long ago `time` is, in its largest unit: `42s`, `3m`, `5h`, `12d`. `-` for a text that is no time.
pub(super) fn age(time: &str) -> String {
    let Ok(time) = time.parse::<Time>() else { return "-".into() };
    span(system_clock()().millis_since(time) / 1000)
}

/// Whole seconds in their largest unit.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
