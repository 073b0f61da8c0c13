// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics on the wire: answers, samples, and how often samples come. The client and the stream
//! read them; the fake transport writes them. An attribute that is not known is skipped.

use std::time::Duration;

use shunt_uapi::{bucket, cmd, error, op_stats, sample, stats};

use super::{
    Message,
    attr::{Attr, Writer, attributes, required},
};
use crate::{
    error::Result,
    model::{Bucket, Op, OpStats, Sample, Stats},
};

/// Reads the statistics of a device. An operation that is not known is skipped, one that is not
/// there has zeroes.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if a part is missing or not understood.
pub fn decode(bytes: &[u8]) -> Result<Stats> {
    let (mut id, mut name, mut generation, mut time) = (None, None, None, None);
    let (mut in_flight, mut ops) = (0, <[OpStats; Op::ALL.len()]>::default());
    for attr in attributes(bytes) {
        let attr = attr?;
        match attr.kind {
            stats::ID => id = Some(attr.u32()?),
            stats::NAME => name = Some(attr.string()),
            stats::GENERATION => generation = Some(attr.uint()?),
            stats::TIME => time = Some(attr.uint()?),
            stats::IN_FLIGHT => in_flight = attr.uint()?,
            stats::OP => {
                if let Some((op, figures)) = decode_op(&attr)? {
                    ops[op as usize] = figures;
                }
            }
            _ => {}
        }
    }
    Ok(Stats {
        id: required(id, "id of statistics")?,
        name: required(name, "name of statistics")?,
        generation: required(generation, "generation of statistics")?,
        time: required(time, "time of statistics")?,
        in_flight,
        ops,
    })
}

fn decode_op(nest: &Attr<'_>) -> Result<Option<(Op, OpStats)>> {
    let (mut op, mut figures) = (None, OpStats::default());
    for attr in nest.nested() {
        let attr = attr?;
        match attr.kind {
            op_stats::OP => op = Some(attr.u32()?),
            op_stats::IOS => figures.ios = attr.uint()?,
            op_stats::BYTES => figures.bytes = attr.uint()?,
            op_stats::ERRORS => figures.errors = attr.uint()?,
            op_stats::LATENCY_SUM => figures.latency.sum = attr.uint()?,
            op_stats::LATENCY => figures.latency.buckets.push(decode_bucket(&attr)?),
            op_stats::IN_FLIGHT => figures.in_flight = attr.uint()?,
            op_stats::PEAK => figures.peak = attr.uint()?,
            op_stats::SIZE => figures.sizes.push(decode_bucket(&attr)?),
            op_stats::ERROR => {
                let (errno, count) = decode_error(&attr)?;
                figures.errors_by.insert(errno, count);
            }
            _ => {}
        }
    }
    figures.latency.buckets.sort_by_key(|bucket| bucket.le);
    figures.sizes.sort_by_key(|bucket| bucket.le);
    let op = required(op, "op of statistics")?;
    Ok(Op::from_u32(op).map(|op| (op, figures)))
}

fn decode_bucket(nest: &Attr<'_>) -> Result<Bucket> {
    let (mut le, mut count) = (None, None);
    for attr in nest.nested() {
        let attr = attr?;
        match attr.kind {
            bucket::LE => le = Some(attr.uint()?),
            bucket::COUNT => count = Some(attr.uint()?),
            _ => {}
        }
    }
    Ok(Bucket {
        le: required(le, "le of a bucket")?,
        count: required(count, "count of a bucket")?,
    })
}

fn decode_error(nest: &Attr<'_>) -> Result<(u32, u64)> {
    let (mut errno, mut count) = (None, None);
    for attr in nest.nested() {
        let attr = attr?;
        match attr.kind {
            error::ERRNO => errno = Some(attr.u32()?),
            error::COUNT => count = Some(attr.uint()?),
            _ => {}
        }
    }
    Ok((
        required(errno, "errno of an error")?,
        required(count, "count of an error")?,
    ))
}

/// Writes the statistics of a device as the kernel does: operations of which nothing was counted
/// are left out.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if a text in them fits in no message.
pub fn encode(writer: &mut Writer, from: &Stats) -> Result<()> {
    writer.u32(stats::ID, from.id);
    writer.string(stats::NAME, &from.name)?;
    writer.uint(stats::GENERATION, from.generation);
    writer.uint(stats::TIME, from.time);
    writer.uint(stats::IN_FLIGHT, from.in_flight);
    let happened = |figures: &OpStats| *figures != OpStats::default();
    for (op, figures) in from.each_op().filter(|(_, figures)| happened(figures)) {
        let mut inner = Writer::default();
        inner.u32(op_stats::OP, op as u32);
        inner.uint(op_stats::IOS, figures.ios);
        inner.uint(op_stats::BYTES, figures.bytes);
        inner.uint(op_stats::ERRORS, figures.errors);
        inner.uint(op_stats::LATENCY_SUM, figures.latency.sum);
        inner.uint(op_stats::IN_FLIGHT, figures.in_flight);
        inner.uint(op_stats::PEAK, figures.peak);
        encode_buckets(&mut inner, op_stats::LATENCY, &figures.latency.buckets)?;
        encode_buckets(&mut inner, op_stats::SIZE, &figures.sizes)?;
        for (errno, count) in &figures.errors_by {
            let mut pair = Writer::default();
            pair.u32(error::ERRNO, *errno);
            pair.uint(error::COUNT, *count);
            inner.nest(op_stats::ERROR, pair)?;
        }
        writer.nest(stats::OP, inner)?;
    }
    Ok(())
}

fn encode_buckets(writer: &mut Writer, kind: u16, buckets: &[Bucket]) -> Result<()> {
    for Bucket { le, count } in buckets {
        let mut pair = Writer::default();
        pair.uint(bucket::LE, *le);
        pair.uint(bucket::COUNT, *count);
        writer.nest(kind, pair)?;
    }
    Ok(())
}

/// Reads a sample. None for a message of another kind, which a newer module may send.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if a part is missing or not understood.
pub fn decode_sample(message: &Message) -> Result<Option<Sample>> {
    if message.command != cmd::STATS_NTF {
        return Ok(None);
    }
    let (mut sequence, mut time, mut interval) = (None, None, None);
    let (mut dropped, mut devices) = (0, Vec::new());
    for attr in attributes(&message.attributes) {
        let attr = attr?;
        match attr.kind {
            sample::SEQ => sequence = Some(attr.uint()?),
            sample::TIME => time = Some(attr.uint()?),
            sample::DROPPED => dropped = attr.uint()?,
            sample::INTERVAL => interval = Some(millis(attr.u32()?)),
            sample::DEVICE => devices.push(decode(attr.value)?),
            _ => {}
        }
    }
    Ok(Some(Sample {
        sequence: required(sequence, "seq of a sample")?,
        time: required(time, "time of a sample")?,
        dropped,
        interval: required(interval, "interval of a sample")?,
        devices,
    }))
}

/// Writes a sample as the kernel does.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if a text in it fits in no message.
pub fn encode_sample(from: &Sample) -> Result<Message> {
    let mut writer = Writer::default();
    writer.uint(sample::SEQ, from.sequence);
    writer.uint(sample::TIME, from.time);
    writer.uint(sample::DROPPED, from.dropped);
    writer.u32(sample::INTERVAL, whole_millis(from.interval));
    for device in &from.devices {
        let mut inner = Writer::default();
        encode(&mut inner, device)?;
        writer.nest(sample::DEVICE, inner)?;
    }
    Ok(Message {
        command: cmd::STATS_NTF,
        attributes: writer.into_bytes(),
    })
}

/// Asks how often samples are sent, or for another time from one round to the next.
pub fn set_interval(interval: Option<Duration>) -> Message {
    let mut writer = Writer::default();
    if let Some(interval) = interval {
        writer.u32(sample::INTERVAL, whole_millis(interval));
    }
    Message {
        command: cmd::STATS_SET,
        attributes: writer.into_bytes(),
    }
}

/// Reads what [`set_interval`] wrote, or the answer to it; none if it only asks.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if it is not understood.
pub fn decode_interval(bytes: &[u8]) -> Result<Option<Duration>> {
    let mut interval = None;
    for attr in attributes(bytes) {
        let attr = attr?;
        if attr.kind == sample::INTERVAL {
            interval = Some(millis(attr.u32()?));
        }
    }
    Ok(interval)
}

fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn whole_millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
