/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bindgen reads: the kernel headers that kernel_ext wraps, and the
 * prototypes of helpers.c. bindings.allow says which names come out.
 */

#include <linux/bio.h>
#include <linux/bio-integrity.h>
#include <linux/blk-crypto.h>
#include <linux/blk-crypto-profile.h>
#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/device/class.h>
#include <linux/hdreg.h>
#include <linux/jiffies.h>
#include <linux/kernfs.h>
#include <linux/ktime.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/part_stat.h>
#include <linux/percpu.h>
#include <linux/pr.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "helpers.h"
