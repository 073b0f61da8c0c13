// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents of `plan`, `apply` and `export`.

use serde::Serialize;
use shunt::{
    apply::Applied,
    config::{Place, Wanted},
    plan::{Plan, Step},
};

use super::document;

#[derive(Serialize)]
struct StepView<'a> {
    device: &'a str,
    action: &'static str,
    differences: Vec<DifferenceView<'a>>,
}

#[derive(Serialize)]
struct DifferenceView<'a> {
    what: &'a str,
    from: &'a str,
    to: &'a str,
}

impl<'a> StepView<'a> {
    fn of(step: &'a Step) -> Self {
        let differences = step.differences.iter().map(|difference| DifferenceView {
            what: &difference.what,
            from: &difference.from,
            to: &difference.to,
        });
        Self {
            device: &step.device,
            action: step.action.name(),
            differences: differences.collect(),
        }
    }
}

#[derive(Serialize)]
struct WaitingView<'a> {
    device: &'a str,
    drives: &'a [String],
    skip: bool,
}

#[derive(Serialize)]
struct RefusedView<'a> {
    device: &'a str,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<PlaceView<'a>>,
}

#[derive(Serialize)]
struct PlaceView<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

impl<'a> PlaceView<'a> {
    fn of(place: &'a Place) -> Option<Self> {
        let (line, column) = place.at?;
        Some(Self {
            file: &place.file,
            line,
            column,
        })
    }
}

fn waiting(plan: &Plan) -> Vec<WaitingView<'_>> {
    let waiting = plan.waiting.iter().map(|waiting| WaitingView {
        device: &waiting.device,
        drives: &waiting.drives,
        skip: waiting.skip,
    });
    waiting.collect()
}

/// `plan`: what would be done, and what would not.
pub(crate) fn plan(plan: &Plan) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        steps: Vec<StepView<'a>>,
        waiting: Vec<WaitingView<'a>>,
        refused: Vec<RefusedView<'a>>,
        others: &'a [String],
    }
    let refused = plan.refused.iter().chain(&plan.left);
    document(Fields {
        steps: plan.steps.iter().map(StepView::of).collect(),
        waiting: waiting(plan),
        refused: refused
            .map(|remark| RefusedView {
                device: &remark.device,
                why: &remark.text,
                place: PlaceView::of(&remark.place),
            })
            .collect(),
        others: &plan.others,
    })
}

/// `apply`: what was done, and what was not, each with the reason.
pub(crate) fn applied<'a>(
    applied: &'a Applied,
    failures: &'a [(String, String)],
) -> impl Serialize + use<'a> {
    #[derive(Serialize)]
    struct Fields<'a> {
        done: Vec<StepView<'a>>,
        waiting: Vec<WaitingView<'a>>,
        refused: Vec<RefusedView<'a>>,
        others: &'a [String],
    }
    document(Fields {
        done: applied
            .done
            .iter()
            .map(|(step, _)| StepView::of(step))
            .collect(),
        waiting: waiting(&applied.rest),
        refused: failures
            .iter()
            .map(|(device, why)| RefusedView {
                device,
                why,
                place: None,
            })
            .collect(),
        others: &applied.rest.others,
    })
}

/// `export`: the devices as configured.
pub(crate) fn wanted(devices: &[Wanted]) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        devices: Vec<WantedView<'a>>,
    }
    document(Fields {
        devices: devices.iter().map(WantedView::of).collect(),
    })
}

#[derive(Serialize)]
struct WantedView<'a> {
    name: &'a str,
    to: Vec<TargetView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stripe_bytes: Option<u64>,
    queue: &'static str,
    stats: &'static str,
    read_only: bool,
    missing: &'static str,
    policy: &'static str,
}

#[derive(Serialize)]
struct TargetView {
    drive: String,
    offset_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    length_bytes: Option<u64>,
}

impl<'a> WantedView<'a> {
    fn of(wanted: &'a Wanted) -> Self {
        let targets = wanted.targets.iter().map(|target| TargetView {
            drive: target.drive.to_string(),
            offset_bytes: target.offset,
            length_bytes: target.length,
        });
        Self {
            name: &wanted.name,
            to: targets.collect(),
            stripe_bytes: wanted.stripe,
            queue: wanted.queue.name(),
            stats: wanted.stats.name(),
            read_only: wanted.read_only,
            missing: wanted.missing.name(),
            policy: wanted.policy.name(),
        }
    }
}
