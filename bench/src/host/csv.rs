// SPDX-License-Identifier: MIT OR Apache-2.0
//! Figures as CSV: a line for each round.

use super::Result;
use crate::figure::{Figure, Measure};

const HEAD: &str = "measure,subject,what,at,round,value,unit";

/// Figures as text.
pub(crate) fn write(figures: &[Figure]) -> String {
    let mut text = format!("{HEAD}\n");
    for figure in figures {
        let (measure, unit) = (figure.measure.word(), figure.measure.unit());
        let (subject, what) = (quoted(&figure.subject), quoted(&figure.what));
        for (round, value) in figure.rounds.iter().enumerate() {
            let at = figure.at;
            text += &format!("{measure},{subject},{what},{at},{round},{value:.3},{unit}\n");
        }
    }
    text
}

/// Figures from text. Rounds of a figure are on lines next to each other.
pub(crate) fn read(text: &str) -> Result<Vec<Figure>> {
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err(format!(
            "this is no CSV of a run: it has to begin with {HEAD}"
        ));
    }
    let mut figures: Vec<Figure> = Vec::new();
    for line in lines {
        let round = parse(line).ok_or_else(|| format!("not a line of a run: {line}"))?;
        match figures.last_mut() {
            Some(last) if same(last, &round) => last.rounds.extend(round.rounds),
            _ => figures.push(round),
        }
    }
    Ok(figures)
}

fn same(a: &Figure, b: &Figure) -> bool {
    (a.measure, &a.subject, &a.what, a.at) == (b.measure, &b.subject, &b.what, b.at)
}

fn parse(line: &str) -> Option<Figure> {
    let fields = fields(line);
    let [measure, subject, what, at, _, value, _] = fields.as_slice() else {
        return None;
    };
    let figure = Figure::new(
        Measure::from_word(measure)?,
        subject,
        what,
        vec![value.parse().ok()?],
    );
    Some(figure.at(at.parse().ok()?))
}

fn quoted(field: &str) -> String {
    match field.contains([',', '"']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                push(&mut fields, '"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            letter => push(&mut fields, letter),
        }
    }
    fields
}

fn push(fields: &mut [String], letter: char) {
    if let Some(last) = fields.last_mut() {
        last.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let figures = vec![
            Figure::new(
                Measure::Cost,
                "raw",
                "randread 4k psync",
                vec![5146.5, 5147.25],
            ),
            Figure::new(Measure::Function, "a", "f::<u8, \"x\">", vec![1.0]),
            Figure::new(Measure::Scale, "shunt", "map", vec![7.0]).at(10),
            Figure::new(Measure::Scale, "shunt", "map", vec![8.0]).at(100),
        ];
        assert_eq!(read(&write(&figures)), Ok(figures));
    }

    #[test]
    fn another_table_is_refused() {
        assert!(read("a,b\n1,2\n").is_err());
    }
}
