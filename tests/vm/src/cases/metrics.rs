// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the daemon shows to Prometheus, against what the program shows, and how long it takes.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::guest::case::figure;
use crate::guest::command::run_with_input;
use crate::guest::direct::Direct;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::prometheus::Prometheus;
use crate::guest::scrape::{ADDRESS, connect, sample, scrape};
use crate::guest::shunt::Device;
use crate::guest::shuntd::{Config, Daemon};
use crate::guest::wait::Poll;

cases! {
    figures_are_those_of_the_statistics,
    a_real_prometheus_takes_them_and_its_quantiles_agree,
    they_come_over_a_unix_socket_and_never_load_the_module,
}

fn figures_are_those_of_the_statistics() {
    let _module = Module::load();
    let config = Config::new("");
    let daemon = Daemon::start_with(&config, &["--metrics", ADDRESS]);
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

fn a_real_prometheus_takes_them_and_its_quantiles_agree() {
    const READS: u64 = 1000;
    let _module = Module::load();
    let config = Config::new("");
    let daemon = Daemon::start_with(&config, &["--metrics", ADDRESS]);
    daemon.says("metrics are served", 1);
    let name = "back{up}";
    let device = Device::map(name, &flash(0).path);
    let disk = Direct::open_to_read(device.path());
    for block in 0..READS {
        disk.read(block * 4096, 4096);
    }
    drop(disk);
    run_with_input(&["promtool", "check", "metrics"], &scrape(connect()));

    let server = Prometheus::scrape(ADDRESS);
    let labels = format!("{{device=\"{name}\",op=\"read\"}}");
    let ios = format!("shunt_ios_total{labels}");
    let stats = device.stats();
    assert!(stats.ios("read") >= READS);
    let took_up = Poll::for_at_most(Duration::from_secs(60)).until(|| server.value(&ios));
    let took_up = took_up.unwrap_or_else(|| panic!("{}", Prometheus::log()));
    assert_eq!(took_up, stats.ios("read") as f64);
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        let theirs =
            format!("1e9 * histogram_quantile({quantile}, shunt_latency_seconds_bucket{labels})");
        let theirs = server.value(&theirs).expect("it has the histogram");
        let ours = stats.quantile("read", name) as f64;
        // Both are in one bucket of the histogram that is exported, whose end is twice its beginning.
        let ratio = theirs / ours;
        assert!((0.5..=2.0).contains(&ratio), "{name}: {theirs} and {ours}");
        figure(&format!(
            "{name}: {theirs:.0} ns by Prometheus, {ours} by shunt"
        ));
    }
    drop(server);
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
