/* SPDX-License-Identifier: ISC */
#include "accounts/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts/store_priv.h"
#include "base/xalloc.h"

#define IMPORT_FILE "import"

int
import_put_hex(struct buf *out, struct str bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];
		char two[2] = { digits[c >> 4], digits[c & 15] };

		if (buf_put(out, two, 2) != 0)
			return BUF_LIMIT;
	}
	return 0;
}

static int
digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; -1: not hexadecimal. */
static int
unhex(char *p, size_t n, struct str *out)
{
	if (n % 2 != 0)
		return -1;
	for (size_t i = 0; i < n; i += 2) {
		int a = digit((unsigned char)p[i]), b = digit((unsigned char)p[i + 1]);

		if (a < 0 || b < 0)
			return -1;
		p[i / 2] = (char)(a << 4 | b);
	}
	*out = str_from(p, n / 2);
	return 0;
}

struct import {
	struct store *s;
	struct directory *check; /* the rows must make sense together */
	struct db_txn *txn;
	unsigned rows;
};

static int
import_row(struct import *im, struct str key, struct str value)
{
	char todo[RECORD_KEY_SIZE];
	uint32_t id;
	int rc;

	if (directory_apply(im->check, key, value) != 0)
		return -1;
	rc = db_put(im->txn, key, value);
	if (rc == 0 && key.p[0] == 'u' && record_id(key, &id))
		rc = db_put(im->txn, record_key_id(todo, 't', id), str_from("c", 1));
	im->rows++;
	return rc;
}

static int
import_line(struct import *im, char *line, size_t n)
{
	char *space = memchr(line, ' ', n);
	struct str key, value;
	int rc;

	if (n == 0)
		return 0;
	if (space == NULL || unhex(line, (size_t)(space - line), &key) != 0 ||
	    unhex(space + 1, n - (size_t)(space - line) - 1, &value) != 0)
		return -1;
	rc = import_row(im, key, value);
	if (rc != 0 || im->rows % IMPORT_BATCH != 0)
		return rc;
	if ((rc = db_commit(&im->txn)) == 0)
		rc = db_begin(im->s->db, true, &im->txn);
	return rc;
}

/* v/ rows come after u/ rows only by chance of the alphabet: so it is checked, not assumed. */
static int
import_file(struct import *im, FILE *f, struct buf *why)
{
	char *line = NULL;
	size_t size = 0;
	unsigned number = 0;
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = getline(&line, &size, f)) > 0) {
		number++;
		if (line[n - 1] == '\n')
			n--;
		rc = n > IMPORT_LINE_MAX ? -1 : import_line(im, line, (size_t)n);
	}
	if (rc == 0 && ferror(f))
		rc = -1;
	if (rc != 0)
		(void)buf_printf(why, "%s:%u: %s; remove or repair the file", IMPORT_FILE, number,
		    rc == DBE_FULL ? "the disk is full" : "is not a row of a backup");
	free(line);
	return rc;
}

static int
import_all(struct store *s, FILE *f, struct buf *why)
{
	struct import im = { .s = s };
	int rc = db_begin(s->db, true, &im.txn);

	if (rc != 0) {
		(void)buf_puts(why, "the disk is full");
		return -1;
	}
	im.check = directory_new(str_of(s->home));
	rc = db_put(im.txn, STR("m/import"), STR("1"));
	if (rc == 0)
		rc = import_file(&im, f, why);
	if (rc == 0)
		rc = db_put(im.txn, STR("m/import"), STR("2"));
	if (rc == 0)
		rc = db_commit(&im.txn);
	else if (im.txn)
		db_abort(&im.txn);
	directory_free(&im.check);
	return rc == 0 ? 1 : -1;
}

/* m/import: '1' while rows are being written, '2' when only the file is left to be removed. */
static int
import_state(struct store *s)
{
	struct buf mark;
	int state = 0;

	buf_init(&mark, 16);
	if (db_get(s->db, STR("m/import"), &mark) == 0 && buf_len(&mark) == 1)
		state = buf_data(&mark)[0];
	buf_free(&mark);
	return state;
}

static void
import_finish(struct store *s)
{
	struct db_txn *txn;

	if (unlink(IMPORT_FILE) != 0 && errno != ENOENT)
		return;
	if (db_begin(s->db, false, &txn) != 0)
		return;
	if (db_del(txn, STR("m/import")) == 0)
		(void)db_commit(&txn);
	else
		db_abort(&txn);
}

int
import_run(struct store *s, struct buf *why)
{
	int state = import_state(s), rc, fd;
	FILE *f;

	if (state == '2') {
		import_finish(s);
		return 0;
	}
	fd = open(IMPORT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || (f = fdopen(fd, "r")) == NULL) {
		(void)buf_printf(why, "%s: %s", IMPORT_FILE, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (state != '1' &&
	    (directory_accounts(s->directory) > 0 || directory_domains(s->directory) > 0)) {
		(void)buf_printf(why,
		    "there are accounts already and a file %s: remove one of them", IMPORT_FILE);
		rc = -1;
	} else {
		rc = import_all(s, f, why);
	}
	fclose(f);
	if (rc == 1)
		import_finish(s);
	return rc;
}
