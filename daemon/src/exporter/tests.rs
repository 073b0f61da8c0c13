// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readers of every kind over real sockets: those that ask well, wrongly, slowly, and not at all.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::{UnixDatagram, UnixStream},
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::{
    Client,
    error::Error,
    model::{DeviceSpec, TargetSpec},
    prometheus::Snapshot,
    transport::fake::{Drive, Fake},
};

const SHORT: Limits = Limits {
    connections: 2,
    request: Duration::from_millis(200),
    answer: Duration::from_millis(400),
};

/// Serves a source on a port of its own.
fn serve_source(
    limits: Limits,
    source: impl Fn() -> Result<Vec<u8>> + Send + 'static,
) -> SocketAddr {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let Listener::Tcp(tcp) = &listener else {
        panic!("a port is of TCP")
    };
    let address = tcp.local_addr().unwrap();
    thread::spawn(move || serve(&listener, limits, source));
    address
}

fn kernel(devices: u32) -> Fake {
    let kernel = Fake::new();
    for id in 0..devices {
        let path = format!("/dev/d{id}");
        kernel.add_drive(&path, Drive::new(8, id * 16, 1 << 20));
        let spec = DeviceSpec::new(format!("vol{id}"), vec![TargetSpec::whole(path)]);
        Client::new(kernel.clone()).create_device(&spec).unwrap();
    }
    kernel
}

fn serve_kernel(limits: Limits, kernel: Fake) -> SocketAddr {
    serve_source(limits, move || {
        Snapshot::take(Ok(Client::new(kernel.clone())), 0).map(|snapshot| snapshot.text())
    })
}

/// Sends a request and reads the answer to its end.
fn exchange(mut connection: impl Read + Write, request: &str) -> String {
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(address: SocketAddr, request: &str) -> String {
    exchange(TcpStream::connect(address).unwrap(), request)
}

/// The body of an answer, which has to be whole.
fn body(answer: &str) -> &str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    assert_eq!(length.unwrap().parse(), Ok(body.len()), "{head}");
    body
}

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_scrape_is_whole_in_either_version_of_http() {
    let kernel = kernel(200);
    kernel.complete(0, crate::Op::Read, 4096, Duration::from_micros(80), false);
    let address = serve_kernel(Limits::default(), kernel);
    let answer = ask(address, GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("Content-Type: text/plain; version=0.0.4"));
    let text = body(&answer);
    assert!(text.contains("shunt_ios_total{device=\"vol0\",op=\"read\"} 1\n"));
    assert!(text.contains("shunt_device_info{device=\"vol199\",disk=\"shunt199\""));
    assert!(text.ends_with("shunt_latency_seconds_count{device=\"vol0\",op=\"read\"} 1\n"));

    let old = ask(address, "GET /metrics?x=1 HTTP/1.0\r\n\r\n");
    assert_eq!(body(&old), text);
    let head = ask(address, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[test]
fn what_is_not_metrics_is_refused_with_the_right_status() {
    let address = serve_kernel(Limits::default(), kernel(1));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "200 OK"),
        ("GET /other HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        ("what is this\r\n\r\n", "400 Bad Request"),
    ] {
        let answer = ask(address, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{request}: {answer}"
        );
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(8 * 1024));
    let answer = ask(address, &long[..8 * 1024]);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(ask(address, "GET / HTTP/1.1\r\n\r\n").contains("href=\"/metrics\""));
}

#[test]
fn what_the_kernel_refuses_is_told_and_never_half_a_scrape() {
    let kernel = kernel(1);
    kernel.interrupt_dumps(1000);
    let answer = ask(serve_kernel(Limits::default(), kernel), GET);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains(&Error::Unsettled(16).to_string()),
        "{answer}"
    );
}

#[test]
fn nothing_is_asked_of_the_kernel_until_metrics_are_read() {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let address = serve_source(Limits::default(), || {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Ok(Snapshot::default().text())
    });
    ask(address, "GET / HTTP/1.1\r\n\r\n");
    ask(address, "GET /other HTTP/1.1\r\n\r\n");
    drop(TcpStream::connect(address).unwrap());
    assert_eq!(ASKED.load(Ordering::Relaxed), 0);
    ask(address, GET);
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
}

#[test]
fn readers_that_say_nothing_or_read_nothing_are_left_and_another_is_served() {
    // 20 MB of text, which is more than the buffers of a connection hold.
    let row = Snapshot::take(Ok(Client::new(kernel(1))), 0).unwrap();
    let rows = vec![row.rows.unwrap().remove(0); 20_000];
    let address = serve_source(SHORT, move || {
        let rows = Some(rows.clone());
        Ok(Snapshot { overruns: 0, rows }.text())
    });
    let silent: Vec<_> = (0..6)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let stuck: Vec<_> = (0..2)
        .map(|_| {
            let mut connection = TcpStream::connect(address).unwrap();
            connection.write_all(GET.as_bytes()).unwrap();
            connection
        })
        .collect();
    // The deadlines of none of them are waited for.
    let answer = ask(address, "GET / HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for mut connection in silent {
        // It was left without a word, in one way or the other.
        assert!(matches!(connection.read(&mut [0; 8]), Ok(0) | Err(_)));
    }
    drop(stuck);
}

#[test]
fn a_scrape_that_is_read_outlives_any_number_that_are_asked_for_and_not_read() {
    let folder = std::env::temp_dir().join(format!("shunt-crowd-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("metrics");
    let listener = Listener::bind(&Address::Unix(path.clone())).unwrap();
    // More than the buffers of a connection hold.
    let source = || Ok(vec![b'x'; 2 << 20]);
    let ask = || {
        let mut connection = UnixStream::connect(&path).unwrap();
        connection.write_all(GET.as_bytes()).unwrap();
        connection
    };
    let mut places = Places {
        limits: Limits {
            answer: Duration::from_secs(600),
            ..Limits::default()
        },
        taken: Vec::new(),
    };
    let mut scrape = ask();
    places.accept(&listener, &source);
    assert_eq!(places.taken.len(), 1, "it is not answered at once");
    scrape.set_nonblocking(true).unwrap();
    let mut crowd: Vec<_> = (0..4).map(|_| ask()).collect();
    let mut answer = Vec::new();
    loop {
        // As many as there are places wait in each turn.
        crowd.extend((0..4).map(|_| ask()));
        places.go_on(&source);
        places.accept(&listener, &source);
        match scrape.read_to_end(&mut answer) {
            Ok(_) => break,
            Err(why) => assert_eq!(why.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert_eq!(body(&String::from_utf8(answer).unwrap()).len(), 2 << 20);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn many_idle_connections_do_not_hold_up_a_scrape() {
    let limits = Limits {
        request: Duration::from_secs(600),
        answer: Duration::from_secs(600),
        ..Limits::default()
    };
    let address = serve_kernel(limits, kernel(1));
    let idle: Vec<_> = (0..120)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let answer = ask(address, GET);
    assert!(body(&answer).contains("shunt_device_info{device=\"vol0\""));
    drop(idle);
}

#[test]
fn a_reader_that_sends_a_byte_at_a_time_has_no_more_time_than_others() {
    let address = serve_kernel(SHORT, kernel(1));
    let mut slow = TcpStream::connect(address).unwrap();
    let begun = Instant::now();
    for byte in GET.bytes().cycle() {
        // Within the limit of a single read, were there one.
        thread::sleep(Duration::from_millis(20));
        if slow
            .write_all(&[if byte == b'\r' { b'x' } else { byte }])
            .is_err()
        {
            break;
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn no_more_readers_than_allowed_are_answered_at_once() {
    static NOW: AtomicU64 = AtomicU64::new(0);
    static MOST: AtomicU64 = AtomicU64::new(0);
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let address = serve_source(limits, || {
        let now = NOW.fetch_add(1, Ordering::SeqCst) + 1;
        MOST.fetch_max(now, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(5));
        NOW.fetch_sub(1, Ordering::SeqCst);
        Ok(Snapshot::default().text())
    });
    let readers: Vec<_> = (0..12)
        .map(|_| thread::spawn(move || ask(address, GET)))
        .collect();
    for reader in readers {
        assert!(reader.join().unwrap().starts_with("HTTP/1.1 200 OK"));
    }
    // The kernel is asked by one of them at a time.
    assert_eq!(MOST.load(Ordering::SeqCst), 1);
}

#[test]
fn a_socket_that_is_left_over_is_replaced_and_one_in_use_is_not() {
    let folder = std::env::temp_dir().join(format!("shunt-exporter-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("metrics");
    let address = Address::Unix(path.clone());
    drop(Listener::bind(&address).unwrap());
    assert!(path.exists());

    let listener = Listener::bind(&address).unwrap();
    let refusal = Listener::bind(&address).err().unwrap();
    assert_eq!(refusal.kind(), io::ErrorKind::AddrInUse);
    let kernel = kernel(1);
    thread::spawn(move || {
        serve(&listener, SHORT, move || {
            Snapshot::take(Ok(Client::new(kernel.clone())), 0).map(|snapshot| snapshot.text())
        });
    });
    let answer = exchange(UnixStream::connect(&path).unwrap(), GET);
    assert!(body(&answer).contains("shunt_device_info{device=\"vol0\""));

    // Somebody's socket for datagrams stays, and is not made open to all through a link.
    let datagrams = folder.join("datagrams");
    let theirs = UnixDatagram::bind(&datagrams).unwrap();
    assert!(Listener::bind(&Address::Unix(datagrams.clone())).is_err());
    UnixDatagram::unbound()
        .unwrap()
        .send_to(b"x", &datagrams)
        .unwrap();
    drop(theirs);

    let file = folder.join("file");
    std::fs::write(&file, "kept").unwrap();
    assert!(Listener::bind(&Address::Unix(file.clone())).is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
    std::fs::remove_dir_all(&folder).unwrap();
}
