/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTDRIVE_H
#define TESTDRIVE_H

#include <linux/atomic.h>
#include <linux/blk-crypto-profile.h>
#include <linux/blk-mq.h>
#include <linux/types.h>

#define TESTDRIVE_SLOTS		4
#define TESTDRIVE_MAX_UNIT	4096U

struct crypto_sync_skcipher;

/**
 * struct testdrive_slot - a keyslot
 * @cipher:	what encrypts with the key of the slot
 * @key:	the key that was programmed into it, or NULL
 */
struct testdrive_slot {
	struct crypto_sync_skcipher *cipher;
	const struct blk_crypto_key *key;
};

/**
 * struct testdrive - a drive
 * @disk:		its disk
 * @tags:		the requests of the disk; each brings room for a data unit
 * @memory:		what it stores
 * @secure_erases:	how often it was asked to erase for good
 * @keys_programmed:	how often a key was programmed into a slot
 * @keys_evicted:	how often a key was taken out of a slot
 * @keys:		slots that hold a key now
 * @profile:		what it encrypts, if anything
 * @slots:		its keyslots
 */
struct testdrive {
	struct gendisk *disk;
	struct blk_mq_tag_set tags;
	u8 *memory;
	atomic_t secure_erases;
	atomic_t keys_programmed;
	atomic_t keys_evicted;
	atomic_t keys;
#ifdef CONFIG_BLK_INLINE_ENCRYPTION
	struct blk_crypto_profile profile;
	struct testdrive_slot slots[TESTDRIVE_SLOTS];
#endif
};

int testdrive_clones_init(void);
void testdrive_clones_exit(void);

#ifdef CONFIG_BLK_INLINE_ENCRYPTION
int testdrive_crypto_init(struct testdrive *drive, unsigned int data_units);
void testdrive_crypto_exit(struct testdrive *drive);
blk_status_t testdrive_crypt(struct testdrive *drive, struct request *rq,
			     u8 *to, const u8 *from, unsigned int length,
			     unsigned int done);

static inline bool testdrive_is_encrypted(struct request *rq)
{
	return rq->crypt_ctx;
}
#else
static inline int testdrive_crypto_init(struct testdrive *drive,
					unsigned int data_units)
{
	return data_units ? -EOPNOTSUPP : 0;
}

static inline void testdrive_crypto_exit(struct testdrive *drive)
{
}

static inline blk_status_t testdrive_crypt(struct testdrive *drive,
					   struct request *rq, u8 *to,
					   const u8 *from, unsigned int length,
					   unsigned int done)
{
	return BLK_STS_NOTSUPP;
}

static inline bool testdrive_is_encrypted(struct request *rq)
{
	return false;
}
#endif

#endif
