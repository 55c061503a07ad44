/* SPDX-License-Identifier: ISC */
/*
 * The rows of the store: keys and values, and their limits. Numbers are most significant byte
 * first; ID is eight hexadecimal digits.
 *
 *   d/DOMAIN    domain              u64 created (seconds since 1970)
 *   u/ID        account             u8 state, u64 generation, u64 created, address
 *   v/ID        its verifier        text ($argon2id$...)
 *   w/ID        its forward         u8 keep (1: the mailbox gets a copy too), targets
 *   x/ID        may also send as    addresses
 *   y/ID        keys for SCRAM      of each password: u64 created, 64 bytes struct scram_keys,
 *                                   name ended by NUL: of an app password; "": the main password
 *   z/ID        senders allowed      addresses: no blocklist keeps their mail from this account
 *   ~/ID        its own settings    u64 quota in bytes, u64 in messages (0: as the settings say,
 *                                   UINT64_MAX: none), hidden IMAP capabilities with spaces between
 *   |/ID        its mailbox is full  u64 bytes, u64 messages it held when that was noted, u64 since when
 *                                   (seconds since 1970; missing: an earlier version has noted it)
 *   l/ADDRESS   alias               targets
 *   t/ID        owed to master      u8: TODO_CREATE, TODO_REMOVE of that account's directory
 *   m/next      u32, the next account number: none is ever used twice
 *   m/generation  u64, the last generation given to an account
 *   m/forward-key, m/login-key  32 random bytes each: of rewritten reverse-paths; of salts
 *   m/import    present while an import is under way
 *
 * Targets and lists of addresses: each ended by NUL; those of ours in the form address_key() makes;
 * senders allowed in normal form (mail/address.h): exact, local parts by their case too.
 * What belongs to an account comes behind its u/ID when all rows are read in the order of their keys.
 * ADDRESS and the account's name are compared in the form address_key() makes.
 */
#ifndef POSTERN_ACCOUNTS_RECORD_H
#define POSTERN_ACCOUNTS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/address.h"
#include "scram/scram.h"

enum {
	/* Of the store's content (db.h); 1 had no m/...-key, w, x, y, 2 had no z, 3 no ~, 4 no |, 5 no time in |. */
	ACCOUNTS_FORMAT = 6,
	APP_PASSWORDS_MAX = 20,  /* of one account: its devices */
	APP_NAME_MAX = 64,       /* bytes */
	ALIAS_TARGETS_MAX = 100, /* what one message to it can fan out to: a list, not a service */
	ALLOWED_MAX = 100,       /* senders one account allows: people it knows, not a service */
	VERIFIER_MAX = 256,      /* ipc_table.h: verifier_is */
	HIDDEN_MAX = 512,        /* ipc_table.h: login_opened */
	RECORD_KEY_SIZE = 2 + ADDRESS_TEXT_SIZE,
};

enum account_state { ACCOUNT_ACTIVE = 1, ACCOUNT_SUSPENDED = 2 };
enum { TODO_CREATE = 'c', TODO_REMOVE = 'r' };

struct record_account {
	uint64_t generation, created;
	uint8_t state;
	struct str address;
};

/* A row's key: letter, '/', and text; out has RECORD_KEY_SIZE bytes. */
struct str record_key(char *out, int letter, struct str text);
struct str record_key_id(char *out, int letter, uint32_t id);
/* The number in a key of the form X/ID; false when it is not one. */
bool record_id(struct str key, uint32_t *id);

struct record_forward {
	bool keep;
	struct str targets;
};

struct record_options {
	uint64_t quota_bytes, quota_messages;
	struct str hidden;
};

struct record_holds {
	uint64_t bytes, messages;
	uint64_t since; /* when it was noted that it is full; 0: it is not, or that is not known */
};

struct record_keys {
	uint64_t created;
	struct scram_keys keys;
	struct str name;
};

/* 0 or BUF_LIMIT. */
int record_put_account(struct buf *out, const struct record_account *a);
/* 0, or -1 when malformed; address borrows from value. */
int record_get_account(struct str value, struct record_account *a);
int record_put_forward(struct buf *out, const struct record_forward *f);
/* 0, or -1 when malformed; targets (not looked into) borrow from value. */
int record_get_forward(struct str value, struct record_forward *f);
int record_put_options(struct buf *out, const struct record_options *o);
/* 0, or -1 when malformed; hidden borrows from value. */
int record_get_options(struct str value, struct record_options *o);
int record_put_holds(struct buf *out, const struct record_holds *h);
/* 0, or -1 when malformed. */
int record_get_holds(struct str value, struct record_holds *h);
int record_put_keys(struct buf *out, const struct record_keys *k);
/* Walks the passwords of a row: start with *it = 0; 1, 0 at the end, -1 malformed. */
int record_keys_next(struct str value, size_t *it, struct record_keys *k);
int record_put_u64(struct buf *out, uint64_t n);
int record_put_u32(struct buf *out, uint32_t n);
bool record_get_u64(struct str value, uint64_t *n);
bool record_get_u32(struct str value, uint32_t *n);
/* Walks the targets of an alias: start with *it = 0; 1, 0 at the end, -1 malformed. */
int record_target(struct str value, size_t *it, struct str *target);

/*
 * How addresses are compared: normal form, the ASCII letters of the local part in lower case.
 * out has ADDRESS_TEXT_SIZE bytes. detail: with "+detail" or without. Length, or -1.
 */
int address_key(const struct address *a, bool detail, char *out);
/* The same from text; -1: no mailbox. Bare "postmaster" gets the domain `home`, if there is one. */
int address_key_text(struct str text, struct str home, struct address *a, char *out);

#endif
