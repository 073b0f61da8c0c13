// SPDX-License-Identifier: MIT OR Apache-2.0
//! As much of HTTP as a reader of metrics needs: one request, one answer, and the connection is
//! closed.

use std::{
    fmt::Display,
    io::{self, BufWriter, Read, Write},
};

use httparse::{EMPTY_HEADER, Status};

use crate::{
    error::Result,
    prometheus::{CONTENT_TYPE, Snapshot},
};

/// Longest request line with its headers.
const REQUEST: usize = 8 * 1024;
const HEADERS: usize = 64;

/// Text is sent in pieces of this many bytes.
const PIECE: usize = 16 * 1024;

const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const INDEX: &str =
    "<!DOCTYPE html><title>shunt</title><h1>shunt</h1><p><a href=\"/metrics\">Metrics</a>\n";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Metrics(Form),
    Index(Form),
    /// Something else: the status line and what is wrong with it.
    Wrong(&'static str, &'static str),
}

/// How an answer is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether there is one at all, or only its head.
    body: bool,
    /// Whether its end can be told from the connection's.
    chunked: bool,
}

/// Reads a request.
pub(super) fn read_request(mut input: impl Read) -> io::Result<Request> {
    let mut bytes = [0; REQUEST];
    let mut length = 0;
    loop {
        match input.read(&mut bytes[length..])? {
            0 if length == REQUEST => {
                return Ok(Request::Wrong(
                    "431 Request Header Fields Too Large",
                    "the request is too long",
                ));
            }
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => length += more,
        }
        if let Some(request) = parse(&bytes[..length]) {
            return Ok(request);
        }
    }
}

/// Understands a request; none if more is to come.
fn parse(bytes: &[u8]) -> Option<Request> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(Status::Partial) => return None,
        Ok(Status::Complete(_)) => {}
        Err(_) => return Some(Request::Wrong("400 Bad Request", "this is not HTTP/1")),
    }
    let form = Form {
        body: parsed.method != Some("HEAD"),
        chunked: parsed.version == Some(1),
    };
    if !matches!(parsed.method, Some("GET" | "HEAD")) {
        return Some(Request::Wrong(
            "405 Method Not Allowed",
            "only GET and HEAD are understood",
        ));
    }
    let path = parsed.path.unwrap_or_default();
    Some(match path.split('?').next() {
        Some("/metrics") => Request::Metrics(form),
        Some("/") => Request::Index(form),
        _ => Request::Wrong("404 Not Found", "there is only /metrics"),
    })
}

/// Answers a request. `source` is asked only if the answer shows what it gives.
pub(super) fn answer(
    request: Request,
    mut out: impl Write,
    source: impl FnOnce() -> Result<Snapshot>,
) -> io::Result<()> {
    match request {
        Request::Wrong(status, why) => whole(out, status, PLAIN, true, format_args!("{why}\n")),
        Request::Index(form) => whole(out, "200 OK", HTML, form.body, INDEX),
        Request::Metrics(form) => match source() {
            // A part of the metrics would look like devices that went.
            Err(error) => {
                log::warn!("metrics cannot be read: {error}");
                let status = "503 Service Unavailable";
                whole(out, status, PLAIN, form.body, format_args!("{error}\n"))
            }
            Ok(snapshot) => {
                let coding = if form.chunked {
                    "Transfer-Encoding: chunked\r\n"
                } else {
                    ""
                };
                head(&mut out, "200 OK", CONTENT_TYPE, coding)?;
                match form {
                    Form { body: false, .. } => Ok(()),
                    Form { chunked: false, .. } => write_in_pieces(&snapshot, out).map(|_| ()),
                    Form { chunked: true, .. } => write_in_pieces(&snapshot, Chunks(out))?
                        .0
                        .write_all(b"0\r\n\r\n"),
                }
            }
        },
    }
}

fn write_in_pieces<W: Write>(snapshot: &Snapshot, out: W) -> io::Result<W> {
    let mut pieces = BufWriter::with_capacity(PIECE, out);
    snapshot.write(&mut pieces)?;
    pieces.into_inner().map_err(io::IntoInnerError::into_error)
}

/// A short answer.
fn whole(
    mut out: impl Write,
    status: &str,
    kind: &str,
    body: bool,
    text: impl Display,
) -> io::Result<()> {
    let text = text.to_string();
    let length = format!("Content-Length: {}\r\n", text.len());
    head(&mut out, status, kind, &length)?;
    match body {
        true => out.write_all(text.as_bytes()),
        false => Ok(()),
    }
}

fn head(out: &mut impl Write, status: &str, kind: &str, more: &str) -> io::Result<()> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Connection: close\r\n\r\n");
    out.write_all(head.as_bytes())
}

/// Makes a chunk of each piece, so that the reader can tell the end from a connection that broke.
struct Chunks<W>(W);

impl<W: Write> Write for Chunks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            // An empty chunk would be the end.
            return Ok(0);
        }
        // In one go: each write is a packet.
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.0.write_all(&chunk)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
