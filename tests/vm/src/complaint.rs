// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of the kernel log that mean a bug. The guest looks for them after each case, the host in the whole console log.

const COMPLAINTS: &[&str] = &[
    "WARNING:",
    "BUG:",
    "BUG at",
    "Oops",
    "KASAN",
    "UBSAN",
    "KFENCE",
    "possible recursive locking",
    "possible circular locking",
    "possible irq lock inversion",
    "inconsistent lock state",
    "suspicious RCU usage",
    "sleeping function called",
    "scheduling while atomic",
    "unreferenced object",
    "general protection",
    "Call Trace",
    "blocked for more than",
    "soft lockup",
    "rcu_sched self-detected stall",
    "rcu_preempt self-detected stall",
    "rcu: INFO",
    "refcount_t:",
    "list_add corruption",
    "list_del corruption",
    "percpu ref",
    "Objects remaining",
    "Kernel panic",
    "rust_kernel: panicked",
    "Tainted: G        W",
];

/// Whether a line of the kernel log is a complaint.
pub(crate) fn is_complaint(line: &str) -> bool {
    COMPLAINTS.iter().any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::is_complaint;

    #[test]
    fn bugs_are_complaints_and_the_usual_words_are_not() {
        for bug in [
            "WARNING: CPU: 0 PID: 1 at block/bio.c:1 bio_put",
            "BUG: kernel NULL pointer dereference, address: 0",
            "INFO: task fio:123 blocked for more than 30 seconds.",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        ] {
            assert!(is_complaint(bug), "{bug}");
        }
        for usual in [
            "shunt: loading out-of-tree module taints kernel.",
            "shunt: module verification failed: signature and/or required key missing - tainting kernel",
            "I/O error, dev dm-0, sector 4096 op 0x0:(READ) flags 0x800 phys_seg 1 prio class 2",
            "Buffer I/O error on dev dm-0, logical block 0, lost sync page write",
        ] {
            assert!(!is_complaint(usual), "{usual}");
        }
    }
}
