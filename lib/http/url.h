/* SPDX-License-Identifier: ISC */
/* Addresses of HTTPS servers, and the two fields of an answer that are more than a number. Pure functions. */
#ifndef POSTERN_HTTP_URL_H
#define POSTERN_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
	HTTP_URL_MAX = 2048, /* longer ones are made by programs, and not for this */
	HTTP_HOST_MAX = 255, /* rfc1035: of a name */
};

struct http_url {
	char host[HTTP_HOST_MAX + 1];       /* a name, or an address without brackets */
	char authority[HTTP_HOST_MAX + 16]; /* host and port as the Host field has them */
	uint16_t port;
	char path[HTTP_URL_MAX + 1]; /* with the query; begins with a slash */
};

/* Is it one of any kind ("scheme://...")? Else it is the name of a file. */
bool http_is_url(const char *text);

/* Only https, without a login and without a fragment. 0, or -1 with the reason for people in *why. */
int http_url_parse(struct str text, struct http_url *u, const char **why);

/* Where a redirection from u leads: a whole URL, or a path on the same host. As http_url_parse. */
int http_url_follow(
    const struct http_url *u, struct str location, struct http_url *to, const char **why);

/* url + "/" + name, for what lies below url. 0, or -1: longer than a URL may be. */
int http_url_below(const char *url, const char *name, char out[HTTP_URL_MAX + 1]);

/* Content-Range "bytes FIRST-LAST/TOTAL"; 0, or -1 for anything else and for numbers that cannot be. */
int http_range_parse(struct str text, uint64_t *first, uint64_t *last, uint64_t *total);

#endif
