// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of `list`, with the columns that are asked for. `status` shows some of them.

use shunt::{Device, units::Bytes, words::shown};

use super::table::{
    Column::{self, Number, Text},
    lines,
};

/// A column of `list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Name,
    Path,
    Size,
    State,
    Queue,
    Stats,
    Targets,
    ReadOnly,
    Block,
    Stripe,
}

impl Field {
    /// All, in the order in which help names them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Id,
        Self::Name,
        Self::Path,
        Self::Size,
        Self::State,
        Self::Queue,
        Self::Stats,
        Self::Targets,
        Self::ReadOnly,
        Self::Block,
        Self::Stripe,
    ];

    /// Those that are shown unless others are asked for.
    pub(crate) const USUAL: &str = "id,name,path,size,state,queue,stats,targets";

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Path => "path",
            Self::Size => "size",
            Self::State => "state",
            Self::Queue => "queue",
            Self::Stats => "stats",
            Self::Targets => "targets",
            Self::ReadOnly => "read-only",
            Self::Block => "block",
            Self::Stripe => "stripe",
        }
    }

    fn column(self) -> Column {
        match self {
            Self::Id => Number("ID"),
            Self::Name => Text("NAME"),
            Self::Path => Text("PATH"),
            Self::Size => Number("SIZE"),
            Self::State => Text("STATE"),
            Self::Queue => Text("QUEUE"),
            Self::Stats => Text("STATS"),
            Self::Targets => Text("TARGETS"),
            Self::ReadOnly => Text("READ-ONLY"),
            Self::Block => Number("BLOCK"),
            Self::Stripe => Number("STRIPE"),
        }
    }

    fn cell(self, device: &Device, size: impl Fn(u64) -> String) -> String {
        match self {
            Self::Id => device.id.to_string(),
            Self::Name => shown(&device.name),
            Self::Path => device.path(),
            Self::Size => size(device.size),
            Self::State => device.state.name().to_owned(),
            Self::Queue => device.queue.name().to_owned(),
            Self::Stats => device.stats.name().to_owned(),
            Self::Targets => match device.targets.as_slice() {
                [] => "-".to_owned(),
                [only] => shown(&only.path),
                [first, rest @ ..] => format!("{} +{}", shown(&first.path), rest.len()),
            },
            Self::ReadOnly => if device.read_only { "yes" } else { "no" }.to_owned(),
            Self::Block => size(device.logical_block_size.into()),
            Self::Stripe => device.stripe.map_or_else(|| "-".to_owned(), size),
        }
    }
}

/// How `list` looks.
pub(crate) struct Look<'a> {
    /// Its columns.
    pub(crate) fields: &'a [Field],
    /// Whether they have heads.
    pub(crate) heads: bool,
    /// Whether sizes are bytes and nothing else.
    pub(crate) bytes: bool,
}

/// `list`.
pub(crate) fn devices(devices: &[Device], look: &Look<'_>) -> String {
    let size = |bytes: u64| match look.bytes {
        true => bytes.to_string(),
        false => Bytes(bytes).to_string(),
    };
    let columns: Vec<_> = look.fields.iter().map(|field| field.column()).collect();
    let row = |device: &Device| -> Vec<String> {
        let cells = look.fields.iter().map(|field| field.cell(device, size));
        cells.collect()
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    let rows: Vec<_> = rows.iter().map(Vec::as_slice).collect();
    lines(&columns, &rows, look.heads)
}
