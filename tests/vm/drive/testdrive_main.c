// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two drives in memory, testdrive0 and testdrive1, for tests: they can do what
 * no emulated drive can, which is to erase for good and to encrypt inline, and
 * they count how often they were asked to. How much each takes at once, and how
 * much of that it writes atomically, can be chosen.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blk-mq.h>
#include <linux/device.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/vmalloc.h>

#include "testdrive.h"

#define DRIVES		2
#define DRIVE_BYTES	SZ_32M

static bool secure_erase[DRIVES] = { true, true };
module_param_array(secure_erase, bool, NULL, 0444);
MODULE_PARM_DESC(secure_erase, "Whether each drive can erase for good");

static unsigned int data_units[DRIVES];
module_param_array(data_units, uint, NULL, 0444);
MODULE_PARM_DESC(data_units,
		 "Sum of the sizes of data units that each drive encrypts, of 512 to 4096; 0: none");

static unsigned int max_io[DRIVES] = { SZ_1M, SZ_1M };
module_param_array(max_io, uint, NULL, 0444);
MODULE_PARM_DESC(max_io, "Largest I/O of each drive, in bytes");

static unsigned int atomic_write[DRIVES];
module_param_array(atomic_write, uint, NULL, 0444);
MODULE_PARM_DESC(atomic_write,
		 "Largest atomic write of each drive, in bytes; 0: none");

/* Allocated: lockdep wants the keys of profiles to be. */
static struct testdrive *drives;

/* Segments are made of whole data units: what encrypts has to see to that. */
static blk_status_t testdrive_transfer(struct testdrive *drive,
				       struct request *rq)
{
	u8 *place = drive->memory + (blk_rq_pos(rq) << SECTOR_SHIFT);
	bool is_write = rq_data_dir(rq) == WRITE;
	blk_status_t status = BLK_STS_OK;
	struct req_iterator iter;
	unsigned int done = 0;
	struct bio_vec bvec;

	rq_for_each_segment(bvec, rq, iter) {
		u8 *data = bvec_kmap_local(&bvec);
		u8 *to = is_write ? place + done : data;
		u8 *from = is_write ? data : place + done;

		if (testdrive_is_encrypted(rq))
			status = testdrive_crypt(drive, rq, to, from,
						 bvec.bv_len, done);
		else
			memcpy(to, from, bvec.bv_len);
		if (!is_write)
			flush_dcache_page(bvec.bv_page);
		kunmap_local(data);
		if (status)
			break;
		done += bvec.bv_len;
	}
	return status;
}

static blk_status_t testdrive_queue_rq(struct blk_mq_hw_ctx *hctx,
				       const struct blk_mq_queue_data *bd)
{
	struct request *rq = bd->rq;
	struct testdrive *drive = rq->q->queuedata;
	blk_status_t status = BLK_STS_OK;

	blk_mq_start_request(rq);
	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		status = testdrive_transfer(drive, rq);
		break;
	case REQ_OP_SECURE_ERASE:
		atomic_inc(&drive->secure_erases);
		fallthrough;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		memset(drive->memory + (blk_rq_pos(rq) << SECTOR_SHIFT), 0,
		       blk_rq_bytes(rq));
		break;
	case REQ_OP_FLUSH:
		break;
	default:
		status = BLK_STS_NOTSUPP;
	}
	blk_mq_end_request(rq, status);
	return BLK_STS_OK;
}

static const struct blk_mq_ops testdrive_mq_ops = {
	.queue_rq = testdrive_queue_rq,
};

static const struct block_device_operations testdrive_fops = {
	.owner = THIS_MODULE,
};

#define TESTDRIVE_COUNT(_name)						\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct testdrive *drive = dev_to_disk(dev)->private_data;	\
									\
	return sysfs_emit(buf, "%d\n", atomic_read(&drive->_name));	\
}									\
static DEVICE_ATTR_RO(_name)

TESTDRIVE_COUNT(secure_erases);
TESTDRIVE_COUNT(keys_programmed);
TESTDRIVE_COUNT(keys_evicted);
TESTDRIVE_COUNT(keys);

static struct attribute *testdrive_attrs[] = {
	&dev_attr_secure_erases.attr,
	&dev_attr_keys_programmed.attr,
	&dev_attr_keys_evicted.attr,
	&dev_attr_keys.attr,
	NULL
};

/* /sys/block/testdriveN/testdrive/ */
static const struct attribute_group testdrive_group = {
	.name = "testdrive",
	.attrs = testdrive_attrs,
};

static const struct attribute_group *testdrive_groups[] = {
	&testdrive_group,
	NULL
};

static void testdrive_remove(struct testdrive *drive)
{
	del_gendisk(drive->disk);
	put_disk(drive->disk);
	testdrive_crypto_exit(drive);
	blk_mq_free_tag_set(&drive->tags);
	vfree(drive->memory);
}

static int testdrive_add(struct testdrive *drive, int number)
{
	unsigned int most = DRIVE_BYTES >> SECTOR_SHIFT;
	struct queue_limits limits = {
		.features		= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA,
		/* No part of a request ends within a data unit. */
		.max_hw_sectors		= max_io[number] >> SECTOR_SHIFT,
		.max_hw_discard_sectors	= most,
		.discard_granularity	= SECTOR_SIZE,
		.max_write_zeroes_sectors = most,
		.max_secure_erase_sectors = secure_erase[number] ? most : 0,
	};
	int err;

	if (atomic_write[number]) {
		limits.features |= BLK_FEAT_ATOMIC_WRITES;
		limits.atomic_write_hw_unit_min = SECTOR_SIZE;
		limits.atomic_write_hw_unit_max = atomic_write[number];
		limits.atomic_write_hw_max = atomic_write[number];
	}

	drive->memory = vzalloc(DRIVE_BYTES);
	if (!drive->memory)
		return -ENOMEM;

	drive->tags.ops = &testdrive_mq_ops;
	drive->tags.nr_hw_queues = 1;
	drive->tags.queue_depth = 32;
	drive->tags.numa_node = NUMA_NO_NODE;
	drive->tags.cmd_size = TESTDRIVE_MAX_UNIT;
	drive->tags.flags = BLK_MQ_F_BLOCKING;
	err = blk_mq_alloc_tag_set(&drive->tags);
	if (err)
		goto free_memory;

	drive->disk = blk_mq_alloc_disk(&drive->tags, &limits, drive);
	if (IS_ERR(drive->disk)) {
		err = PTR_ERR(drive->disk);
		goto free_tags;
	}
	drive->disk->fops = &testdrive_fops;
	drive->disk->private_data = drive;
	snprintf(drive->disk->disk_name, DISK_NAME_LEN, "testdrive%d", number);
	set_capacity(drive->disk, most);

	err = testdrive_crypto_init(drive, data_units[number]);
	if (err)
		goto put_disk;
	err = device_add_disk(NULL, drive->disk, testdrive_groups);
	if (err)
		goto exit_crypto;
	return 0;

exit_crypto:
	testdrive_crypto_exit(drive);
put_disk:
	put_disk(drive->disk);
free_tags:
	blk_mq_free_tag_set(&drive->tags);
free_memory:
	vfree(drive->memory);
	return err;
}

static int __init testdrive_init(void)
{
	int number, err;

	drives = kcalloc(DRIVES, sizeof(*drives), GFP_KERNEL);
	if (!drives)
		return -ENOMEM;
	/* The file of a new disk's scan is closed when this has returned. */
	err = testdrive_clones_init();
	if (err)
		goto free_drives;
	for (number = 0; number < DRIVES; number++) {
		err = testdrive_add(&drives[number], number);
		if (err)
			goto remove;
	}
	return 0;

remove:
	pr_err("cannot make drive %d: %pe\n", number, ERR_PTR(err));
	while (number--)
		testdrive_remove(&drives[number]);
	testdrive_clones_exit();
free_drives:
	kfree(drives);
	return err;
}
module_init(testdrive_init);

static void __exit testdrive_exit(void)
{
	int number;

	testdrive_clones_exit();
	for (number = 0; number < DRIVES; number++)
		testdrive_remove(&drives[number]);
	kfree(drives);
}
module_exit(testdrive_exit);

MODULE_DESCRIPTION("Drives in memory for the tests of shunt");
MODULE_LICENSE("GPL");
