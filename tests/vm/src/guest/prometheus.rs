// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Prometheus server that scrapes the daemon; killed on drop.

use std::fs::{self, File};
use std::process::{Child, Stdio};

use serde_json::Value;

use super::command::{attempt, command, run_words};

const ADDRESS: &str = "127.0.0.1:9090";
const CONFIG: &str = "/run/prometheus.yml";
const DATA: &str = "/run/prometheus";
const LOG: &str = "/run/prometheus.log";

/// The server.
pub(crate) struct Prometheus {
    child: Child,
}

impl Prometheus {
    /// Starts one that scrapes `target` every second.
    #[track_caller]
    pub(crate) fn scrape(target: &str) -> Self {
        let config = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs: [{{job_name: shunt, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        fs::write(CONFIG, config).expect("/run takes files");
        run_words(&["promtool", "check", "config", CONFIG]);
        let log = File::create(LOG).expect("/run takes files");
        let child = command(&[
            "prometheus",
            &format!("--config.file={CONFIG}"),
            &format!("--storage.tsdb.path={DATA}"),
            &format!("--web.listen-address={ADDRESS}"),
        ])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
        Self {
            child: child.unwrap_or_else(|why| panic!("prometheus: {why}")),
        }
    }

    /// What an expression is now, if the server knows one value of it.
    pub(crate) fn value(&self, expression: &str) -> Option<f64> {
        let server = format!("http://{ADDRESS}");
        let words = [
            "promtool", "query", "instant", "-o", "json", &server, expression,
        ];
        let ended = attempt(&words);
        let answer: Value = serde_json::from_str(&ended.stdout).ok()?;
        match answer.as_array()?.as_slice() {
            [one] => one["value"][1].as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// Its log, for who asks why.
    pub(crate) fn log() -> String {
        fs::read_to_string(LOG).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(DATA);
    }
}
