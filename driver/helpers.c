// SPDX-License-Identifier: GPL-2.0-only
/*
 * One-line wrappers of inline functions and macros that Rust cannot call;
 * nothing else. Each is named shunt_ and what it wraps.
 */

#include "bindings.h"
#include <trace/events/block.h>

MODULE_VERSION(SHUNT_VERSION);

const char *shunt_version(void)
{
	return SHUNT_VERSION;
}

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

struct workqueue_struct *shunt_alloc_io_queue(void)
{
	return alloc_workqueue("shunt_io", WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
}

void shunt_queue_work(struct workqueue_struct *queue, struct delayed_work *work,
		      unsigned int ms)
{
	queue_delayed_work(queue, work, msecs_to_jiffies(ms));
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

void shunt_trace_bio_remap(struct bio *bio, struct block_device *from, u64 sector)
{
	trace_block_bio_remap(bio, disk_devt(from->bd_disk), sector);
}

void shunt_trace_bio_complete(struct bio *bio)
{
	trace_block_bio_complete(bdev_get_queue(bio->bi_bdev), bio);
}

void shunt_disable_discard(struct request_queue *q)
{
	blk_queue_disable_discard(q);
}

void shunt_disable_secure_erase(struct request_queue *q)
{
	blk_queue_disable_secure_erase(q);
}

void shunt_disable_write_zeroes(struct request_queue *q)
{
	blk_queue_disable_write_zeroes(q);
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

int shunt_atomic_dec_if_positive(atomic_t *count)
{
	return atomic_dec_if_positive(count);
}

unsigned int shunt_disk_openers(struct gendisk *disk)
{
	return disk_openers(disk);
}

void shunt_bdev_clear_flag(struct block_device *bdev, unsigned int flag)
{
	bdev_clear_flag(bdev, flag);
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

void shunt_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

bool shunt_bdev_is_swap(struct block_device *bdev)
{
	return IS_SWAPFILE(bdev->bd_mapping->host);
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

int shunt_net_multicast(struct net *net, struct sk_buff *skb,
			unsigned int group, netlink_filter_fn filter)
{
	struct sk_buff *copy = skb_clone(skb, GFP_KERNEL);

	return copy ? netlink_broadcast_filtered(net->genl_sock, copy, 0, group,
						 GFP_KERNEL, filter, NULL) :
		      -ENOMEM;
}

void shunt_net_set_err(struct net *net, unsigned int group, int code)
{
	netlink_set_err(net->genl_sock, 0, group, code);
}

bool shunt_net_has_listeners(struct net *net, unsigned int group)
{
	return netlink_has_listeners(net->genl_sock, group);
}

struct net *shunt_next_net(struct net *net)
{
	struct list_head *at = net ? &net->list : &net_namespace_list;

	return list_is_last(at, &net_namespace_list) ?
		       NULL :
		       list_entry(at->next, struct net, list);
}

bool shunt_sock_is_admins(struct sock *sk)
{
	return sk->sk_socket && sk->sk_socket->file &&
	       file_ns_capable(sk->sk_socket->file, &init_user_ns, CAP_SYS_ADMIN);
}

struct sock *shunt_netlink_hold(struct sk_buff *skb)
{
	sock_hold(NETLINK_CB(skb_get(skb)).sk);
	return NETLINK_CB(skb).sk;
}

u32 shunt_netlink_portid(struct sk_buff *skb)
{
	return NETLINK_CB(skb).portid;
}

int shunt_netlink_reply(struct sk_buff *request, struct sk_buff *reply)
{
	return nlmsg_unicast(request->sk, reply, NETLINK_CB(request).portid);
}

void shunt_consume_skb(struct sk_buff *skb)
{
	consume_skb(skb);
}

bool shunt_sock_is_dead(struct sock *sk)
{
	return sock_flag(sk, SOCK_DEAD);
}

void shunt_sock_overrun(struct sock *sk)
{
	WRITE_ONCE(sk->sk_err, ENOBUFS);
	sk_error_report(sk);
}

void shunt_sock_put(struct sock *sk)
{
	sock_put(sk);
}

struct workqueue_struct *shunt_alloc_task_queue(bool reclaim)
{
	return alloc_workqueue(reclaim ? "shunt_io" : "shunt_task",
			       WQ_UNBOUND | (reclaim ? WQ_MEM_RECLAIM : 0), 0);
}

void shunt_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

void shunt_queue_task(struct workqueue_struct *queue, struct work_struct *work)
{
	queue_work(queue, work);
}

void shunt_mutex_lock(struct mutex *lock)
{
	mutex_lock(lock);
}

/* A thread of the kernel would leave the close to another one, for a while. */
void shunt_fput(struct file *file)
{
	current->flags & PF_KTHREAD ? __fput_sync(file) : fput(file);
}

bool shunt_mutex_trylock(struct mutex *lock)
{
	return mutex_trylock(lock);
}

struct block_device *shunt_file_bdev(struct file *file)
{
	return S_ISBLK(file_inode(file)->i_mode) ? file_bdev(file) : NULL;
}

bool shunt_file_is_writable(struct file *file)
{
	return file->f_mode & FMODE_WRITE;
}

void shunt_freeze_queue_start(struct request_queue *q)
{
	blk_freeze_queue_start(q);
}

bool shunt_freeze_queue_wait(struct request_queue *q, unsigned int ms)
{
	return blk_mq_freeze_queue_wait_timeout(q, msecs_to_jiffies(ms));
}

void shunt_unfreeze_queue(struct request_queue *q)
{
	blk_mq_unfreeze_queue_nomemrestore(q);
}

unsigned long shunt_quiesce_start(struct blk_mq_tag_set *set)
{
	return set->flags & BLK_MQ_F_BLOCKING ?
		       start_poll_synchronize_srcu(set->srcu) :
		       start_poll_synchronize_rcu();
}

bool shunt_quiesce_done(struct blk_mq_tag_set *set, unsigned long cookie)
{
	return set->flags & BLK_MQ_F_BLOCKING ?
		       poll_state_synchronize_srcu(set->srcu, cookie) :
		       poll_state_synchronize_rcu(cookie);
}

void shunt_set_quiesce_class(struct blk_mq_tag_set *set,
			     struct lock_class_key *key)
{
	lockdep_set_class(set->srcu, key);
}

void shunt_set_elevator_class(struct request_queue *q,
			      struct lock_class_key *key)
{
	lockdep_set_class(&q->elevator_lock, key);
}

unsigned int shunt_inflight(struct block_device *bdev)
{
	return bdev_count_inflight(bdev);
}

u64 shunt_diskseq(struct block_device *bdev)
{
	return bdev->bd_disk->diskseq;
}
