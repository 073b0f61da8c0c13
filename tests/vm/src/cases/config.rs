// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt plan`, `apply` and `export` on real drives, and the files that are refused.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use shunt::{Client, DeviceChange, DeviceSpec, DriveId, Error, Selector, TargetSpec};

use crate::guest::command::{attempt, run_words};
use crate::guest::flash::{BIG_BLOCKS, flash};
use crate::guest::link::Link;
use crate::guest::load::Load;
use crate::guest::module::Module;
use crate::guest::partition::Partition;
use crate::guest::shunt::{json, list, show};
use crate::guest::shuntd::Config;
use crate::guest::state::State;
use crate::guest::sysfs;

cases! {
    a_file_is_planned_applied_and_exported,
    a_device_under_load_is_moved_by_a_file,
    a_bad_file_is_refused_at_its_place_and_changes_nothing,
    what_cannot_change_while_it_is_open_is_refused_and_the_rest_is_done,
    drives_are_found_and_exported_by_names_that_last,
    a_drive_that_took_the_name_of_a_planned_one_is_refused,
}

#[track_caller]
fn plan(config: &Config) -> Value {
    json(&run_words(&["shunt", "plan", config.path(), "--json"]))
}

#[track_caller]
fn apply(config: &Config) -> String {
    run_words(&["shunt", "apply", config.path()])
}

/// Sees that there is nothing to do.
#[track_caller]
fn nothing_to_do(config: &Config) {
    let nothing = json!({"schema": 1, "steps": [], "waiting": [], "refused": [], "others": []});
    assert_eq!(plan(config), nothing);
    assert_eq!(run_words(&["shunt", "plan", config.path()]), "");
}

fn a_file_is_planned_applied_and_exported() {
    let _module = Module::load();
    let (first, second, third) = (flash(0).path, flash(1).path, flash(2).path);
    let config = Config::new(&format!(
        r#"
[defaults]
stats = "counters"
[device.vol0]
to = {{ drive = "{first}", offset = "1M", length = "8M" }}
[device.big]
to = ["{second}", {{ drive = "{third}", length = "16M" }}]
read-only = true
[device.fair]
to = [{{ drive = "{first}", offset = "16M", length = "8M" }}, {{ drive = "{first}", offset = "24M", length = "8M" }}]
stripe = "64K"
queue = "mq"
stats = "full"
"#
    ));
    let steps = plan(&config)["steps"].clone();
    let of = |steps: &Value, field: &str| -> Vec<Value> {
        let steps = steps.as_array().expect("a plan has steps").iter();
        steps.map(|step| step[field].clone()).collect()
    };
    assert_eq!(of(&steps, "device"), ["vol0", "big", "fair"]);
    assert_eq!(of(&steps, "action"), ["map", "map", "map"]);
    assert!(list().is_empty(), "a plan changes nothing");

    let said = apply(&config);
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(
        said.contains(&format!("map vol0 on {first}: /dev/shunt0")),
        "{said}"
    );
    nothing_to_do(&config);
    let vol0 = show("vol0");
    assert_eq!(
        (
            &vol0["stats"],
            &vol0["size_bytes"],
            &vol0["targets"][0]["offset_bytes"]
        ),
        (&json!("counters"), &json!(8 << 20), &json!(1 << 20))
    );
    assert_eq!(show("big")["read_only"], json!(true));
    assert_eq!(show("fair")["stripe_bytes"], json!(64 << 10));

    // What is exported wants what there is, and makes it anew.
    let before = list();
    let exported = run_words(&["shunt", "export"]);
    config.write(&exported);
    nothing_to_do(&config);
    for name in ["vol0", "big", "fair"] {
        run_words(&["shunt", "unmap", name]);
    }
    apply(&config);
    assert_eq!(list(), before, "{exported}");
    assert_eq!(
        json(&run_words(&["shunt", "export", "--json"]))["devices"][0]["name"],
        "vol0"
    );
}

fn a_device_under_load_is_moved_by_a_file() {
    let _module = Module::load();
    let paths = [flash(0).path, flash(1).path];
    let config = Config::new("");
    let write = |path: &str, stats: &str| {
        config.write(&format!(
            "[device.vol0]\nto = {{ drive = '{path}', length = '32M' }}\nstats = '{stats}'\n"
        ));
    };
    write(&paths[0], "full");
    apply(&config);
    let mut load = Load::write("/dev/shunt0");
    for (round, stats) in ["counters", "full", "off", "full"].into_iter().enumerate() {
        let (from, to) = (&paths[round % 2], &paths[(round + 1) % 2]);
        write(to, stats);
        let said = apply(&config);
        assert!(
            said.starts_with(&format!("retarget vol0: target {from} ("))
                && said.contains(&format!(") -> {to} ("))
                && said.contains("), stats "),
            "{said}"
        );
        nothing_to_do(&config);
        assert!(load.goes_on(), "the load failed");
    }
}

/// Applies a file that has to be refused, with lines that begin with `start` after the file's name.
#[track_caller]
fn refused(config: &Config, text: &str, start: &str) {
    let before = State::now();
    config.write(text);
    for command in ["plan", "apply"] {
        let ended = attempt(&["shunt", command, config.path()]);
        assert!(ended.code == Some(1), "{command} {text}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{command} {text}: {ended:?}");
        let lines: Vec<_> = ended.stderr.lines().collect();
        let expected = format!("shunt: {}:{start}", config.path());
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.starts_with(&expected)),
            "{command} {text}: {lines:?} instead of {expected}"
        );
    }
    assert_eq!(State::now(), before, "{text}");
}

fn a_bad_file_is_refused_at_its_place_and_changes_nothing() {
    let _module = Module::load();
    let (drive, big) = (flash(0), flash(BIG_BLOCKS).path);
    let path = drive.path.as_str();
    let good = format!("[device.vol0]\nto = {{ drive = '{path}', length = '1M' }}\n");
    let config = Config::new(&good);
    apply(&config);
    // Each is bad in what it adds to a device that is well, which is not mapped either.
    let good =
        format!("{good}[device.new]\nto = {{ drive = '{path}', offset = '2M', length = '1M' }}\n");
    let same = "/run/same-drive";
    let _ = fs::remove_file(same);
    symlink(path, same).expect("/run takes links");
    for (added, start) in [
        ("[device.x\n".to_owned(), "5:10: this is not TOML"),
        (
            "queu = 'mq'\n".to_owned(),
            "5:1: device new has no key 'queu'; the nearest is 'queue'",
        ),
        (
            "queue = 'mc'\n".to_owned(),
            "5:9: queue has no 'mc', the nearest is 'mq'; write",
        ),
        (format!("[device.x]\nto = '{path}'\n"), "6:6: /dev/"),
        (
            format!("[device.x]\nto = {{ drive = '{path}', offset = '512K', length = '1M' }}\n"),
            "6:6: /dev/",
        ),
        (
            format!("[device.x]\nto = {{ drive = '{same}', length = '512K' }}\n"),
            "6:6: /run/same-drive from 0",
        ),
        (
            "[device.x]\nto = '/dev/shunt0'\n[device.y]\nto = { drive = '/dev/shunt0' }\n"
                .to_owned(),
            "8:6: /dev/shunt0 from 0",
        ),
        (
            format!("[device.x]\nto = {{ drive = '{path}', offset = '255M', length = '2M' }}\n"),
            &*format!("6:6: {path}: length 2097152 is above 1048576, the rest of the drive"),
        ),
        (
            format!("[device.x]\nto = {{ drive = '{path}', offset = '1G' }}\n"),
            &*format!("6:6: {path}: offset 1073741824 is not below"),
        ),
        (
            format!("[device.x]\nto = {{ drive = '{big}', length = 512 }}\n"),
            &*format!("6:6: {big}: length 512 is not a multiple of the logical block"),
        ),
        (
            "[device.x]\nto = '/dev/null'\n".to_owned(),
            "6:6: /dev/null is not a block device",
        ),
    ] {
        refused(&config, &format!("{good}{added}"), start);
    }
    let included = format!("include = ['gone.toml']\n{good}");
    refused(
        &config,
        &included,
        "1:12: cannot include /run/gone.toml: No such file",
    );
    let looped = "[device.vol0]\nto = '/dev/shunt0'\n";
    refused(
        &config,
        looped,
        "2:6: /dev/shunt0 leads back to the device itself (shunt0)",
    );
    fs::remove_file(same).expect("the link is there");
    config.write(&good);
    apply(&config);
    nothing_to_do(&config);
}

fn what_cannot_change_while_it_is_open_is_refused_and_the_rest_is_done() {
    let _module = Module::load();
    let path = flash(0).path;
    let text = |queue: &str, stats: &str| {
        format!(
            "[device.vol0]\nto = {{ drive = '{path}', length = '8M' }}\nqueue = '{queue}'\n\
             [device.vol1]\nto = {{ drive = '{path}', offset = '8M', length = '8M' }}\nstats = '{stats}'\n"
        )
    };
    let config = Config::new(&text("bio", "full"));
    apply(&config);
    let open = fs::File::open("/dev/shunt0").expect("the device opens");
    config.write(&text("mq", "off"));
    let ended = attempt(&["shunt", "apply", config.path()]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stdout.starts_with("set vol1: stats full -> off"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains(
            "vol0: queue bio -> mq cannot be changed while the device is open: shunt0 is in use by"
        ),
        "{ended:?}"
    );
    assert_eq!(
        (&show("vol0")["queue"], &show("vol1")["stats"]),
        (&json!("bio"), &json!("off"))
    );
    assert_eq!(plan(&config)["refused"][0]["device"], "vol0");
    drop(open);
    assert!(apply(&config).starts_with("remap vol0: queue bio -> mq"));
    nothing_to_do(&config);
}

fn drives_are_found_and_exported_by_names_that_last() {
    let _module = Module::load();
    let (first, second) = (flash(0), flash(1));
    let partition = Partition::create(&first.path, 1 << 20, 8 << 20);
    let uevent = sysfs::read(&format!("/sys/class/block/{}p1/uevent", first.name));
    let uevent = uevent.expect("a partition has a uevent");
    let uuid = uevent
        .lines()
        .find_map(|line| line.strip_prefix("PARTUUID="));
    let uuid = uuid.expect("the partition has an identifier");
    let sequence = sysfs::number(&format!("/sys/block/{}/diskseq", flash(2).name));
    let link = Link::to(&second.name, "nvme-Emulated_flash1");
    {
        let config = Config::new(&format!(
            "[device.part]\nto = 'PARTUUID={uuid}'\n[device.link]\nto = '{}'\n[device.seq]\nto = 'diskseq={sequence}'\n\
             [device.none]\nto = 'PARTUUID=01234567-01'\n[device.left]\nto = 'diskseq=999999'\nmissing = 'skip'\n",
            link.path()
        ));
        let said = apply(&config);
        assert!(
            said.contains("none waits for PARTUUID=01234567-01\n"),
            "{said}"
        );
        assert!(
            said.contains("left is left out: diskseq=999999 is missing\n"),
            "{said}"
        );
        assert_eq!(show("part")["targets"][0]["path"], partition.path());
        assert_eq!(show("link")["targets"][0]["path"], json!(link.path()));
        assert_eq!(show("seq")["targets"][0]["path"], flash(2).path);
        let said = plan(&config);
        assert_eq!(
            (&said["steps"], said["waiting"].as_array().map(Vec::len)),
            (&json!([]), Some(2))
        );
        // A device that was mapped by a path that does not last is written down by one that does.
        run_words(&["shunt", "unmap", "link"]);
        run_words(&["shunt", "map", "link", "--to", &second.path]);
        let exported = run_words(&["shunt", "export"]);
        assert!(
            exported.contains(&format!("drive = \"PARTUUID={uuid}\"")),
            "{exported}"
        );
        assert!(
            exported.contains(&format!("drive = \"{}\"", link.path())),
            "{exported}"
        );
        config.write(&exported);
        nothing_to_do(&config);
    }
}

/// The drive that a name of the kernel's is of, and the disk that it is on.
fn drive_id(name: &str, disk: &str) -> DriveId {
    let number = sysfs::read(&format!("/sys/class/block/{name}/dev")).expect("it has a number");
    let (major, minor) = number.trim().split_once(':').expect("a number is a pair");
    DriveId {
        major: major.parse().expect("a number"),
        minor: minor.parse().expect("a number"),
        diskseq: Some(sysfs::number(&format!("/sys/block/{disk}/diskseq"))),
    }
}

fn a_drive_that_took_the_name_of_a_planned_one_is_refused() {
    let _module = Module::load();
    let (first, second) = (flash(0), flash(1));
    let _partition = Partition::create(&first.path, 1 << 20, 8 << 20);
    let (part, other) = (format!("{}p1", first.name), &second.name);
    let (planned, found) = (drive_id(&part, &first.name), drive_id(other, other));
    let mut client = Client::connect().expect("the module is loaded");
    let target = |link: &Link| TargetSpec {
        planned: Some(planned),
        ..TargetSpec::whole(link.path())
    };
    let mut tell = |link: &Link| client.create_device(&DeviceSpec::new("vol0", vec![target(link)]));

    let link = Link::to(other, "planned");
    let refusal = tell(&link).expect_err("the link leads elsewhere");
    assert_eq!(
        refusal.to_string(),
        format!(
            "{} led to {planned} when this was planned and leads to {found} now",
            link.path()
        )
    );
    assert!(list().is_empty(), "nothing is mapped");
    link.lead_to(&part);
    tell(&link).expect("it leads to what was planned");

    link.lead_to(other);
    let before = list();
    let change = DeviceChange::Retarget {
        targets: vec![target(&link)],
        stripe: None,
    };
    let refusal = client.change_device(&Selector::name("vol0"), &change);
    assert!(
        matches!(refusal, Err(Error::LedElsewhere { .. })),
        "{refusal:?}"
    );
    assert_eq!(list(), before, "nothing is changed");
    run_words(&["shunt", "unmap", "vol0"]);
}
