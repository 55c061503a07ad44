/* SPDX-License-Identifier: ISC */
#include "accounts/store.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "accounts/import.h"
#include "accounts/store_priv.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { CHANGES_MAX = 10 };

static const struct str gone = { NULL, 0 };

/* ---- transactions -----------------------------------------------------------------------------
 */

enum ipc_result
store_trouble(struct store *s, int rc, struct buf *say)
{
	if (rc == DBE_FULL) {
		(void)buf_puts(say, "the disk is full; make room and try again");
		return IPC_FULL;
	}
	if (rc == DBE_LIMIT) {
		(void)buf_puts(say, "that is too long");
		return IPC_INVALID;
	}
	fatal("store failed code=%d why=%s", rc, LOGS(str_of(db_why(s->db))));
}

static int
write_changes(struct db_txn *txn, const struct change *c, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		if (c[i].value.p)
			rc = db_put(txn, c[i].key, c[i].value);
		else if ((rc = db_del(txn, c[i].key)) == DBE_NONE)
			rc = 0;
	}
	return rc;
}

enum ipc_result
store_commit(struct store *s, const struct change *c, size_t n, bool need_space, struct buf *say)
{
	struct db_txn *txn;
	int rc = db_begin(s->db, need_space, &txn);

	if (rc != 0)
		return store_trouble(s, rc, say);
	rc = write_changes(txn, c, n);
	if (rc == 0)
		rc = db_commit(&txn);
	else if (db_abort(&txn) != 0)
		rc = DBE_BROKEN;
	if (rc != 0)
		return store_trouble(s, rc, say);
	s->changes++;
	for (size_t i = 0; i < n; i++)
		if (directory_apply(s->directory, c[i].key, c[i].value) != 0)
			fatal("store wrote a row it cannot read key=%s", LOGS(c[i].key));
	return IPC_OK;
}

uint64_t
store_changes(const struct store *s)
{
	return s->changes;
}

/* A number kept under m/NAME; 0 when there is none. */
static uint64_t
counter_get(struct store *s, struct str key)
{
	struct buf b;
	uint64_t n = 0;
	uint32_t small;

	buf_init(&b, 8);
	if (db_get(s->db, key, &b) == 0) {
		struct str v = str_from(buf_data(&b), buf_len(&b));

		if (!record_get_u64(v, &n) && record_get_u32(v, &small))
			n = small;
	}
	buf_free(&b);
	return n;
}

struct str
store_text_of(const struct buf *b)
{
	return str_from(buf_data(b), buf_len(b));
}

uint64_t
store_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec;
}

/* ---- open -------------------------------------------------------------------------------------
 */

static int
load_row(void *arg, struct str key, struct str value)
{
	struct store *s = arg;

	if (directory_apply(s->directory, key, value) == 0)
		return 0;
	(void)snprintf(s->bad_row, sizeof(s->bad_row), "%s", LOGS(key));
	return 1;
}

static int
load(struct store *s, struct buf *why)
{
	int rc;

	directory_free(&s->directory);
	s->directory = directory_new(str_of(s->home));
	rc = db_range(s->db, STR(""), load_row, s);
	if (rc == 0)
		return 0;
	(void)buf_printf(why, "a row cannot be read (%s): restore a backup",
	    rc == 1 ? s->bad_row : db_why(s->db));
	return -1;
}

static int
first_domain(struct store *s, struct buf *why)
{
	if (s->home[0] == 0 || directory_domains(s->directory) > 0)
		return 0;
	return store_domain_add(s, str_of(s->home), why) == IPC_OK ? 0 : -1;
}

/* An older store has only rows that mean the same now; an older program could not read ours. */
static int
upgrade(struct store *s, struct buf *why)
{
	struct db_txn *txn;
	int rc;

	if (db_format(s->db) >= ACCOUNTS_FORMAT)
		return 0;
	if ((rc = db_begin(s->db, true, &txn)) == 0) {
		rc = db_set_format(txn, ACCOUNTS_FORMAT);
		if (rc == 0)
			rc = db_commit(&txn);
		else
			db_abort(&txn);
	}
	if (rc != 0)
		(void)buf_printf(why, "the store cannot be upgraded: %s", db_why(s->db));
	return rc;
}

/* The secret under m/NAME, made at the first start. */
static int
secret(struct store *s, struct str key, uint8_t out[STORE_SECRET], struct buf *why)
{
	struct buf b;
	int rc;

	buf_init(&b, STORE_SECRET);
	rc = db_get(s->db, key, &b);
	if (rc == 0 && buf_len(&b) == STORE_SECRET) {
		memcpy(out, buf_data(&b), STORE_SECRET);
	} else if (rc == DBE_NONE) {
		randombytes_buf(out, STORE_SECRET);
		rc = store_commit(s, &(struct change){ key, str_from(out, STORE_SECRET) }, 1, true,
			 why) == IPC_OK
			 ? 0
			 : -1;
	} else {
		(void)buf_printf(why, "the row %s is damaged: restore a backup", LOGS(key));
		rc = -1;
	}
	buf_free_secret(&b);
	return rc;
}

int
store_open(struct str domain, uint32_t most_accounts, struct store **out, struct buf *why)
{
	struct store *s = xcalloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	s->most = most_accounts;
	s->home = xstrndup(domain.n ? domain.p : "", domain.n);
	rc = db_open(ACCOUNTS_FORMAT, &s->db, why);
	if (rc == 0)
		rc = load(s, why);
	if (rc == 0 && (rc = import_run(s, why)) == 1)
		rc = load(s, why);
	if (rc == 0)
		rc = first_domain(s, why);
	if (rc == 0)
		rc = upgrade(s, why);
	if (rc == 0)
		rc = secret(s, STR("m/forward-key"), s->forward_key, why);
	if (rc == 0)
		rc = secret(s, STR("m/login-key"), s->login_key, why);
	if (rc != 0)
		store_close(&s);
	*out = s;
	return rc == 0 ? 0 : -1;
}

void
store_close(struct store **sp)
{
	struct store *s = *sp;

	if (s == NULL)
		return;
	db_close(&s->db);
	directory_free(&s->directory);
	free(s->home);
	sodium_memzero(s, sizeof(*s));
	free(s);
	*sp = NULL;
}

struct str
store_forward_key(const struct store *s)
{
	return str_from(s->forward_key, sizeof(s->forward_key));
}

const struct directory *
store_directory(const struct store *s)
{
	return s->directory;
}

int
store_rows(
    struct store *s, int letter, int (*fn)(void *arg, struct str key, struct str value), void *arg)
{
	char prefix[2] = { (char)letter, '/' };

	return db_range(s->db, letter ? str_from(prefix, 2) : STR(""), fn, arg);
}

enum ipc_result
store_no_user(struct str address, struct buf *say)
{
	(void)buf_printf(
	    say, "there is no such user: %s; \"postern user list\" shows all", LOGS(address));
	return IPC_NO;
}

enum ipc_result
store_find_user(struct store *s, struct str address, const struct account **a, struct buf *say)
{
	*a = directory_by_name(s->directory, address);
	if (*a)
		return IPC_OK;
	return store_no_user(address, say);
}

/* ---- accounts ---------------------------------------------------------------------------------
 */

/* Letters, digits and the harmless signs of an atom; UTF-8; no '+', which begins a detail. */
static bool
local_part_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || c == '-' || c == '_')
			continue;
		if (c != '.' || i == 0 || i + 1 == s.n || s.p[i - 1] == '.')
			return false;
	}
	return s.n > 0;
}

enum ipc_result
store_user_check(struct store *s, struct str address, struct buf *say)
{
	char text[ADDRESS_TEXT_SIZE];
	enum ipc_result r;
	struct address a;
	struct str key;

	if ((r = store_own_address(s, address, &a, text, &key, say)) != IPC_OK)
		return r;
	if (!local_part_ok(address_local(&a))) {
		(void)buf_puts(say,
		    "a user's address may have letters, digits, '.', '-' and '_' before the @");
		return IPC_INVALID;
	}
	if (directory_taken(s->directory, key)) {
		(void)buf_puts(say, "that address is there already, as a user or an alias");
		return IPC_EXISTS;
	}
	return IPC_OK;
}

enum ipc_result
store_user_number(struct store *s, uint32_t *id, struct buf *say)
{
	uint64_t n = counter_get(s, STR("m/next"));
	char key[RECORD_KEY_SIZE];
	struct change c[2];
	enum ipc_result r;
	struct buf value;

	if (n == 0)
		n = 1; /* 0 means "none" to others */
	if (n >= s->most) {
		(void)buf_puts(say, "all account numbers are used up; raise "
				    "general.mailbox-uid-count");
		return IPC_FULL;
	}
	*id = (uint32_t)n;
	buf_init(&value, 4);
	(void)record_put_u32(&value, *id + 1);
	c[0] = (struct change){ STR("m/next"), store_text_of(&value) };
	c[1] = (struct change){ record_key_id(key, 't', *id), str_from("r", 1) };
	r = store_commit(s, c, 2, true, say);
	buf_free(&value);
	return r;
}

void
store_account_change(struct store *s, uint32_t id, const struct record_account *r,
    struct account_change *ac, struct change *c)
{
	struct record_account fresh = *r;

	fresh.generation = counter_get(s, STR("m/generation")) + 1;
	buf_init(&ac->account, 1024);
	buf_init(&ac->generation, 8);
	(void)record_put_account(&ac->account, &fresh);
	(void)record_put_u64(&ac->generation, fresh.generation);
	c[0] = (struct change){ record_key_id(ac->key, 'u', id), store_text_of(&ac->account) };
	c[1] = (struct change){ STR("m/generation"), store_text_of(&ac->generation) };
}

void
store_account_change_free(struct account_change *ac)
{
	buf_free(&ac->account);
	buf_free(&ac->generation);
}

enum ipc_result
store_user_add(struct store *s, uint32_t id, struct str address,
    const struct store_password *password, struct buf *say)
{
	char vkey[RECORD_KEY_SIZE], tkey[RECORD_KEY_SIZE], ykey[RECORD_KEY_SIZE];
	char text[ADDRESS_TEXT_SIZE];
	struct account_change ac;
	struct change c[CHANGES_MAX];
	struct address a;
	struct buf keys;
	enum ipc_result r;
	int n;

	if ((r = store_user_check(s, address, say)) != IPC_OK)
		return r;
	if (address_parse_mailbox(address, ADDRESS_UTF8, &a) != 1 ||
	    (n = address_print(&a, text, sizeof(text))) < 0)
		return IPC_INVALID;
	store_account_change(s, id,
	    &(struct record_account){ .created = store_now(),
		.state = ACCOUNT_ACTIVE,
		.address = str_from(text, (size_t)n) },
	    &ac, c);
	c[2] = (struct change){ record_key_id(vkey, 'v', id), password->verifier };
	c[3] = (struct change){ record_key_id(tkey, 't', id), gone };
	buf_init(&keys, DB_VALUE_MAX);
	c[4] = store_main_keys(NULL, password, record_key_id(ykey, 'y', id), &keys);
	r = store_commit(s, c, 5, true, say);
	buf_free_secret(&keys);
	store_account_change_free(&ac);
	return r;
}

enum ipc_result
store_user_remove(struct store *s, struct str address, uint32_t *id, struct buf *say)
{
	static const char letters[] = { 'v', 'w', 'x', 'y', 'z', '~', '|', 'u' };
	char keys[sizeof(letters)][RECORD_KEY_SIZE], tkey[RECORD_KEY_SIZE];
	struct change c[CHANGES_MAX];
	const struct account *a;
	enum ipc_result r;
	size_t n;

	if ((r = store_find_user(s, address, &a, say)) != IPC_OK ||
	    (r = store_not_used(s, str_of(a->address), a, say)) != IPC_OK)
		return r;
	*id = a->id;
	for (n = 0; n < sizeof(letters); n++)
		c[n] = (struct change){ record_key_id(keys[n], letters[n], *id), gone };
	c[n++] = (struct change){ record_key_id(tkey, 't', *id), str_from("r", 1) };
	return store_commit(s, c, n, false, say);
}

struct record_account
store_record_of(const struct account *a)
{
	return (struct record_account){
		.created = a->created, .state = a->state, .address = str_of(a->address)
	};
}

enum ipc_result
store_user_state(
    struct store *s, struct str address, enum account_state state, uint32_t *id, struct buf *say)
{
	const struct account *a;
	struct account_change ac;
	struct record_account r;
	enum ipc_result result;
	struct change c[2];

	if ((result = store_find_user(s, address, &a, say)) != IPC_OK)
		return result;
	*id = a->id;
	r = store_record_of(a);
	r.state = (uint8_t)state;
	store_account_change(s, *id, &r, &ac, c);
	/* suspending must work on a full disk too */
	result = store_commit(s, c, 2, false, say);
	store_account_change_free(&ac);
	return result;
}

/* ---- what is owed to master -------------------------------------------------------------------
 */

struct todo_find {
	bool none;
	uint32_t after, id;
	uint8_t todo;
};

static int
find_todo(void *arg, struct str key, struct str value)
{
	struct todo_find *f = arg;
	uint32_t id;

	if (!record_id(key, &id) || value.n != 1 || (!f->none && id <= f->after))
		return 0;
	f->id = id;
	f->todo = (uint8_t)value.p[0];
	return 1;
}

bool
store_todo_next(struct store *s, bool none, uint32_t after, uint32_t *id, uint8_t *todo)
{
	struct todo_find f = { .none = none, .after = after };

	if (store_rows(s, 't', find_todo, &f) != 1)
		return false;
	*id = f.id;
	*todo = f.todo;
	return true;
}

void
store_todo_done(struct store *s, uint32_t id)
{
	char key[RECORD_KEY_SIZE];
	struct buf say;

	buf_init(&say, 256);
	if (store_commit(
		s, &(struct change){ record_key_id(key, 't', id), gone }, 1, false, &say) != IPC_OK)
		log_warn(NULL, "note of account %u stays: %.*s", id, STRF(store_text_of(&say)));
	buf_free(&say);
}
