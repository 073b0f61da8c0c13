// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading metrics as a program over there does.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Where the daemon serves metrics if nothing else is said.
pub(crate) const ADDRESS: &str = "127.0.0.1:9745";

/// A connection to the daemon, at [`ADDRESS`].
#[track_caller]
pub(crate) fn connect() -> TcpStream {
    TcpStream::connect(ADDRESS).expect("the port is open")
}

/// Sends the request and takes nothing of the answer.
#[track_caller]
pub(crate) fn ask(connection: &mut impl Write) {
    connection
        .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
        .expect("the connection is open");
}

/// Asks over a connection and gives the text, which has to come whole.
#[track_caller]
pub(crate) fn scrape(mut connection: impl Read + Write) -> String {
    ask(&mut connection);
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .expect("the daemon answers");
    let (head, text) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    text.to_owned()
}

/// The value of the sample with this name and these labels.
#[track_caller]
pub(crate) fn sample(text: &str, sample: &str) -> f64 {
    let of_line = |line: &str| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok();
    let found = text.lines().find_map(of_line);
    found.unwrap_or_else(|| panic!("there is no {sample} in {text}"))
}
