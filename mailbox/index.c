/* SPDX-License-Identifier: ISC */
#include "mailbox/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/xalloc.h"
#include "db/db.h"

/* Keys: "m" and the email id, most significant byte first, so that the order is that of arrival;
 * "s": the stamp, complete and count. */
enum { KEY_SIZE = 9, STAMP_SIZE = 16 };

struct index {
	const char *home;
	void (*report)(void *arg, const char *line);
	void *arg;
	struct db *db;
	unsigned failures; /* in a row; after INDEX_TRIES_MAX it is not tried any more */
	bool lost;
	uint64_t complete, count;
	struct buf pending; /* u64 email id, u32 length, bytes */
	uint64_t *drops;
	size_t ndrops;
};

static void
say(struct index *ix, const char *what, const char *why)
{
	char line[256];

	if (ix->report == NULL)
		return;
	snprintf(line, sizeof(line), "what=%s reason=\"%s\"", what, why);
	ix->report(ix->arg, line);
}

static struct str
key_of(uint64_t email, char key[static KEY_SIZE])
{
	key[0] = 'm';
	for (int i = 0; i < 8; i++)
		key[1 + i] = (char)(email >> (56 - 8 * i));
	return str_from(key, KEY_SIZE);
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct index *
index_new(const char *home, void (*report)(void *arg, const char *line), void *arg)
{
	struct index *ix = xcalloc(1, sizeof(*ix));

	ix->home = home;
	ix->report = report;
	ix->arg = arg;
	buf_init(&ix->pending, SIZE_MAX / 2);
	return ix;
}

static void
forget_pending(struct index *ix)
{
	ix->lost |= ix->pending.len > 0;
	buf_free(&ix->pending);
	free(ix->drops);
	ix->drops = NULL;
	ix->ndrops = 0;
}

void
index_abandon(struct index **ixp)
{
	struct index *ix = *ixp;

	if (ix == NULL)
		return;
	*ixp = NULL;
	forget_pending(ix);
	db_close(&ix->db);
	free(ix);
}

void
index_free(struct index **ixp)
{
	if (*ixp != NULL && index_pending(*ixp) > 0)
		index_flush(*ixp, (*ixp)->complete);
	index_abandon(ixp);
}

static void
remove_all(struct index *ix)
{
	db_close(&ix->db);
	ix->complete = ix->count = 0;
	ix->lost = true;
	if (db_remove_index(ix->home) != 0)
		say(ix, "index-not-removed", "the files stay");
}

/* What is there cannot be trusted. */
static void
begin_anew(struct index *ix, const char *what, const char *why)
{
	say(ix, what, why);
	remove_all(ix);
}

void
index_clear(struct index *ix)
{
	forget_pending(ix);
	ix->failures = 0;
	remove_all(ix);
}

static bool
stamp_read(struct index *ix)
{
	struct buf v;
	int e;

	buf_init(&v, STAMP_SIZE);
	e = db_get(ix->db, STR("s"), &v);
	if (e == 0 && buf_len(&v) == STAMP_SIZE) {
		ix->complete = le_get64(buf_data(&v));
		ix->count = le_get64(buf_data(&v) + 8);
	} else {
		ix->complete = ix->count = 0;
		e = e == DBE_NONE ? 0 : DBE_CORRUPT;
	}
	buf_free(&v);
	return e == 0;
}

static int
try_open(struct index *ix, struct buf *why)
{
	int e = db_open_index(ix->home, INDEX_FORMAT, &ix->db, why);

	if (e == 0 && (db_format(ix->db) != INDEX_FORMAT || !stamp_read(ix))) {
		buf_puts(why, "the content cannot be read");
		db_close(&ix->db);
		e = DBE_CORRUPT;
	}
	return e;
}

bool
index_ready(struct index *ix)
{
	struct buf why;
	char text[128];
	int e;

	if (ix->db != NULL)
		return true;
	if (ix->failures >= INDEX_TRIES_MAX) {
		forget_pending(ix);
		return false;
	}
	buf_init(&why, sizeof(text) - 1);
	e = try_open(ix, &why);
	snprintf(text, sizeof(text), "%.*s", (int)buf_len(&why), (const char *)buf_data(&why));
	if (e != 0 && e != DBE_FULL && e != DBE_BUSY) {
		begin_anew(ix, "index-unusable", text);
		e = try_open(ix, &why);
	}
	if (e != 0) {
		ix->failures++;
		forget_pending(ix);
		say(ix, "index-unavailable", text);
	} else {
		ix->failures = 0;
	}
	buf_free(&why);
	return e == 0;
}

void
index_rest(struct index *ix)
{
	db_close(&ix->db);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

void
index_put(struct index *ix, uint64_t email, struct str record)
{
	uint8_t head[12];

	le_put64(head, email);
	le_put32(head + 8, (uint32_t)record.n);
	buf_put(&ix->pending, head, sizeof(head));
	buf_put(&ix->pending, record.p, record.n);
}

void
index_drop(struct index *ix, uint64_t email)
{
	if (ix->drops == NULL)
		ix->drops = xmalloc(INDEX_DROPS_MAX * sizeof(*ix->drops));
	ix->drops[ix->ndrops++] = email;
	if (ix->ndrops == INDEX_DROPS_MAX)
		index_flush(ix, ix->complete);
}

size_t
index_pending(const struct index *ix)
{
	return ix->pending.len + ix->ndrops * sizeof(*ix->drops);
}

static int
write_pending(struct index *ix, struct db_txn *txn, int64_t *count)
{
	const uint8_t *p = buf_data(&ix->pending), *end = p + ix->pending.len;
	char key[KEY_SIZE];
	int e = 0;

	while (p < end && e == 0) {
		uint32_t n = le_get32(p + 8);

		e = db_put(txn, key_of(le_get64(p), key), str_from(p + 12, n));
		*count += 1;
		p += 12 + n;
	}
	for (size_t i = 0; i < ix->ndrops && e == 0; i++) {
		e = db_del(txn, key_of(ix->drops[i], key));
		*count -= e == 0;
		e = e == DBE_NONE ? 0 : e;
	}
	return e;
}

static int
write_stamp(struct db_txn *txn, uint64_t complete, uint64_t count)
{
	uint8_t v[STAMP_SIZE];

	le_put64(v, complete);
	le_put64(v + 8, count);
	return db_put(txn, STR("s"), str_from(v, sizeof(v)));
}

static int
write_all(struct index *ix, uint64_t complete)
{
	struct db_txn *txn = NULL;
	int64_t count = (int64_t)ix->count;
	int e = db_begin(ix->db, true, &txn);

	if (e == 0)
		e = write_pending(ix, txn, &count);
	if (e == 0)
		e = write_stamp(txn, complete, (uint64_t)count);
	if (e == 0)
		e = db_commit(&txn);
	else if (txn != NULL)
		db_abort(&txn);
	if (e != 0)
		return e;
	ix->complete = complete;
	ix->count = (uint64_t)count;
	return 0;
}

void
index_flush(struct index *ix, uint64_t complete)
{
	int e;

	if (!index_ready(ix))
		return;
	if (index_pending(ix) == 0 && complete == ix->complete)
		return;
	/* It was opened only now, and knows less than the caller thought. */
	if (ix->lost && complete > ix->complete)
		complete = ix->complete;
	e = write_all(ix, complete);
	if (e != 0) {
		forget_pending(ix);
		if (e != DBE_FULL)
			begin_anew(ix, "index-unusable", "it cannot be written");
		return;
	}
	buf_clear(&ix->pending);
	if (ix->pending.cap > INDEX_PENDING_MAX / 4)
		buf_free(&ix->pending);
	free(ix->drops);
	ix->drops = NULL;
	ix->ndrops = 0;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

bool
index_get(struct index *ix, uint64_t email, struct buf *out)
{
	char key[KEY_SIZE];
	int e;

	if (ix->pending.len > 0)
		index_flush(ix, ix->complete);
	if (!index_ready(ix))
		return false;
	e = db_get(ix->db, key_of(email, key), out);
	if (e != 0 && e != DBE_NONE && e != DBE_LIMIT)
		begin_anew(ix, "index-unusable", "it cannot be read");
	return e == 0;
}

uint64_t
index_complete(const struct index *ix)
{
	return ix->complete;
}

uint64_t
index_count(const struct index *ix)
{
	return ix->count;
}

bool
index_lost(struct index *ix)
{
	bool was = ix->lost;

	ix->lost = false;
	return was;
}
