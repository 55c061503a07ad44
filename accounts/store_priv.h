/* SPDX-License-Identifier: ISC */
/* Between store.c (transactions, accounts), store_names.c (domains, aliases, forwards, rights),
 * store_passwords.c and import.c. */
#ifndef POSTERN_ACCOUNTS_STORE_PRIV_H
#define POSTERN_ACCOUNTS_STORE_PRIV_H

#include "accounts/store.h"
#include "base/log.h"
#include "db/db.h"

struct store {
	struct db *db;
	struct directory *directory;
	char *home;
	uint32_t most;
	uint64_t changes;              /* commits since the start */
	char bad_row[LOG_ESCAPED_MAX]; /* key of a row that could not be read, escaped */
	uint8_t forward_key[STORE_SECRET], login_key[STORE_SECRET];
};

/* One row of a change; value.p NULL removes it. */
struct change {
	struct str key, value;
};

/* Durable, then visible. The rows have been checked: the directory takes them. */
enum ipc_result store_commit(
    struct store *s, const struct change *c, size_t n, bool need_space, struct buf *say);
/* The answer to a DBE_* code; ends the process when only recovery helps. */
enum ipc_result store_trouble(struct store *s, int rc, struct buf *say);
struct str store_text_of(const struct buf *b);
/* Seconds since 1970. */
uint64_t store_now(void);
/* The rows of an account with a fresh generation: c[0] and c[1], to be committed. */
struct account_change {
	struct buf account, generation;
	char key[RECORD_KEY_SIZE];
};
void store_account_change(struct store *s, uint32_t id, const struct record_account *r,
    struct account_change *ac, struct change *c);
void store_account_change_free(struct account_change *ac);
struct record_account store_record_of(const struct account *a);
/* The change of the row `key` that a new main password makes: its keys for SCRAM come, older ones
 * go, app passwords (a may be NULL) stay. keys holds the value. */
struct change store_main_keys(const struct account *a, const struct store_password *password,
    struct str key, struct buf *keys);
enum ipc_result store_find_user(
    struct store *s, struct str address, const struct account **a, struct buf *say);
/* The key (in out, ADDRESS_TEXT_SIZE bytes) of an address in a domain of ours. */
enum ipc_result store_own_address(struct store *s, struct str text, struct address *a, char *out,
    struct str *key, struct buf *say);
/*
 * IPC_OK, or IPC_DENIED while an alias or a forward (account not NULL: of others) leads to this
 * account or a right of others to send names the address.
 */
enum ipc_result store_not_used(
    struct store *s, struct str address, const struct account *account, struct buf *say);

#endif
