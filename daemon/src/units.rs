// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sizes as people write them and read them. The programs parse options with it and show sizes.

use std::{fmt, str::FromStr};

/// A number of bytes. Reads `64`, `512s`, `4K`, `10GiB`. Shows binary units: `1.5 GiB`, or with
/// `{:#}` the largest that need no rounding: `1536 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(
    /// The bytes.
    pub u64,
);

const UNITS: [(u32, &str); 7] = [
    (0, "B"),
    (10, "KiB"),
    (20, "MiB"),
    (30, "GiB"),
    (40, "TiB"),
    (50, "PiB"),
    (60, "EiB"),
];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            let exact = |(shift, _): &(u32, &str)| (self.0 >> shift << shift) == self.0;
            let largest = UNITS.into_iter().rev().find(exact);
            let (shift, unit) = largest.filter(|_| self.0 > 0).unwrap_or(UNITS[0]);
            return f.pad(&format!("{} {unit}", self.0 >> shift));
        }
        let tenths = |shift: u32| (u128::from(self.0) * 10 + (1 << shift >> 1)) >> shift;
        let (shift, unit) = UNITS
            .into_iter()
            .find(|(shift, _)| tenths(*shift) < 10 * 1024)
            .unwrap_or(UNITS[UNITS.len() - 1]);
        let (whole, tenth) = (tenths(shift) / 10, tenths(shift) % 10);
        if tenth == 0 {
            f.pad(&format!("{whole} {unit}"))
        } else {
            f.pad(&format!("{whole}.{tenth} {unit}"))
        }
    }
}

/// Why a text is not a size; shows the text and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseBytesError(String);

impl fmt::Display for ParseBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseBytesError {}

impl FromStr for Bytes {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Self, ParseBytesError> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let shift = match unit {
            "" | "B" | "b" => Some(0),
            "s" => Some(9),
            _ => binary_shift(unit),
        };
        let Some(shift) = shift.filter(|_| !digits.is_empty()) else {
            return Err(ParseBytesError(format!(
                "'{text}' is not a size; write a whole number of bytes, or one with B, K, M, G or T \
                 (1024 of the one before) or s (512-byte sectors), such as 10G"
            )));
        };
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(1 << shift))
            .map(Self)
            .ok_or_else(|| {
                ParseBytesError(format!(
                    "'{text}' is too large; sizes go up to {} bytes",
                    u64::MAX
                ))
            })
    }
}

/// The power of two of `K`, `Ki`, `KiB` and so on. `KB` is not taken: some read it as 1000.
fn binary_shift(unit: &str) -> Option<u32> {
    let mut letters = unit.chars();
    let shift = match letters.next()?.to_ascii_uppercase() {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return None,
    };
    matches!(letters.as_str(), "" | "i" | "iB").then_some(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u64, String> {
        text.parse::<Bytes>()
            .map(|b| b.0)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn sizes_take_binary_units_and_sectors() {
        for (text, bytes) in [
            ("0", 0),
            ("4097", 4097),
            ("7B", 7),
            ("8s", 4096),
            ("1K", 1 << 10),
            ("1k", 1 << 10),
            ("3Mi", 3 << 20),
            ("2GiB", 2 << 30),
            ("16T", 16 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_its_text() {
        for text in [
            "", "K", "1.5G", "-1", "+1", "1KB", "1 K", "1S", "0x10", "1KiBs", "ä",
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.starts_with(&format!("'{text}' is not a size")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_size_beyond_64_bits_is_refused() {
        for text in ["18446744073709551616", "16777216T", "36028797018963968s"] {
            assert!(parse(text).unwrap_err().contains("is too large"), "{text}");
        }
        assert_eq!(parse("16777215T"), Ok(u64::MAX - (1 << 40) + 1));
    }

    #[test]
    fn sizes_are_shown_with_one_decimal_at_most() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (10 << 30, "10 GiB"),
            ((1 << 20) - 1, "1 MiB"),
            (500_107_862_016, "465.8 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text, "{bytes}");
        }
    }

    #[test]
    fn exact_sizes_are_shown_without_rounding() {
        for (bytes, text) in [
            (0, "0 B"),
            (1025, "1025 B"),
            (3 << 29, "1536 MiB"),
            (1 << 60, "1 EiB"),
        ] {
            assert_eq!(format!("{:#}", Bytes(bytes)), text);
        }
    }

    #[test]
    fn a_shown_size_keeps_to_its_column() {
        assert_eq!(format!("{:>8}", Bytes(1024)), "   1 KiB");
    }
}
