// SPDX-License-Identifier: MIT OR Apache-2.0
//! Has fio run jobs one after the other, and takes the cost of one operation of each from its report.

use std::fs;
use std::io;
use std::process::Command;

use serde_json::Value;

use super::{Result, because, command};
use crate::job::{Access, Engine, Job};

const FILE: &str = "/run/bench.fio";

/// Runs jobs on a device one after the other, `ios` operations of each. Gives the ns of the guest for one operation of each job,
/// or why that job failed. What the first operations find cold is paid by a short job of its own.
pub(super) fn run(path: &str, jobs: &[Job], ios: u32, seed: u32) -> Result<Vec<Result<f64>>> {
    let mut text = format!("[global]\nfilename={path}\ndirect=1\nnorandommap=1\n");
    text += &format!("[warm]\n{}", section(&Job::BUDGET, ios / 4));
    for (job, seed) in jobs.iter().zip(seed..) {
        text += &format!("[job]\nstonewall\nrandseed={seed}\n{}", section(job, ios));
    }
    let report = report(&text)?;
    Ok(jobs
        .iter()
        .enumerate()
        .map(|(index, job)| cost(&report["jobs"][index + 1], job))
        .collect())
}

/// Operations in a second of so many jobs at once, each on a processor of its own, each with `ios` operations.
pub(super) fn throughput(path: &str, jobs: u32, ios: u32) -> Result<f64> {
    let section = section(&Job::BUDGET, ios);
    let report = report(&format!(
        "[job]\nfilename={path}\ndirect=1\nnorandommap=1\n{section}numjobs={jobs}\ngroup_reporting\ncpus_allowed=0-{}\ncpus_allowed_policy=split\n",
        jobs - 1
    ))?;
    let rate = report["jobs"][0]["read"]["iops"].as_f64();
    rate.filter(|rate| *rate > 0.0)
        .ok_or_else(|| "fio gives no rate".to_owned())
}

/// The version of fio.
pub(super) fn version() -> Result<String> {
    Ok(command::run(&["fio", "--version"])?.trim().to_owned())
}

/// Runs a job file and gives fio's report on it, which tells too which jobs failed.
fn report(jobs: &str) -> Result<Value> {
    fs::write(FILE, jobs).map_err(because(FILE))?;
    let ended = Command::new("fio")
        .args(["--output-format=json", FILE])
        .output()
        .map_err(because("fio"))?;
    let output = String::from_utf8_lossy(&ended.stdout);
    // A warning may stand before the JSON.
    let json = output.find('{').map_or("", |start| &output[start..]);
    let report: Value = serde_json::from_str(json).map_err(|why| {
        format!(
            "fio: {why} in {output:?}; {}",
            String::from_utf8_lossy(&ended.stderr)
        )
    })?;
    match report["jobs"].is_array() {
        true => Ok(report),
        false => Err(format!("fio ran no job: {output:?}")),
    }
}

/// The options of a job, one a line.
fn section(job: &Job, ios: u32) -> String {
    let access = match job.access {
        Access::Flush => "rw=write\nfsync=1",
        Access::RandomDiscard => "rw=randtrim",
        other => &format!("rw={}", other.word()),
    };
    let engine = match job.engine {
        Engine::Psync => "ioengine=psync".to_owned(),
        Engine::IoUring { depth, polled } => {
            format!(
                "ioengine=io_uring\niodepth={depth}\nhipri={}",
                u8::from(polled)
            )
        }
    };
    // The run time is told in ms: more operations where the cost is taken from it.
    let ios = match job.depth() {
        1 => ios,
        _ if job.bytes > 4096 => ios * 3,
        _ => ios * 8,
    };
    format!("{access}\n{engine}\nbs={}\nnumber_ios={ios}\n", job.bytes)
}

/// At depth 1 the latency is the cost; at more it is the run time that each operation takes up.
fn cost(report: &Value, job: &Job) -> Result<f64> {
    match report["error"].as_i64() {
        Some(0) => {}
        Some(error) => return Err(io::Error::from_raw_os_error(error as i32).to_string()),
        None => return Err("fio did not run it".to_owned()),
    }
    let side = match job.access {
        Access::RandomRead | Access::Read => "read",
        Access::RandomWrite | Access::Write => "write",
        Access::Flush => "sync",
        Access::RandomDiscard => "trim",
    };
    let figures = &report[side];
    let figure = |value: &Value| value.as_f64().filter(|figure| *figure > 0.0);
    let cost = match job.depth() {
        1 => figure(&figures["lat_ns"]["mean"]),
        _ => figure(&figures["runtime"])
            .zip(figure(&figures["total_ios"]))
            .map(|(ms, ios)| ms * 1e6 / ios),
    };
    cost.ok_or_else(|| format!("fio gives no figures of {side}"))
}
