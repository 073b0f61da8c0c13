// SPDX-License-Identifier: GPL-2.0-only

//! The one room with `unsafe`: safe wrappers of kernel C APIs that the kernel
//! crate lacks. Nothing here knows of shunt; each file could go upstream.
//!
//! | file | what it wraps | goes when the kernel crate has |
//! |---|---|---|
//! | `block/bio.rs` | `struct bio` | `kernel::block::bio` |
//! | `block/hook.rs` | `bi_end_io` hooks, `mempool_t` | bio completion, mempool |
//! | `block/bio_list.rs`, `block/bio_set.rs` | `struct bio_list`, `struct bio_set` | the same |
//! | `block/disk_stats.rs` | `struct disk_stats` | accounting of bios |
//! | `block/bio_disk.rs` | bio-based `struct gendisk` | bio-based `GenDisk` |
//! | `block/request_queue.rs` | `struct blk_mq_tag_set` | data of requests in `kernel::block::mq` |
//! | `block/bdev.rs` | opened `struct block_device` | `kernel::block::bdev` |
//! | `block/limits.rs` | `struct queue_limits` | stacking in `GenDiskBuilder` |
//! | `block/capabilities.rs` | the same, as numbers | none yet |
//! | `block/zones.rs`, `block/ioctl.rs` | `struct block_device_operations` | more of `GenDisk` |
//! | `net/genl.rs`, `net/dump.rs` | `struct genl_family` | operations in `kernel::net::netlink` |
//! | `net/attr.rs` | `struct nlattr`, `struct nla_policy` | the same |
//! | `clock.rs` | `ktime_get()` | `Instant::as_nanos` for modules |
//! | `errno.rs` | error numbers | the missing names |
//! | `noio.rs` | `memalloc_noio_save()` | allocation scopes |
//! | `module_pin.rs` | `try_module_get()` | the same on `ThisModule` |
//! | `module_version.rs` | `MODULE_VERSION` | `module!` with a version |
//! | `task.rs`, `patience.rs` | `struct work_struct` | tasks that own their data |
//! | `net/sender.rs` | `netlink_ack()` | operations in `kernel::net::netlink` |
//! | `work.rs` | `struct delayed_work` | owned work items |
//! | `percpu.rs`, `percpu_stack.rs` | per-CPU allocations | `kernel::percpu` |

mod bindings;
pub(crate) mod block;
pub(crate) mod clock;
pub(crate) mod errno;
pub(crate) mod module_pin;
pub(crate) mod module_version;
pub(crate) mod net;
mod noio;
pub(crate) mod patience;
pub(crate) mod percpu;
mod percpu_stack;
pub(crate) mod task;
pub(crate) mod work;
