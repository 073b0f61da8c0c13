// SPDX-License-Identifier: MIT OR Apache-2.0
//! A heat map as an SVG file that any browser shows: time from left to right, latency upwards on a
//! logarithmic scale, the deeper the colour the more operations. A panel for each operation that
//! happened.

use std::fmt::Write;

use shunt::metrics::bucket_floor;

use super::{Column, Scale, depth};
use crate::output::latency::latency;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 60.0;
const PANEL: f64 = 260.0;
const GAP: f64 = 70.0;

/// Draws the panels of the operations that happened; each has its columns in the order of time.
pub(crate) fn draw(title: &str, panels: &[(&str, &[Column])]) -> String {
    let happened = |columns: &[Column]| columns.iter().any(|c| c.latency.count() > 0);
    let panels: Vec<_> = panels.iter().filter(|(_, all)| happened(all)).collect();
    let height = TOP + panels.len().max(1) as f64 * (PANEL + GAP);
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<title>{title}</title>
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
<text x="{LEFT}" y="28" font-size="18">{title}</text>
"##,
        title = escaped(title),
    );
    if panels.is_empty() {
        let _ = writeln!(
            svg,
            r##"<text x="{LEFT}" y="{TOP}">No operation ended while this was recorded.</text>"##
        );
    }
    let all = || panels.iter().flat_map(|(_, columns)| columns.iter());
    let begin = all().map(Column::from).min().unwrap_or(0);
    let end = all().map(|column| column.until).max().unwrap_or(1);
    for (index, (op, columns)) in panels.iter().enumerate() {
        let y = TOP + index as f64 * (PANEL + GAP);
        if let Some(scale) = Scale::of(columns.iter().map(|column| &column.latency)) {
            let time = Time { begin, end };
            panel(&mut svg, y, op, columns, scale, time);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// The time that is drawn, in ns.
#[derive(Clone, Copy)]
struct Time {
    begin: u64,
    end: u64,
}

impl Time {
    fn seconds(self) -> f64 {
        (self.end - self.begin).max(1) as f64 / 1e9
    }

    /// Where a moment is, in the units of the drawing.
    fn x(self, moment: u64) -> f64 {
        let after = moment.saturating_sub(self.begin) as f64 / 1e9;
        LEFT + after / self.seconds() * (WIDTH - LEFT - RIGHT)
    }
}

fn panel(svg: &mut String, y: f64, op: &str, columns: &[Column], scale: Scale, time: Time) {
    let counts = columns
        .iter()
        .flat_map(|c| c.latency.buckets.iter().map(|bucket| bucket.count));
    let most = counts.max().unwrap_or(1);
    let bottom = y + PANEL;
    let up = |nanos| bottom - scale.place(nanos) * PANEL;
    let total: u64 = columns.iter().map(|column| column.latency.count()).sum();
    let _ = writeln!(
        svg,
        r#"<text x="{LEFT}" y="{:.1}" font-size="14">{op}: {total} operations</text>"#,
        y - 8.0
    );
    for column in columns {
        let (left, right) = (time.x(column.from()), time.x(column.until));
        for bucket in &column.latency.buckets {
            let (high, low) = (up(bucket.le.saturating_add(1)), up(bucket_floor(bucket.le)));
            let _ = writeln!(
                svg,
                r#"<rect x="{left:.2}" y="{high:.2}" width="{:.2}" height="{:.2}" fill="{}"><title>{} at most {}</title></rect>"#,
                (right - left).max(0.5),
                (low - high).max(0.5),
                colour(depth(bucket.count as f64, most as f64)),
                bucket.count,
                latency(Some(bucket.le)),
            );
        }
    }
    axes(svg, y, scale, time);
    legend(svg, y, most);
}

fn axes(svg: &mut String, y: f64, scale: Scale, time: Time) {
    let (bottom, end) = (y + PANEL, WIDTH - RIGHT);
    let _ = writeln!(
        svg,
        r##"<path d="M{LEFT} {y}V{bottom}H{end}" fill="none" stroke="#333"/>"##
    );
    let mut ticks: Vec<u64> = scale.decades().collect();
    if ticks.len() < 2 {
        ticks = vec![scale.at(0.0), scale.at(0.5), scale.at(1.0)];
    }
    for nanos in ticks {
        let at = bottom - scale.place(nanos) * PANEL;
        let _ = writeln!(
            svg,
            r##"<path d="M{LEFT} {at:.1}H{end}" stroke="#333" stroke-opacity=".2"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"##,
            LEFT - 6.0,
            at + 4.0,
            latency(Some(nanos)),
        );
    }
    let step = step(time.seconds());
    let mut second = 0.0;
    while second <= time.seconds() * 1.0001 {
        let at = time.x(time.begin + (second * 1e9) as u64);
        let _ = writeln!(
            svg,
            r##"<path d="M{at:.1} {bottom}v5" stroke="#333"/><text x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"##,
            bottom + 18.0,
            (second * 1000.0).round() / 1000.0,
        );
        second += step;
    }
    let _ = writeln!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">seconds</text><text transform="translate(18 {:.1}) rotate(-90)" text-anchor="middle">latency</text>"#,
        (LEFT + end) / 2.0,
        bottom + 36.0,
        y + PANEL / 2.0,
    );
}

/// The colours and the counts that they stand for.
fn legend(svg: &mut String, y: f64, most: u64) {
    const STEPS: u32 = 20;
    let (x, height) = (WIDTH - RIGHT + 24.0, PANEL / f64::from(STEPS));
    for step in 0..STEPS {
        let at = y + PANEL - f64::from(step + 1) * height;
        let _ = writeln!(
            svg,
            r#"<rect x="{x}" y="{at:.1}" width="16" height="{:.1}" fill="{}"/>"#,
            height + 0.5,
            colour((f64::from(step) + 0.5) / f64::from(STEPS)),
        );
    }
    let counts: Vec<u64> = match most {
        0..=2 => vec![most],
        _ => vec![1, ((most + 1) as f64).sqrt() as u64, most],
    };
    for count in counts {
        let at = y + PANEL * (1.0 - depth(count as f64, most as f64));
        let _ = writeln!(
            svg,
            r#"<text x="{}" y="{:.1}">{count}</text>"#,
            x + 22.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        svg,
        r#"<text x="{x}" y="{:.1}">operations</text>"#,
        y + PANEL + 18.0
    );
}

/// From pale yellow over orange to dark violet: grows darker all the way, so that it can be read
/// without seeing colours too.
fn colour(depth: f64) -> String {
    const RAMP: [(f64, f64, f64); 5] = [
        (255.0, 245.0, 190.0),
        (254.0, 204.0, 92.0),
        (240.0, 110.0, 50.0),
        (170.0, 20.0, 70.0),
        (50.0, 0.0, 80.0),
    ];
    let at = depth.clamp(0.0, 1.0) * (RAMP.len() - 1) as f64;
    let index = (at as usize).min(RAMP.len() - 2);
    let (from, to, share) = (RAMP[index], RAMP[index + 1], at - index as f64);
    let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
    let (red, green, blue) = (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2));
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A round step of 1, 2 or 5 that cuts a time into 5 to 12 parts.
fn step(seconds: f64) -> f64 {
    let rough = seconds / 8.0;
    let power = 10_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    round
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::histogram, *};

    fn column(until: u64, values: &[u64]) -> Column {
        Column {
            until: until * 1_000_000_000,
            seconds: 1.0,
            latency: histogram(values),
        }
    }

    #[test]
    fn each_bucket_of_each_second_is_a_rectangle_with_its_count() {
        let reads = [
            column(1, &[80_000, 80_000, 2_000_000]),
            column(2, &[81_000]),
            column(3, &[]),
        ];
        let svg = draw("Latency of a<b", &[("read", &reads), ("write", &[])]);
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
        assert!(svg.contains(">Latency of a&lt;b</text>"));
        assert!(svg.contains(">read: 4 operations</text>"), "{svg}");
        assert!(!svg.contains(">write:"), "writes did not happen");
        assert_eq!(svg.matches("</title></rect>").count(), 3);
        assert!(svg.contains("<title>2 at most 81.9 us</title>"), "{svg}");
        assert!(svg.contains(">100 us</text>") && svg.contains(">1.00 ms</text>"));
        assert!(svg.contains(">seconds</text>") && svg.contains(">operations</text>"));
    }

    #[test]
    fn an_empty_run_says_so() {
        let svg = draw("t", &[("read", &[column(1, &[])])]);
        assert!(svg.contains("No operation ended"), "{svg}");
    }

    #[test]
    fn marks_on_the_axis_of_time_are_round() {
        assert_eq!(
            [0.9, 8.0, 10.0, 60.0, 600.0].map(step),
            [0.2, 1.0, 2.0, 10.0, 100.0]
        );
    }

    #[test]
    fn more_is_darker() {
        let grey = |depth| {
            let colour = colour(depth);
            let part = |at| u32::from_str_radix(&colour[at..at + 2], 16).unwrap();
            part(1) * 3 + part(3) * 6 + part(5)
        };
        for step in 1..=20 {
            let (pale, dark) = (
                grey(f64::from(step - 1) / 20.0),
                grey(f64::from(step) / 20.0),
            );
            assert!(dark < pale, "{step}");
        }
    }
}
