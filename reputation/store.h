/* SPDX-License-Identifier: ISC */
/*
 * What reputation remembers: bounded tables in memory, on disk behind lib/db. Nobody is told that
 * something is stored, so changes are written together, once a second: a power cut or a kill can lose
 * the last second. Addresses, senders and Message-IDs are kept as hashes under a secret of this instance.
 */
#ifndef POSTERN_REPUTATION_STORE_H
#define POSTERN_REPUTATION_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "reputation/table.h"

enum {
	STORE_FORMAT = 1,
	STORE_FLUSH_MS = 1000,
	STORE_FLUSH_ROWS = 4096, /* in one transaction: about 200 KiB of log */
	STORE_PURGE_ROWS = 512,  /* rows whose time is over that one flush removes */
	/* Triplets that wait are anybody's to make, so they have a table of their own. */
	STORE_WAITING_MAX = 65536,
	STORE_PASSED_MAX = 65536,   /* triplets that passed */
	STORE_GOOD_MAX = 16384,     /* pools and domains with a history */
	STORE_CLIENTS_MAX = 65536,  /* as many as OpenSSH keeps */
	STORE_NETWORKS_MAX = 16384, /* of those clients */
};

/* The numbers of a row: */
enum store_table {
	STORE_WAITING,  /* triplet: first seen, 0 */
	STORE_PASSED,   /* triplet: last passed, 0 */
	STORE_GOOD,     /* pool or domain: count, when it was last raised */
	STORE_CLIENTS,  /* net_client_key: struct penalty */
	STORE_NETWORKS, /* net_network_key: struct penalty */
	STORE_SENT,     /* Message-ID: when, 0 */
	STORE__MAX
};

struct store;

/* Opens or makes it in the current directory. sent_most: Message-IDs that are kept. NULL, and *why. */
struct store *store_open(uint32_t now, uint64_t sent_most, struct buf *why);
/* Writes what is left. */
void store_close(struct store **s);
struct table *store_table(struct store *s, enum store_table which);
/* Of all parts in their order, each with its length. */
uint64_t store_hash(const struct store *s, const struct str *parts, unsigned count);

/* All Message-IDs noted since then are still known. */
uint32_t store_since(const struct store *s);
/* Some were not noted, or are gone. */
void store_gap(struct store *s, uint32_t now);

bool store_changed(const struct store *s);
/* Writes at most STORE_FLUSH_ROWS rows. false: the disk is full, they wait. Ends the process when the
 * store cannot be written at all: master starts it again. */
bool store_flush(struct store *s);

#endif
