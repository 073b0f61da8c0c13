// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a drive does as inline encryption hardware: AES-256-XTS with a few
 * keyslots, done for real, so that it stores what software would have stored.
 * The hardware-wrapped keys are toys: nothing about them is secret.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <crypto/skcipher.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/string.h>

#include "testdrive.h"

#define KEY_SIZE	64	/* of AES-256-XTS */
#define MIN_SECRET	16	/* least that can be imported */
#define GENERATED	32	/* that many bytes are in a key of its own making */

/* The first byte of a wrapped key, and what the others are xored with. */
enum form {
	LONG_TERM = 0x4c,
	EPHEMERAL = 0x45,
};

static struct testdrive *drive_of(struct blk_crypto_profile *profile)
{
	return container_of(profile, struct testdrive, profile);
}

static int wrap(enum form form, const u8 *secret, size_t size, u8 *wrapped)
{
	size_t i;

	wrapped[0] = form;
	for (i = 0; i < size; i++)
		wrapped[1 + i] = secret[i] ^ form;
	return 1 + size;
}

/* Returns how many bytes the secret has. */
static int unwrap(enum form form, const u8 *wrapped, size_t size,
		  u8 secret[BLK_CRYPTO_MAX_RAW_KEY_SIZE])
{
	size_t i;

	if (size < 1 + MIN_SECRET || size > 1 + BLK_CRYPTO_MAX_RAW_KEY_SIZE ||
	    wrapped[0] != form)
		return -EBADMSG;
	for (i = 0; i < size - 1; i++)
		secret[i] = wrapped[1 + i] ^ form;
	return size - 1;
}

static int testdrive_import_key(struct blk_crypto_profile *profile,
				const u8 *raw_key, size_t raw_key_size,
				u8 lt_key[BLK_CRYPTO_MAX_HW_WRAPPED_KEY_SIZE])
{
	return wrap(LONG_TERM, raw_key, raw_key_size, lt_key);
}

static int testdrive_generate_key(struct blk_crypto_profile *profile,
				  u8 lt_key[BLK_CRYPTO_MAX_HW_WRAPPED_KEY_SIZE])
{
	u8 secret[GENERATED];

	get_random_bytes(secret, sizeof(secret));
	return wrap(LONG_TERM, secret, sizeof(secret), lt_key);
}

static int testdrive_prepare_key(struct blk_crypto_profile *profile,
				 const u8 *lt_key, size_t lt_key_size,
				 u8 eph_key[BLK_CRYPTO_MAX_HW_WRAPPED_KEY_SIZE])
{
	u8 secret[BLK_CRYPTO_MAX_RAW_KEY_SIZE];
	int size = unwrap(LONG_TERM, lt_key, lt_key_size, secret);

	return size < 0 ? size : wrap(EPHEMERAL, secret, size, eph_key);
}

static int
testdrive_derive_sw_secret(struct blk_crypto_profile *profile,
			   const u8 *eph_key, size_t eph_key_size,
			   u8 sw_secret[BLK_CRYPTO_SW_SECRET_SIZE])
{
	u8 secret[BLK_CRYPTO_MAX_RAW_KEY_SIZE];
	int size = unwrap(EPHEMERAL, eph_key, eph_key_size, secret);
	int i;

	if (size < 0)
		return size;
	for (i = 0; i < BLK_CRYPTO_SW_SECRET_SIZE; i++)
		sw_secret[i] = ~secret[i % size];
	return 0;
}

static int testdrive_program(struct blk_crypto_profile *profile,
			     const struct blk_crypto_key *key,
			     unsigned int slot_number)
{
	struct testdrive *drive = drive_of(profile);
	struct testdrive_slot *slot = &drive->slots[slot_number];
	u8 secret[BLK_CRYPTO_MAX_RAW_KEY_SIZE];
	u8 key_bytes[KEY_SIZE];
	int size, i, err;

	if (key->crypto_cfg.key_type == BLK_CRYPTO_KEY_TYPE_HW_WRAPPED) {
		size = unwrap(EPHEMERAL, key->bytes, key->size, secret);
		if (size < 0)
			return size;
		for (i = 0; i < KEY_SIZE; i++)
			key_bytes[i] = secret[i % size] + i;
	} else {
		memcpy(key_bytes, key->bytes, KEY_SIZE);
	}
	err = crypto_sync_skcipher_setkey(slot->cipher, key_bytes, KEY_SIZE);
	if (err)
		return err;
	if (!slot->key)
		atomic_inc(&drive->keys);
	slot->key = key;
	atomic_inc(&drive->keys_programmed);
	return 0;
}

static int testdrive_evict(struct blk_crypto_profile *profile,
			   const struct blk_crypto_key *key,
			   unsigned int slot_number)
{
	struct testdrive *drive = drive_of(profile);
	struct testdrive_slot *slot = &drive->slots[slot_number];

	if (slot->key != key) {
		pr_err("BUG: slot %u is to lose a key that it does not hold\n",
		       slot_number);
		return -EINVAL;
	}
	slot->key = NULL;
	atomic_dec(&drive->keys);
	atomic_inc(&drive->keys_evicted);
	return 0;
}

static const struct blk_crypto_ll_ops testdrive_ll_ops = {
	.keyslot_program	= testdrive_program,
	.keyslot_evict		= testdrive_evict,
	.derive_sw_secret	= testdrive_derive_sw_secret,
	.import_key		= testdrive_import_key,
	.generate_key		= testdrive_generate_key,
	.prepare_key		= testdrive_prepare_key,
};

/* The slot that a request came with, if it holds the key of the request. */
static struct testdrive_slot *slot_of(struct testdrive *drive,
				      struct request *rq)
{
	struct testdrive_slot *slot;

	if (!rq->crypt_keyslot) {
		pr_err("BUG: a request is to be encrypted, and has no slot\n");
		return NULL;
	}
	slot = &drive->slots[blk_crypto_keyslot_index(rq->crypt_keyslot)];
	if (slot->key != rq->crypt_ctx->bc_key) {
		pr_err("BUG: a request came with a slot that %s\n",
		       slot->key ? "holds another key" : "is not programmed");
		return NULL;
	}
	return slot;
}

/**
 * testdrive_crypt() - encrypt or decrypt a part of a request
 * @drive: the drive
 * @rq: the request
 * @to: where the result goes
 * @from: what is to be encrypted, if the request writes, or else decrypted
 * @length: length of the part in bytes
 * @done: what comes before it in the request, in bytes
 */
blk_status_t testdrive_crypt(struct testdrive *drive, struct request *rq,
			     u8 *to, const u8 *from, unsigned int length,
			     unsigned int done)
{
	struct testdrive_slot *slot = slot_of(drive, rq);
	u8 *unit = blk_mq_rq_to_pdu(rq);
	unsigned int size, number;
	struct scatterlist sg;
	__le64 iv[2];
	int err;

	if (!slot)
		return BLK_STS_IOERR;
	size = slot->key->crypto_cfg.data_unit_size;
	if (!(size & drive->profile.modes_supported[slot->key->crypto_cfg.crypto_mode])) {
		pr_err("BUG: data units of %u bytes were not offered\n", size);
		return BLK_STS_IOERR;
	}
	if ((length | done) & (size - 1)) {
		pr_err("BUG: %u bytes at %u of a request are no data units of %u\n",
		       length, done, size);
		return BLK_STS_IOERR;
	}

	SYNC_SKCIPHER_REQUEST_ON_STACK(cipher, slot->cipher);
	skcipher_request_set_callback(cipher, 0, NULL, NULL);
	sg_init_one(&sg, unit, size);
	for (number = done / size; length; number++, length -= size) {
		u64 low = rq->crypt_ctx->bc_dun[0] + number;

		iv[0] = cpu_to_le64(low);
		iv[1] = cpu_to_le64(rq->crypt_ctx->bc_dun[1] + (low < number));
		memcpy(unit, from, size);
		skcipher_request_set_crypt(cipher, &sg, &sg, size, iv);
		err = rq_data_dir(rq) == WRITE ? crypto_skcipher_encrypt(cipher)
					       : crypto_skcipher_decrypt(cipher);
		if (err)
			return errno_to_blk_status(err);
		memcpy(to, unit, size);
		to += size;
		from += size;
	}
	return BLK_STS_OK;
}

/**
 * testdrive_crypto_init() - give a drive inline encryption
 * @drive: the drive, whose disk was not added yet
 * @data_units: sum of the sizes of data units that it is to encrypt, 0 for none
 */
int testdrive_crypto_init(struct testdrive *drive, unsigned int data_units)
{
	struct blk_crypto_profile *profile = &drive->profile;
	int err, i;

	if (!data_units)
		return 0;
	if (data_units & ~(2 * TESTDRIVE_MAX_UNIT - SECTOR_SIZE))
		return -EINVAL;
	err = blk_crypto_profile_init(profile, TESTDRIVE_SLOTS);
	if (err)
		return err;
	profile->ll_ops = testdrive_ll_ops;
	profile->max_dun_bytes_supported = BLK_CRYPTO_MAX_IV_SIZE / 2;
	profile->key_types_supported = BLK_CRYPTO_KEY_TYPE_RAW |
				       BLK_CRYPTO_KEY_TYPE_HW_WRAPPED;
	profile->modes_supported[BLK_ENCRYPTION_MODE_AES_256_XTS] = data_units;

	for (i = 0; i < TESTDRIVE_SLOTS; i++) {
		struct crypto_sync_skcipher *cipher;

		cipher = crypto_alloc_sync_skcipher("xts(aes)", 0, 0);
		if (IS_ERR(cipher)) {
			testdrive_crypto_exit(drive);
			return PTR_ERR(cipher);
		}
		drive->slots[i].cipher = cipher;
	}
	if (blk_crypto_register(profile, drive->disk->queue))
		return 0;
	testdrive_crypto_exit(drive);
	return -EINVAL;
}

/**
 * testdrive_crypto_exit() - undo testdrive_crypto_init()
 * @drive: the drive, whose disk is gone or was never added
 */
void testdrive_crypto_exit(struct testdrive *drive)
{
	int i;

	for (i = 0; i < TESTDRIVE_SLOTS; i++) {
		if (drive->slots[i].cipher)
			crypto_free_sync_skcipher(drive->slots[i].cipher);
		drive->slots[i].cipher = NULL;
	}
	if (drive->profile.num_slots)
		blk_crypto_profile_destroy(&drive->profile);
}
