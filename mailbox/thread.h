/* SPDX-License-Identifier: ISC */
/*
 * To which conversation a message belongs: the hash of the first message id in References, else in
 * In-Reply-To, else of its own Message-ID. Never 0 but for a message without any.
 */
#ifndef POSTERN_MAILBOX_THREAD_H
#define POSTERN_MAILBOX_THREAD_H

#include <stdint.h>

#include "base/str.h"

enum {
	/* As much of the header as is looked at. */
	THREAD_HEADER_MAX = 32 * 1024,
};

uint64_t thread_id(struct str message);
/* FNV-1a with a final mix; stable: it stands in journals. */
uint64_t thread_hash(uint64_t seed, struct str s);

#endif
