// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is measured: which jobs on which devices, and how often.

use crate::job::{Access, Engine, Job};
use crate::record::Effort;
use crate::subject::{Queue, Stats, Subject, Table};

/// What the budget compares, the drive itself first.
pub(super) const BUDGET: [Subject; 7] = [
    Subject::Raw,
    Subject::DM_LINEAR,
    Subject::DM_STATS,
    Subject::bio(Stats::Off),
    Subject::bio(Stats::Counters),
    Subject::bio(Stats::Full),
    Subject::bio(Stats::Heard),
];

/// What takes requests, the drive itself first.
pub(super) const REQUESTS: [Subject; 4] = [
    Subject::Raw,
    Subject::Multipath,
    Subject::shunt(Queue::Mq, Stats::Off),
    Subject::shunt(Queue::Mq, Stats::Full),
];

/// What every job is run on, the drive itself first.
pub(super) const MATRIX: [Subject; 12] = [
    Subject::Raw,
    Subject::DM_LINEAR,
    Subject::DM_STATS,
    Subject::Multipath,
    Subject::Loop,
    Subject::Ublk,
    Subject::bio(Stats::Off),
    Subject::bio(Stats::Counters),
    Subject::bio(Stats::Full),
    Subject::shunt(Queue::Mq, Stats::Off),
    Subject::shunt(Queue::Mq, Stats::Counters),
    Subject::shunt(Queue::Mq, Stats::Full),
];

/// What is watched instruction by instruction.
pub(super) const WATCHED: [Subject; 5] = [
    Subject::Raw,
    Subject::DM_LINEAR,
    Subject::bio(Stats::Off),
    Subject::bio(Stats::Counters),
    Subject::bio(Stats::Full),
];

/// What a partition costs, with what it is a partition of before it.
pub(super) const PARTITIONS: [[Subject; 2]; 3] = [
    Subject::parted(Stats::Off),
    Subject::parted(Stats::Counters),
    Subject::parted(Stats::Full),
];

/// Most instructions that a partition may add to its device.
pub(super) const PARTITION_LIMIT: f64 = 60.0;

/// Whose accesses to memory are watched.
pub(super) const TOUCHED: [Subject; 3] = [
    Subject::bio(Stats::Off),
    Subject::bio(Stats::Counters),
    Subject::bio(Stats::Full),
];

/// What two processors share.
pub(super) const SHARED: [Subject; 4] = [
    Subject::Raw,
    Subject::DM_LINEAR,
    Subject::bio(Stats::Off),
    Subject::bio(Stats::Full),
];

/// What takes memory.
pub(super) const KEPT: [Subject; 5] = [
    Subject::DM_LINEAR,
    Subject::DM_STATS,
    Subject::bio(Stats::Off),
    Subject::bio(Stats::Counters),
    Subject::bio(Stats::Full),
];

/// Devices that the memory of one is the mean of.
pub(super) const DEVICES: u32 = 64;

/// Devices that are there when a command is timed.
pub(super) const STEPS: [u32; 5] = [1, 10, 100, 1000, 4000];

/// Repeats of a command where there are many devices, and where there is one.
pub(super) const SCALE_ROUNDS: u32 = 3;
pub(super) const CONTROL_ROUNDS: u32 = 10;

/// Pairs of one and two jobs.
pub(super) const THROUGHPUT_ROUNDS: u32 = 12;

/// For the one job of the budget, whose differences are small.
pub(super) const PRECISE: Effort = Effort {
    ios: 8000,
    least: 8,
    most: 8,
};

/// For the many jobs.
pub(super) const ROUGH: Effort = Effort {
    ios: 1500,
    least: 3,
    most: 6,
};

/// Devices with tables of several targets.
pub(super) fn tables() -> Vec<Subject> {
    let tables = [
        Table::Joined(16),
        Table::Joined(1024),
        Table::Striped(4),
        Table::Striped(16),
    ];
    let dm = tables.map(|table| Subject::Dm {
        statistics: false,
        table,
    });
    let shunt = tables.map(|table| Subject::Shunt {
        queue: Queue::Bio,
        stats: Stats::Full,
        table,
    });
    [dm, shunt].concat()
}

/// The jobs of the matrix: each access and engine with 4 KiB, and the others where they tell something new.
pub(super) fn jobs() -> Vec<Job> {
    use Access::{Flush, RandomDiscard, RandomRead, RandomWrite, Read, Write};
    const SINGLE: Engine = Engine::IoUring {
        depth: 1,
        polled: false,
    };
    const DEEP: Engine = Engine::IoUring {
        depth: 32,
        polled: false,
    };
    const POLLED: Engine = Engine::IoUring {
        depth: 1,
        polled: true,
    };
    const DEEP_POLLED: Engine = Engine::IoUring {
        depth: 32,
        polled: true,
    };
    let mut jobs = Vec::new();
    let mut add = |accesses: &[Access], sizes: &[u32], engines: &[Engine]| {
        for engine in engines {
            for bytes in sizes {
                jobs.extend(accesses.iter().map(|access| Job {
                    access: *access,
                    bytes: *bytes,
                    engine: *engine,
                }));
            }
        }
    };
    let all = [RandomRead, Read, RandomWrite, Write];
    add(&all, &[512, 4096, 131072], &[Engine::Psync]);
    add(&all, &[4096], &[SINGLE]);
    add(&all, &[4096], &[DEEP]);
    add(&[RandomRead, RandomWrite], &[512, 131072], &[DEEP]);
    add(&[RandomRead, RandomWrite], &[4096], &[POLLED, DEEP_POLLED]);
    add(&[Flush, RandomDiscard], &[4096], &[Engine::Psync]);
    jobs
}

/// The jobs that tables are compared by.
pub(super) fn table_jobs() -> Vec<Job> {
    let deep = Engine::IoUring {
        depth: 32,
        polled: false,
    };
    vec![
        Job::BUDGET,
        Job {
            engine: deep,
            ..Job::BUDGET
        },
    ]
}
