/* SPDX-License-Identifier: ISC */
/*
 * The store of accounts (in the current directory, by lib/db) and its directory in memory. Every
 * change is one transaction: checked, on stable storage, then visible. A store that fails in a way
 * only recovery repairs ends the process: master starts a fresh one.
 */
#ifndef POSTERN_ACCOUNTS_STORE_H
#define POSTERN_ACCOUNTS_STORE_H

#include "accounts/directory.h"
#include "base/buf.h"
#include "ipc/ipc.h"

enum { STORE_SECRET = 32 /* bytes of a secret, ipc_table.h: forward_key */ };

struct store;

/*
 * Opens or creates it. The first time rows of the file "import", if there is one, are taken over
 * and the file is removed; domain (may be empty) is made when there is none at all. most_accounts:
 * no account number is at or above it. 0, or -1 with a sentence in *why.
 */
int store_open(struct str domain, uint32_t most_accounts, struct store **out, struct buf *why);
void store_close(struct store **s);
const struct directory *store_directory(const struct store *s);

/*
 * Changes. IPC_OK, or why not, with a sentence for the administrator in *say: IPC_INVALID,
 * IPC_EXISTS, IPC_NO (there is no such thing), IPC_DENIED (others depend on it), IPC_FULL.
 */
enum ipc_result store_domain_add(struct store *s, struct str domain, struct buf *say);
enum ipc_result store_domain_remove(struct store *s, struct str domain, struct buf *say);
/* Replaces an older alias. targets: addresses, here or on other servers, each ended by NUL. */
enum ipc_result store_alias_add(
    struct store *s, struct str address, struct str targets, struct buf *say);
enum ipc_result store_alias_remove(struct store *s, struct str address, struct buf *say);

/* Forward of an account: more targets; whether its mailbox gets a copy too (at first: yes); fewer
 * targets ("": none). */
enum ipc_result store_forward_add(
    struct store *s, struct str address, struct str targets, struct buf *say);
enum ipc_result store_forward_keep(struct store *s, struct str address, bool keep, struct buf *say);
enum ipc_result store_forward_remove(
    struct store *s, struct str address, struct str target, struct buf *say);
/* The right of an account to send as an address of ours that exists. */
enum ipc_result store_send_as_add(
    struct store *s, struct str account, struct str address, struct buf *say);
enum ipc_result store_send_as_remove(
    struct store *s, struct str account, struct str address, struct buf *say);
/* A sender whose mail an account wants whatever a blocklist says: the exact address. *id: the account. */
enum ipc_result store_allow(
    struct store *s, struct str account, struct str sender, uint32_t *id, struct buf *say);
enum ipc_result store_disallow(
    struct store *s, struct str account, struct str sender, uint32_t *id, struct buf *say);
/* The settings of an account; hidden: names of IMAP capabilities with spaces between. */
enum ipc_result store_quota(
    struct store *s, struct str address, uint64_t bytes, uint64_t messages, struct buf *say);
enum ipc_result store_hide(struct store *s, struct str address, struct str hidden, struct buf *say);
/* What a mailbox holds now; on the disk it is only noted, below. */
void store_holds(struct store *s, uint32_t id, const struct record_holds *holds);
enum { STORE_NOTES_MAX = 64 }; /* in one transaction */
/* Notes of each account, at most STORE_NOTES_MAX, in one transaction whether its mailbox is full. */
struct store_note {
	uint32_t id;
	bool full;
	uint64_t since; /* seconds since 1970, if it is */
};
enum ipc_result store_note_full(
    struct store *s, const struct store_note *notes, size_t n, struct buf *say);
/* An app password: its name is not there yet; removing it makes a new generation. */
enum ipc_result store_app_add(struct store *s, struct str address, struct str name,
    const struct scram_keys *keys, uint32_t *id, struct buf *say);
enum ipc_result store_app_remove(
    struct store *s, struct str address, struct str name, uint32_t *id, struct buf *say);
/* The salt of all keys for SCRAM of a login, whether there is one or not. */
void store_salt(const struct store *s, struct str login, uint8_t out[SCRAM_SALT]);
/* STORE_SECRET bytes, the same as long as the store lives: for rewritten reverse-paths. */
struct str store_forward_key(const struct store *s);

/* Could this account be made? */
enum ipc_result store_user_check(struct store *s, struct str address, struct buf *say);
/* A fresh number, durably taken, with TODO_REMOVE noted until the account is made. */
enum ipc_result store_user_number(struct store *s, uint32_t *id, struct buf *say);
/* A password: its verifier, and the keys for SCRAM when they are wanted (else NULL). */
struct store_password {
	struct str verifier;
	const struct scram_keys *keys;
};
enum ipc_result store_user_add(struct store *s, uint32_t id, struct str address,
    const struct store_password *password, struct buf *say);
/* Notes TODO_REMOVE. */
enum ipc_result store_user_remove(
    struct store *s, struct str address, uint32_t *id, struct buf *say);
enum ipc_result store_user_password(struct store *s, struct str address,
    const struct store_password *password, uint32_t *id, struct buf *say);
enum ipc_result store_user_state(
    struct store *s, struct str address, enum account_state state, uint32_t *id, struct buf *say);

/* What is owed to master: the first row after `after` (start with none = true). false: no more. */
bool store_todo_next(struct store *s, bool none, uint32_t after, uint32_t *id, uint8_t *todo);
void store_todo_done(struct store *s, uint32_t id);

/*
 * All rows with this first letter, or all (0), in order of their keys; fn returns 0 to go on.
 * 0, fn's value or a db error.
 */
int store_rows(
    struct store *s, int letter, int (*fn)(void *arg, struct str key, struct str value), void *arg);

/* Counts what was committed since the start: when it is another one, answers given before may be
 * wrong. */
uint64_t store_changes(const struct store *s);

/* IPC_NO, and says that nobody has this address. */
enum ipc_result store_no_user(struct str address, struct buf *say);

#endif
