// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's acknowledgement of a request, with its extended part: `NLMSG_ERROR`, and
//! `NLMSG_DONE` at the end of a dump. The netlink transport reads them.

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED};

use super::{NETLINK_HEADER_LENGTH, attr::attributes, malformed, request};
use crate::error::{Refusal, Result};

// `enum nlmsgerr_attrs` of linux/netlink.h.
const ATTR_MSG: u16 = 1;
const ATTR_OFFS: u16 = 2;
const ATTR_POLICY: u16 = 4;
const ATTR_MISS_TYPE: u16 = 5;
const ATTR_MISS_NEST: u16 = 6;

/// What an acknowledgement says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// Error number, positive; 0 for success.
    pub errno: i32,
    /// The kernel's words; with success, a warning.
    pub text: Option<String>,
    /// Where the wrong attribute begins, from the first byte of the request's netlink header.
    pub offset: Option<usize>,
    /// Whether netlink itself refused the attribute, by what it was told of it.
    pub by_policy: bool,
    /// The attribute that is missing.
    pub missing: Option<u16>,
    /// Where the nest that it is missing in begins, counted as `offset`; none at the top.
    pub missing_nest: Option<usize>,
}

impl Ack {
    /// Reads what follows the netlink header of an `NLMSG_ERROR` with these flags.
    ///
    /// # Errors
    /// [`Error::Malformed`](crate::Error::Malformed) if it is cut off.
    pub fn decode_error(payload: &[u8], flags: u16) -> Result<Self> {
        let (code, rest) = split_code(payload)?;
        let request_length = match rest.first_chunk() {
            Some(length) => u32::from_ne_bytes(*length) as usize,
            None => return Err(malformed("an acknowledgement without the request's header")),
        };
        // Capped, only the header of the request is repeated, whatever length it tells.
        let repeated = if flags & NLM_F_CAPPED != 0 {
            NETLINK_HEADER_LENGTH
        } else {
            request_length.next_multiple_of(4)
        };
        Self::decode_tlvs(code, rest.get(repeated..), flags)
    }

    /// Reads what follows the netlink header of an `NLMSG_DONE` with these flags.
    ///
    /// # Errors
    /// [`Error::Malformed`](crate::Error::Malformed) if it is cut off.
    pub fn decode_done(payload: &[u8], flags: u16) -> Result<Self> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let (code, rest) = split_code(payload)?;
        Self::decode_tlvs(code, Some(rest), flags)
    }

    fn decode_tlvs(code: i32, tlvs: Option<&[u8]>, flags: u16) -> Result<Self> {
        let mut ack = Self {
            errno: code.min(0).saturating_neg(),
            ..Self::default()
        };
        if flags & NLM_F_ACK_TLVS == 0 {
            return Ok(ack);
        }
        let Some(tlvs) = tlvs else {
            return Err(malformed("an acknowledgement that is cut off"));
        };
        for attr in attributes(tlvs) {
            let attr = attr?;
            match attr.kind {
                ATTR_MSG => ack.text = Some(attr.string()),
                ATTR_OFFS => ack.offset = Some(attr.u32()? as usize),
                ATTR_POLICY => ack.by_policy = true,
                ATTR_MISS_TYPE => ack.missing = u16::try_from(attr.u32()?).ok(),
                ATTR_MISS_NEST => ack.missing_nest = Some(attr.u32()? as usize),
                _ => {}
            }
        }
        Ok(ack)
    }

    /// The refusal that this is of a request with these attributes; none for success.
    pub fn refusal(self, attributes_of_request: &[u8]) -> Option<Refusal> {
        if self.errno == 0 {
            return None;
        }
        let (part, remark) = match (self.offset, self.missing) {
            (Some(offset), _) => {
                let part = request::part_at(attributes_of_request, offset);
                // The module's words say what they are about, those of netlink do not.
                let remark = part.as_ref().filter(|_| self.by_policy);
                let remark = remark.map(|part| part.word.clone());
                (part, remark)
            }
            (None, Some(kind)) => {
                let part = request::missing_part(kind, self.missing_nest.is_some());
                let remark = format!("{} is missing", part.word);
                (Some(part), Some(remark))
            }
            (None, None) => (None, None),
        };
        let text = match remark {
            Some(remark) => {
                let words = self.text.unwrap_or_else(|| Refusal::words_of(self.errno));
                Some(format!("{words} ({remark})"))
            }
            None => self.text,
        };
        Some(Refusal {
            errno: self.errno,
            text,
            part,
        })
    }
}

fn split_code(payload: &[u8]) -> Result<(i32, &[u8])> {
    match payload.split_first_chunk() {
        Some((code, rest)) => Ok((i32::from_ne_bytes(*code), rest)),
        None => Err(malformed(format!(
            "an acknowledgement of {} bytes",
            payload.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EINVAL: [u8; 4] = (-22_i32).to_ne_bytes();
    /// The header of a request of 28 bytes with the attributes `NAME`.
    const HEADER: [u8; 16] = [28, 0, 0, 0, 33, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0];
    const NAME: [u8; 8] = [6, 0, 2, 0, b'v', 0, 0, 0];
    #[rustfmt::skip]
    const TLVS: [u8; 20] = [
        11, 0, 1, 0, b't', b'a', b'k', b'e', b'n', b'!', 0, 0,
        8, 0, 2, 0, 20, 0, 0, 0,
    ];

    fn expected() -> Ack {
        Ack {
            errno: 22,
            text: Some("taken!".into()),
            offset: Some(20),
            ..Ack::default()
        }
    }

    #[test]
    fn a_capped_error_has_its_words_after_the_header() {
        let payload = [&EINVAL[..], &HEADER, &TLVS].concat();
        let ack = Ack::decode_error(&payload, NLM_F_CAPPED | NLM_F_ACK_TLVS).unwrap();
        assert_eq!(ack, expected());
    }

    #[test]
    fn an_error_that_is_not_capped_has_its_words_after_the_request() {
        let request = [&HEADER[..], &[1, 1, 0, 0], &NAME].concat();
        let payload = [&EINVAL[..], &request, &TLVS].concat();
        let ack = Ack::decode_error(&payload, NLM_F_ACK_TLVS).unwrap();
        assert_eq!(ack, expected());
    }

    #[test]
    fn without_the_flag_no_words_are_looked_for() {
        let payload = [&EINVAL[..], &HEADER, &[1, 1, 0, 0]].concat();
        let ack = Ack::decode_error(&payload, 0).unwrap();
        assert_eq!(ack.errno, 22);
        assert_eq!(ack.text, None);
    }

    #[test]
    fn the_end_of_a_dump_has_its_words_after_the_number() {
        let payload = [&EINVAL[..], &TLVS].concat();
        let ack = Ack::decode_done(&payload, NLM_F_ACK_TLVS).unwrap();
        assert_eq!(ack, expected());
        for success in [&[][..], &[0; 4]] {
            assert_eq!(Ack::decode_done(success, 0).unwrap(), Ack::default());
        }
    }

    #[test]
    fn what_is_cut_off_is_malformed() {
        assert!(Ack::decode_error(&EINVAL[..3], 0).is_err());
        assert!(Ack::decode_error(&EINVAL, 0).is_err());
        let payload = [&EINVAL[..], &HEADER].concat();
        assert!(Ack::decode_error(&payload, NLM_F_ACK_TLVS).is_err());
    }

    #[test]
    fn a_refusal_names_the_part_that_the_kernel_points_at() {
        let refusal = expected().refusal(&NAME).unwrap();
        assert_eq!(refusal.text.as_deref(), Some("taken!"));
        assert_eq!(refusal.word(), "name");
        assert_eq!(Ack::default().refusal(&NAME), None);
    }

    #[test]
    fn what_netlink_itself_refuses_is_said_with_its_part() {
        let by_policy = Ack {
            by_policy: true,
            ..expected()
        };
        let refusal = by_policy.refusal(&NAME).unwrap();
        assert_eq!(refusal.to_string(), "taken! (name)");
        let missing = Ack {
            errno: 22,
            missing: Some(9),
            ..Ack::default()
        };
        let refusal = missing.refusal(&NAME).unwrap();
        assert_eq!(refusal.word(), "target");
        assert_eq!(refusal.to_string(), "Invalid argument (target is missing)");
    }
}
