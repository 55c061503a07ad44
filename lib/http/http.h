/* SPDX-License-Identifier: ISC */
/*
 * Requests to HTTPS servers, for programs of the command line: one at a time, each waits for its end. By
 * libevent's evhttp over its OpenSSL bufferevents; besides lib/io nobody else includes libevent.
 *
 * The server's certificate is always checked (TLS_VERIFIED of tls/tls_client.h). Each request has a
 * connection of its own, a limit of what the answer may bring, one for silence and one for the whole,
 * so that no server can keep a command for ever or fill the memory.
 */
#ifndef POSTERN_HTTP_HTTP_H
#define POSTERN_HTTP_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/url.h"

enum {
	HTTP_HEADER_MAX = 16384,   /* of an answer: some servers set many fields */
	HTTP_REDIRECTS_MAX = 5,    /* more are a circle */
	HTTP_IDLE_MS = 30 * 1000,  /* no byte of the answer for so long */
	HTTP_WHOLE_MS = 60 * 1000, /* one request without its content */
	HTTP_BYTES_PER_S = 4096,   /* of content: the slowest line that is still used */
	HTTP_TRIES = 5,            /* http_ask_patiently: at once, then after 1, 2, 4 seconds */
	HTTP_LOGIN_MAX = 512,      /* name and password */
	HTTP_ERROR_MAX = 512,
};

enum http_method { HTTP_GET, HTTP_PUT, HTTP_DELETE };

enum http_result {
	HTTP_DONE = 0,     /* it answered; see the status */
	HTTP_AGAIN = -1,   /* no connection, broken off, silent: another time it may go */
	HTTP_REFUSED = -2, /* what came is not taken: certificate, redirection, length, no HTTP */
};

struct http_limits {
	uint64_t idle_ms, whole_ms, bytes_per_s;
};

struct http_ask {
	enum http_method method;
	const char *url;
	const char *login; /* "name:password", told to the URL's own host only; NULL: none */
	struct str body;   /* HTTP_PUT */
	/* HTTP_GET: so many bytes from first on, or the last ones; 0: all. The most that is taken. */
	uint64_t first;
	size_t length;
	bool from_end;
	size_t most;
	bool redirects; /* HTTP_GET: are followed, to https only */
};

struct http_answer {
	int status; /* of HTTP; 206 only with exactly the bytes that were asked for */
	struct buf content;
	uint64_t total;             /* 206: bytes of the whole; else those of content */
	char error[HTTP_ERROR_MAX]; /* when it is not HTTP_DONE, for people */
};

struct http_client;

/* ca_file: as of tls_client_new. limits: NULL for those above. Ignores SIGPIPE. Ends the process when the library fails. */
struct http_client *http_client_new(
    const char *ca_file, const struct http_limits *limits, const char **why);
void http_client_free(struct http_client **c);

/* answer is initialised here and freed by http_answer_free in any case. */
enum http_result http_ask(
    struct http_client *c, const struct http_ask *ask, struct http_answer *answer);
/* The same, again while it is HTTP_AGAIN or the server says that it is busy (5xx but 507, 429). */
enum http_result http_ask_patiently(
    struct http_client *c, const struct http_ask *ask, struct http_answer *answer);
void http_answer_free(struct http_answer *answer);

/* "the server says 404", and for some what that means. */
const char *http_status_text(int status, char out[HTTP_ERROR_MAX]);

#endif
