// SPDX-License-Identifier: MIT OR Apache-2.0
//! The JSON documents of schema 1. A field once published keeps its meaning; new ones may be added.

use serde::{Serialize, Serializer, ser::SerializeMap};
use shunt::{Bucket, Device, OpStats, Stats, Target, Update};

const SCHEMA: u32 = 1;

/// A document: its schema, then its fields.
#[derive(Serialize)]
struct Document<T> {
    schema: u32,
    #[serde(flatten)]
    fields: T,
}

fn document<T: Serialize>(fields: T) -> impl Serialize {
    Document {
        schema: SCHEMA,
        fields,
    }
}

/// `list`.
pub(crate) fn devices(devices: &[Device]) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        devices: Vec<DeviceView<'a>>,
    }
    document(Fields {
        devices: devices.iter().map(DeviceView::of).collect(),
    })
}

/// `show` and `map`.
pub(crate) fn device(device: &Device) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        device: DeviceView<'a>,
    }
    document(Fields {
        device: DeviceView::of(device),
    })
}

/// `stats`.
pub(crate) fn stats(stats: &[Stats]) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        devices: Vec<StatsView<'a>>,
    }
    document(Fields {
        devices: stats.iter().map(StatsView::of).collect(),
    })
}

/// One line of `events`.
pub(crate) fn event(sequence: u64, update: &Update) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        seq: u64,
        event: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<DeviceView<'a>>,
    }
    let (event, device) = match update {
        Update::Exists(device) => ("exists", Some(device)),
        Update::Ready(_) => ("ready", None),
        Update::Overrun => ("overrun", None),
        Update::Changed(change) => (change.reason.name(), Some(&change.device)),
    };
    document(Fields {
        seq: sequence,
        event,
        device: device.map(DeviceView::of),
    })
}

#[derive(Serialize)]
struct DeviceView<'a> {
    id: u32,
    name: &'a str,
    path: String,
    state: &'static str,
    queue: &'static str,
    stats: &'static str,
    read_only: bool,
    size_bytes: u64,
    logical_block_size: u32,
    targets: Vec<TargetView<'a>>,
}

impl<'a> DeviceView<'a> {
    fn of(device: &'a Device) -> Self {
        Self {
            id: device.id,
            name: &device.name,
            path: device.path(),
            state: device.state.name(),
            queue: device.queue.name(),
            stats: device.stats.name(),
            read_only: device.read_only,
            size_bytes: device.size,
            logical_block_size: device.logical_block_size,
            targets: device.targets.iter().map(TargetView::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct TargetView<'a> {
    path: &'a str,
    dev: String,
    start_bytes: u64,
    offset_bytes: u64,
    length_bytes: u64,
    state: &'static str,
}

impl<'a> TargetView<'a> {
    fn of(target: &'a Target) -> Self {
        Self {
            path: &target.path,
            dev: format!("{}:{}", target.major, target.minor),
            start_bytes: target.start,
            offset_bytes: target.offset,
            length_bytes: target.length,
            state: target.state.name(),
        }
    }
}

#[derive(Serialize)]
struct StatsView<'a> {
    id: u32,
    name: &'a str,
    in_flight: u64,
    ops: OpsView<'a>,
}

impl<'a> StatsView<'a> {
    fn of(stats: &'a Stats) -> Self {
        Self {
            id: stats.id,
            name: &stats.name,
            in_flight: stats.in_flight,
            ops: OpsView(stats),
        }
    }
}

/// Every operation under its name, also those that never happened.
struct OpsView<'a>(&'a Stats);

impl Serialize for OpsView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (op, figures) in self.0.each_op() {
            map.serialize_entry(op.name(), &OpView::of(figures))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct OpView {
    ios: u64,
    bytes: u64,
    errors: u64,
    latency_ns: HistogramView,
}

#[derive(Serialize)]
struct HistogramView {
    sum: u64,
    buckets: Vec<BucketView>,
}

#[derive(Serialize)]
struct BucketView {
    le: u64,
    count: u64,
}

impl OpView {
    fn of(figures: &OpStats) -> Self {
        let view = |bucket: &Bucket| BucketView {
            le: bucket.le,
            count: bucket.count,
        };
        Self {
            ios: figures.ios,
            bytes: figures.bytes,
            errors: figures.errors,
            latency_ns: HistogramView {
                sum: figures.latency.sum,
                buckets: figures.latency.buckets.iter().map(view).collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
