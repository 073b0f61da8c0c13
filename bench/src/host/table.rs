// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of Markdown, and numbers as people read them.

use crate::estimate::Estimate;

/// A table: the first column is text, the others are numbers. Nothing if it has no rows.
pub(super) fn markdown(head: &[String], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "Nothing was measured.\n\n".to_owned();
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: String = head
        .iter()
        .enumerate()
        .map(|(index, _)| if index == 0 { "|---" } else { "|--:" })
        .collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{rule}|\n{rows}\n", line(head))
}

/// A row from a name and the rest.
pub(super) fn row(name: impl ToString, cells: impl IntoIterator<Item = String>) -> Vec<String> {
    [name.to_string()].into_iter().chain(cells).collect()
}

/// A whole number with its thousands apart.
pub(super) fn grouped(value: f64) -> String {
    if value.abs() < 10.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    match value.round() < 0.0 {
        true => format!("-{text}"),
        false => text,
    }
}

/// An estimate with its interval; a dash if there is none.
pub(super) fn estimate(estimate: Option<Estimate>) -> String {
    match estimate {
        None => "–".to_owned(),
        Some(Estimate { mean, interval }) if interval.is_finite() => {
            format!("{} ± {}", grouped(mean), grouped(interval.round()))
        }
        Some(Estimate { mean, .. }) => grouped(mean),
    }
}

/// The mean of an estimate; a dash if there is none.
pub(super) fn mean(estimate: Option<Estimate>) -> String {
    estimate.map_or("–".to_owned(), |estimate| grouped(estimate.mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(1234567.4), "1,234,567");
        assert_eq!(grouped(-1000.0), "-1,000");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(1.5), "1.50");
    }
}
