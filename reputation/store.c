/* SPDX-License-Identifier: ISC */
#include "reputation/store.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "db/db.h"

enum { ROW_KEY = 9, ROW_VALUE = 8, HASH_INPUT_MAX = 4096 };

static const struct {
	char prefix;    /* of its keys */
	unsigned which; /* the time of a row */
	uint64_t most;
} tables[STORE__MAX] = {
	[STORE_WAITING] = { 'w', 0, STORE_WAITING_MAX },
	[STORE_PASSED] = { 'p', 0, STORE_PASSED_MAX },
	[STORE_GOOD] = { 'g', 1, STORE_GOOD_MAX },
	[STORE_CLIENTS] = { 'c', 1, STORE_CLIENTS_MAX },
	[STORE_NETWORKS] = { 'n', 1, STORE_NETWORKS_MAX },
	[STORE_SENT] = { 's', 0, 0 /* a setting */ },
};

struct store {
	struct db *db;
	struct table *table[STORE__MAX];
	uint8_t secret[crypto_shorthash_KEYBYTES];
	uint32_t since;
	bool since_changed;
};

#define SECRET_KEY STR("m/secret")
#define SINCE_KEY STR("m/since")

struct load {
	struct table *table;
	unsigned odd;
};

static int
load_row(void *arg, struct str key, struct str value)
{
	struct load *l = arg;
	const uint8_t *k = (const uint8_t *)key.p, *v = (const uint8_t *)value.p;

	if (key.n != ROW_KEY || value.n != ROW_VALUE)
		l->odd++;
	else
		table_load(l->table, le_get64(k + 1), le_get32(v), le_get32(v + 4));
	return 0;
}

static int
load_tables(struct store *s)
{
	for (unsigned i = 0; i < STORE__MAX; i++) {
		struct load l = { .table = s->table[i] };
		int rc = db_range(s->db, str_from(&tables[i].prefix, 1), load_row, &l);

		if (rc != 0)
			return rc;
		table_loaded(s->table[i]);
		if (l.odd > 0)
			log_warn(NULL, "event=odd-rows table=%c count=%u", tables[i].prefix, l.odd);
	}
	return 0;
}

/* 0, or DBE_NONE when it is not there as it should be. */
static int
get_exactly(struct db *db, struct str key, void *out, size_t n)
{
	struct buf b;
	int rc;

	buf_init(&b, n);
	rc = db_get(db, key, &b);
	if (rc == 0 && buf_len(&b) != n)
		rc = DBE_NONE;
	if (rc == 0)
		memcpy(out, buf_data(&b), n);
	buf_free_secret(&b);
	return rc;
}

static int
put_new_secret(struct store *s, uint32_t now)
{
	uint8_t since[4];
	struct db_txn *txn;
	int rc;

	randombytes_buf(s->secret, sizeof(s->secret));
	s->since = now;
	le_put32(since, now);
	if ((rc = db_begin(s->db, true, &txn)) != 0)
		return rc;
	if ((rc = db_put(txn, SECRET_KEY, str_from(s->secret, sizeof(s->secret)))) == 0)
		rc = db_put(txn, SINCE_KEY, str_from(since, sizeof(since)));
	if (rc == 0)
		return db_commit(&txn);
	(void)db_abort(&txn);
	return rc;
}

static int
load_secret(struct store *s, uint32_t now)
{
	uint8_t since[4];
	int rc = get_exactly(s->db, SECRET_KEY, s->secret, sizeof(s->secret));

	if (rc == 0 && (rc = get_exactly(s->db, SINCE_KEY, since, sizeof(since))) == 0)
		s->since = le_get32(since);
	return rc == DBE_NONE ? put_new_secret(s, now) : rc;
}

struct store *
store_open(uint32_t now, uint64_t sent_most, struct buf *why)
{
	struct store *s = xcalloc(1, sizeof(*s));

	for (unsigned i = 0; i < STORE__MAX; i++)
		s->table[i] =
		    table_new(i == STORE_SENT ? sent_most : tables[i].most, tables[i].which);
	if (db_open(STORE_FORMAT, &s->db, why) != 0) {
		store_close(&s);
		return NULL;
	}
	if (load_secret(s, now) != 0 || load_tables(s) != 0) {
		(void)buf_printf(why, "%s", db_why(s->db));
		db_close(&s->db);
		store_close(&s);
		return NULL;
	}
	return s;
}

void
store_close(struct store **sp)
{
	struct store *s = *sp;

	if (s == NULL)
		return;
	if (s->db != NULL) {
		while (store_changed(s) && store_flush(s))
			;
		db_close(&s->db);
	}
	for (unsigned i = 0; i < STORE__MAX; i++)
		table_free(&s->table[i]);
	explicit_bzero(s->secret, sizeof(s->secret));
	free(s);
	*sp = NULL;
}

struct table *
store_table(struct store *s, enum store_table which)
{
	return s->table[which];
}

uint64_t
store_hash(const struct store *s, const struct str *parts, unsigned count)
{
	uint8_t in[HASH_INPUT_MAX], out[crypto_shorthash_BYTES];
	size_t n = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t room = sizeof(in) - n, most;

		if (room < 4)
			break;
		most = parts[i].n < room - 4 ? parts[i].n : room - 4;
		le_put32(in + n, (uint32_t)parts[i].n);
		if (most > 0)
			memcpy(in + n + 4, parts[i].p, most);
		n += 4 + most;
	}
	crypto_shorthash(out, in, n, s->secret);
	return le_get64(out);
}

uint32_t
store_since(const struct store *s)
{
	return s->since;
}

void
store_gap(struct store *s, uint32_t now)
{
	if (now <= s->since)
		return;
	s->since = now;
	s->since_changed = true;
}

/* --- writing ------------------------------------------------------------------------------------ */

bool
store_changed(const struct store *s)
{
	for (unsigned i = 0; i < STORE__MAX; i++)
		if (table_changed(s->table[i], NULL) != NULL)
			return true;
	return s->since_changed;
}

static int
write_row(struct db_txn *txn, char prefix, const struct row *r)
{
	uint8_t key[ROW_KEY], value[ROW_VALUE];
	int rc;

	key[0] = (uint8_t)prefix;
	le_put64(key + 1, r->key);
	le_put32(value, r->v[0]);
	le_put32(value + 4, r->v[1]);
	if (!r->gone)
		return db_put(txn, str_from(key, sizeof(key)), str_from(value, sizeof(value)));
	rc = db_del(txn, str_from(key, sizeof(key)));
	return rc == DBE_NONE ? 0 : rc;
}

/* Writes up to *left rows of one table; *count: how many. A row that went and came again in between is
 * there twice, in its order. */
static int
write_table(struct store *s, unsigned which, struct db_txn *txn, unsigned *left, unsigned *count)
{
	const struct row *r = NULL;
	int rc;

	*count = 0;
	while (*left > 0 && (r = table_changed(s->table[which], r)) != NULL) {
		if ((rc = write_row(txn, tables[which].prefix, r)) != 0)
			return rc;
		--*left;
		++*count;
	}
	return 0;
}

static int
write_all(struct store *s, struct db_txn *txn, unsigned count[STORE__MAX])
{
	unsigned left = STORE_FLUSH_ROWS;
	uint8_t since[4];
	int rc = 0;

	for (unsigned i = 0; i < STORE__MAX && rc == 0; i++)
		rc = write_table(s, i, txn, &left, &count[i]);
	le_put32(since, s->since);
	if (rc == 0 && s->since_changed)
		rc = db_put(txn, SINCE_KEY, str_from(since, sizeof(since)));
	return rc;
}

static void
all_written(struct store *s, const unsigned count[STORE__MAX])
{
	for (unsigned i = 0; i < STORE__MAX; i++)
		for (unsigned n = 0; n < count[i]; n++)
			table_written(s->table[i], table_changed(s->table[i], NULL));
	s->since_changed = false;
}

bool
store_flush(struct store *s)
{
	unsigned count[STORE__MAX] = { 0 };
	struct db_txn *txn;
	int rc = db_begin(s->db, true, &txn);

	if (rc == 0) {
		rc = write_all(s, txn, count);
		if (rc == 0)
			rc = db_commit(&txn);
		else if (db_abort(&txn) != 0)
			rc = DBE_BROKEN;
	}
	if (rc == DBE_FULL)
		return false;
	if (rc != 0)
		fatal("store failed code=%d why=%s", rc, LOGS(str_of(db_why(s->db))));
	all_written(s, count);
	return true;
}
