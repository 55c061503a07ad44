/* SPDX-License-Identifier: ISC */
/*
 * The envelope of a queued message as bytes: the meta of its journal record. Written once while the
 * transaction goes on, read again for each delivery; what changes (the state of each delivery) is
 * at its end. Pure: no descriptors, no clock.
 *
 * Little-endian:
 *	 0  u8 version 1     1  u8 ENVELOPE_8BIT | ENVELOPE_UTF8   2  u8 RET    3  u8 0
 *	 4  u32 deliveries   8  u64 number of the message         16  u64 arrival, ms since 1970
 *	24  u32 recipients  28  u32 0
 *	then, each with its length before it as u16: session, client address, reverse-path, envid;
 *	for each recipient: address, orcpt (u16 lengths), u8 notify, u16 n, n times u32 account;
 *	u32 length and bytes of what is put before the received content;
 *	for each delivery: u32 account, u32 index of its recipient;
 *	for each delivery: u8 state (enum delivery_state).
 */
#ifndef POSTERN_QUEUE_ENVELOPE_H
#define POSTERN_QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "ipc/ipc.h"

enum { ENVELOPE_8BIT = 1, ENVELOPE_UTF8 = 2 };

enum delivery_state {
	DELIVERY_PENDING,
	DELIVERY_DONE,
	DELIVERY_FAILED, /* for good; the message stays in the queue until somebody decides */
	DELIVERY_STATE__MAX
};

enum {
	/* smtpd allows 1,000 (rfc5321:4.5.3.1.8 asks for 100 at least); ten times that for aliases
	 * that stand for many accounts. */
	ENVELOPE_RECIPIENTS_MAX = 1000,
	ENVELOPE_DELIVERIES_MAX = 10000,
};

/* --- writing ----------------------------------------------------------------------------------- */
struct envelope_writer {
	struct buf bytes;      /* header, strings, recipients */
	struct buf deliveries; /* u32 account, u32 recipient each */
	uint32_t recipients;
	uint8_t flags, ret;
};
void envelope_writer_init(struct envelope_writer *w);
void envelope_writer_free(struct envelope_writer *w);
/* Begins a new one; keeps the memory. Strings are copied. */
void envelope_begin(struct envelope_writer *w, const struct ipc_msg_begin *m);
/* Accounts that an earlier recipient has named get no second delivery. 0, or -1: over a limit. */
int envelope_recipient(struct envelope_writer *w, const struct ipc_msg_recipient *m);
uint32_t envelope_deliveries(const struct envelope_writer *w);
uint32_t envelope_writer_account(const struct envelope_writer *w, uint32_t delivery);
/* The whole meta in w->bytes. 0, or -1: over a limit. */
int envelope_end(
    struct envelope_writer *w, uint64_t number, uint64_t arrival_ms, struct str prepend);

/* --- reading ----------------------------------------------------------------------------------- */
/* All borrowed from the bytes. */
struct envelope {
	uint64_t number, arrival_ms;
	uint32_t recipients, deliveries;
	uint8_t flags, ret;
	struct str session, client, reverse_path, envid, prepend;
	struct str recipient_bytes; /* for envelope_next_recipient */
	const uint8_t *targets;     /* 8 bytes per delivery */
	const uint8_t *states;      /* 1 byte per delivery */
};
struct envelope_recipient {
	struct str address, orcpt, accounts;
	uint8_t notify;
};
/* 0, or -1: not an envelope; every length and index is checked. */
int envelope_read(struct str meta, struct envelope *e);
/* Start with *rest = e->recipient_bytes; false at the end. */
bool envelope_next_recipient(struct str *rest, struct envelope_recipient *r);
uint32_t envelope_account(const struct envelope *e, uint32_t delivery);
/* Address of the recipient of this delivery. */
struct str envelope_address(const struct envelope *e, uint32_t delivery);

/* "Q" and the number in 12 characters of base 32: what logs and people call the message. */
enum { QUEUE_ID_SIZE = 14 };
const char *queue_id_print(char out[QUEUE_ID_SIZE], uint64_t number);
/* false: not the id of any message. */
bool queue_id_parse(struct str s, uint64_t *number);

#endif
