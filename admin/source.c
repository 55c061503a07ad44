/* SPDX-License-Identifier: ISC */
#include "admin/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/machine.h"

/* --- the server --------------------------------------------------------------------------------------- */

static int
read_login(struct server *s, const char *path, char error[HTTP_ERROR_MAX])
{
	size_t n;
	char *text = machine_read_file(path, HTTP_LOGIN_MAX, &n);
	size_t length = text != NULL ? strcspn(text, "\r\n") : 0;

	if (text == NULL) {
		snprintf(error, HTTP_ERROR_MAX, "%.256s: %s.", path, strerror(errno));
		return -1;
	}
	memcpy(s->login, text, length);
	s->login[length] = '\0';
	sodium_memzero(text, n);
	free(text);
	if (strchr(s->login, ':') != NULL)
		return 0;
	snprintf(error, HTTP_ERROR_MAX, "%.256s does not hold name:password.", path);
	return -1;
}

int
server_open(struct server *s, const struct command_line *line, char error[HTTP_ERROR_MAX])
{
	const char *ca = line->option[OPTION_ca] ? line->option[OPTION_ca] : SOURCE_CA;
	const char *why;

	memset(s, 0, sizeof(*s));
	if (line->option[OPTION_login] != NULL &&
	    read_login(s, line->option[OPTION_login], error) < 0)
		return -1;
	s->http = http_client_new(ca, NULL, &why);
	if (why == NULL)
		return 0;
	snprintf(error, HTTP_ERROR_MAX, "%.256s: %s.", ca, why);
	return -1;
}

void
server_close(struct server *s)
{
	http_client_free(&s->http);
	sodium_memzero(s->login, sizeof(s->login));
}

/* --- the file ----------------------------------------------------------------------------------------- */

static int
open_here(struct source *s)
{
	off_t size;

	if ((s->fd = open(s->name, O_RDONLY | O_CLOEXEC)) < 0 ||
	    (size = lseek(s->fd, 0, SEEK_END)) < 0) {
		snprintf(s->error, sizeof(s->error), "%s: %s.", s->name, strerror(errno));
		return -1;
	}
	s->size = (uint64_t)size;
	return 0;
}

int
source_open(struct source *s, const char *name, const struct command_line *line)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->name = name;
	s->remote = http_is_url(name);
	buf_init(&s->piece, SOURCE_PIECE);
	return s->remote ? server_open(&s->server, line, s->error) : open_here(s);
}

void
source_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	server_close(&s->server);
	buf_free(&s->piece);
}

bool
source_is_remote(const struct source *s)
{
	return s->remote;
}

/* One part into s->piece. 0, or -1 and s->error. */
static int
fetch(struct source *s, struct http_ask *ask)
{
	struct http_answer answer;
	enum http_result r;
	char status[HTTP_ERROR_MAX];

	ask->url = s->name;
	ask->login = s->server.login[0] != '\0' ? s->server.login : NULL;
	ask->redirects = true;
	r = http_ask_patiently(s->server.http, ask, &answer);
	buf_clear(&s->piece);
	if (r == HTTP_DONE && answer.status == 206 && (s->size == 0 || s->size == answer.total)) {
		buf_put(&s->piece, buf_data(&answer.content), buf_len(&answer.content));
		s->size = answer.total;
	} else {
		snprintf(s->error, sizeof(s->error), "%s: %s.", s->name,
		    r != HTTP_DONE         ? answer.error
		    : answer.status == 206 ? "the file has changed meanwhile"
					   : http_status_text(answer.status, status));
		r = HTTP_REFUSED;
	}
	http_answer_free(&answer);
	return r == HTTP_DONE ? 0 : -1;
}

static int
read_here(struct source *s, uint64_t offset, char *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = pread(s->fd, p + done, n - done, (off_t)(offset + done));

		if (r <= 0) {
			snprintf(s->error, sizeof(s->error), "%s: %s.", s->name,
			    r < 0 ? strerror(errno) : "it is shorter now");
			return -1;
		}
		done += (size_t)r;
	}
	return 0;
}

int
source_tail(struct source *s, void *p, size_t n)
{
	struct http_ask ask = { .from_end = true, .length = n, .most = n };

	if (!s->remote)
		return s->size < n ? -1 : read_here(s, s->size - n, p, n);
	if (n > SOURCE_PIECE || fetch(s, &ask) < 0)
		return -1;
	if (buf_len(&s->piece) < n)
		return -1;
	memcpy(p, buf_data(&s->piece), n);
	s->piece_at = s->size - n;
	return 0;
}

/* What the piece has of so many bytes from offset on; how many. */
static size_t
take(const struct source *s, uint64_t offset, char *p, size_t n)
{
	size_t have = buf_len(&s->piece), skip;

	if (offset < s->piece_at || offset - s->piece_at >= have)
		return 0;
	skip = (size_t)(offset - s->piece_at);
	n = n < have - skip ? n : have - skip;
	memcpy(p, buf_data(&s->piece) + skip, n);
	return n;
}

int
source_read(struct source *s, uint64_t offset, void *p, size_t n)
{
	if (!s->remote)
		return read_here(s, offset, p, n);
	for (size_t done = 0;;) {
		struct http_ask ask = { .length = SOURCE_PIECE, .most = SOURCE_PIECE };

		done += take(s, offset + done, (char *)p + done, n - done);
		if (done == n)
			return 0;
		ask.first = offset + done;
		if (ask.first >= s->size || fetch(s, &ask) < 0)
			return -1;
		s->piece_at = ask.first;
	}
}
