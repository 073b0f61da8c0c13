// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where metrics are served: an address of the network, or a socket in the file system.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

/// Where they are served unless another place is given: only this machine reaches it.
pub const DEFAULT: Address = Address::Tcp(SocketAddr::new(
    std::net::IpAddr::V4(Ipv4Addr::LOCALHOST),
    9745,
));

/// A place to serve at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A port of the network.
    Tcp(SocketAddr),
    /// A socket of this path.
    Unix(PathBuf),
}

impl Address {
    /// Whether other machines may reach it.
    pub fn is_exposed(&self) -> bool {
        matches!(self, Self::Tcp(address) if !address.ip().is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}/metrics"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `ADDRESS:PORT`, `[ADDRESS]:PORT` or `unix:/PATH`.
impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err(format!(
                    "'{path}' is not a full path; give one, as in unix:/run/shunt/metrics"
                )),
            };
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!(
                "'{text}' is neither ADDRESS:PORT, with a number for the address, nor unix:/PATH"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_are_told_apart_and_come_back() {
        for text in ["127.0.0.1:9745", "[::1]:9745", "0.0.0.0:80"] {
            let Ok(Address::Tcp(address)) = text.parse() else {
                panic!("{text}")
            };
            assert_eq!(address.to_string(), text);
        }
        let path = "unix:/run/shunt/metrics";
        assert_eq!(path.parse::<Address>().unwrap().to_string(), path);
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_text() {
        for text in [
            "",
            "9745",
            "localhost",
            "localhost:9745",
            "unix:",
            "unix:run/x",
            "1.2.3.4:99999",
        ] {
            let refusal = text.parse::<Address>().unwrap_err();
            let quoted = text.strip_prefix("unix:").unwrap_or(text);
            assert!(refusal.contains(&format!("'{quoted}'")), "{refusal}");
        }
    }

    #[test]
    fn only_loopback_and_paths_are_not_exposed() {
        let exposed = |text: &str| text.parse::<Address>().unwrap().is_exposed();
        assert!(!DEFAULT.is_exposed());
        assert!(!exposed("127.8.9.1:1"));
        assert!(!exposed("[::1]:1"));
        assert!(!exposed("unix:/run/x"));
        assert!(exposed("0.0.0.0:1"));
        assert!(exposed("[::]:1"));
        assert!(exposed("192.0.2.1:1"));
    }
}
