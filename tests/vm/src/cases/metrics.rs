// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the daemon shows to Prometheus, against what the program shows, and how long it takes.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::guest::direct::Direct;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::scrape::{sample, scrape};
use crate::guest::shunt::Device;
use crate::guest::shuntd::{Config, Daemon};

cases!("metrics":
    figures_are_those_of_the_statistics,
    they_come_over_a_unix_socket_and_never_load_the_module,
);

const PORT: &str = "127.0.0.1:9745";

#[track_caller]
fn connect() -> TcpStream {
    TcpStream::connect(PORT).expect("the port is open")
}

fn figures_are_those_of_the_statistics() {
    let _module = Module::load();
    let config = Config::new("");
    let daemon = Daemon::start_with(&config, &["--metrics", PORT]);
    daemon.says("metrics are served on http://127.0.0.1:9745/metrics", 1);
    let device = Device::map("vol0", &flash(0).path);
    let disk = Direct::open_to_read(device.path());
    for block in 0..200 {
        disk.read(block * 4096, 4096);
    }
    let stats = device.stats();
    let text = scrape(connect());
    let labels = "{device=\"vol0\",op=\"read\"}";
    let read = |name: &str| sample(&text, &format!("{name}{labels}"));
    assert!(stats.ios("read") >= 200);
    assert_eq!(read("shunt_ios_total"), stats.ios("read") as f64);
    assert_eq!(read("shunt_bytes_total"), stats.bytes("read") as f64);
    assert_eq!(read("shunt_errors_total"), 0.0);
    assert_eq!(
        read("shunt_latency_seconds_count"),
        stats.in_buckets("read") as f64
    );
    let sum = stats.latency_sum("read") as f64 / 1e9;
    assert!((read("shunt_latency_seconds_sum") - sum).abs() < 1e-8);
    assert_eq!(sample(&text, "shunt_in_flight{device=\"vol0\"}"), 0.0);
    let state = "shunt_device_state{device=\"vol0\",state=\"live\"}";
    assert_eq!(sample(&text, state), 1.0);
    assert!(
        !text.contains(&flash(0).path),
        "a path is not for everybody"
    );
    drop(disk);
    device.unmap();
    daemon.stop();
}

fn they_come_over_a_unix_socket_and_never_load_the_module() {
    let config = Config::new("");
    let path = "/run/metrics.sock";
    let loaded = || {
        sample(
            &scrape(UnixStream::connect(path).expect("the socket is there")),
            "shunt_module_loaded",
        )
    };
    let module = Module::load();
    let daemon = Daemon::start_with(&config, &["--metrics", "unix:/run/metrics.sock"]);
    daemon.says("metrics are served on unix:/run/metrics.sock", 1);
    assert_eq!(loaded(), 1.0);
    drop(module);
    assert_eq!(loaded(), 0.0);
    assert!(!Path::new("/sys/module/shunt").exists());
    daemon.stop();
}
