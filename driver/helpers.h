/* SPDX-License-Identifier: GPL-2.0-only */
/* Prototypes of helpers.c, read by the C compiler and by bindgen. */

#ifndef SHUNT_HELPERS_H
#define SHUNT_HELPERS_H

#include <linux/blk-crypto-profile.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/mempool.h>
#include <linux/netlink.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/genetlink.h>

static const gfp_t SHUNT_GFP_NOIO = GFP_NOIO;
static const gfp_t SHUNT_GFP_NOWAIT = GFP_NOWAIT;
static const blk_opf_t SHUNT_REQ_OP_MASK = REQ_OP_MASK;
static const blk_opf_t SHUNT_REQ_PREFLUSH = REQ_PREFLUSH;
static const blk_opf_t SHUNT_REQ_NOWAIT = REQ_NOWAIT;
static const blk_opf_t SHUNT_REQ_POLLED = REQ_POLLED;
static const blk_opf_t SHUNT_REQ_DRV = REQ_DRV;
static const u32 SHUNT_BLK_FEAT_ZONED = BLK_FEAT_ZONED;
static const u32 SHUNT_STACKED_FEATURES =
	BLK_FEAT_NOWAIT | BLK_FEAT_POLL | BLK_FEAT_PCI_P2PDMA |
	BLK_FEAT_ATOMIC_WRITES | BLK_FEAT_IO_STAT;
static const blk_mode_t SHUNT_BLK_OPEN_READ = BLK_OPEN_READ;
static const blk_mode_t SHUNT_BLK_OPEN_WRITE = BLK_OPEN_WRITE;
static const blk_status_t SHUNT_BLK_STS_IOERR = BLK_STS_IOERR;
static const blk_status_t SHUNT_BLK_STS_AGAIN = BLK_STS_AGAIN;
static const blk_status_t SHUNT_BLK_STS_TARGET = BLK_STS_TARGET;
static const xa_mark_t SHUNT_XA_PRESENT = XA_PRESENT;
static const size_t SHUNT_CACHE_BYTES = SMP_CACHE_BYTES;
static const size_t SHUNT_THREAD_SIZE = THREAD_SIZE;
static const unsigned int SHUNT_PF_BLOCK_TS = PF_BLOCK_TS;
static const u32 SHUNT_BLK_FEAT_POLL = BLK_FEAT_POLL;
static const u32 SHUNT_BLK_FEAT_WRITE_CACHE = BLK_FEAT_WRITE_CACHE;
static const u32 SHUNT_BLK_FLAG_WRITE_CACHE_DISABLED = BLK_FLAG_WRITE_CACHE_DISABLED;
static const u32 SHUNT_BLK_USER_FLAGS =
	BLK_FLAG_WRITE_CACHE_DISABLED | BLK_FLAG_IOSTATS_PASSTHROUGH;
static const u32 SHUNT_BLK_USER_FEATURES = BLK_FEAT_IO_STAT | BLK_FEAT_ADD_RANDOM;
static const u32 SHUNT_BLK_FEAT_FUA = BLK_FEAT_FUA;
static const u32 SHUNT_BLK_FEAT_ROTATIONAL = BLK_FEAT_ROTATIONAL;
static const u32 SHUNT_BLK_FEAT_STABLE_WRITES = BLK_FEAT_STABLE_WRITES;
static const u32 SHUNT_BLK_FEAT_NOWAIT = BLK_FEAT_NOWAIT;
static const u32 SHUNT_BLK_FEAT_DAX = BLK_FEAT_DAX;
static const u32 SHUNT_BLK_FEAT_PCI_P2PDMA = BLK_FEAT_PCI_P2PDMA;
static const u32 SHUNT_INTEGRITY_USER_FLAGS =
	BLK_INTEGRITY_NOVERIFY | BLK_INTEGRITY_NOGENERATE;
static const u32 SHUNT_INTEGRITY_FORM_FLAGS =
	BLK_INTEGRITY_DEVICE_CAPABLE | BLK_INTEGRITY_REF_TAG;
static const unsigned int SHUNT_BLK_MQ_FLAGS = BLK_MQ_F_BLOCKING | BLK_MQ_F_STACKING;
static const int SHUNT_NUMA_NO_NODE = NUMA_NO_NODE;
static const blk_opf_t SHUNT_REQ_OWN_FLAGS =
	REQ_NOWAIT | REQ_POLLED | REQ_ALLOC_CACHE;
static const blk_opf_t SHUNT_OPF_FLUSH = REQ_OP_WRITE | REQ_PREFLUSH;
static const u32 SHUNT_BD_PARTNO = BD_PARTNO;
static const u32 SHUNT_BD_READ_ONLY = BD_READ_ONLY;
static const unsigned long SHUNT_GD_DEAD = BIT(GD_DEAD);
static const unsigned long SHUNT_GD_READ_ONLY = BIT(GD_READ_ONLY);
static const u8 SHUNT_MCAST_ADMIN = GENL_MCAST_CAP_SYS_ADMIN;
static const u32 SHUNT_TASK_UNINTERRUPTIBLE = TASK_UNINTERRUPTIBLE;

#ifndef CONFIG_BLK_INLINE_ENCRYPTION
/* Declared for callers that the compiler drops then. */
void blk_crypto_evict_key(struct block_device *bdev,
			  const struct blk_crypto_key *key);
int blk_crypto_derive_sw_secret(struct block_device *bdev, const u8 *eph_key,
				size_t eph_key_size,
				u8 sw_secret[BLK_CRYPTO_SW_SECRET_SIZE]);
#endif

const char *shunt_version(void);

void __percpu *shunt_alloc_percpu(size_t size, size_t align);
void *shunt_per_cpu_ptr(void __percpu *base, unsigned int cpu);
unsigned int shunt_next_possible_cpu(int cpu);
unsigned int shunt_nr_cpu_ids(void);

void shunt_init_delayed_work(struct delayed_work *work, work_func_t func);
void shunt_queue_delayed_work(struct delayed_work *work, unsigned int ms);
struct workqueue_struct *shunt_alloc_io_queue(void);
struct workqueue_struct *shunt_alloc_task_queue(bool reclaim);
void shunt_init_work(struct work_struct *work, work_func_t func);
void shunt_queue_task(struct workqueue_struct *queue, struct work_struct *work);
void shunt_queue_work(struct workqueue_struct *queue, struct delayed_work *work,
		      unsigned int ms);

mempool_t *shunt_mempool_create_kmalloc(int min, size_t size);
void *shunt_mempool_alloc(mempool_t *pool, gfp_t gfp);
void shunt_mempool_free(void *element, mempool_t *pool);

struct bio_integrity_payload *shunt_bio_integrity(struct bio *bio);
bool shunt_bio_has_data(struct bio *bio);
void shunt_account_flush(struct block_device *bdev, u64 ns);

void shunt_trace_bio_remap(struct bio *bio, struct block_device *from, u64 sector);
void shunt_trace_bio_complete(struct bio *bio);
void shunt_disable_discard(struct request_queue *q);
void shunt_disable_secure_erase(struct request_queue *q);
void shunt_disable_write_zeroes(struct request_queue *q);
struct gendisk *shunt_blk_alloc_disk(struct queue_limits *limits);
struct gendisk *shunt_blk_mq_alloc_disk(struct blk_mq_tag_set *tags,
					struct queue_limits *limits);
void shunt_mutex_lock(struct mutex *lock);
void shunt_fput(struct file *file);
bool shunt_mutex_trylock(struct mutex *lock);
struct block_device *shunt_file_bdev(struct file *file);
bool shunt_file_is_writable(struct file *file);
void shunt_disk_get(struct gendisk *disk);
bool shunt_bdev_tryget(struct block_device *bdev);
void shunt_bdev_put(struct block_device *bdev);
int shunt_atomic_dec_if_positive(atomic_t *count);
unsigned int shunt_disk_openers(struct gendisk *disk);
void shunt_freeze_queue_start(struct request_queue *q);
bool shunt_freeze_queue_wait(struct request_queue *q, unsigned int ms);
void shunt_unfreeze_queue(struct request_queue *q);
unsigned long shunt_quiesce_start(struct blk_mq_tag_set *set);
bool shunt_quiesce_done(struct blk_mq_tag_set *set, unsigned long cookie);
void shunt_set_quiesce_class(struct blk_mq_tag_set *set,
			     struct lock_class_key *key);
void shunt_set_elevator_class(struct request_queue *q,
			      struct lock_class_key *key);
unsigned int shunt_inflight(struct block_device *bdev);
u64 shunt_diskseq(struct block_device *bdev);
void shunt_bdev_clear_flag(struct block_device *bdev, unsigned int flag);
void shunt_stack_integrity(struct queue_limits *limits,
			   struct block_device *bdev);
struct blk_crypto_profile *shunt_crypto_profile(struct block_device *bdev);
void shunt_blk_crypto_register(struct blk_crypto_profile *profile,
			       struct request_queue *q);
const struct blk_crypto_key *shunt_bio_crypt_key(struct bio *bio);
void shunt_xa_init(struct xarray *xa);
int shunt_xa_store(struct xarray *xa, unsigned long index, void *entry);
unsigned int shunt_major(dev_t dev);
unsigned int shunt_minor(dev_t dev);

void shunt_synchronize_rcu_tasks(void);
bool shunt_bdev_is_swap(struct block_device *bdev);
unsigned int shunt_noio_save(void);
void shunt_noio_restore(unsigned int flags);

struct sk_buff *shunt_genlmsg_new(size_t payload);
void shunt_genlmsg_end(struct sk_buff *skb, void *header);
void shunt_genlmsg_cancel(struct sk_buff *skb, void *header);
int shunt_genlmsg_reply(struct sk_buff *skb, struct genl_info *info);
int shunt_net_multicast(struct net *net, struct sk_buff *skb,
			unsigned int group, netlink_filter_fn filter);
void shunt_net_set_err(struct net *net, unsigned int group, int code);
bool shunt_net_has_listeners(struct net *net, unsigned int group);
struct net *shunt_next_net(struct net *net);
bool shunt_sock_is_admins(struct sock *sk);
struct sock *shunt_netlink_hold(struct sk_buff *skb);
u32 shunt_netlink_portid(struct sk_buff *skb);
int shunt_netlink_reply(struct sk_buff *request, struct sk_buff *reply);
void shunt_consume_skb(struct sk_buff *skb);
bool shunt_sock_is_dead(struct sock *sk);
void shunt_sock_overrun(struct sock *sk);
void shunt_sock_put(struct sock *sk);
void shunt_nlmsg_free(struct sk_buff *skb);
struct nlattr *shunt_nla_nest_start(struct sk_buff *skb, int type);
void shunt_nla_nest_end(struct sk_buff *skb, struct nlattr *nest);
void shunt_nla_nest_cancel(struct sk_buff *skb, struct nlattr *nest);
unsigned int shunt_dump_portid(struct netlink_callback *cb);
void shunt_dump_check_consistent(struct netlink_callback *cb, void *header);
const struct genl_info *shunt_dump_info(struct netlink_callback *cb);

#endif
