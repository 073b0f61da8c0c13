// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers taken apart, and a talk with the family that every kernel has.

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};

use super::{
    connection::{Answer, frame},
    socket::Socket,
    *,
};
use crate::transport::{Events, Received};

const FAMILY: u16 = 33;
const PAYLOAD: [u8; 8] = [3, 1, 0, 0, 9, 9, 9, 9];

fn answer(attributes: &[u8]) -> Answer<'_> {
    Answer {
        sequence: 7,
        attributes,
        dump: Dump {
            messages: Vec::new(),
            interrupted: false,
        },
    }
}

#[test]
fn a_request_begins_with_the_netlink_header() {
    #[rustfmt::skip]
    assert_eq!(frame(FAMILY, NLM_F_REQUEST | NLM_F_ACK, 7, &PAYLOAD[..4]).unwrap(), [
        20, 0, 0, 0,  33, 0,  5, 0,  7, 0, 0, 0,  0, 0, 0, 0,
        3, 1, 0, 0,
    ]);
}

#[test]
fn a_dump_ends_at_its_done_message_and_not_before() {
    let mut answer = answer(&[]);
    let part = frame(FAMILY, 2, 7, &PAYLOAD).unwrap();
    assert!(!answer.take(&[&part[..], &part].concat()).unwrap());
    assert!(!answer.take(&part).unwrap());
    let done = frame(NLMSG_DONE, 2, 7, &[0; 4]).unwrap();
    assert!(answer.take(&done).unwrap());
    assert_eq!(answer.dump.messages.len(), 3);
    assert_eq!(answer.dump.messages[2], Message::decode(&PAYLOAD).unwrap());
    assert!(!answer.dump.interrupted);
}

#[test]
fn an_interrupted_dump_says_so() {
    let mut answer = answer(&[]);
    let part = frame(FAMILY, 2 | NLM_F_DUMP_INTR, 7, &PAYLOAD).unwrap();
    assert!(!answer.take(&part).unwrap());
    assert!(
        answer
            .take(&frame(NLMSG_DONE, 2, 7, &[0; 4]).unwrap())
            .unwrap()
    );
    assert!(answer.dump.interrupted);
}

#[test]
fn what_answers_another_request_is_passed_over() {
    let mut answer = answer(&[]);
    let stale = frame(NLMSG_DONE, 2, 6, &[0; 4]).unwrap();
    assert!(!answer.take(&stale).unwrap());
    assert!(
        !answer
            .take(&frame(FAMILY, 0, 6, &PAYLOAD).unwrap())
            .unwrap()
    );
    assert!(answer.dump.messages.is_empty());
}

#[test]
fn a_refusal_carries_number_words_and_part() {
    let name = [6, 0, 2, 0, b'v', 0, 0, 0];
    let mut payload = (-17_i32).to_ne_bytes().to_vec();
    payload.extend(frame(FAMILY, 5, 7, &[&PAYLOAD[..4], &name].concat()).unwrap()[..16].iter());
    payload.extend([8, 0, 2, 0, 20, 0, 0, 0]);
    payload.extend(*b"\x0a\0\x01\0taken\0\0\0");
    let message = frame(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, 7, &payload).unwrap();
    match answer(&name).take(&message) {
        Err(Error::Refused(refusal)) => {
            assert_eq!(refusal.errno, 17);
            assert_eq!(refusal.text.as_deref(), Some("taken"));
            assert_eq!(refusal.word(), "name");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_datagram_that_is_cut_off_is_malformed() {
    let part = frame(FAMILY, 2, 7, &PAYLOAD).unwrap();
    for length in [1, 15, part.len() - 1] {
        let result = answer(&[]).take(&part[..length]);
        assert!(matches!(result, Err(Error::Malformed(_))), "{length}");
    }
}

#[test]
fn the_running_kernel_tells_the_numbers_of_its_control_family() {
    let mut connection = Connection::open().unwrap();
    let family = resolve(&mut connection, nlctrl::FAMILY_NAME).unwrap();
    assert_eq!(family.id, nlctrl::FAMILY_ID);
    assert!(family.group(nlctrl::GROUP_NOTIFY).is_some());
}

#[test]
fn the_running_kernel_has_no_family_of_another_name() {
    let mut connection = Connection::open().unwrap();
    let result = resolve(&mut connection, c"no-such-family");
    assert!(matches!(result, Err(Error::NotLoaded)), "{result:?}");
}

/// The kernel's own words reach the user: it refuses a family name that is too long with the
/// place of the attribute.
#[test]
fn the_running_kernels_extended_acknowledgement_is_read() {
    let mut connection = Connection::open().unwrap();
    let name = c"a-name-of-more-than-sixteen-bytes";
    let payload = nlctrl::get_family(name)
        .unwrap()
        .encode(nlctrl::FAMILY_VERSION);
    let result = connection.exchange(nlctrl::FAMILY_ID, NLM_F_REQUEST | NLM_F_ACK, &payload);
    match result {
        Err(Error::Refused(refusal)) => {
            assert!(refusal.text.is_some(), "{refusal:?}");
            // The second attribute of `nlctrl` is the name, as it is of shunt's own sets.
            assert_eq!(refusal.word(), "name", "{refusal:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dump_of_the_running_kernel_arrives_whole() {
    let mut connection = Connection::open().unwrap();
    let payload = Message::bare(3).encode(nlctrl::FAMILY_VERSION);
    let dump = connection
        .exchange(nlctrl::FAMILY_ID, NLM_F_REQUEST | NLM_F_DUMP, &payload)
        .unwrap();
    let families: Vec<_> = dump
        .messages
        .iter()
        .map(|message| nlctrl::decode_family(&message.attributes).unwrap())
        .collect();
    assert!(families.iter().any(|family| family.id == nlctrl::FAMILY_ID));
}

#[test]
fn an_event_socket_of_the_running_kernel_is_quiet_at_first() {
    let mut connection = Connection::open().unwrap();
    let control = resolve(&mut connection, nlctrl::FAMILY_NAME).unwrap();
    let mut events = NetlinkEvents::open().unwrap();
    events
        .follow(&control, nlctrl::GROUP_NOTIFY, EVENT_ROOM)
        .unwrap();
    assert_eq!(events.receive().unwrap(), Received::Nothing);
}

#[test]
fn without_privilege_the_room_for_events_ends_at_the_limit_of_the_system() {
    let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let mut socket = Socket::open().unwrap();
    let below = limit / 2;
    assert_eq!(socket.enlarge_within_limit(below).unwrap(), below);
    assert_eq!(socket.enlarge_within_limit(usize::MAX).unwrap(), limit);
}
