// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device beside what else a machine stacks block devices with: each company below a device and above one, in both queue
//! modes, through every change. A case is a row of that matrix, and says in which step it failed.

mod company;
mod limited;
mod row;
mod swapped;

use company::Company;
use limited::Limited;
use row::{below, on};

/// Makes the cases: `NAME: FUNCTION QUEUE COMPANY`.
macro_rules! rows {
    ($($name:ident: $place:path[$queue:literal $(, $company:expr)?]),* $(,)?) => {
        $(fn $name() { $place($queue $(, $company)?); })*
        cases! { $($name),* }
    };
}

rows! {
    a_bio_device_on_a_partition: on["bio", Company::Partition],
    an_mq_device_on_a_partition: on["mq", Company::Partition],
    a_bio_device_on_lvm: on["bio", Company::Lvm],
    an_mq_device_on_lvm: on["mq", Company::Lvm],
    a_bio_device_on_raid1: on["bio", Company::Md(1)],
    an_mq_device_on_raid1: on["mq", Company::Md(1)],
    a_bio_device_on_raid5: on["bio", Company::Md(5)],
    an_mq_device_on_raid5: on["mq", Company::Md(5)],
    a_bio_device_on_raid10: on["bio", Company::Md(10)],
    an_mq_device_on_raid10: on["mq", Company::Md(10)],
    a_bio_device_on_dm_crypt: on["bio", Company::Crypt],
    an_mq_device_on_dm_crypt: on["mq", Company::Crypt],
    a_bio_device_on_dm_thin: on["bio", Company::Thin],
    an_mq_device_on_dm_thin: on["mq", Company::Thin],
    a_bio_device_on_a_loop_device: on["bio", Company::Loop],
    an_mq_device_on_a_loop_device: on["mq", Company::Loop],
    a_bio_device_on_an_mq_device: on["bio", Company::Shunt("mq")],
    an_mq_device_on_an_mq_device: on["mq", Company::Shunt("mq")],
    an_mq_device_on_a_bio_device: on["mq", Company::Shunt("bio")],
    a_partition_of_a_bio_device: below["bio", Company::Partition],
    a_partition_of_an_mq_device: below["mq", Company::Partition],
    lvm_on_a_bio_device: below["bio", Company::Lvm],
    lvm_on_an_mq_device: below["mq", Company::Lvm],
    raid1_of_bio_devices: below["bio", Company::Md(1)],
    raid1_of_mq_devices: below["mq", Company::Md(1)],
    raid5_of_bio_devices: below["bio", Company::Md(5)],
    raid5_of_mq_devices: below["mq", Company::Md(5)],
    raid10_of_bio_devices: below["bio", Company::Md(10)],
    raid10_of_mq_devices: below["mq", Company::Md(10)],
    dm_crypt_on_a_bio_device: below["bio", Company::Crypt],
    dm_crypt_on_an_mq_device: below["mq", Company::Crypt],
    dm_thin_on_bio_devices: below["bio", Company::Thin],
    dm_thin_on_mq_devices: below["mq", Company::Thin],
    a_loop_device_on_a_bio_device: below["bio", Company::Loop],
    a_loop_device_on_an_mq_device: below["mq", Company::Loop],
    btrfs_on_two_bio_devices: below["bio", Company::Btrfs],
    btrfs_on_two_mq_devices: below["mq", Company::Btrfs],
    xfs_on_two_bio_devices: below["bio", Company::Xfs],
    xfs_on_two_mq_devices: below["mq", Company::Xfs],
    swap_on_a_bio_device: swapped::on["bio"],
    swap_on_an_mq_device: swapped::on["mq"],
    a_bio_device_that_a_cgroup_limits: limited::on["bio", Limited::Device],
    an_mq_device_that_a_cgroup_limits: limited::on["mq", Limited::Device],
    a_bio_device_on_a_drive_that_a_cgroup_limits: limited::on["bio", Limited::Drive],
    an_mq_device_on_a_drive_that_a_cgroup_limits: limited::on["mq", Limited::Drive],
}
