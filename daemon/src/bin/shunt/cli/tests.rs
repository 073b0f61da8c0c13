// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the arguments mean, and which are refused.

use clap::{CommandFactory, error::ErrorKind};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

fn map(line: &str) -> MapArgs {
    match parse(line).unwrap().command {
        Command::Map(args) => args,
        other => panic!("{other:?}"),
    }
}

fn watch(line: &str) -> (Option<String>, Option<Option<Duration>>) {
    match parse(line).unwrap().command {
        Command::Stats(args) => (args.name, args.watch),
        other => panic!("{other:?}"),
    }
}

/// What a wrong line is answered, in one line.
fn complaint(line: &str) -> String {
    let error = parse(line).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{line}");
    error.to_string().replace('\n', " ")
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn a_map_has_defaults() {
    let args = map("shunt map vol0 --to /dev/sdb");
    assert_eq!(args.name, "vol0");
    assert_eq!(args.table.to, [TargetSpec::whole("/dev/sdb")]);
    assert_eq!((args.queue, args.stats), (QueueMode::Bio, StatsMode::Full));
    assert!(!args.read_only);
}

#[test]
fn a_map_takes_everything() {
    let args = map(
        "shunt map vol0 --to /dev/sdb,offset=1M,length=8s --to /dev/sdc,length=2GiB \
         --queue mq --stats off --read-only",
    );
    let target = |path: &str, offset, length| TargetSpec {
        path: path.into(),
        offset,
        length: Some(length),
        planned: None,
    };
    let expected = [
        target("/dev/sdb", 1 << 20, 4096),
        target("/dev/sdc", 0, 2 << 30),
    ];
    assert_eq!(args.table.to, expected);
    assert_eq!((args.queue, args.stats), (QueueMode::Mq, StatsMode::Off));
    assert!(args.read_only);
}

#[test]
fn a_table_may_be_striped() {
    let args = map("shunt map v --to /dev/a --to /dev/b --stripe 64K");
    assert_eq!(args.table.stripe, Some(65_536));
    let Command::Retarget(args) = parse("shunt retarget v --to /dev/a,length=1M --stripe 8s")
        .unwrap()
        .command
    else {
        panic!();
    };
    assert_eq!((args.name.as_str(), args.table.to.len()), ("v", 1));
    assert_eq!(args.table.to[0].length, Some(1 << 20));
    assert_eq!(args.table.stripe, Some(4096));
}

#[test]
fn a_path_may_have_commas_and_is_made_absolute() {
    let path = |text| target(text).unwrap().path;
    assert_eq!(path("/dev/a,b"), "/dev/a,b");
    assert_eq!(path("/dev/a,b=c,d,offset=1K"), "/dev/a,b=c,d");
    let here = std::env::current_dir().unwrap();
    assert_eq!(path("drive"), here.join("drive").to_str().unwrap());
}

#[test]
fn a_wrong_target_is_named() {
    for (target, words) in [
        ("/dev/a,offset=1X", "offset: '1X' is not a size"),
        ("/dev/a,length=", "length: '' is not a size"),
        (
            "/dev/a,size=1G",
            "'size' is not known; offset and length are",
        ),
        ("/dev/a,offset=1,offset=2", "'offset' is given twice"),
        (",offset=1", "the path is empty"),
    ] {
        let text = complaint(&format!("shunt map v --to {target}"));
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn wrong_usage_has_status_2() {
    for (line, words) in [
        ("shunt map vol0", "--to"),
        ("shunt map --to /dev/a", "<NAME>"),
        (
            "shunt map v --to /dev/a --queue rq",
            "[possible values: bio, mq]",
        ),
        (
            "shunt map v --to /dev/a --stats all",
            "[possible values: off, counters, full]",
        ),
        (
            "shunt map v --to /dev/a --stripe 64X",
            "'64X' is not a size",
        ),
        ("shunt retarget v", "--to"),
        ("shunt suspend", "<NAME>"),
        ("shunt resume v --freeze", "unexpected argument '--freeze'"),
        ("shunt set v", "required"),
        (
            "shunt set v --read-only --read-write",
            "cannot be used with",
        ),
        ("shunt set v --queue mq", "unexpected argument '--queue'"),
        (
            "shunt set v --stats all",
            "[possible values: off, counters, full]",
        ),
        ("shunt unmap", "<NAME>"),
        ("shunt list vol0", "unexpected argument 'vol0'"),
        ("shunt stats v --watch x", "'x' is not a number of seconds"),
        (
            "shunt stats v --watch 0.001",
            "'0.001' is not a number of seconds from 0.01 to 30",
        ),
        ("shunt stats --for 5", "--heatmap"),
        ("shunt stats --json --heatmap a.svg", "cannot be used with"),
        (
            "shunt stats v --watch NaN",
            "'NaN' is not a number of seconds",
        ),
        ("shunt frobnicate", "unrecognized subcommand"),
    ] {
        let text = complaint(line);
        assert!(text.contains(words), "{line}: {text}");
    }
}

#[test]
fn a_watch_goes_by_the_interval_that_holds_unless_told() {
    assert_eq!(watch("shunt stats"), (None, None));
    assert_eq!(watch("shunt stats --watch"), (None, Some(None)));
    assert_eq!(
        watch("shunt stats v --watch"),
        (Some("v".into()), Some(None))
    );
    let half = Some(Some(Duration::from_millis(500)));
    assert_eq!(watch("shunt stats --watch 0.5 v"), (Some("v".into()), half));
}

#[test]
fn a_stream_keeps_4_mib_unless_told() {
    for (line, room) in [
        ("shunt events", Some(4 << 20)),
        ("shunt top --receive-buffer 64K", Some(65_536)),
        ("shunt stats --watch --receive-buffer 1M", Some(1 << 20)),
        ("shunt list", None),
    ] {
        let listens = parse(line).unwrap().command.listens();
        assert_eq!(listens.map(ListenArgs::room), room, "{line}");
    }
}

#[test]
fn each_change_of_a_device_takes_a_timeout() {
    for line in [
        "shunt map v --to /dev/a",
        "shunt retarget v --to /dev/a",
        "shunt suspend v",
        "shunt resume v",
        "shunt resize v",
        "shunt set v --read-only",
        "shunt unmap v",
    ] {
        let timeout = |line: &str| parse(line).unwrap().command.timeout();
        assert_eq!(timeout(line), None, "{line}");
        let said = timeout(&format!("{line} --timeout 2.5"));
        assert_eq!(said, Some(Duration::from_millis(2500)), "{line}");
        for wrong in ["0", "61", "x"] {
            let text = complaint(&format!("{line} --timeout {wrong}"));
            assert!(text.contains("from 0.01 to 60"), "{text}");
        }
    }
    let text = complaint("shunt list --timeout 1");
    assert!(text.contains("unexpected argument '--timeout'"), "{text}");
}

#[test]
fn json_is_taken_before_and_after_the_command() {
    assert!(parse("shunt --json list").unwrap().json);
    assert!(parse("shunt list --json").unwrap().json);
    assert!(!parse("shunt list").unwrap().json);
}

#[test]
fn help_is_no_failure() {
    let error = parse("shunt map --help").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DisplayHelp);
    assert_eq!(error.exit_code(), 0);
}
