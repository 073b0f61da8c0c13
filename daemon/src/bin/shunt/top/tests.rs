// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys and screens of several sizes, without a terminal.

use ratatui::{Terminal, backend::TestBackend};
use shunt::{OpStats, Stats};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What a device has after so many seconds of so many reads and writes in each.
fn stats(id: u32, name: &str, second: u64, reads: u64, writes: u64) -> Stats {
    let mut ops = <[OpStats; Op::ALL.len()]>::default();
    for (op, count, nanos) in [(Op::Read, reads, 80_000), (Op::Write, writes, 20_000)] {
        let figures = &mut ops[op as usize];
        for index in 0..count * second {
            figures.latency.record(nanos + index % 20 * 9_000);
        }
        figures.ios = count * second;
        figures.bytes = figures.ios * 4096;
    }
    Stats {
        id,
        name: name.into(),
        generation: 1,
        time: second * 1_000_000_000,
        in_flight: reads / 10,
        ops,
    }
}

fn round(second: u64) -> Vec<Stats> {
    vec![
        stats(0, "slow", second, 20, 0),
        stats(1, "fast", second, 500, 100),
        stats(2, "idle", second, 0, 0),
    ]
}

fn busy() -> Top {
    let mut top = Top::new();
    top.take(Figures::All(round(0)), None);
    for second in 1..=30 {
        top.take(Figures::Some(round(second)), Some(SECOND));
    }
    top
}

fn screen(top: &Top, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, top)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
    (0..height).map(row).collect()
}

fn names(top: &Top) -> Vec<&str> {
    top.sorted().iter().map(|row| row.name.as_str()).collect()
}

#[test]
fn all_figures_fit_in_80_columns_and_24_lines() {
    let top = busy();
    let lines = screen(&top, 80, 24);
    let title = "shunt  3 devices  620 IO/s  2.4 MiB/s  52 in flight  by IO/s  every 1 s";
    assert_eq!(lines[0].trim_end(), title);
    assert_eq!(
        lines[2].trim_end(),
        " NAME  IO/s     B/s  NOW    p50    p99  p99.9    p50    p99  p99.9 IO/s"
    );
    let fast = ">fast   600   2.34M   50  164us  262us  262us  106us  197us  197us ";
    assert!(lines[3].starts_with(fast), "{:?}", lines[3]);
    assert!(lines[3].ends_with("█"), "{:?}", lines[3]);
    let idle = " idle     0       0    0      -      -      -      -      -      -";
    assert_eq!(lines[5].trim_end(), idle);
    assert!(lines[6].starts_with(" latency of fast: "));
    let map = lines[7..22].concat();
    assert!(map.contains('█') && map.contains('░'), "{map}");
    // Thirty samples at the right, the labels at the left.
    assert!(lines[8..22].iter().all(|line| &line[7..8] == " "));
    assert!(lines[22].contains("30 s ago") && lines[22].trim_end().ends_with("now"));
    assert!(lines[23].contains("q quit"));
}

#[test]
fn a_wide_terminal_is_filled() {
    let top = busy();
    let lines = screen(&top, 200, 60);
    assert_eq!(lines.len(), 60);
    assert!(lines[59].contains("q quit"));
    assert!(lines[58].trim_end().ends_with("now"));
    assert!(lines[10].chars().count() == 200);
}

#[test]
fn no_size_breaks_it_and_a_tiny_one_says_what_it_needs() {
    for top in [busy(), Top::new()] {
        for (width, height) in [(1, 1), (10, 3), (71, 24), (72, 9), (72, 10), (300, 11)] {
            screen(&top, width, height);
        }
        assert_eq!(
            screen(&top, 40, 3)[0].trim_end(),
            "top needs 72x10, this is 40x3"
        );
    }
}

#[test]
fn without_devices_it_says_what_to_do() {
    let mut top = Top::new();
    top.take(Figures::All(Vec::new()), None);
    let lines = screen(&top, 80, 24);
    assert!(lines[3].contains("no device is mapped"), "{lines:?}");
    for key in [Key::Up, Key::Down, Key::First, Key::Last, Key::Sort] {
        top.press(key);
    }
}

#[test]
fn arrows_choose_and_the_choice_stays_with_the_device() {
    let mut top = busy();
    assert_eq!(names(&top), ["fast", "slow", "idle"]);
    top.press(Key::First);
    top.press(Key::Down);
    assert_eq!(top.chosen, Some(0));
    while top.sort != Sort::Name {
        top.press(Key::Sort);
    }
    assert_eq!(names(&top), ["fast", "idle", "slow"]);
    assert_eq!(top.chosen, Some(0));
    top.press(Key::Down);
    assert_eq!(top.chosen, Some(0), "there is none below the last");
    top.press(Key::Up);
    assert_eq!(top.chosen, Some(2));
}

#[test]
fn the_chosen_device_stays_in_sight_in_a_long_list() {
    let mut top = Top::new();
    let many = |second| (0..100).map(move |id| stats(id, &format!("vol{id:02}"), second, 1, 0));
    top.take(Figures::All(many(0).collect()), None);
    top.take(Figures::Some(many(1).collect()), Some(SECOND));
    for (key, name) in [(Key::Last, ">vol99"), (Key::First, ">vol00")] {
        top.press(key);
        let lines = screen(&top, 80, 24);
        assert!(lines.iter().any(|line| line.starts_with(name)), "{lines:?}");
    }
}

#[test]
fn a_pause_keeps_the_screen_while_figures_go_on() {
    let mut top = busy();
    top.press(Key::Pause);
    let before = screen(&top, 80, 24);
    assert!(before[0].starts_with("shunt  PAUSED  3 devices"));
    let mut later = round(31);
    later[0] = stats(0, "slow", 31, 9999, 0);
    top.take(Figures::Some(later), Some(SECOND));
    assert_eq!(screen(&top, 80, 24), before);
    top.press(Key::Pause);
    assert_eq!(names(&top)[0], "slow");
}

#[test]
fn plus_and_minus_step_through_the_intervals() {
    let mut top = busy();
    assert_eq!(top.press(Key::Longer), Some(SECOND * 2));
    assert_eq!(top.press(Key::Shorter), Some(SECOND / 2));
    top.take(Figures::Some(Vec::new()), Some(Duration::from_millis(10)));
    assert_eq!(top.press(Key::Shorter), None);
    top.take(Figures::Some(Vec::new()), Some(Duration::from_secs(30)));
    assert_eq!(top.press(Key::Longer), None);
}

#[test]
fn what_was_said_is_shown_until_the_next_key() {
    let mut top = busy();
    top.say("only root changes the interval".into());
    assert!(screen(&top, 80, 24)[23].contains("only root"));
    top.press(Key::Sort);
    assert!(screen(&top, 80, 24)[23].contains("q quit"));
}

#[test]
fn a_loss_is_shown_and_a_device_that_went_is_not() {
    let mut top = busy();
    top.take(Figures::Overrun, Some(SECOND));
    top.take(Figures::All(round(31).split_off(1)), Some(SECOND));
    assert_eq!(names(&top), ["fast", "idle"]);
    assert!(screen(&top, 80, 24)[0].contains("1 overrun "));
}

#[test]
fn a_device_that_takes_the_number_of_another_begins_anew() {
    let mut top = busy();
    let mut other = stats(1, "other", 31, 1, 1);
    other.generation = 2;
    top.take(Figures::Some(vec![other]), Some(SECOND));
    let row = &top.rows[&1];
    assert_eq!((row.name.as_str(), row.history.len()), ("other", 0));
    assert!(row.now.is_none());
}
