//! A job's progress over time, as the points of an SVG line.

use crate::job::Time;

/// The width and the height of the drawing, in its own units.
const SIZE: (u64, u64) = (600, 60);

/// The drawing. Empty for a job that has reported no progress. `job.js` adds the progress that comes live.
#[derive(Default)]
pub(super) struct Chart {
    /// The times of the first and of the last point, in milliseconds since 1970.
    pub from: i64,
    pub to: i64,
    /// The value of `points` of a `polyline`.
    pub points: String,
    /// The drawing in words.
    pub label: String,
}

impl Chart {
    /// Draws the percentages at their times. Of several points at one place the last one stays.
    pub fn of(points: &[(Time, u8)]) -> Chart {
        let (Some((first, _)), Some((last, reached))) = (points.first(), points.last()) else {
            return Chart::default();
        };
        let [from, to] = [first, last].map(|time| time.micros() / 1000);
        if points.iter().all(|(_, percent)| *percent == 0) {
            return Chart { from, to, ..Chart::default() };
        }
        let span = last.millis_since(*first).max(1);
        let (width, height) = SIZE;
        let mut drawn: Vec<(u64, u64)> = Vec::new();
        for (time, percent) in points {
            let x = (time.millis_since(*first) * width / span).min(width);
            let y = height - u64::from(*percent) * height / 100;
            match drawn.last_mut().filter(|(before, _)| *before == x) {
                Some(point) => point.1 = y,
                None => drawn.push((x, y)),
            }
        }
        let points: Vec<String> = drawn.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let label = format!("Progress over {} s: {reached} %", span / 1000);
        Chart { from, to, points: points.join(" "), label }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: &[(i64, u8)]) -> Chart {
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        Chart::of(&of.iter().map(|(seconds, percent)| (at(*seconds), *percent)).collect::<Vec<_>>())
    }

    #[test]
    fn progress_is_drawn_from_the_lower_left_to_the_upper_right() {
        let chart = points(&[(0, 0), (5, 50), (10, 100)]);
        assert_eq!(chart.points, "0,60 300,30 600,0");
        assert_eq!(chart.label, "Progress over 10 s: 100 %");
    }

    #[test]
    fn a_job_without_progress_has_no_drawing() {
        assert_eq!(points(&[]).points, "");
        assert_eq!(points(&[(0, 0), (9, 0)]).points, "");
    }

    #[test]
    fn a_time_before_the_first_one_stays_in_the_drawing() {
        assert_eq!(points(&[(5, 10), (4, 20), (6, 30)]).points, "0,48 600,42");
    }
}
