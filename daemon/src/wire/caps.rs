// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers to caps-get: a device as in any answer, with capabilities in it and in its targets. The
//! client reads them; the fake transport writes them.

use shunt_uapi::{device, target};

use super::{
    attr::{Attr, Writer, attributes},
    reply,
};
use crate::{
    error::Result,
    model::{Capabilities, DeviceCaps},
};

/// Reads a device with what it and its targets can do.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if a part is missing or not understood.
pub fn decode(bytes: &[u8]) -> Result<DeviceCaps> {
    let mut caps = DeviceCaps {
        device: reply::decode_device(bytes)?,
        capabilities: Capabilities::default(),
        targets: Vec::new(),
    };
    for attr in attributes(bytes) {
        let attr = attr?;
        match attr.kind {
            device::CAPABILITIES => caps.capabilities = capabilities(&attr)?,
            device::TARGET => {
                let mut found = Capabilities::default();
                for part in attr.nested() {
                    let part = part?;
                    if part.kind == target::CAPABILITIES {
                        found = capabilities(&part)?;
                    }
                }
                caps.targets.push(found);
            }
            _ => {}
        }
    }
    Ok(caps)
}

fn capabilities(nest: &Attr<'_>) -> Result<Capabilities> {
    let mut found = Capabilities::default();
    for attr in nest.nested() {
        let attr = attr?;
        found.0.insert(attr.kind, attr.uint()?);
    }
    Ok(found)
}

/// Writes a device with what it and its targets can do, as the kernel does.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if a text in it fits in no message.
pub fn encode(writer: &mut Writer, from: &DeviceCaps) -> Result<()> {
    reply::encode_device_with(writer, &from.device, |number, inner| {
        match from.targets.get(number) {
            Some(caps) => inner.nest(target::CAPABILITIES, written(caps)),
            None => Ok(()),
        }
    })?;
    writer.nest(device::CAPABILITIES, written(&from.capabilities))
}

fn written(caps: &Capabilities) -> Writer {
    let mut writer = Writer::default();
    for (attribute, value) in &caps.0 {
        writer.uint(*attribute, *value);
    }
    writer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Device, QueueMode, State, StatsMode, Target};

    #[test]
    fn what_is_written_is_read() {
        let target = |minor| Target {
            path: "/dev/a".into(),
            major: 8,
            minor,
            diskseq: 3,
            start: 0,
            offset: 0,
            length: 1 << 20,
            state: State::Live,
        };
        let caps = |pairs: &[(u16, u64)]| Capabilities(pairs.iter().copied().collect());
        let sent = DeviceCaps {
            device: Device {
                id: 3,
                name: "vol0".into(),
                state: State::Live,
                queue: QueueMode::Bio,
                stats: StatsMode::Full,
                read_only: false,
                size: 2 << 20,
                logical_block_size: 512,
                targets: vec![target(0), target(16)],
                stripe: None,
                generation: 7,
                table_number: 3,
            },
            capabilities: caps(&[(1, 512), (9, 1 << 40)]),
            targets: vec![caps(&[(1, 512), (28, 1)]), caps(&[])],
        };
        let mut writer = Writer::default();
        encode(&mut writer, &sent).unwrap();
        assert_eq!(decode(&writer.into_bytes()).unwrap(), sent);
    }
}
