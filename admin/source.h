/* SPDX-License-Identifier: ISC */
/*
 * A file that is read by offsets, here or on an HTTPS server. Of the latter a piece is fetched at a time
 * and kept, so that reading on costs one request for each SOURCE_PIECE; a piece that broke off is asked
 * for again, what came before is not.
 */
#ifndef POSTERN_ADMIN_SOURCE_H
#define POSTERN_ADMIN_SOURCE_H

#include "command/command.h"
#include "http/http.h"

enum {
	SOURCE_PIECE = 1 << 20, /* memory for it is there on the smallest appliance */
};

#define SOURCE_CA "/etc/ssl/certs/ca-certificates.crt"

/* What all commands need that talk to HTTPS servers. */
struct server {
	struct http_client *http;
	char login[HTTP_LOGIN_MAX + 1]; /* "": none */
};

/* By the options --ca and --login, read with the caller's rights. 0, or -1 with the reason in error. */
int server_open(struct server *s, const struct command_line *line, char error[HTTP_ERROR_MAX]);
void server_close(struct server *s);

struct source {
	const char *name;
	uint64_t size; /* of a file that is here at once; else when source_tail has come back */
	char error[HTTP_ERROR_MAX + HTTP_URL_MAX];

	int fd; /* here */
	struct server server;
	bool remote;
	struct buf piece;
	uint64_t piece_at;
};

/* name: a file's, or a URL. Nothing is asked of a server yet. 0, or -1 and s->error. */
int source_open(struct source *s, const char *name, const struct command_line *line);
void source_close(struct source *s);
bool source_is_remote(const struct source *s);

/* Each 0, or -1 and s->error. */
/* The last n bytes; -1 also when there are fewer, then s->size < n. */
int source_tail(struct source *s, void *p, size_t n);
int source_read(struct source *s, uint64_t offset, void *p, size_t n);

#endif
