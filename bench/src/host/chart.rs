// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plots as SVG.

use super::svg::{line, picture, text};

const WIDTH: f64 = 760.0;
const COLOURS: [&str; 8] = [
    "#3a6fd8", "#e07b28", "#3f9b4f", "#b04fb0", "#c03a3a", "#4aa6a6", "#8a7a2a", "#666",
];

/// A bar with its name, its value, and how far that can be trusted.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) interval: f64,
    /// Whether it is ours.
    pub(super) ours: bool,
}

/// Horizontal bars.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 190.0;
    const RIGHT: f64 = 90.0;
    const ROW: f64 = 24.0;
    let most = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let mut body = text(10.0, 22.0, "title", title);
    for (index, bar) in bars.iter().enumerate() {
        let top = 36.0 + index as f64 * ROW;
        let width = bar.value.max(0.0) * scale;
        let middle = top + ROW / 2.0 + 2.0;
        let colour = COLOURS[usize::from(!bar.ours)];
        body += &text(LEFT - 8.0, middle, "end", &bar.name);
        body += &format!(
            "<rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\n",
            ROW - 6.0
        );
        if bar.interval.is_finite() {
            let whisker = bar.interval * scale;
            let y = top + ROW / 2.0 - 3.0;
            body += &line(
                (LEFT + width - whisker, y),
                (LEFT + width + whisker, y),
                "axis",
            );
        }
        let value = super::table::grouped(bar.value);
        body += &text(LEFT + width + 8.0, middle, "", &value);
    }
    picture(WIDTH, 46.0 + bars.len() as f64 * ROW, &body)
}

/// A line with its name and its points.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over two logarithmic axes.
pub(super) fn lines(title: &str, across: &str, up: &str, series: &[Series]) -> String {
    const LEFT: f64 = 80.0;
    const TOP: f64 = 40.0;
    const HEIGHT: f64 = 300.0;
    const PLOT: f64 = WIDTH - LEFT - 190.0;
    let points = || series.iter().flat_map(|series| &series.points);
    let decades = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = (low.log10().floor(), high.log10().ceil());
        (low, high.max(low + 1.0))
    };
    if points().next().is_none() {
        return picture(WIDTH, TOP, &text(10.0, 22.0, "title", title));
    }
    let (west, east) = decades(&mut points().map(|point| point.0));
    let (south, north) = decades(&mut points().map(|point| point.1));
    let x = |value: f64| LEFT + (value.log10() - west) / (east - west) * PLOT;
    let y = |value: f64| TOP + HEIGHT - (value.log10() - south) / (north - south) * HEIGHT;

    let mut body = text(10.0, 22.0, "title", title);
    for decade in west as i32..=east as i32 {
        let value = 10f64.powi(decade);
        body += &line((x(value), TOP), (x(value), TOP + HEIGHT), "grid");
        let label = super::table::grouped(value);
        body += &text(x(value), TOP + HEIGHT + 16.0, "mid", &label);
    }
    for decade in south as i32..=north as i32 {
        let value = 10f64.powi(decade);
        body += &line((LEFT, y(value)), (LEFT + PLOT, y(value)), "grid");
        body += &text(
            LEFT - 6.0,
            y(value) + 4.0,
            "end",
            &super::table::grouped(value),
        );
    }
    body += &text(LEFT + PLOT / 2.0, TOP + HEIGHT + 34.0, "mid", across);
    body += &text(LEFT, TOP - 6.0, "", up);
    for (index, series) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: String = series
            .points
            .iter()
            .map(|point| format!("{:.1},{:.1} ", x(point.0), y(point.1)))
            .collect();
        body += &format!(
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n"
        );
        let row = TOP + 14.0 + index as f64 * 18.0;
        let at = LEFT + PLOT + 14.0;
        body += &format!(
            "<rect x=\"{at}\" y=\"{:.1}\" width=\"12\" height=\"4\" fill=\"{colour}\"/>\n",
            row - 6.0
        );
        body += &text(at + 18.0, row, "", &series.name);
    }
    picture(WIDTH, TOP + HEIGHT + 46.0, &body)
}
