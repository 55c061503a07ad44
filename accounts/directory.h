/* SPDX-License-Identifier: ISC */
/*
 * All domains, accounts, verifiers and aliases in memory, as the rows of the store say: a look-up
 * costs a parse and two hash probes. Filled by directory_apply with each row at start and with
 * each change after its commit; reads no disk, logs nothing.
 */
#ifndef POSTERN_ACCOUNTS_DIRECTORY_H
#define POSTERN_ACCOUNTS_DIRECTORY_H

#include "accounts/record.h"
#include "ipc/ipc.h"

enum {
	ALIAS_DEPTH_MAX = 10,   /* alias of alias of ...: nobody needs more, each costs a probe */
	ALIAS_STEPS_MAX = 1000, /* probes for one address, whatever the tables say */
};

struct directory;

struct account {
	uint32_t id;
	uint8_t state;
	uint64_t generation, created;
	char *address;  /* as given */
	char *verifier; /* NULL: none; no login then */
	/* Texts, each ended by NUL; NULL: none. */
	char *forward, *send_as, *allowed;
	size_t forward_n, send_as_n, allowed_n;
	bool forward_keep; /* the mailbox gets a copy too */
	/* Its own settings (record.h). */
	uint64_t quota_bytes, quota_messages;
	char *hidden; /* NULL: none */
	/* What its mailbox held when that was last heard of, 0 before; `noted`: there is a row about it. */
	struct record_holds holds;
	bool noted;
	/* The row of keys for SCRAM (record.h); NULL: none. */
	char *keys;
	size_t keys_n;
};

/* At most ALIAS_TARGETS_MAX of both together, none twice. */
struct resolved {
	unsigned n, remotes;
	uint32_t accounts[ALIAS_TARGETS_MAX]; /* active ones */
	/* On other servers; borrowed until the next directory_apply, or from `rewritten`: do not copy. */
	struct str remote[ALIAS_TARGETS_MAX];
	char rewritten[ADDRESS_TEXT_SIZE];
	bool direct; /* the account's own address, and its mail goes nowhere else */
	bool list;   /* an alias with more than one target is among what was walked through */
};

/* Something that cannot stay: "WHAT WHO WHY", as "the alias a@x.test leads in a circle". */
struct directory_fault {
	const char *what, *who, *why;
};

/* home: the domain of bare "postmaster"; copied. */
struct directory *directory_new(struct str home);
void directory_free(struct directory **d);

/*
 * A row was written (value) or removed (value.p NULL). 0, or -1 when key or value are malformed or
 * clash with another row; nothing changed then. Rows that are not kept here (m/, t/) pass.
 */
int directory_apply(struct directory *d, struct str key, struct str value);

/* What the account's mailbox holds now, if there is such an account; since when it is full stays as noted. */
void directory_holds(struct directory *d, uint32_t id, const struct record_holds *holds);

bool directory_has_domain(const struct directory *d, struct str domain);
size_t directory_accounts(const struct directory *d);
size_t directory_domains(const struct directory *d);
const struct account *directory_by_id(const struct directory *d, uint32_t id);
/* The account whose name this is: no aliases, no "+detail". NULL: none. */
const struct account *directory_by_name(const struct directory *d, struct str address);
/* True when an account or an alias has exactly this address. */
bool directory_taken(const struct directory *d, struct str address);

/*
 * Whose mail is it? IPC_OK with at least one account or remote; IPC_NO: unknown user in a domain of
 * ours; IPC_NOT_LOCAL; IPC_SUSPENDED: all it stands for are; IPC_INVALID: no address;
 * IPC_TEMP: postmaster while there is no account, or aliases and forwards above the limits.
 */
enum ipc_result directory_resolve(
    const struct directory *d, struct str address, struct resolved *out);
/*
 * The same, and besides: a reverse-path that queue rewrote for forwarded mail (lib/srs) stands for the
 * sender it was made from. IPC_NO when it is forged or too old.
 */
enum ipc_result directory_resolve_all(const struct directory *d, struct str key, uint64_t now_ms,
    struct str address, struct resolved *out);
/*
 * May this account send as this address? IPC_OK: the address is the account's own, falls to it as
 * postmaster or abuse, is an alias that stands for this account alone, one it has the right to, or
 * one of these with "+detail". IPC_DENIED, IPC_INVALID: no address.
 */
enum ipc_result directory_may_send(
    const struct directory *d, const struct account *a, struct str address);
/*
 * Do those who get the mail of this address want that of this sender, whatever a blocklist says? An
 * address that is an account's own (with "+detail" or without) is that account's to say; any other is when
 * all it stands for are accounts here and each of them has allowed the sender. The sender is compared
 * exactly, its domain without case; the null reverse-path is nobody's. IPC_OK or IPC_NO.
 */
enum ipc_result directory_allows(const struct directory *d, struct str address, struct str sender);
/*
 * Are all aliases and forwards within the limits and free of cycles, and do their targets in
 * domains of ours exist? False: *fault says which is not, borrowed until the next directory_apply.
 */
bool directory_sound(const struct directory *d, struct directory_fault *fault);

#endif
