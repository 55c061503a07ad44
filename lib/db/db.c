/* SPDX-License-Identifier: ISC */
#include "db/db.h"

#include <assert.h>
#include <db.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/xalloc.h"

enum {
	PAGE = 4096, /* what disks write as a whole: no torn pages */
	OVERHEAD = 256,
};

#define DATA_FILE "data.db"
#define RESERVE_FILE "reserve"
#define LOCK_FILE "lock"
static const struct str format_key = { "\0format", 7 };

struct db {
	DB_ENV *env;
	DB *data;
	struct db_txn *open;
	char why[256];
	uint32_t format;
	uint32_t log_file; /* number of the newest log file whose name is on stable storage */
	const char *home;
	int dir, lock;
	bool broken, reserved;
	bool index; /* see db_open_index */
};

struct db_txn {
	struct db *db;
	DB_TXN *txn;
	size_t bytes;
	bool need_space;
	uint32_t format;
};

/* ---- errors -----------------------------------------------------------------------------------
 */

static void
on_message(const DB_ENV *env, const char *prefix, const char *msg)
{
	struct db *db = env->app_private;

	(void)prefix;
	(void)snprintf(db->why, sizeof(db->why), "%s", msg);
}

static int
map_error(struct db *db, int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case DB_NOTFOUND:
	case DB_KEYEMPTY:
		return DBE_NONE;
	case ENOSPC:
	case EDQUOT:
		return DBE_FULL;
	case DB_PAGE_NOTFOUND:
	case DB_VERIFY_BAD:
	case DB_CHKSUM_FAIL:
		return DBE_CORRUPT;
	case DB_BUFFER_SMALL:
	case ENOMEM:
		return DBE_LIMIT;
	}
	if (db->why[0] == 0)
		(void)snprintf(db->why, sizeof(db->why), "%s", db_strerror(rc));
	/* anything else, DB_RUNRECOVERY first of all: do not trust what is in memory */
	db->broken = true;
	return strstr(db->why, "checksum") ? DBE_CORRUPT : DBE_BROKEN;
}

const char *
db_why(const struct db *db)
{
	return db->why;
}

/* ---- the reserve ------------------------------------------------------------------------------
 */

static bool
have_space(struct db *db, uint64_t want)
{
	struct statvfs v;

	if (fstatvfs(db->dir, &v) != 0)
		return true; /* not knowing is no reason to refuse: the engine will tell */
	return (uint64_t)v.f_bavail * v.f_frsize >= want;
}

static void
reserve_make(struct db *db)
{
	int fd;

	if (db->index || db->reserved || !have_space(db, (uint64_t)DB_RESERVE + DB_MIN_FREE))
		return;
	fd = openat(db->dir, RESERVE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (fallocate(fd, 0, 0, DB_RESERVE) == 0 || errno == EOPNOTSUPP)
		db->reserved = true;
	else
		(void)unlinkat(db->dir, RESERVE_FILE, 0);
	close(fd);
}

static void
reserve_drop(struct db *db)
{
	(void)unlinkat(db->dir, RESERVE_FILE, 0);
	db->reserved = false;
}

/* ---- open -------------------------------------------------------------------------------------
 */

/* What a shared environment would have left (from a copy made by other tools). */
static void
remove_regions(struct db *db)
{
	int fd = openat(db->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "__db.", 5) == 0)
			(void)unlinkat(db->dir, e->d_name, 0);
	closedir(d);
}

static int
open_env(struct db *db)
{
	DB_ENV *env;
	int rc = db_env_create(&env, 0);

	if (rc != 0)
		return rc;
	db->env = env;
	env->app_private = db;
	env->set_errcall(env, on_message);
	(void)env->set_tmp_dir(env, ".");
	if ((rc = env->set_cachesize(env, 0, DB_CACHE, 1)) != 0 ||
	    (rc = env->set_lg_max(env, DB_LOG_FILE)) != 0 ||
	    (rc = env->set_lg_bsize(env, 64 << 10)) != 0 || (rc = env->set_tx_max(env, 4)) != 0 ||
	    (rc = env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1)) != 0)
		return rc;
	return env->open(env, db->home,
	    DB_CREATE | DB_RECOVER | DB_PRIVATE | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL, 0600);
}

static uint32_t
commit_how(const struct db *db)
{
	return db->index ? DB_TXN_WRITE_NOSYNC : DB_TXN_SYNC;
}

static int
open_data(struct db *db)
{
	DB_TXN *txn = NULL;
	int rc = db_create(&db->data, db->env, 0);

	if (rc != 0 || (rc = db->data->set_flags(db->data, DB_CHKSUM)) != 0 ||
	    (rc = db->data->set_pagesize(db->data, db->index ? DB_INDEX_PAGE : PAGE)) != 0 ||
	    (rc = db->env->txn_begin(db->env, NULL, &txn, 0)) != 0)
		return rc;
	rc = db->data->open(db->data, txn, DATA_FILE, NULL, DB_BTREE, DB_CREATE, 0600);
	if (rc != 0)
		(void)txn->abort(txn);
	else
		rc = txn->commit(txn, commit_how(db));
	return rc;
}

/*
 * The engine syncs files, but not the directory: without this a new log file, with commits in it,
 * could be gone after a power cut. Called before a commit is answered and before a checkpoint
 * removes older log files. 0 or an errno.
 */
static int
sync_names(struct db *db)
{
	DB_LOG_STAT *st;
	uint32_t newest;
	int rc;

	if (db->index)
		return 0;
	if ((rc = db->env->log_stat(db->env, &st, 0)) != 0)
		return rc;
	newest = st->st_cur_file;
	free(st);
	if (newest == db->log_file)
		return 0;
	if (fsync(db->dir) != 0)
		return errno;
	db->log_file = newest;
	return 0;
}

static void
close_engine(struct db *db)
{
	if (db->data)
		(void)db->data->close(db->data, 0);
	if (db->env)
		(void)db->env->close(db->env, 0);
	db->data = NULL;
	db->env = NULL;
}

static int
open_engine(struct db *db)
{
	int rc = open_env(db);

	if (rc == 0)
		rc = open_data(db);
	if (rc == 0)
		rc = sync_names(db);
	if (rc != 0)
		close_engine(db);
	return rc;
}

static uint32_t
get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A new store gets the format, an old one tells it. */
static int
check_format(struct db *db, uint32_t format, struct buf *why)
{
	struct db_txn *txn = NULL;
	struct buf v;
	int rc;

	buf_init(&v, 4);
	rc = db_get(db, format_key, &v);
	if (rc == 0 && buf_len(&v) == 4) {
		db->format = get_u32(buf_data(&v));
		if (db->format > format) {
			(void)buf_printf(why,
			    "written by a newer version (format %u, this program knows %u): use "
			    "that version or restore a backup",
			    db->format, format);
			rc = DBE_NEWER;
		}
	} else if (rc == DBE_NONE) {
		rc = db_begin(db, false, &txn);
		if (rc == 0)
			rc = db_set_format(txn, format);
		if (rc == 0)
			rc = db_commit(&txn);
		else if (txn)
			(void)db_abort(&txn);
	} else if (rc == 0) {
		rc = DBE_CORRUPT;
	}
	buf_free(&v);
	return rc;
}

static int
take_lock(struct db *db, struct buf *why)
{
	db->dir = open(db->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (db->dir >= 0)
		db->lock =
		    openat(db->dir, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (db->lock < 0 && (errno == ENOSPC || errno == EDQUOT)) {
		reserve_drop(db);
		db->lock =
		    openat(db->dir, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (db->lock < 0) {
		(void)buf_printf(why, "cannot be opened: %s", strerror(errno));
		return DBE_BROKEN;
	}
	if (flock(db->lock, LOCK_EX | LOCK_NB) != 0) {
		(void)buf_puts(why, "another process has it open");
		return DBE_BUSY;
	}
	/* Berkeley DB would take settings from such a file; nobody honest puts one here. */
	if (faccessat(db->dir, "DB_CONFIG", F_OK, 0) == 0) {
		(void)buf_puts(why, "there is a file DB_CONFIG: remove it");
		return DBE_BROKEN;
	}
	return 0;
}

static int
open_in(const char *home, bool index, uint32_t format, struct db **out, struct buf *why)
{
	struct db *db = xcalloc(1, sizeof(*db));
	size_t before = buf_len(why);
	int rc;

	*out = NULL;
	db->home = home;
	db->index = index;
	db->dir = db->lock = -1;
	rc = take_lock(db, why);
	if (rc != 0)
		goto out;
	remove_regions(db);
	db->reserved = faccessat(db->dir, RESERVE_FILE, F_OK, 0) == 0;
	if (db->reserved && !have_space(db, DB_MIN_FREE))
		reserve_drop(db);
	rc = open_engine(db);
	if (rc == ENOSPC || rc == EDQUOT || rc == DB_RUNRECOVERY) {
		reserve_drop(db);
		db->why[0] = 0;
		rc = open_engine(db);
	}
	rc = map_error(db, rc);
	if (rc == 0)
		rc = check_format(db, format, why);
	if (rc == 0)
		reserve_make(db);
out:
	if (rc != 0 && buf_len(why) == before)
		(void)buf_printf(why, "%s: %s",
		    rc == DBE_CORRUPT ? "damaged; restore a backup"
		    : rc == DBE_FULL  ? "the disk is full"
				      : "cannot be opened",
		    db->why);
	if (rc != 0)
		db_close(&db);
	*out = db;
	return rc;
}

int
db_open(uint32_t format, struct db **out, struct buf *why)
{
	return open_in(".", false, format, out, why);
}

int
db_open_index(const char *home, uint32_t format, struct db **out, struct buf *why)
{
	*out = NULL;
	if (mkdir(home, 0700) != 0 && errno != EEXIST) {
		(void)buf_printf(why, "cannot be made: %s", strerror(errno));
		return errno == ENOSPC || errno == EDQUOT ? DBE_FULL : DBE_BROKEN;
	}
	return open_in(home, true, format, out, why);
}

int
db_remove_index(const char *home)
{
	int fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC), bad = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return errno == ENOENT ? 0 : -1;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			bad |= unlinkat(fd, e->d_name, 0);
	closedir(d);
	return bad;
}

void
db_close(struct db **dbp)
{
	struct db *db = *dbp;

	if (db == NULL)
		return;
	if (db->open) {
		struct db_txn *txn = db->open;

		(void)db_abort(&txn);
	}
	if (db->env && !db->broken)
		(void)db->env->txn_checkpoint(db->env, 0, 0, 0);
	close_engine(db);
	if (db->lock >= 0)
		close(db->lock);
	if (db->dir >= 0)
		close(db->dir);
	free(db);
	*dbp = NULL;
}

uint32_t
db_format(const struct db *db)
{
	return db->format;
}

/* ---- transactions -----------------------------------------------------------------------------
 */

int
db_begin(struct db *db, bool need_space, struct db_txn **out)
{
	struct db_txn *txn;
	DB_TXN *t;
	int rc;

	*out = NULL;
	assert(db->open == NULL);
	if (db->broken)
		return DBE_BROKEN;
	reserve_make(db);
	if (need_space && ((!db->reserved && !db->index) || !have_space(db, DB_MIN_FREE)))
		return DBE_FULL;
	if (!need_space && !have_space(db, DB_MIN_FREE)) {
		reserve_drop(db);
		if (!have_space(db, DB_MIN_FREE))
			return DBE_FULL;
	}
	db->why[0] = 0;
	rc = db->env->txn_begin(db->env, NULL, &t, 0);
	if (rc != 0)
		return map_error(db, rc);
	txn = xcalloc(1, sizeof(*txn));
	txn->db = db;
	txn->txn = t;
	txn->need_space = need_space;
	txn->format = db->format;
	db->open = txn;
	*out = txn;
	return 0;
}

static DBT
dbt(struct str s)
{
	DBT d;

	memset(&d, 0, sizeof(d));
	d.data = (void *)(uintptr_t)s.p;
	d.size = (uint32_t)s.n;
	return d;
}

static int
put(struct db_txn *txn, struct str key, struct str value)
{
	DBT k = dbt(key), v = dbt(value);

	return map_error(txn->db, txn->db->data->put(txn->db->data, txn->txn, &k, &v, 0));
}

int
db_put(struct db_txn *txn, struct str key, struct str value)
{
	size_t cost = key.n + value.n + OVERHEAD;

	if (key.n == 0 || key.p[0] == 0 || key.n > DB_KEY_MAX || value.n > DB_VALUE_MAX)
		return DBE_LIMIT;
	if (txn->bytes + cost > DB_TXN_MAX)
		return DBE_LIMIT;
	/* the log takes old and new pages: allow for twice as much besides the fixed part */
	if (txn->need_space && (txn->bytes >> 16) != ((txn->bytes + cost) >> 16) &&
	    !have_space(txn->db, DB_MIN_FREE + 2 * (txn->bytes + cost)))
		return DBE_FULL;
	txn->bytes += cost;
	return put(txn, key, value);
}

int
db_set_format(struct db_txn *txn, uint32_t format)
{
	char v[4] = { (char)(format >> 24), (char)(format >> 16), (char)(format >> 8),
		(char)format };

	txn->format = format;
	return put(txn, format_key, str_from(v, sizeof(v)));
}

int
db_del(struct db_txn *txn, struct str key)
{
	DBT k = dbt(key);

	if (key.n == 0 || key.p[0] == 0 || key.n > DB_KEY_MAX)
		return DBE_NONE;
	return map_error(txn->db, txn->db->data->del(txn->db->data, txn->txn, &k, 0));
}

int
db_commit(struct db_txn **txnp)
{
	struct db_txn *txn = *txnp;
	struct db *db = txn->db;
	int rc;

	*txnp = NULL;
	db->open = NULL;
	rc = txn->txn->commit(txn->txn, commit_how(db));
	if (rc == 0)
		rc = sync_names(db);
	rc = map_error(db, rc);
	if (rc == 0) {
		db->format = txn->format;
	} else {
		/* May be in the log or not, whatever the reason (a full disk, too): only recovery
		 * can tell. */
		db->broken = true;
		rc = rc == DBE_CORRUPT ? DBE_CORRUPT : DBE_BROKEN;
	}
	free(txn);
	/* a failed checkpoint is tried again after the next commit; the log has everything */
	if (rc == 0)
		(void)db->env->txn_checkpoint(
		    db->env, db->index ? DB_INDEX_CHECKPOINT_KB : DB_CHECKPOINT_KB, 0, 0);
	return rc;
}

int
db_abort(struct db_txn **txnp)
{
	struct db_txn *txn = *txnp;
	struct db *db;

	if (txn == NULL)
		return 0;
	*txnp = NULL;
	db = txn->db;
	db->open = NULL;
	if (txn->txn->abort(txn->txn) != 0)
		db->broken = true;
	free(txn);
	return db->broken ? DBE_BROKEN : 0;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static DB_TXN *
current(struct db *db)
{
	return db->open ? db->open->txn : NULL;
}

int
db_get(struct db *db, struct str key, struct buf *value)
{
	DBT k = dbt(key), v = dbt(STR(""));
	int rc;

	if (db->broken)
		return DBE_BROKEN;
	rc = map_error(db, db->data->get(db->data, current(db), &k, &v, 0));
	if (rc != 0)
		return rc;
	return buf_put(value, v.data, v.size) == 0 ? 0 : DBE_LIMIT;
}

int
db_range(struct db *db, struct str prefix, int (*fn)(void *arg, struct str key, struct str value),
    void *arg)
{
	DBT k = dbt(prefix), v = dbt(STR(""));
	uint32_t step = DB_SET_RANGE;
	DBC *c;
	int rc;

	if (db->broken)
		return DBE_BROKEN;
	if ((rc = db->data->cursor(db->data, current(db), &c, 0)) != 0)
		return map_error(db, rc);
	while ((rc = c->get(c, &k, &v, step)) == 0) {
		struct str key = str_from(k.data, k.size);

		step = DB_NEXT;
		if (key.n < prefix.n || memcmp(key.p, prefix.p, prefix.n) != 0)
			break;
		if (key.p[0] == 0)
			continue;
		rc = fn(arg, key, str_from(v.data, v.size));
		if (rc != 0) {
			(void)c->close(c);
			return rc;
		}
	}
	(void)c->close(c);
	return rc == DB_NOTFOUND ? 0 : map_error(db, rc);
}
