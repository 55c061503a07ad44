/* SPDX-License-Identifier: ISC */
/*
 * A note: the last that was heard of one delivery, as the meta of a journal record. It is read when
 * somebody asks; only when it is due again is kept in memory. Pure.
 *
 * Little-endian: u8 version 1, u8 result, u16 tries, u32 index of the delivery, u64 number of the
 * message, u64 time, u64 due (both ms since 1970, due 0: none), u32 code; then, each with its length
 * before it as u16: enhanced status code, text, name of the other server.
 */
#ifndef POSTERN_QUEUE_NOTE_H
#define POSTERN_QUEUE_NOTE_H

#include "queue/report.h"

struct note {
	uint64_t number; /* of the message */
	uint32_t delivery;
	uint16_t tries;
	uint64_t due_ms;
	struct answer answer; /* strings borrowed from the bytes */
};

enum {
	/* Of each text: job_result has at most 512 (ipc_table.h). */
	NOTE_TEXT_MAX = 512,
	NOTE_MAX = 64 + 3 * NOTE_TEXT_MAX,
};

/* Replaces what is in out, which must have room for NOTE_MAX; longer texts are cut. */
void note_write(const struct note *n, struct buf *out);
/* 0, or -1: no note. */
int note_read(struct str meta, struct note *n);

#endif
