// SPDX-License-Identifier: GPL-2.0-only
/*
 * One-line wrappers of inline functions and macros that Rust cannot call;
 * nothing else. Each is named shunt_ and what it wraps.
 */

#include "bindings.h"

void __percpu *shunt_alloc_percpu(size_t size, size_t align)
{
	return __alloc_percpu(size, align);
}

void *shunt_per_cpu_ptr(void __percpu *base, unsigned int cpu)
{
	return per_cpu_ptr(base, cpu);
}

unsigned int shunt_next_possible_cpu(int cpu)
{
	return cpumask_next(cpu, cpu_possible_mask);
}

unsigned int shunt_nr_cpu_ids(void)
{
	return nr_cpu_ids;
}

void shunt_init_delayed_work(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

struct bio_list *shunt_swap_bio_list(struct bio_list *list)
{
	struct bio_list *old = current->bio_list;

	current->bio_list = list;
	return old;
}

void shunt_submit_bio_at_once(struct bio *bio)
{
	struct bio_list *kept = current->bio_list;

	current->bio_list = NULL;
	submit_bio_noacct(bio);
	current->bio_list = kept;
}

struct workqueue_struct *shunt_alloc_io_queue(void)
{
	return alloc_workqueue("shunt_io", WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
}

void shunt_queue_work(struct workqueue_struct *queue, struct delayed_work *work)
{
	queue_delayed_work(queue, work, 0);
}

void shunt_queue_delayed_work(struct delayed_work *work, unsigned int ms)
{
	queue_delayed_work(system_dfl_wq, work, msecs_to_jiffies(ms));
}

mempool_t *shunt_mempool_create_kmalloc(int min, size_t size)
{
	return mempool_create_kmalloc_pool(min, size);
}

void *shunt_mempool_alloc(mempool_t *pool, gfp_t gfp)
{
	return mempool_alloc(pool, gfp);
}

void shunt_mempool_free(void *element, mempool_t *pool)
{
	mempool_free(element, pool);
}

struct bio_integrity_payload *shunt_bio_integrity(struct bio *bio)
{
	return bio_integrity(bio);
}

bool shunt_bio_has_data(struct bio *bio)
{
	return bio_has_data(bio);
}

void shunt_account_flush(struct block_device *bdev, u64 ns)
{
	part_stat_lock();
	part_stat_inc(bdev, ios[STAT_FLUSH]);
	part_stat_add(bdev, nsecs[STAT_FLUSH], ns);
	part_stat_unlock();
}

struct gendisk *shunt_blk_alloc_disk(struct queue_limits *limits)
{
	return blk_alloc_disk(limits, NUMA_NO_NODE);
}

struct gendisk *shunt_blk_mq_alloc_disk(struct blk_mq_tag_set *tags,
					struct queue_limits *limits)
{
	return blk_mq_alloc_disk(tags, limits, NULL);
}

void shunt_mutex_lock(struct mutex *lock)
{
	mutex_lock(lock);
}

int shunt_mutex_lock_interruptible(struct mutex *lock)
{
	return mutex_lock_interruptible(lock);
}

void shunt_disk_get(struct gendisk *disk)
{
	get_device(disk_to_dev(disk));
}

bool shunt_bdev_tryget(struct block_device *bdev)
{
	return kobject_get_unless_zero(&bdev->bd_device.kobj);
}

void shunt_bdev_put(struct block_device *bdev)
{
	put_device(&bdev->bd_device);
}

unsigned int shunt_disk_openers(struct gendisk *disk)
{
	return disk_openers(disk);
}

unsigned int shunt_freeze_queue(struct request_queue *q)
{
	return blk_mq_freeze_queue(q);
}

void shunt_unfreeze_queue(struct request_queue *q, unsigned int memflags)
{
	blk_mq_unfreeze_queue(q, memflags);
}

void shunt_stack_integrity(struct queue_limits *limits,
			   struct block_device *bdev)
{
	queue_limits_stack_integrity_bdev(limits, bdev);
}

struct blk_crypto_profile *shunt_crypto_profile(struct block_device *bdev)
{
#ifdef CONFIG_BLK_INLINE_ENCRYPTION
	return bdev_get_queue(bdev)->crypto_profile;
#else
	return NULL;
#endif
}

void shunt_blk_crypto_register(struct blk_crypto_profile *profile,
			       struct request_queue *q)
{
	blk_crypto_register(profile, q);
}

const struct blk_crypto_key *shunt_bio_crypt_key(struct bio *bio)
{
	return bio_has_crypt_ctx(bio) ? bio_crypt_ctx(bio)->bc_key : NULL;
}

void shunt_xa_init(struct xarray *xa)
{
	xa_init(xa);
}

int shunt_xa_store(struct xarray *xa, unsigned long index, void *entry)
{
	return xa_err(xa_store(xa, index, entry, GFP_NOWAIT));
}

unsigned int shunt_major(dev_t dev)
{
	return MAJOR(dev);
}

unsigned int shunt_minor(dev_t dev)
{
	return MINOR(dev);
}

unsigned int shunt_noio_save(void)
{
	return memalloc_noio_save();
}

void shunt_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

struct sk_buff *shunt_genlmsg_new(size_t payload)
{
	return genlmsg_new(payload, GFP_KERNEL);
}

void shunt_genlmsg_end(struct sk_buff *skb, void *header)
{
	genlmsg_end(skb, header);
}

void shunt_genlmsg_cancel(struct sk_buff *skb, void *header)
{
	genlmsg_cancel(skb, header);
}

int shunt_genlmsg_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

int shunt_genlmsg_multicast(struct genl_family *family, struct sk_buff *skb,
			    unsigned int group)
{
	return genlmsg_multicast(family, skb, 0, group, GFP_KERNEL);
}

void shunt_genl_set_err(struct genl_family *family, unsigned int group, int code)
{
	genl_set_err(family, &init_net, 0, group, code);
}

bool shunt_genl_has_listeners(struct genl_family *family, unsigned int group)
{
	return genl_has_listeners(family, &init_net, group);
}

void shunt_nlmsg_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

struct nlattr *shunt_nla_nest_start(struct sk_buff *skb, int type)
{
	return nla_nest_start(skb, type);
}

void shunt_nla_nest_end(struct sk_buff *skb, struct nlattr *nest)
{
	nla_nest_end(skb, nest);
}

void shunt_nla_nest_cancel(struct sk_buff *skb, struct nlattr *nest)
{
	nla_nest_cancel(skb, nest);
}

unsigned int shunt_dump_portid(struct netlink_callback *cb)
{
	return NETLINK_CB(cb->skb).portid;
}

void shunt_dump_check_consistent(struct netlink_callback *cb, void *header)
{
	genl_dump_check_consistent(cb, header);
}

const struct genl_info *shunt_dump_info(struct netlink_callback *cb)
{
	return genl_info_dump(cb);
}
