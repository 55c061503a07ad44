/* SPDX-License-Identifier: ISC */
/*
 * Writing a system into the slot that is not running, in an order in which a power cut at any moment
 * leaves a machine that boots what it ran before, or the new one whole:
 *
 *   1. boot order: only the running slot          sync
 *   2. the target's trailer becomes zeros         sync
 *   3. the payload                                sync
 *   4. the trailer                                sync
 *   5. boot order: the target first, three tries  sync
 *
 * Between two syncs a disk may write in any order and tear all but single sectors; each step is
 * either one sector or in a slot that nobody boots. Does no input or output itself.
 */
#ifndef POSTERN_SLOT_INSTALL_H
#define POSTERN_SLOT_INSTALL_H

#include <sodium.h>

#include "slot/grubenv.h"
#include "slot/trailer.h"

enum slot_device { SLOT_DEVICE_TARGET, SLOT_DEVICE_ENV };

/* Offsets on the target are from its partition's start, on the environment from that of grubenv. 0, or
 * -1 with errno. */
struct slot_io {
	int (*write)(void *arg, enum slot_device d, uint64_t offset, const void *p, size_t n);
	int (*sync)(void *arg, enum slot_device d);
	void *arg;
};

enum slot_install_result {
	SLOT_INSTALL_OK = 0,
	SLOT_INSTALL_IO = -1,     /* errno */
	SLOT_INSTALL_ENV = -2,    /* the environment block is not as it should be */
	SLOT_INSTALL_ROOM = -3,   /* larger than the slot */
	SLOT_INSTALL_LENGTH = -4, /* more or fewer bytes than the trailer says */
	SLOT_INSTALL_SUM = -5,    /* not the bytes that were signed */
};

struct slot_install {
	struct slot_io io;
	uint8_t raw[SLOT_TRAILER_SIZE];
	uint8_t env[GRUBENV_SIZE];
	struct slot_trailer trailer;
	enum slot target;
	uint64_t room, done;
	crypto_hash_sha256_state sum;
};

/*
 * Steps 1 and 2. raw: of the new system, its signature verified by the caller; room: of the target's
 * partition; env: the block as it is.
 */
int slot_install_begin(struct slot_install *s, const struct slot_io *io,
    const uint8_t raw[SLOT_TRAILER_SIZE], enum slot target, uint64_t room,
    const uint8_t env[GRUBENV_SIZE]);
/* Step 3: the next bytes of the payload. */
int slot_install_data(struct slot_install *s, const void *p, size_t n);
/* The rest. Unless it returns SLOT_INSTALL_OK the target stays empty and nobody boots it. */
int slot_install_end(struct slot_install *s);

#endif
