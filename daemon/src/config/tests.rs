// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files as people write them, well and badly.

use std::{fs, path::Path};

use super::*;

/// A folder of files that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("shunt-config-{test}-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// What is wrong with the file, with paths from this folder on.
    fn problems(&self, file: &Path) -> Vec<String> {
        let here = format!("{}/", self.0.display());
        let problems = load(file).unwrap_err().into_iter();
        problems
            .map(|problem| problem.to_string().replace(&here, ""))
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn names(config: &Config) -> Vec<&str> {
    config.devices.iter().map(|d| d.name.as_str()).collect()
}

#[track_caller]
fn wrong(text: &str) -> Vec<String> {
    let problems = parse("f", text).unwrap_err();
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn all_that_a_device_may_have_is_read() {
    let text = r#"
        [defaults]
        stats = "counters"
        missing = "skip"

        [device.vol0]
        to = "/dev/disk/by-id/nvme-a"

        [device."b.c"]
        to = [
            { drive = "PARTUUID=5A1B-01", offset = "1M", length = "8s" },
            { drive = "diskseq=7", length = 4096 },
        ]
        stripe = "64K"
        queue = "mq"
        stats = "off"
        read-only = true
        missing = "wait"
        policy = "restore"
    "#;
    let devices = parse("f", text).unwrap();
    let place = Place::file("");
    let target = |drive, offset, length| WantedTarget {
        drive,
        offset,
        length,
        place: place.clone(),
    };
    assert_eq!(
        devices,
        [
            Wanted {
                name: "vol0".into(),
                targets: vec![target(
                    DriveName::Path("/dev/disk/by-id/nvme-a".into()),
                    0,
                    None
                )],
                stripe: None,
                queue: QueueMode::Bio,
                stats: StatsMode::Counters,
                read_only: false,
                missing: Missing::Skip,
                policy: Policy::Adopt,
                place: place.clone(),
            },
            Wanted {
                name: "b.c".into(),
                targets: vec![
                    target(DriveName::PartUuid("5a1b-01".into()), 1 << 20, Some(4096)),
                    target(DriveName::DiskSeq(7), 0, Some(4096)),
                ],
                stripe: Some(64 << 10),
                queue: QueueMode::Mq,
                stats: StatsMode::Off,
                read_only: true,
                missing: Missing::Wait,
                policy: Policy::Restore,
                place: place.clone(),
            },
        ]
    );
    assert_eq!(devices[1].place.to_string(), "f:9:17");
    assert_eq!(devices[1].targets[1].place.to_string(), "f:12:13");
}

#[test]
fn devices_keep_the_order_of_the_file() {
    let text = "[device.z]\nto = '/dev/a'\n[device.a]\nto = '/dev/b'\n";
    let devices = parse("f", text).unwrap();
    assert_eq!([&devices[0].name, &devices[1].name], ["z", "a"]);
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let problems = wrong("[device.vol0]\nto = /dev/sdb\n");
    assert!(
        problems[0].starts_with("f:2:6: this is not TOML: "),
        "{problems:?}"
    );
    let twice = wrong("[device.v]\nto = '/dev/a'\n[device.v]\nto = '/dev/b'\n");
    assert!(
        twice[0].starts_with("f:3:9: this is not TOML: duplicate key"),
        "{twice:?}"
    );
}

#[test]
fn each_mistake_is_told_at_its_place_with_its_remedy() {
    for (text, place, words) in [
        (
            "to = '/dev/a'\nqeuue = 'mq'",
            "2:1",
            "device v has no key 'qeuue'; the nearest is 'queue'",
        ),
        (
            "to = { drive = '/dev/a', ofset = 0 }",
            "1:26",
            "a target has no key 'ofset'; the nearest is 'offset'",
        ),
        (
            "to = '/dev/a'\nqueue = 'bios'",
            "2:9",
            "queue has no 'bios', the nearest is 'bio'; write \"bio\" or \"mq\"",
        ),
        (
            "to = '/dev/a'\nstats = 1",
            "2:9",
            "stats is a number; write \"off\" or",
        ),
        (
            "to = '/dev/a'\nread-only = 'yes'",
            "2:13",
            "read-only is a text; write true or false",
        ),
        (
            "to = '/dev/a'\nmissing = 'later'",
            "2:11",
            "missing has no 'later'",
        ),
        (
            "to = '/dev/a'\npolicy = 'keep'",
            "2:10",
            "policy has no 'keep'",
        ),
        (
            "to = 'sdb'",
            "1:6",
            "'sdb' names no drive; write a path such as",
        ),
        ("to = 'diskseq=x'", "1:6", "'diskseq=x' names no drive"),
        ("to = []", "1:6", "'to' is empty; give a path"),
        ("to = 5", "1:6", "to is a number; write a path"),
        (
            "to = { offset = '1M' }",
            "1:6",
            "a target has no drive; write drive = ",
        ),
        (
            "to = { drive = '/dev/a', offset = '1KB' }",
            "1:35",
            "offset: '1KB' is not a size; write",
        ),
        (
            "to = { drive = '/dev/a', offset = 513 }",
            "1:35",
            "offset 513 is not a multiple of a sector, 512; write 512 or 1024",
        ),
        (
            "to = { drive = '/dev/a', offset = -1 }",
            "1:35",
            "offset: '-1' is not a size",
        ),
        (
            "to = { drive = '/dev/a', length = 0 }",
            "1:35",
            "length 0 is too short; leave it out",
        ),
        (
            "to = { drive = '/dev/a', length = true }",
            "1:35",
            "length is true or false; write a size",
        ),
        (
            "to = { drive = '/dev/a', offset = '16777215T', length = '16777215T' }",
            "1:6",
            "offset and length together are more",
        ),
        (
            "to = '/dev/a'\nstripe = '64K'",
            "2:10",
            "stripes need at least two targets; add one",
        ),
        (
            "to = ['/dev/a', '/dev/b']\nstripe = 0",
            "2:10",
            "stripe 0 is too short",
        ),
        (
            "to = ['/dev/a', '/dev/a']",
            "1:17",
            "/dev/a from 0 to the end overlaps",
        ),
    ] {
        // The device begins on the line before.
        let (line, column) = place.split_once(':').unwrap();
        let line = line.parse::<usize>().unwrap() + 1;
        let problems = wrong(&format!("[device.v]\n{text}\n"));
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        let expected = format!("f:{line}:{column}: {words}");
        assert!(
            problems[0].starts_with(&expected),
            "{} is not {expected}",
            problems[0]
        );
        assert!(!problems[0].contains('\n'), "{problems:?}");
    }
}

#[test]
fn what_is_wrong_at_the_top_is_told() {
    for (text, words) in [
        (
            "devices = 1",
            "f:1:1: a configuration has no key 'devices'; the nearest is 'device'",
        ),
        (
            "device = 1",
            "f:1:10: device is a number; write [device.NAME]",
        ),
        ("[device.v]", "f:1:9: device v has no drive; write to = "),
        ("device.v = 1", "f:1:12: v is a number; write [device.NAME]"),
        (
            "[device.'a b']\nto = '/dev/a'",
            "f:1:9: \"a b\" is no name of a device; take 1 to 63",
        ),
        ("include = 'a'", "f:1:11: include is a text; write an array"),
        (
            "include = [1]",
            "f:1:12: include is a number; write an array",
        ),
        (
            "[defaults]\nto = '/dev/a'",
            "f:2:1: defaults has no key 'to'; the nearest is",
        ),
    ] {
        let problems = wrong(text);
        assert!(
            problems[0].starts_with(words),
            "{} is not {words}",
            problems[0]
        );
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let problems = wrong("[device.v]\nto = 'sdb'\nqueue = 'x'\n[device.w]\nto = 'sdc'\n");
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn columns_count_characters_not_bytes() {
    let problems = wrong("[device.v]\nto = { drive = '/dev/äöü', ofset = 0 }\n");
    assert!(problems[0].starts_with("f:2:28: "), "{problems:?}");
}

#[test]
fn ranges_that_overlap_are_told_where_the_later_is_written() {
    let text = r#"
[device.a]
to = { drive = "/dev/x", offset = "1M", length = "1M" }
[device.b]
to = { drive = "/dev/x", offset = "2M", length = "1M" }
[device.c]
to = [ "/dev/y", { drive = "/dev/x", length = 1049088 } ]
"#;
    assert_eq!(
        wrong(text),
        [
            "f:7:18: /dev/x from 0 to 1049088 overlaps what device a (f:2:9) has of the drive; give each \
          a part of its own with offset and length"
        ]
    );
}

#[test]
fn a_long_range_overlaps_all_that_it_covers() {
    let text = r#"
[device.a]
to = { drive = "/dev/x", length = "4M" }
[device.b]
to = { drive = "/dev/x", offset = "1M", length = "1M" }
[device.c]
to = { drive = "/dev/x", offset = "3M", length = "2M" }
[device.d]
to = { drive = "/dev/x", offset = "4M", length = "1M" }
"#;
    let problems = wrong(text);
    let places: Vec<_> = problems.iter().map(|p| &p[..5]).collect();
    assert_eq!(places, ["f:5:6", "f:7:6", "f:9:6"]);
}

#[test]
fn the_folder_beside_a_file_and_what_it_includes_are_read_in_order() {
    let folder = Folder::new("order");
    let file = folder.write(
        "shunt.toml",
        "include = ['more/x.toml']\n[defaults]\nqueue = 'mq'\n[device.first]\nto = '/dev/a'\n",
    );
    folder.write("more/x.toml", "[device.second]\nto = '/dev/b'\n");
    folder.write(
        "shunt.toml.d/20.toml",
        "[device.fourth]\nto = '/dev/d'\nqueue = 'bio'\n",
    );
    folder.write("shunt.toml.d/10.toml", "[device.third]\nto = '/dev/c'\n");
    folder.write("shunt.toml.d/10.toml.old", "not read");
    // As an editor leaves it, a link that leads nowhere.
    let lock = folder.0.join("shunt.toml.d/.#10.toml");
    std::os::unix::fs::symlink("me@here.1:2", lock).unwrap();
    let config = load(&file).unwrap();
    assert_eq!(names(&config), ["first", "second", "third", "fourth"]);
    let queues: Vec<_> = config.devices.iter().map(|d| d.queue).collect();
    let mq = QueueMode::Mq;
    assert_eq!(queues, [mq, mq, mq, QueueMode::Bio]);
    assert_eq!(config.files.len(), 4);
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let folder = Folder::new("unreadable");
    let file = folder.write(
        "shunt.toml",
        "include = [\n  'gone.toml',\n  'latin.toml',\n]\n",
    );
    fs::write(folder.0.join("latin.toml"), b"# \xe4").unwrap();
    fs::create_dir_all(folder.0.join("shunt.toml.d/folder.toml")).unwrap();
    assert_eq!(
        folder.problems(&file),
        [
            "shunt.toml:2:3: cannot include gone.toml: No such file or directory (os error 2); \
             correct the path, or make it readable",
            "shunt.toml:3:3: cannot include latin.toml: it is not UTF-8; correct the path, or make \
             it readable",
            "shunt.toml.d/folder.toml: cannot read it: it is not a regular file; correct the path, or \
             make it readable",
        ]
    );
}

#[test]
fn a_pipe_that_nobody_writes_to_is_refused_and_not_waited_for() {
    let folder = Folder::new("pipe");
    let file = folder.write("shunt.toml", "include = ['pipe']\n");
    fs::create_dir_all(folder.0.join("shunt.toml.d")).unwrap();
    for pipe in ["pipe", "shunt.toml.d/pipe.toml"] {
        let mode = nix::sys::stat::Mode::S_IRUSR;
        nix::unistd::mkfifo(&folder.0.join(pipe), mode).unwrap();
    }
    let (tell, told) = std::sync::mpsc::channel();
    let of_thread = file.clone();
    // Who waits for a pipe does so for ever.
    std::thread::spawn(move || tell.send(load(&of_thread).is_err()));
    let long = std::time::Duration::from_secs(30);
    assert_eq!(told.recv_timeout(long), Ok(true));
    assert_eq!(
        folder.problems(&file),
        [
            "shunt.toml:1:12: cannot include pipe: it is not a regular file; correct the path, or \
             make it readable",
            "shunt.toml.d/pipe.toml: cannot read it: it is not a regular file; correct the path, or \
             make it readable",
        ]
    );
}

#[test]
fn the_file_itself_may_be_a_pipe() {
    let folder = Folder::new("stdin");
    let pipe = folder.0.join("shunt.toml");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = pipe.clone();
    let writer = std::thread::spawn(move || fs::write(writer, "[device.v]\nto = '/dev/a'\n"));
    assert_eq!(names(&load(&pipe).unwrap()), ["v"]);
    writer.join().unwrap().unwrap();
}

#[test]
fn a_name_twice_is_told_with_both_places() {
    let folder = Folder::new("twice");
    let file = folder.write("a.toml", "[device.v]\nto = '/dev/a'\n");
    folder.write("a.toml.d/b.toml", "\n[device.v]\nto = '/dev/b'\n");
    assert_eq!(
        folder.problems(&file),
        ["a.toml.d/b.toml:2:9: device v is at a.toml:1:9 already; rename one, or remove it"]
    );
}

#[test]
fn only_the_first_file_has_defaults_and_includes() {
    let folder = Folder::new("first");
    let file = folder.write("a.toml", "");
    folder.write(
        "a.toml.d/b.toml",
        "include = ['x']\n[defaults]\nqueue = 'mq'\n",
    );
    let problems = folder.problems(&file);
    assert_eq!(problems.len(), 2);
    assert!(problems[1].contains("'include'") || problems[0].contains("'include'"));
}

mod properties {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;
    use crate::words::visible;

    fn drive() -> impl Strategy<Value = DriveName> {
        prop_oneof![
            "/dev/[a-z\"\\\\ ä\n\t\u{1b}\u{7f}\u{9b}\u{a0}\u{200b}\u{2028}\u{202e}\u{feff}]{1,8}"
                .prop_map(DriveName::Path),
            "[0-9a-f-]{4,12}".prop_map(DriveName::PartUuid),
            any::<u64>().prop_map(DriveName::DiskSeq),
        ]
    }

    fn target() -> impl Strategy<Value = WantedTarget> {
        let length = option::of(1..1u64 << 40);
        (drive(), 0..1u64 << 40, length).prop_map(|(drive, offset, length)| WantedTarget {
            drive,
            offset: offset * 512,
            length: length.map(|length| length * 512),
            place: Place::file(""),
        })
    }

    prop_compose! {
        fn device()(
            // With what is not seen and the rulebook allows.
            name in "[a-z.\"\\\\äö=#\\[\\]\u{ad}\u{200b}\u{202e}\u{feff}-]{3,12}",
            targets in vec(target(), 1..4),
            stripe in option::of(1..1u64 << 20),
            queue in prop::sample::select(&QueueMode::ALL),
            stats in prop::sample::select(&StatsMode::ALL),
            read_only: bool,
            missing in prop::sample::select(&Missing::ALL),
            policy in prop::sample::select(&Policy::ALL),
        ) -> Wanted {
            let stripe = stripe.filter(|_| targets.len() > 1).map(|stripe| stripe * 512);
            let place = Place::file("");
            Wanted { name, targets, stripe, queue, stats, read_only, missing, policy, place }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(devices in vec(device(), 0..6)) {
            prop_assume!(check::together(&devices).is_empty());
            // As it is printed.
            let text = export(&devices);
            let text = visible(&text);
            prop_assert_eq!(parse("f", &text).map_err(|p| format!("{p:?} in {text}")), Ok(devices));
        }

        #[test]
        fn no_text_is_too_strange_to_be_read_or_refused(text in "(?s).{0,200}") {
            let _ = parse("f", &text);
        }

        #[test]
        fn no_table_is_too_strange(
            key in "to|stripe|queue|stats|read-only|missing|policy|x",
            value in "1|-1|1.5|true|''|'64K'|\\[\\]|\\[1\\]|\\{\\}|\\{ drive = 1 \\}|1979-05-27",
        ) {
            let problems = parse("f", &format!("[device.v]\nto = '/dev/a'\n[device.w]\n{key} = {value}\n"));
            for problem in problems.err().into_iter().flatten() {
                prop_assert!(problem.place.at.is_some());
            }
        }
    }
}
