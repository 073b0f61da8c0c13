// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that runs short for clones of bios with protection information, on
 * any device: no emulated machine is short of it when it is wanted, and the
 * stock kernels inject no faults.
 */

#include <linux/bio-integrity.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "testdrive.h"

static atomic_t left;
module_param_named(failing_clones, left.counter, int, 0444);
MODULE_PARM_DESC(failing_clones,
		 "Clones of protection information that are still to fail");

static bool is_probed;

struct testdrive_clone {
	struct bio *bio;
};

static int testdrive_clone_entry(struct kretprobe_instance *probe,
				 struct pt_regs *regs)
{
	struct testdrive_clone *clone = (void *)probe->data;

	clone->bio = (struct bio *)regs_get_kernel_argument(regs, 0);
	return 0;
}

/* Leaves what bio_integrity_clone() leaves if there is no memory. */
static int testdrive_clone_return(struct kretprobe_instance *probe,
				  struct pt_regs *regs)
{
	struct testdrive_clone *clone = (void *)probe->data;

	if (regs_return_value(regs) || atomic_dec_if_positive(&left) < 0)
		return 0;
	kfree(bio_integrity(clone->bio));
	clone->bio->bi_integrity = NULL;
	clone->bio->bi_opf &= ~REQ_INTEGRITY;
	regs_set_return_value(regs, -ENOMEM);
	return 0;
}

static struct kretprobe testdrive_clone_probe = {
	.kp.symbol_name	= "bio_integrity_clone",
	.entry_handler	= testdrive_clone_entry,
	.handler	= testdrive_clone_return,
	.data_size	= sizeof(struct testdrive_clone),
};

int testdrive_clones_init(void)
{
	int err;

	if (atomic_read(&left) <= 0)
		return 0;
	err = register_kretprobe(&testdrive_clone_probe);
	is_probed = !err;
	return err;
}

void testdrive_clones_exit(void)
{
	if (is_probed)
		unregister_kretprobe(&testdrive_clone_probe);
}
