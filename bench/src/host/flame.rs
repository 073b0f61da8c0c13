// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flame graphs of one I/O as SVG: a panel for each device, all in one scale, so that widths can be compared.

use std::collections::BTreeMap;

use super::profile::Spent;
use super::svg::{self, escape};

const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: f64 = 17.0;
const TITLE: f64 = 30.0;
/// Width of a letter of the font, about.
const LETTER: f64 = 6.6;
/// Frames that are narrower than this cannot be seen.
const NARROWEST: f64 = 0.4;

/// A function with what it called.
#[derive(Default)]
struct Frame {
    count: f64,
    inner: BTreeMap<String, Frame>,
}

impl Frame {
    fn of(spent: &Spent) -> Self {
        let mut root = Self::default();
        for (path, count) in &spent.stacks {
            root.count += count;
            let mut frame = &mut root;
            for function in path {
                frame = frame.inner.entry(function.clone()).or_default();
                frame.count += count;
            }
        }
        root
    }

    fn depth(&self) -> usize {
        let inner = self.inner.values().map(Self::depth);
        1 + inner.max().unwrap_or(0)
    }
}

/// The panels as one picture.
pub(crate) fn draw(panels: &[(String, &Spent)]) -> String {
    let frames: Vec<Frame> = panels.iter().map(|(_, spent)| Frame::of(spent)).collect();
    let widest = frames.iter().map(|frame| frame.count).fold(1.0, f64::max);
    let scale = (WIDTH - 2.0 * MARGIN) / widest;
    let mut body = String::new();
    let mut top = 0.0;
    for ((name, _), frame) in panels.iter().zip(&frames) {
        let bottom = top + TITLE + frame.depth() as f64 * ROW;
        let title = format!("{name}: {:.0} instructions of one 4 KiB pread", frame.count);
        body += &svg::text(MARGIN, top + 20.0, "title", &title);
        put(&mut body, name, frame, MARGIN, bottom - ROW, scale);
        top = bottom + MARGIN;
    }
    svg::picture(WIDTH, top, &body)
}

/// Draws a frame with its left lower corner there, and what it called above it.
fn put(body: &mut String, name: &str, frame: &Frame, left: f64, top: f64, scale: f64) {
    let width = frame.count * scale;
    if width < NARROWEST {
        return;
    }
    let shown = escape(name);
    let letters = ((width - 4.0) / LETTER).max(0.0) as usize;
    let short: String = name.chars().take(letters).collect();
    let label = if letters < 3 {
        String::new()
    } else {
        svg::text(left + 3.0, top + 12.0, "label", &short)
    };
    *body += &format!(
        "<g><title>{shown}: {:.1}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\"/>{label}</g>\n",
        frame.count,
        ROW - 1.0,
        colour(name),
    );
    let mut left = left;
    for (name, inner) in &frame.inner {
        put(body, name, inner, left, top - ROW, scale);
        left += inner.count * scale;
    }
}

/// By the module that a function is in.
fn colour(name: &str) -> &'static str {
    match name.rsplit_once('[').map(|(_, module)| module) {
        Some("shunt]") => "#7aa6f0",
        Some("dm_mod]") => "#f0a35e",
        Some("null_blk]") => "#9fcf8f",
        Some(_) => "#d0b0e0",
        None => "#eadfb8",
    }
}
