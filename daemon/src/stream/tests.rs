// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples, losses and devices that come and go, on the fake kernel.

use super::*;
use crate::{
    model::{DeviceSpec, Op, TargetSpec},
    transport::fake::{Drive, Fake},
};

const INTERVAL: Duration = Duration::from_secs(1);

fn kernel(devices: &[&str]) -> Fake {
    let kernel = Fake::new();
    for (minor, name) in (0..).zip(devices) {
        let drive = format!("/dev/{name}");
        kernel.add_drive(&drive, Drive::new(8, minor, 1 << 30));
        map(&kernel, name);
    }
    kernel
}

fn map(kernel: &Fake, name: &str) {
    let spec = DeviceSpec::new(name, vec![TargetSpec::whole(format!("/dev/{name}"))]);
    Client::new(kernel.clone()).create_device(&spec).unwrap();
}

fn unmap(kernel: &Fake, name: &str) {
    let selector = Selector::name(name);
    Client::new(kernel.clone())
        .delete_device(&selector)
        .unwrap();
}

fn read(kernel: &Fake, id: u32) {
    kernel.complete(id, Op::Read, 4096, Duration::from_micros(80), false);
}

fn round(kernel: &Fake) {
    kernel.advance(INTERVAL);
    kernel.send_samples();
}

fn follow(kernel: &Fake) -> Stream<Fake> {
    Stream::start(Client::new(kernel.clone()), None).unwrap()
}

/// A word, and number and reads of each device.
type Told = (&'static str, Vec<(u32, u64)>);

fn told(stream: &mut Stream<Fake>) -> Vec<Told> {
    let reads = |devices: Vec<Stats>| -> Vec<(u32, u64)> {
        devices.iter().map(|d| (d.id, d.ops[0].ios)).collect()
    };
    let mut all = Vec::new();
    while let Some(figures) = stream.next_figures().unwrap() {
        all.push(match figures {
            Figures::All(devices) => ("all", reads(devices)),
            Figures::Some(devices) => ("some", reads(devices)),
            Figures::Overrun => ("overrun", Vec::new()),
        });
    }
    all
}

#[test]
fn all_figures_come_first_then_samples() {
    let kernel = kernel(&["a", "b"]);
    read(&kernel, 1);
    let mut stream = follow(&kernel);
    assert_eq!(told(&mut stream), [("all", vec![(0, 0), (1, 1)])]);
    assert_eq!((stream.interval(), stream.sequence()), (None, None));
    read(&kernel, 0);
    round(&kernel);
    assert_eq!(told(&mut stream), [("some", vec![(0, 1), (1, 1)])]);
    assert_eq!(stream.interval(), Some(INTERVAL));
    assert_eq!(stream.sequence(), Some(1));
}

#[test]
fn one_device_is_followed_alone() {
    let kernel = kernel(&["a", "b"]);
    let client = Client::new(kernel.clone());
    let mut stream = Stream::start(client, Some(Selector::name("b"))).unwrap();
    read(&kernel, 0);
    round(&kernel);
    let expected = [("all", vec![(1, 0)]), ("some", vec![(1, 0)])];
    assert_eq!(told(&mut stream), expected);
}

#[test]
fn a_sample_that_was_made_before_the_list_tells_nothing_new() {
    let kernel = kernel(&["a"]);
    let mut client = Client::new(kernel.clone());
    let events = client.sample_events().unwrap();
    round(&kernel);
    read(&kernel, 0);
    let mut stream = Stream {
        events,
        ..follow(&kernel)
    };
    assert_eq!(told(&mut stream), [("all", vec![(0, 1)])]);
    assert_eq!(stream.sequence(), Some(1));
}

#[test]
fn a_reader_that_is_too_slow_is_told_so_and_gets_all_figures_again() {
    let kernel = kernel(&["a"]);
    kernel.set_room(2);
    let mut stream = follow(&kernel);
    told(&mut stream);
    for _ in 0..5 {
        read(&kernel, 0);
        round(&kernel);
    }
    let expected = [("overrun", vec![]), ("all", vec![(0, 5)])];
    assert_eq!(told(&mut stream), expected);
    assert_eq!(stream.overruns(), 1);
    // The numbers that were dropped with it are no second loss.
    read(&kernel, 0);
    round(&kernel);
    assert_eq!(told(&mut stream), [("some", vec![(0, 6)])]);
    assert_eq!(stream.overruns(), 1);
}

#[test]
fn a_gap_in_the_numbers_is_a_loss() {
    let kernel = kernel(&["a"]);
    let mut stream = follow(&kernel);
    round(&kernel);
    told(&mut stream);
    kernel.lose_next();
    round(&kernel);
    read(&kernel, 0);
    round(&kernel);
    let expected = [("overrun", vec![]), ("all", vec![(0, 1)])];
    assert_eq!(told(&mut stream), expected);
    assert_eq!((stream.overruns(), stream.dropped()), (1, 1));
}

#[test]
fn a_device_that_goes_leaves_the_list_and_one_that_comes_is_in_the_samples() {
    let kernel = kernel(&["a", "b"]);
    let mut stream = follow(&kernel);
    told(&mut stream);
    unmap(&kernel, "a");
    for _ in 0..3 {
        round(&kernel);
        assert_eq!(told(&mut stream), [("some", vec![(1, 0)])]);
    }
    round(&kernel);
    let expected = [("some", vec![(1, 0)]), ("all", vec![(1, 0)])];
    assert_eq!(told(&mut stream), expected);
    map(&kernel, "a");
    round(&kernel);
    assert_eq!(told(&mut stream), [("some", vec![(0, 0), (1, 0)])]);
}

#[test]
fn the_one_device_that_is_followed_ends_the_stream_when_it_goes() {
    let kernel = kernel(&["a"]);
    let client = Client::new(kernel.clone());
    let mut stream = Stream::start(client, Some(Selector::name("a"))).unwrap();
    told(&mut stream);
    unmap(&kernel, "a");
    for _ in 0..4 {
        round(&kernel);
    }
    let gone = stream.next_figures().unwrap_err();
    assert_eq!(gone.errno(), Some(nix::libc::ENODEV));
}

#[test]
fn nothing_is_sent_while_nobody_listens() {
    let kernel = kernel(&["a"]);
    round(&kernel);
    let stream = follow(&kernel);
    round(&kernel);
    drop(stream);
    round(&kernel);
    assert_eq!(kernel.samples_sent(), 1);
}

#[test]
fn anybody_may_follow_but_not_set_the_interval() {
    let kernel = kernel(&["a"]);
    let mut stream = follow(&kernel);
    let quick = Duration::from_millis(100);
    assert_eq!(stream.set_interval(quick).unwrap(), quick);
    kernel.set_privileged(false);
    let mut other = follow(&kernel);
    let refused = other.set_interval(INTERVAL).unwrap_err();
    assert_eq!(refused.errno(), Some(nix::libc::EPERM));
    round(&kernel);
    told(&mut other);
    assert_eq!(other.interval(), Some(quick));
}

#[test]
fn an_interval_out_of_range_is_refused_and_the_old_one_holds() {
    let mut client = Client::new(kernel(&[]));
    for millis in [9, 30_001] {
        let refused = client.set_interval(Duration::from_millis(millis));
        assert_eq!(refused.unwrap_err().errno(), Some(nix::libc::ERANGE));
    }
    assert_eq!(client.interval().unwrap(), INTERVAL);
}

#[test]
fn the_stream_ends_when_the_module_goes() {
    let kernel = kernel(&["a"]);
    let mut stream = follow(&kernel);
    kernel.set_loaded(false);
    let all = stream.next_figures().unwrap();
    assert!(matches!(all, Some(Figures::All(_))));
    assert!(matches!(stream.next_figures(), Err(Error::Unloaded)));
}
