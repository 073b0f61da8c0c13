// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values of a configuration file with their places, and what is wrong about them. The reader of
//! the files uses it.

use std::{ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Place, Problem};
use crate::{units::Bytes, words::nearest};

/// A file that is being read, and what is wrong in it.
pub(super) struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    pub(super) problems: Vec<Problem>,
}

/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

impl<'a> Source<'a> {
    pub(super) fn new(file: &str, text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            file: file.into(),
            text,
            lines: std::iter::once(0).chain(ends).collect(),
            problems: Vec::new(),
        }
    }

    /// The place of a byte.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let start = span.start.min(self.text.len());
        let line = self.lines.partition_point(|begin| *begin <= start).max(1);
        let before = self.text.get(self.lines[line - 1]..start).unwrap_or("");
        Place {
            file: self.file.clone(),
            at: Some((line, before.chars().count() + 1)),
        }
    }

    /// Notes what is wrong at a place.
    pub(super) fn wrong(&mut self, span: &Range<usize>, text: impl Into<String>) {
        self.problems.push(Problem {
            place: self.place(span),
            text: text.into(),
        });
    }

    /// Notes that a value is of another type.
    pub(super) fn not(&mut self, key: &str, value: &Value<'_>, expected: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.wrong(&value.span(), format!("{key} is {found}; write {expected}"));
    }

    /// Notes each key of a table that is not known, with the nearest that is.
    pub(super) fn keys(&mut self, owner: &str, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys() {
            let written = key.get_ref().as_ref();
            if !known.contains(&written) {
                let nearest = nearest(written, known).unwrap_or_default();
                let text = format!(
                    "{owner} has no key '{written}'; the nearest is '{nearest}' (known are {})",
                    known.join(", ")
                );
                self.wrong(&key.span(), text);
            }
        }
    }

    pub(super) fn text(&mut self, key: &str, value: &Value<'_>, expected: &str) -> Option<String> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.not(key, value, expected);
        }
        text.map(str::to_owned)
    }

    pub(super) fn yes_or_no(&mut self, key: &str, value: &Value<'_>) -> Option<bool> {
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.not(key, value, "true or false");
        }
        found
    }

    pub(super) fn table<'v, 't>(
        &mut self,
        key: &str,
        value: &'v Value<'t>,
        expected: &str,
    ) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.not(key, value, expected);
        }
        table
    }

    /// One of the words of an enum.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &str,
        value: &Value<'_>,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<T> {
        let words: Vec<_> = all.iter().map(|word| name(*word)).collect();
        let expected = format!("\"{}\"", words.join("\" or \""));
        let text = self.text(key, value, &expected)?;
        let found = words.iter().position(|word| *word == text);
        if found.is_none() {
            let nearest = nearest(&text, &words).unwrap_or_default();
            let text =
                format!("{key} has no '{text}', the nearest is '{nearest}'; write {expected}");
            self.wrong(&value.span(), text);
        }
        all.get(found?).copied()
    }

    /// A size as the command line takes it, or a number of bytes, in whole sectors.
    pub(super) fn size(&mut self, key: &str, value: &Value<'_>) -> Option<u64> {
        let written = match value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => {
                self.not(key, value, "a size such as \"10G\", or a number of bytes");
                return None;
            }
        };
        match written.parse() {
            Ok(Bytes(bytes)) if bytes % 512 == 0 => Some(bytes),
            Ok(Bytes(bytes)) => {
                let (below, above) = (bytes - bytes % 512, bytes.checked_next_multiple_of(512));
                let above = above.map_or(String::new(), |above| format!(" or {above}"));
                let text = format!(
                    "{key} {bytes} is not a multiple of a sector, 512; write {below}{above}"
                );
                self.wrong(&value.span(), text);
                None
            }
            Err(error) => {
                self.wrong(&value.span(), format!("{key}: {error}"));
                None
            }
        }
    }
}
