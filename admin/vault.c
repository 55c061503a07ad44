/* SPDX-License-Identifier: ISC */
#include "admin/vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_FORMAT "postern-%s-%06u"
#define UNFINISHED "postern.unfinished"

static int __attribute__((format(printf, 2, 3))) fail(struct vault *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->error, sizeof(v->error), fmt, ap);
	va_end(ap);
	return -1;
}

int
vault_open(struct vault *v, const char *target, const struct command_line *line, bool make)
{
	memset(v, 0, sizeof(*v));
	v->target = target;
	v->folder = -1;
	if (http_is_url(target))
		return server_open(&v->server, line, v->error);
	if (make && mkdir(target, 0700) < 0 && errno != EEXIST)
		return fail(v, "%s: %s.", target, strerror(errno));
	if ((v->folder = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return fail(v, "%s: %s.", target, strerror(errno));
	return 0;
}

void
vault_close(struct vault *v)
{
	if (v->folder >= 0)
		close(v->folder);
	v->folder = -1;
	server_close(&v->server);
}

void
vault_piece_name(const uint8_t id[SEAL_ID_SIZE], uint32_t number, char out[VAULT_NAME_MAX])
{
	char hex[SEAL_ID_SIZE * 2 + 1];

	sodium_bin2hex(hex, sizeof(hex), id, SEAL_ID_SIZE);
	snprintf(out, VAULT_NAME_MAX, PIECE_FORMAT, hex, number);
}

/* --- a folder ----------------------------------------------------------------------------------------- */

static int
write_file(struct vault *v, const uint8_t *p, size_t n)
{
	int fd = openat(
	    v->folder, UNFINISHED, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -1 : 0;

	for (size_t done = 0; r == 0 && done < n;) {
		ssize_t w = write(fd, p + done, n - done);

		if (w < 0)
			r = -1;
		else
			done += (size_t)w;
	}
	if (r == 0 && fsync(fd) < 0)
		r = -1;
	/* So that what is read again comes from the disk and not from memory, where that can be had. */
	if (r == 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (fd >= 0 && close(fd) < 0)
		r = -1;
	return r;
}

/* Some file systems that lie on another machine know of no such thing. */
static int
sync_folder(struct vault *v)
{
	return fsync(v->folder) < 0 && errno != EINVAL ? -1 : 0;
}

static int
put_file(struct vault *v, const char *name, const uint8_t *p, size_t n)
{
	if (write_file(v, p, n) == 0 && renameat(v->folder, UNFINISHED, v->folder, name) == 0 &&
	    sync_folder(v) == 0)
		return 0;
	fail(v, "%s/%s: %s.", v->target, name, strerror(errno));
	unlinkat(v->folder, UNFINISHED, 0);
	return -1;
}

static enum vault_result
get_file(struct vault *v, const char *name, size_t max, struct buf *out)
{
	int fd = openat(v->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	size_t done = 0;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return VAULT_NONE;
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)max)) {
		close(fd);
		return fail(v, "%s/%s is not what was written there.", v->target, name);
	}
	while (n > 0 && done < max) {
		uint8_t *p = buf_reserve(out, max - done);

		if ((n = read(fd, p, max - done)) > 0) {
			buf_commit(out, (size_t)n);
			done += (size_t)n;
		}
	}
	if (n < 0)
		fail(v, "%s/%s: %s.", v->target, name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return n < 0 ? VAULT_FAILED : VAULT_OK;
}

static bool
is_piece(const char *name)
{
	return strlen(name) == 31 && strncmp(name, "postern-", 8) == 0 &&
	       strspn(name + 8, "0123456789abcdef") == SEAL_ID_SIZE * 2 && name[24] == '-' &&
	       strspn(name + 25, "0123456789") == 6;
}

/* All pieces whose names do not begin like one of ours. */
static void
clean_folder(struct vault *v, const char *ours)
{
	struct dirent **list;
	int n = scandirat(v->folder, ".", &list, NULL, NULL);

	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (is_piece(name) && strncmp(name, ours, 25) != 0)
			unlinkat(v->folder, name, 0);
		free(list[i]);
	}
	free(n >= 0 ? list : NULL);
	(void)sync_folder(v);
}

/* --- a server ----------------------------------------------------------------------------------------- */

static enum vault_result
ask_server(struct vault *v, struct http_ask *ask, const char *name, struct buf *out)
{
	char url[HTTP_URL_MAX + 1], status[HTTP_ERROR_MAX];
	struct http_answer answer;
	enum http_result r;
	enum vault_result result = VAULT_OK;

	if (http_url_below(v->target, name, url) < 0)
		return fail(v, "%.256s...: the address is too long.", v->target);
	ask->url = url;
	ask->login = v->server.login[0] != '\0' ? v->server.login : NULL;
	r = http_ask_patiently(v->server.http, ask, &answer);
	if (r != HTTP_DONE)
		result = fail(v, "%s: %s.", url, answer.error);
	else if (answer.status == 404)
		result = VAULT_NONE;
	else if (answer.status / 100 != 2)
		result = fail(v, "%s: %s.", url, http_status_text(answer.status, status));
	else if (out != NULL)
		buf_put(out, buf_data(&answer.content), buf_len(&answer.content));
	http_answer_free(&answer);
	return result;
}

/* --- both --------------------------------------------------------------------------------------------- */

enum vault_result
vault_get(struct vault *v, const char *name, size_t max, struct buf *out)
{
	struct http_ask ask = { .method = HTTP_GET, .most = max };

	return v->folder >= 0 ? get_file(v, name, max, out) : ask_server(v, &ask, name, out);
}

static int
compare(struct vault *v, const char *name, const uint8_t *p, size_t n)
{
	struct buf again;
	enum vault_result r;
	bool same;

	buf_init(&again, n + 1);
	r = vault_get(v, name, n + 1, &again);
	same = r == VAULT_OK && buf_len(&again) == n && memcmp(buf_data(&again), p, n) == 0;
	buf_free(&again);
	if (r == VAULT_FAILED || same)
		return r;
	return fail(
	    v, "%s: %s was written, but what is read there is something else.", v->target, name);
}

int
vault_put(struct vault *v, const char *name, const uint8_t *p, size_t n)
{
	struct http_ask ask = { .method = HTTP_PUT, .body = str_from(p, n) };
	enum vault_result r;

	if (v->folder >= 0) {
		if (put_file(v, name, p, n) < 0)
			return -1;
	} else if ((r = ask_server(v, &ask, name, NULL)) != VAULT_OK) {
		return r == VAULT_NONE
			   ? fail(v, "%s: there is no such place on the server.", v->target)
			   : -1;
	}
	return compare(v, name, p, n);
}

/* When it can be; nobody hears of it when not. */
static void
remove_one(struct vault *v, const char *name)
{
	struct http_ask ask = { .method = HTTP_DELETE };
	char error[sizeof(v->error)];

	memcpy(error, v->error, sizeof(error));
	if (v->folder >= 0)
		unlinkat(v->folder, name, 0);
	else
		ask_server(v, &ask, name, NULL);
	memcpy(v->error, error, sizeof(error));
}

/* --- what lies on a server ---------------------------------------------------------------------------- */

static void
add_id(struct vault *v, const uint8_t id[SEAL_ID_SIZE])
{
	for (size_t i = 0; i < v->nids; i++)
		if (memcmp(v->ids[i], id, SEAL_ID_SIZE) == 0)
			return;
	if (v->nids == VAULT_IDS_MAX)
		memmove(v->ids[0], v->ids[1], (size_t)--v->nids * SEAL_ID_SIZE);
	memcpy(v->ids[v->nids++], id, SEAL_ID_SIZE);
}

int
vault_begin(struct vault *v, const uint8_t id[SEAL_ID_SIZE], const struct seal_head *old)
{
	struct buf noted;
	enum vault_result r;

	if (v->folder >= 0)
		return 0;
	buf_init(&noted, sizeof(v->ids));
	r = vault_get(v, UNFINISHED, sizeof(v->ids), &noted);
	for (size_t at = 0; r == VAULT_OK && at + SEAL_ID_SIZE <= buf_len(&noted);
	     at += SEAL_ID_SIZE)
		add_id(v, buf_data(&noted) + at);
	buf_free(&noted);
	if (r == VAULT_FAILED)
		return -1;
	if (old != NULL) {
		v->old = *old;
		add_id(v, old->id);
	}
	add_id(v, id);
	return vault_put(v, UNFINISHED, v->ids[0], v->nids * SEAL_ID_SIZE);
}

/* From the first on as many as there are. A server that never says that there is none must not be asked for
 * ever. */
static uint32_t
count_pieces(struct vault *v, const uint8_t id[SEAL_ID_SIZE], uint32_t most)
{
	char name[VAULT_NAME_MAX];
	uint32_t n;

	for (n = 0; n < most; n++) {
		struct http_ask first_byte = { .method = HTTP_GET, .length = 1, .most = 1 };

		vault_piece_name(id, n + 1, name);
		if (ask_server(v, &first_byte, name, NULL) != VAULT_OK)
			break;
	}
	v->error[0] = '\0';
	return n;
}

void
vault_remove_pieces(struct vault *v, const uint8_t id[SEAL_ID_SIZE], uint32_t n)
{
	char name[VAULT_NAME_MAX];

	/* The last one first: whatever ends it, those that stay are counted from the first on again. */
	for (; n > 0; n--) {
		vault_piece_name(id, n, name);
		remove_one(v, name);
	}
}

static void
clean_server(struct vault *v, const uint8_t id[SEAL_ID_SIZE], uint32_t most)
{
	for (size_t k = 0; k < v->nids; k++) {
		bool old = memcmp(v->ids[k], v->old.id, SEAL_ID_SIZE) == 0;

		if (memcmp(v->ids[k], id, SEAL_ID_SIZE) != 0)
			vault_remove_pieces(
			    v, v->ids[k], old ? v->old.pieces : count_pieces(v, v->ids[k], most));
	}
	remove_one(v, UNFINISHED);
}

void
vault_clean(struct vault *v, const uint8_t id[SEAL_ID_SIZE], uint32_t pieces)
{
	char name[VAULT_NAME_MAX];

	vault_piece_name(id, 0, name);
	if (v->folder >= 0)
		clean_folder(v, name);
	else
		clean_server(v, id, pieces * 2 + 100);
}
