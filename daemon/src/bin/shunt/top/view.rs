// SPDX-License-Identifier: MIT OR Apache-2.0
//! The screen of `top`: a pure function of what it knows and of the size of the terminal.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span},
};
use shunt::{Op, units::Bytes};

use super::{Moment, Row, Top};
use crate::{
    heat::{Scale, depth},
    output::latency::latency,
};

/// The smallest terminal that all fits in.
const LEAST: (u16, u16) = (72, 10);

/// Columns of a row besides the name and the sparkline.
const FIGURES: usize = 62;

/// Columns left of the heat map.
const LABEL: usize = 8;

const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
const SPARKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// From dark blue to white, as the cells of a heat map fill.
const RAMP: [u8; 8] = [18, 19, 55, 91, 161, 203, 215, 230];

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, top: &Top) {
    let area = frame.area();
    let lines = if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        vec![Line::from(format!(
            "top needs {width}x{height}, this is {}x{}",
            area.width, area.height
        ))]
    } else {
        screen(top, usize::from(area.width), usize::from(area.height))
    };
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        frame.render_widget(line, Rect::new(area.x, y, area.width, 1));
    }
}

fn screen(top: &Top, width: usize, height: usize) -> Vec<Line<'static>> {
    let rows = top.sorted();
    let chosen = top.chosen_of(&rows);
    // Title, two heads; below the devices the title of the heat map, its axis, and the keys.
    let listed = rows.len().clamp(1, (height - 6) / 2);
    let names = name_width(&rows, width);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::styled(title(top, &rows), bold)];
    lines.extend(heads(names).map(|head| Line::styled(head, bold)));
    if rows.is_empty() {
        lines.push(Line::from(" no device is mapped; shunt map makes one"));
    }
    // The chosen one stays in sight.
    let first = chosen.map_or(0, |index| (index + 1).saturating_sub(listed));
    for (index, row) in rows.iter().enumerate().skip(first).take(listed) {
        let style = match chosen == Some(index) {
            true => Style::new().add_modifier(Modifier::REVERSED),
            false => Style::new(),
        };
        let text = device(row, names, width, chosen == Some(index));
        lines.push(Line::styled(text, style));
    }
    let left = height - lines.len() - 1;
    lines.extend(heat(chosen.map(|index| rows[index]), width, left));
    lines.push(Line::from(match top.said.as_str() {
        "" => " up/down device  s sort  p pause  +/- interval  q quit".to_owned(),
        said => format!(" {said}"),
    }));
    lines
}

fn title(top: &Top, rows: &[&Row]) -> String {
    let ios = rows.iter().map(|row| row.ios()).sum();
    let bytes: f64 = rows.iter().map(|row| row.bytes()).sum();
    let in_flight: u64 = rows.iter().map(|row| row.in_flight).sum();
    let devices = match rows.len() {
        1 => "1 device".to_owned(),
        count => format!("{count} devices"),
    };
    let mut title = "shunt".to_owned();
    // First what must not be cut off.
    if top.frozen.is_some() {
        title += "  PAUSED";
    }
    match top.overruns {
        0 => {}
        1 => title += "  1 overrun",
        count => title += &format!("  {count} overruns"),
    }
    title += &format!(
        "  {devices}  {} IO/s  {}/s  {in_flight} in flight  by {}",
        short(ios),
        Bytes(bytes as u64),
        top.sort.name(),
    );
    if let Some(interval) = top.interval {
        title += &format!("  every {} s", interval.as_secs_f64());
    }
    title
}

fn name_width(rows: &[&Row], width: usize) -> usize {
    let longest = rows.iter().map(|row| row.name.chars().count()).max();
    let most = 10 + (width.max(80) - 80) / 3;
    longest.unwrap_or(0).clamp(4, most)
}

fn heads(names: usize) -> [String; 2] {
    [
        format!(" {:names$} {:18}{:^21}{:^21}", "", "", "read", "write"),
        format!(
            " {:names$} {:>5} {:>7} {:>4}{}{} IO/s",
            "NAME", "IO/s", "B/s", "NOW", "    p50    p99  p99.9", "    p50    p99  p99.9"
        ),
    ]
}

fn device(row: &Row, names: usize, width: usize, chosen: bool) -> String {
    let mut text = format!(
        "{}{} {:>5} {:>7} {:>4}",
        if chosen { '>' } else { ' ' },
        fit(&row.name, names),
        short(row.ios()),
        short_bytes(row.bytes()),
        short(row.in_flight as f64),
    );
    for op in [Op::Read, Op::Write] {
        for share in [0.5, 0.99, 0.999] {
            let latency = latency(row.quantile(op, share)).replace(' ', "");
            text += &format!(" {latency:>6}");
        }
    }
    text.push(' ');
    text + &sparkline(row, width.saturating_sub(names + FIGURES))
}

/// The newest operations per second at the right, each as high as it is beside the most of them.
fn sparkline(row: &Row, width: usize) -> String {
    let newest = row.history.iter().rev().take(width);
    let rates: Vec<f64> = newest.map(|moment| moment.ios_per_second).collect();
    let most = rates.iter().copied().fold(0.0, f64::max);
    let spark = |rate: &f64| match *rate {
        0.0 => SPARKS[0],
        rate => SPARKS[((rate / most * 8.0).ceil() as usize).clamp(1, 8)],
    };
    let line: String = rates.iter().rev().map(spark).collect();
    format!("{line:>width$}")
}

/// The latencies of a device over time, `height` lines with a title above and an axis below.
fn heat(row: Option<&Row>, width: usize, height: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default(); height];
    let (Some(row), true) = (row, height >= 3) else {
        return lines;
    };
    let (columns, cells) = (width - LABEL, height - 2);
    let moments: Vec<&Moment> = row.history.iter().rev().take(columns).collect();
    let histograms = moments.iter().map(|moment| &moment.latency.latency);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let Some(scale) = Scale::of(histograms) else {
        let text = format!(" {}: no operation has ended yet", row.name);
        lines[0] = Line::styled(text, bold);
        return lines;
    };
    let grid: Vec<Vec<f64>> = moments
        .iter()
        .rev()
        .map(|moment| cells_of(moment, scale, cells))
        .collect();
    let most = grid.iter().flatten().copied().fold(0.0, f64::max);
    lines[0] = Line::styled(
        format!(
            " latency of {}: a column is a sample, ░▒▓█ up to {most:.0} operations",
            row.name
        ),
        bold,
    );
    for (y, line) in lines[1..=cells].iter_mut().enumerate() {
        // The bottom one is the fastest.
        let cell = cells - 1 - y;
        let mut spans = vec![Span::from(label(scale, cell, cells))];
        spans.push(Span::from(" ".repeat(columns - grid.len())));
        spans.extend(grid.iter().map(|column| {
            let depth = depth(column[cell], most);
            let shade = SHADES[(depth * 4.0).ceil() as usize];
            let colour = RAMP[((depth * 8.0) as usize).min(RAMP.len() - 1)];
            let style = Style::new().fg(Color::Indexed(colour));
            Span::styled(shade.to_string(), style)
        }));
        *line = Line::from(spans);
    }
    let seconds: f64 = moments.iter().map(|moment| moment.latency.seconds).sum();
    let ago = format!("{} s ago", short(seconds));
    let begin = LABEL + columns - grid.len();
    // Under the oldest column, or as far right as both words fit.
    let begin = begin.min(width - 4 - ago.len().min(width - 4));
    let gap = width - begin - ago.len();
    lines[height - 1] = Line::from(format!("{:begin$}{ago}{:>gap$}", "", "now"));
    lines
}

/// The latency at a line of the heat map, at every other line.
fn label(scale: Scale, cell: usize, cells: usize) -> String {
    if cell % 2 == 1 && cells > 2 {
        return " ".repeat(LABEL);
    }
    let middle = (cell as f64 + 0.5) / cells as f64;
    let text = latency(Some(scale.at(middle))).replace(' ', "");
    format!("{text:>width$} ", width = LABEL - 1)
}

/// How many operations of a sample are in each cell of its column, the fastest first. A bucket is
/// spread over the cells that it reaches into.
fn cells_of(moment: &Moment, scale: Scale, cells: usize) -> Vec<f64> {
    let mut column = vec![0.0; cells];
    for bucket in &moment.latency.latency.buckets {
        let low = scale.place(shunt::metrics::bucket_floor(bucket.le)) * cells as f64;
        let high = scale.place(bucket.le.saturating_add(1)) * cells as f64;
        let first = (low as usize).min(cells - 1);
        let last = (high.ceil() as usize).clamp(first + 1, cells);
        for (index, cell) in column.iter_mut().enumerate().take(last).skip(first) {
            let inside = high.min(index as f64 + 1.0) - low.max(index as f64);
            let share = match high - low {
                0.0 => 1.0,
                whole => (inside / whole).clamp(0.0, 1.0),
            };
            *cell += bucket.count as f64 * share;
        }
    }
    column
}

/// A number in at most five characters.
fn short(number: f64) -> String {
    scaled(number, 1000.0, ["", "k", "M", "G", "T"])
}

fn short_bytes(bytes: f64) -> String {
    scaled(bytes, 1024.0, ["", "K", "M", "G", "T"])
}

fn scaled(number: f64, step: f64, units: [&str; 5]) -> String {
    let (mut value, mut unit) = (number, 0);
    while value >= 999.5 && unit < units.len() - 1 {
        (value, unit) = (value / step, unit + 1);
    }
    match value {
        v if v == v.round() && unit == 0 => format!("{v}"),
        v if v < 9.995 => format!("{v:.2}{}", units[unit]),
        v if v < 99.95 => format!("{v:.1}{}", units[unit]),
        v => format!("{v:.0}{}", units[unit]),
    }
}

/// A name in exactly so many columns, with an ellipsis if it was cut.
fn fit(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return format!("{name:width$}");
    }
    let start: String = name.chars().take(width - 1).collect();
    format!("{start}…")
}
