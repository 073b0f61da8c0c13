/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	uapi/shunt.yaml */
/* YNL-GEN uapi header */
/* To regenerate run: scripts/gen-uapi */

#ifndef _UAPI_LINUX_SHUNT_H
#define _UAPI_LINUX_SHUNT_H

#define SHUNT_FAMILY_NAME	"shunt"
#define SHUNT_FAMILY_VERSION	1

#define SHUNT_NAME_MAX		63
#define SHUNT_PATH_MAX		4095
#define SHUNT_TARGETS_MAX	1024
#define SHUNT_LATENCY_SHIFT	6
#define SHUNT_LATENCY_OCTAVES	31
#define SHUNT_HISTOGRAM_BITS	3
#define SHUNT_SIZE_SHIFT	9
#define SHUNT_SIZE_BUCKETS	24
#define SHUNT_INTERVAL_MIN	10
#define SHUNT_INTERVAL_MAX	30000
#define SHUNT_INTERVAL_DEFAULT	1000

/**
 * enum shunt_state - What a device, or one target of it, does with I/O.
 * @SHUNT_STATE_LIVE: I/O is forwarded.
 * @SHUNT_STATE_SUSPENDED: New I/O waits.
 * @SHUNT_STATE_LOST: A backing device is gone; I/O fails with an I/O error.
 */
enum shunt_state {
	SHUNT_STATE_LIVE,
	SHUNT_STATE_SUSPENDED,
	SHUNT_STATE_LOST,
};

/**
 * enum shunt_queue_mode - How a device takes I/O from the block layer.
 * @SHUNT_QUEUE_MODE_BIO: Each bio is forwarded directly; no I/O scheduler.
 * @SHUNT_QUEUE_MODE_MQ: A blk-mq request queue with merging and I/O
 *   schedulers.
 */
enum shunt_queue_mode {
	SHUNT_QUEUE_MODE_BIO,
	SHUNT_QUEUE_MODE_MQ,
};

/**
 * enum shunt_stats_mode - What a device measures.
 * @SHUNT_STATS_MODE_OFF: Nothing.
 * @SHUNT_STATS_MODE_COUNTERS: Operations and bytes.
 * @SHUNT_STATS_MODE_FULL: Also errors, operations in flight, latency
 *   histograms and /proc/diskstats.
 */
enum shunt_stats_mode {
	SHUNT_STATS_MODE_OFF,
	SHUNT_STATS_MODE_COUNTERS,
	SHUNT_STATS_MODE_FULL,
};

/**
 * enum shunt_op - Operations that are measured apart from each other.
 * @SHUNT_OP_READ: Reads.
 * @SHUNT_OP_WRITE: Writes.
 * @SHUNT_OP_FLUSH: Flushes of the volatile write cache that carry no data.
 * @SHUNT_OP_DISCARD: Discards.
 * @SHUNT_OP_WRITE_ZEROES: Writes of zeroes that carry no data.
 * @SHUNT_OP_ZONE: Resets, openings, closings and finishings of zones. An
 *   append to a zone is a write.
 */
enum shunt_op {
	SHUNT_OP_READ,
	SHUNT_OP_WRITE,
	SHUNT_OP_FLUSH,
	SHUNT_OP_DISCARD,
	SHUNT_OP_WRITE_ZEROES,
	SHUNT_OP_ZONE,
};

/**
 * enum shunt_reason - Why a device notification was sent.
 * @SHUNT_REASON_CREATED: The device is new.
 * @SHUNT_REASON_CHANGED: Its table, its state or its settings changed.
 * @SHUNT_REASON_LOST: One of its backing devices is gone.
 * @SHUNT_REASON_DESTROYED: The device is gone.
 */
enum shunt_reason {
	SHUNT_REASON_CREATED,
	SHUNT_REASON_CHANGED,
	SHUNT_REASON_LOST,
	SHUNT_REASON_DESTROYED,
};

enum {
	SHUNT_A_TARGET_PATH = 1,
	SHUNT_A_TARGET_OFFSET,
	SHUNT_A_TARGET_LENGTH,
	SHUNT_A_TARGET_START,
	SHUNT_A_TARGET_MAJOR,
	SHUNT_A_TARGET_MINOR,
	SHUNT_A_TARGET_STATE,

	__SHUNT_A_TARGET_MAX,
	SHUNT_A_TARGET_MAX = (__SHUNT_A_TARGET_MAX - 1)
};

enum {
	SHUNT_A_DEVICE_ID = 1,
	SHUNT_A_DEVICE_NAME,
	SHUNT_A_DEVICE_STATE,
	SHUNT_A_DEVICE_QUEUE_MODE,
	SHUNT_A_DEVICE_STATS_MODE,
	SHUNT_A_DEVICE_READ_ONLY,
	SHUNT_A_DEVICE_SIZE,
	SHUNT_A_DEVICE_LOGICAL_BLOCK_SIZE,
	SHUNT_A_DEVICE_TARGET,
	SHUNT_A_DEVICE_GENERATION,
	SHUNT_A_DEVICE_SEQ,
	SHUNT_A_DEVICE_REASON,
	SHUNT_A_DEVICE_STRIPE,
	SHUNT_A_DEVICE_FREEZE,
	SHUNT_A_DEVICE_RESIZE,
	SHUNT_A_DEVICE_FORCE,
	SHUNT_A_DEVICE_FAILED,
	SHUNT_A_DEVICE_TIME,
	SHUNT_A_DEVICE_DROPPED,

	__SHUNT_A_DEVICE_MAX,
	SHUNT_A_DEVICE_MAX = (__SHUNT_A_DEVICE_MAX - 1)
};

enum {
	SHUNT_A_BUCKET_LE = 1,
	SHUNT_A_BUCKET_COUNT,

	__SHUNT_A_BUCKET_MAX,
	SHUNT_A_BUCKET_MAX = (__SHUNT_A_BUCKET_MAX - 1)
};

enum {
	SHUNT_A_ERROR_ERRNO = 1,
	SHUNT_A_ERROR_COUNT,

	__SHUNT_A_ERROR_MAX,
	SHUNT_A_ERROR_MAX = (__SHUNT_A_ERROR_MAX - 1)
};

enum {
	SHUNT_A_OP_STATS_OP = 1,
	SHUNT_A_OP_STATS_IOS,
	SHUNT_A_OP_STATS_BYTES,
	SHUNT_A_OP_STATS_ERRORS,
	SHUNT_A_OP_STATS_LATENCY_SUM,
	SHUNT_A_OP_STATS_LATENCY,
	SHUNT_A_OP_STATS_IN_FLIGHT,
	SHUNT_A_OP_STATS_PEAK,
	SHUNT_A_OP_STATS_SIZE,
	SHUNT_A_OP_STATS_ERROR,

	__SHUNT_A_OP_STATS_MAX,
	SHUNT_A_OP_STATS_MAX = (__SHUNT_A_OP_STATS_MAX - 1)
};

enum {
	SHUNT_A_STATS_ID = 1,
	SHUNT_A_STATS_NAME,
	SHUNT_A_STATS_GENERATION,
	SHUNT_A_STATS_TIME,
	SHUNT_A_STATS_IN_FLIGHT,
	SHUNT_A_STATS_OP,

	__SHUNT_A_STATS_MAX,
	SHUNT_A_STATS_MAX = (__SHUNT_A_STATS_MAX - 1)
};

enum {
	SHUNT_A_SAMPLE_SEQ = 1,
	SHUNT_A_SAMPLE_TIME,
	SHUNT_A_SAMPLE_DROPPED,
	SHUNT_A_SAMPLE_INTERVAL,
	SHUNT_A_SAMPLE_DEVICE,

	__SHUNT_A_SAMPLE_MAX,
	SHUNT_A_SAMPLE_MAX = (__SHUNT_A_SAMPLE_MAX - 1)
};

enum {
	SHUNT_CMD_DEVICE_NEW = 1,
	SHUNT_CMD_DEVICE_DEL,
	SHUNT_CMD_DEVICE_GET,
	SHUNT_CMD_DEVICE_NTF,
	SHUNT_CMD_STATS_GET,
	SHUNT_CMD_DEVICE_SET,
	SHUNT_CMD_STATS_NTF,
	SHUNT_CMD_STATS_SET,

	__SHUNT_CMD_MAX,
	SHUNT_CMD_MAX = (__SHUNT_CMD_MAX - 1)
};

#define SHUNT_MCGRP_CONFIG	"config"
#define SHUNT_MCGRP_STATS	"stats"

#endif /* _UAPI_LINUX_SHUNT_H */
