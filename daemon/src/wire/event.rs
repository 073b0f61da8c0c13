// SPDX-License-Identifier: MIT OR Apache-2.0
//! Notifications of the family: read by the monitor, written by the fake transport.

use shunt_uapi::{cmd, device};

use super::{
    Message,
    attr::{Writer, attributes, required},
    reply::{decode_device, encode_device},
};
use crate::{
    error::Result,
    model::{Notification, Reason},
};

/// Reads a notification. None for one of another kind, which a newer module may send. A reason
/// that is not known counts as a change: the device in the message is as it is now.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if a part is missing or not understood.
pub fn decode(message: &Message) -> Result<Option<Notification>> {
    if message.command != cmd::DEVICE_NTF {
        return Ok(None);
    }
    let (mut sequence, mut reason, mut failed) = (None, None, None);
    for attr in attributes(&message.attributes) {
        let attr = attr?;
        match attr.kind {
            device::SEQ => sequence = Some(attr.uint()?),
            device::REASON => {
                reason = Some(Reason::from_u32(attr.u32()?).unwrap_or(Reason::Changed));
            }
            device::FAILED => failed = Some(attr.uint()?),
            _ => {}
        }
    }
    Ok(Some(Notification {
        sequence: required(sequence, "seq of a notification")?,
        reason: required(reason, "reason of a notification")?,
        failed,
        device: decode_device(&message.attributes)?,
    }))
}

/// Writes a notification as the kernel does.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if a text in it fits in no message.
pub fn encode(notification: &Notification) -> Result<Message> {
    let mut writer = Writer::default();
    encode_device(&mut writer, &notification.device)?;
    writer.uint(device::SEQ, notification.sequence);
    writer.u32(device::REASON, notification.reason as u32);
    if let Some(failed) = notification.failed {
        writer.uint(device::FAILED, failed);
    }
    Ok(Message {
        command: cmd::DEVICE_NTF,
        attributes: writer.into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Device, QueueMode, State, StatsMode};

    fn notification() -> Notification {
        Notification {
            sequence: 1 << 40,
            reason: Reason::Lost,
            failed: Some(3),
            device: Device {
                id: 0,
                name: "v".into(),
                state: State::Lost,
                queue: QueueMode::Bio,
                stats: StatsMode::Off,
                read_only: false,
                size: 512,
                logical_block_size: 512,
                targets: Vec::new(),
                stripe: None,
                generation: 1,
                table_number: 3,
            },
        }
    }

    #[test]
    fn a_notification_is_a_device_with_sequence_and_reason() {
        let message = encode(&notification()).unwrap();
        assert_eq!(message.command, 4);
        assert!(message.attributes.ends_with(&[
            12, 0, 11, 0, 0, 0, 0, 0, 0, 1, 0, 0, 8, 0, 12, 0, 2, 0, 0, 0, 8, 0, 17, 0, 3, 0, 0, 0
        ]));
        assert_eq!(decode(&message).unwrap(), Some(notification()));
    }

    #[test]
    fn a_reason_of_a_newer_module_is_a_change() {
        let mut message = encode(&notification()).unwrap();
        let reason = message.attributes.len() - 12;
        message.attributes[reason] = 200;
        assert_eq!(decode(&message).unwrap().unwrap().reason, Reason::Changed);
    }

    #[test]
    fn a_notification_of_another_kind_is_skipped() {
        assert_eq!(decode(&Message::bare(99)).unwrap(), None);
    }

    #[test]
    fn a_notification_without_its_sequence_number_is_malformed() {
        let mut writer = Writer::default();
        encode_device(&mut writer, &notification().device).unwrap();
        let message = Message {
            command: cmd::DEVICE_NTF,
            attributes: writer.into_bytes(),
        };
        assert!(decode(&message).is_err());
    }
}
