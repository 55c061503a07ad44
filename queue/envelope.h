/* SPDX-License-Identifier: ISC */
/*
 * The envelope of a queued message as bytes: the meta of its journal record. Written once while the
 * transaction goes on, read again for each delivery; what changes (the flags of the message, the
 * state of each delivery) has fixed places. Pure: no descriptors, no clock.
 *
 * Little-endian:
 *	 0  u8 version 2     1  u8 ENVELOPE_8BIT | ENVELOPE_UTF8   2  u8 RET    3  u8 MESSAGE_* flags
 *	 4  u32 deliveries   8  u64 number of the message         16  u64 arrival, ms since 1970
 *	24  u32 recipients  28  u32 0
 *	then, each with its length before it as u16: session, client address, reverse-path, envid;
 *	for each recipient: address, orcpt, reverse-path (u16 lengths), u8 notify, u8 RECIPIENT_* flags,
 *	u16 index of the recipient it was made from (its own: it came with the message);
 *	u32 length and bytes of what is put before the received content;
 *	for each delivery: u32 account or TARGET_*, u32 index of its recipient;
 *	for each delivery: u8 state (enum delivery_state).
 *
 * Version 1, still read, knew local deliveries only. A recipient was: address, orcpt (u16 lengths),
 * u8 notify, u16 n, n times u32 account; all had come with the message.
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

/* Where MESSAGE_* stand in the bytes. */
enum { ENVELOPE_FLAGS_AT = 3 };

/* What holds for the whole message. */
enum message_flag {
	MESSAGE_HELD = 1,   /* not tried until an administrator releases it */
	MESSAGE_WARNED = 2, /* the sender was told of the delay */
	MESSAGE_JUNK = 4,   /* into the folder Junk of mailboxes here */
};

enum delivery_state {
	DELIVERY_PENDING,
	DELIVERY_DONE,
	/* Ended, and the sender has to be told; DELIVERY_DONE when that report is in the queue. */
	DELIVERY_FAILED,    /* for good */
	DELIVERY_DELIVERED, /* to a mailbox */
	DELIVERY_RELAYED,   /* to a server that sends no notifications */
	DELIVERY_EXPANDED,  /* a mark: the recipient was a list */
	DELIVERY_STATE__MAX
};

/* Instead of an account. */
#define TARGET_REMOTE UINT32_C(0xffffffff) /* the recipient's address, on another server */
#define TARGET_NOBODY UINT32_C(0xfffffffe) /* a mark about the recipient; never sent */

enum recipient_flag {
	RECIPIENT_LIST = 1, /* an alias with more than one target; those made from it follow */
};

enum {
	/* smtpd allows 1,000 (rfc5321:4.5.3.1.8 asks for 100 at least); ten times that for aliases
	 * that stand for many accounts or addresses. */
	ENVELOPE_RECIPIENTS_MAX = 10000,
	ENVELOPE_DELIVERIES_MAX = 10000,
};

struct envelope_recipient {
	struct str address, orcpt;
	struct str reverse_path; /* empty: the message's */
	uint8_t notify, flags;
	uint32_t from; /* index of the recipient it was made from; its own: it came as it is */
};

/* --- writing ----------------------------------------------------------------------------------- */
struct envelope_writer {
	struct buf bytes;      /* header, strings, recipients */
	struct buf deliveries; /* struct envelope_target (envelope.c) each */
	struct buf places;     /* u32 each: where a recipient stands in bytes */
	uint32_t recipients;
	uint8_t flags, ret;
	uint8_t message_flags;    /* MESSAGE_* */
	uint32_t reverse_path_at; /* in bytes */
};
void envelope_writer_init(struct envelope_writer *w);
void envelope_writer_free(struct envelope_writer *w);
/* Begins a new one; keeps the memory. Strings are copied. */
void envelope_begin(struct envelope_writer *w, const struct ipc_msg_begin *m);
/* It goes into the folder Junk. */
void envelope_set_junk(struct envelope_writer *w);
/* Whether the content really has bytes above ASCII, whatever was announced. */
void envelope_set_8bit(struct envelope_writer *w, bool has);
struct str envelope_writer_reverse_path(const struct envelope_writer *w);
/*
 * A recipient without deliveries; from == ENVELOPE_ITSELF: it came with the message, else an index
 * that was given out before. Its own index, or -1: over a limit.
 */
#define ENVELOPE_ITSELF UINT32_MAX
int envelope_recipient(struct envelope_writer *w, const struct envelope_recipient *r);
/* The recipient turns out to be a list. */
void envelope_set_list(struct envelope_writer *w, uint32_t recipient);
struct envelope_recipient envelope_writer_recipient(
    const struct envelope_writer *w, uint32_t recipient);
/*
 * A delivery for that recipient: an account, TARGET_REMOTE, or TARGET_NOBODY with its state. An
 * account or a remote address that has a delivery already gets no second one. 0, or -1: over a
 * limit.
 */
int envelope_delivery(
    struct envelope_writer *w, uint32_t recipient, uint32_t target, enum delivery_state state);
uint32_t envelope_deliveries(const struct envelope_writer *w);
uint32_t envelope_writer_target(const struct envelope_writer *w, uint32_t delivery);
uint32_t envelope_writer_recipient_of(const struct envelope_writer *w, uint32_t delivery);
enum delivery_state envelope_writer_state(const struct envelope_writer *w, uint32_t delivery);
struct str envelope_writer_address(const struct envelope_writer *w, uint32_t delivery);
/* The whole meta in w->bytes. 0, or -1: over a limit. */
int envelope_end(
    struct envelope_writer *w, uint64_t number, uint64_t arrival_ms, struct str prepend);

/* --- reading ----------------------------------------------------------------------------------- */
/* All borrowed from the bytes. */
struct envelope {
	uint64_t number, arrival_ms;
	uint32_t recipients, deliveries;
	uint8_t version, flags, ret;
	uint8_t message_flags;
	struct str session, client, reverse_path, envid, prepend;
	struct str recipient_bytes; /* for envelope_next_recipient */
	const uint8_t *targets;     /* 8 bytes per delivery */
	const uint8_t *states;      /* 1 byte per delivery */
};
enum { ENVELOPE_BAD = -1, ENVELOPE_NEWER = -2 };
/* 0, ENVELOPE_BAD, or ENVELOPE_NEWER: of a later program. Every length and index is checked. */
int envelope_read(struct str meta, struct envelope *e);

/* Walks over the recipients. Start with { 0 }; going on is cheap, going back is a new start. */
struct envelope_cursor {
	struct str rest;
	uint32_t next;
};
/* false: index is beyond the last one. */
bool envelope_recipient_at(const struct envelope *e, struct envelope_cursor *c, uint32_t index,
    struct envelope_recipient *r);
/* The recipient that came with the message and from which this one was made in the end. */
void envelope_original(const struct envelope *e, uint32_t recipient, struct envelope_recipient *r);
/* An account or TARGET_*. */
uint32_t envelope_target(const struct envelope *e, uint32_t delivery);
uint32_t envelope_recipient_of(const struct envelope *e, uint32_t delivery);
/* Address of the recipient of this delivery: for a remote one, where it goes. */
struct str envelope_address(const struct envelope *e, uint32_t delivery);
/* The reverse-path it goes out with. */
struct str envelope_sender(const struct envelope *e, const struct envelope_recipient *r);

/* What a target of a list is asked to report (rfc3461:5.2.7.3): success is told by the list. */
uint8_t envelope_list_notify(uint8_t notify);

/* "Q" and the number in 12 characters of base 32: what logs and people call the message. */
enum { QUEUE_ID_SIZE = 14 };
const char *queue_id_print(char out[QUEUE_ID_SIZE], uint64_t number);
/* false: not the id of any message. */
bool queue_id_parse(struct str s, uint64_t *number);

#endif
