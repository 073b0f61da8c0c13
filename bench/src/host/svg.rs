// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bits of SVG that the pictures are made of.

const STYLE: &str = "text{font-family:ui-monospace,monospace;font-size:11px;fill:#222}.title{font-size:14px;font-weight:bold}.end{text-anchor:end}.mid{text-anchor:middle}.grid{stroke:#ddd}.axis{stroke:#888}";

/// A picture of this size on white.
pub(super) fn picture(width: f64, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

/// A line of text.
pub(super) fn text(x: f64, y: f64, class: &str, text: &str) -> String {
    let text = escape(text);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>\n")
}

/// A straight line.
pub(super) fn line(from: (f64, f64), to: (f64, f64), class: &str) -> String {
    format!(
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>\n",
        from.0, from.1, to.0, to.1
    )
}

/// Text as it may stand in SVG.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
