/* SPDX-License-Identifier: ISC */
/* Any bytes as a URL, as a redirection and as a Content-Range. */
#include <assert.h>
#include <stddef.h>

#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct http_url *u)
{
	assert(u->port != 0 && u->host[0] != '\0' && u->path[0] == '/');
	assert(strstr(u->authority, u->host) != NULL);
	for (const char *p = u->path; *p != '\0'; p++)
		assert(*p > ' ' && *p < 0x7f && *p != '#');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_from(data, size);
	struct http_url u, base;
	const char *why;
	uint64_t first, last, total;

	if (http_url_parse(text, &u, &why) == 0)
		check(&u);
	else
		assert(why[0] != '\0');
	assert(http_url_parse(STR("https://a.example:8443/x?y"), &base, &why) == 0);
	if (http_url_follow(&base, text, &u, &why) == 0)
		check(&u);
	if (http_range_parse(text, &first, &last, &total) == 0)
		assert(first <= last && last < total);
	return 0;
}
