//! OpenMetrics text as the older text format of Prometheus (version 0.0.4), for clients that ask for `text/plain`.

use std::collections::HashSet;

/// The formats differ in this: the older one names a counter with its suffix `_total` in `HELP` and `TYPE` too, calls a type that
/// is not known `untyped`, and has neither `UNIT` nor `EOF`.
pub fn plain(openmetrics: &str) -> String {
    let counter = |line: &str| line.strip_prefix("# TYPE ")?.strip_suffix(" counter").map(str::to_owned);
    let counters: HashSet<String> = openmetrics.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let mut parts = line.splitn(4, ' ');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("#"), Some(what @ ("HELP" | "TYPE")), Some(name), Some(rest)) => {
                let total = if counters.contains(name) { "_total" } else { "" };
                let rest = if what == "TYPE" && rest == "unknown" { "untyped" } else { rest };
                text += &format!("# {what} {name}{total} {rest}");
            }
            _ => text += line,
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_whole_and_the_end_is_left_out() {
        let openmetrics = "# HELP a_seconds Time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1\n\
                           # HELP b What: # of b.\n# TYPE b gauge\nb{x=\"# TYPE b counter\"} 2\n# EOF\n";
        let expected = "# HELP a_seconds_total Time.\n# TYPE a_seconds_total counter\na_seconds_total 1\n\
                        # HELP b What: # of b.\n# TYPE b gauge\nb{x=\"# TYPE b counter\"} 2\n";
        assert_eq!(plain(openmetrics), expected);
    }
}
