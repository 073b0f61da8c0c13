// SPDX-License-Identifier: MIT OR Apache-2.0
//! As much of HTTP as a reader of metrics needs: one request, one answer, and the connection is
//! closed.

use httparse::{EMPTY_HEADER, Status};

use crate::{error::Result, prometheus::CONTENT_TYPE};

/// Longest request line with its headers.
const REQUEST: usize = 8 * 1024;
const HEADERS: usize = 64;

const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const INDEX: &str =
    "<!DOCTYPE html><title>shunt</title><h1>shunt</h1><p><a href=\"/metrics\">Metrics</a>\n";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Without a body only the head is wanted.
    Metrics {
        body: bool,
    },
    Index {
        body: bool,
    },
    /// Something else: the status line and what is wrong with it.
    Wrong(&'static str, &'static str),
}

/// What was said so far as a request; none if more is to come.
pub(super) fn understand(said: &[u8]) -> Option<Request> {
    let whole = &said[..said.len().min(REQUEST)];
    parse(whole).or_else(|| {
        (said.len() >= REQUEST).then_some(Request::Wrong(
            "431 Request Header Fields Too Large",
            "the request is too long",
        ))
    })
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
    let body = parsed.method != Some("HEAD");
    if !matches!(parsed.method, Some("GET" | "HEAD")) {
        return Some(Request::Wrong(
            "405 Method Not Allowed",
            "only GET and HEAD are understood",
        ));
    }
    let path = parsed.path.unwrap_or_default();
    Some(match path.split('?').next() {
        Some("/metrics") => Request::Metrics { body },
        Some("/") => Request::Index { body },
        _ => Request::Wrong("404 Not Found", "there is only /metrics"),
    })
}

/// Answers a request. `source` is asked only if the answer shows what it gives.
pub(super) fn answer(request: &Request, source: impl FnOnce() -> Result<Vec<u8>>) -> Vec<u8> {
    match request {
        Request::Wrong(status, why) => whole(status, PLAIN, true, format!("{why}\n").as_bytes()),
        Request::Index { body } => whole("200 OK", HTML, *body, INDEX.as_bytes()),
        Request::Metrics { body } => {
            match source() {
                Ok(text) => whole("200 OK", CONTENT_TYPE, *body, &text),
                // A part of the metrics would look like devices that went.
                Err(error) => {
                    log::warn!("metrics cannot be read: {error}");
                    let text = format!("{error}\n");
                    whole("503 Service Unavailable", PLAIN, *body, text.as_bytes())
                }
            }
        }
    }
}

/// An answer with its length, so that the reader can tell its end from a connection that broke.
fn whole(status: &str, kind: &str, body: bool, text: &[u8]) -> Vec<u8> {
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut answer = head.into_bytes();
    if body {
        answer.extend_from_slice(text);
    }
    answer
}
