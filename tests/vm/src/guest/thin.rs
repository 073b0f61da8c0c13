// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thin volume in a pool of dm-thin; gone on drop.

use super::command::run;
use super::dm::Dm;

/// Sectors of a block of the pool.
const BLOCK: u64 = 128;

/// The volume, and the pool that it is in; dropped in this order.
pub(crate) struct Thin {
    volume: Dm,
    _pool: Dm,
}

impl Thin {
    /// Makes one of as many bytes as the drive for its data has; both drives hold zeroes.
    #[track_caller]
    pub(crate) fn on(metadata: &str, data: &str) -> Self {
        run("modprobe dm_thin_pool");
        let sectors: u64 = run(&format!("blockdev --getsz {data}"))
            .trim()
            .parse()
            .expect("a size is a number");
        let sectors = sectors / BLOCK * BLOCK;
        let pool = Dm::create(
            "pool",
            &format!("0 {sectors} thin-pool {metadata} {data} {BLOCK} 0\n"),
        );
        run(&format!("dmsetup message {} 0 create_thin 0", pool.path()));
        let volume = Dm::create("thin", &format!("0 {sectors} thin {} 0\n", pool.path()));
        Self {
            volume,
            _pool: pool,
        }
    }

    /// Its device node.
    pub(crate) fn path(&self) -> String {
        self.volume.path()
    }
}
