/* SPDX-License-Identifier: ISC */
/*
 * The checkpoint file: the model and what the journal knows of its segments, so that opening a
 * large mailbox reads only what was written since. It is never needed: one that is missing,
 * damaged, of another version or does not fit the journal only costs the time of reading all.
 */
#ifndef POSTERN_MAILBOX_CHECKPOINT_H
#define POSTERN_MAILBOX_CHECKPOINT_H

#include "base/buf.h"
#include "base/str.h"
#include "mailbox/model.h"

enum {
	CHECKPOINT_VERSION = 3,
	/* 10 million messages; above it there is none. */
	CHECKPOINT_MAX = 1 << 30,
};
#define CHECKPOINT_NAME "checkpoint"

/* The model without what is derived; appended to b. 0 or BUF_LIMIT. */
int checkpoint_encode(const struct model *m, struct buf *b);
/* Into a fresh model, as if the records had been applied. 0, REC_BAD: throw the model away. */
int checkpoint_decode(struct model *m, struct str s);

#endif
