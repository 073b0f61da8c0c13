// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics as JSON: one document for `stats`, one a line for `stats --watch`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use shunt::{
    Bucket, OpStats, Stats,
    metrics::{BUCKET_ERROR, Quantiles},
};

use super::{super::figures::errno_name, document};

/// `stats`.
pub(crate) fn stats(stats: &[Stats]) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        devices: Vec<StatsView<'a>>,
    }
    document(Fields {
        devices: views(stats),
    })
}

/// One line of `stats --watch`: the same, with the number of the sample, how often this reader has
/// lost samples, and how many the kernel could not send.
pub(crate) fn samples(
    sequence: Option<u64>,
    overruns: u64,
    dropped: u64,
    stats: &[Stats],
) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        seq: Option<u64>,
        overruns: u64,
        dropped: u64,
        devices: Vec<StatsView<'a>>,
    }
    document(Fields {
        seq: sequence,
        overruns,
        dropped,
        devices: views(stats),
    })
}

fn views(stats: &[Stats]) -> Vec<StatsView<'_>> {
    stats.iter().map(StatsView::of).collect()
}

#[derive(Serialize)]
struct StatsView<'a> {
    id: u32,
    name: &'a str,
    generation: u64,
    time_ns: u64,
    in_flight: u64,
    ops: OpsView<'a>,
}

impl<'a> StatsView<'a> {
    fn of(stats: &'a Stats) -> Self {
        Self {
            id: stats.id,
            name: &stats.name,
            generation: stats.generation,
            time_ns: stats.time,
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
    errors_by: BTreeMap<String, u64>,
    in_flight: u64,
    peak: u64,
    latency_ns: LatencyView,
    sizes: SizesView,
}

#[derive(Serialize)]
struct LatencyView {
    sum: u64,
    buckets: Vec<BucketView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantiles: Option<QuantilesView>,
}

#[derive(Serialize)]
struct QuantilesView {
    p50: u64,
    p90: u64,
    p99: u64,
    #[serde(rename = "p99.9")]
    p999: u64,
    max: u64,
    /// Share of a value by which each may be too high.
    error: f64,
}

#[derive(Serialize)]
struct SizesView {
    buckets: Vec<BucketView>,
}

#[derive(Serialize)]
struct BucketView {
    le: u64,
    count: u64,
}

impl OpView {
    fn of(figures: &OpStats) -> Self {
        let named = |(errno, count): (&u32, &u64)| (errno_name(*errno), *count);
        Self {
            ios: figures.ios,
            bytes: figures.bytes,
            errors: figures.errors,
            errors_by: figures.errors_by.iter().map(named).collect(),
            in_flight: figures.in_flight,
            peak: figures.peak,
            latency_ns: LatencyView {
                sum: figures.latency.sum,
                buckets: buckets(&figures.latency.buckets),
                quantiles: figures.latency.quantiles().map(QuantilesView::of),
            },
            sizes: SizesView {
                buckets: buckets(&figures.sizes),
            },
        }
    }
}

impl QuantilesView {
    fn of(from: Quantiles) -> Self {
        Self {
            p50: from.p50,
            p90: from.p90,
            p99: from.p99,
            p999: from.p999,
            max: from.max,
            error: BUCKET_ERROR,
        }
    }
}

fn buckets(of: &[Bucket]) -> Vec<BucketView> {
    let view = |bucket: &Bucket| BucketView {
        le: bucket.le,
        count: bucket.count,
    };
    of.iter().map(view).collect()
}

#[cfg(test)]
mod tests;
