//! Progress bars on stderr. They stay hidden if stderr is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `total` things, counted as `unit`.
pub(super) fn bar(total: u64, unit: &str) -> ProgressBar {
    styled(total, &format!("{{bar:30}} {{human_pos}}/{{human_len}} {unit} ({{per_sec}}, {{eta}} left)"))
}

/// A bar over `total` bytes.
pub(super) fn bytes(total: u64) -> ProgressBar {
    styled(total, "{bar:30} {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)")
}

fn styled(total: u64, template: &str) -> ProgressBar {
    // Draws at most ten times a second, because drawing must not cost more than the work.
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
    bar.enable_steady_tick(Duration::from_millis(250));
    let style = ProgressStyle::with_template(template).expect("a fixed template");
    bar.with_style(style)
}
