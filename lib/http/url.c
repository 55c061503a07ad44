/* SPDX-License-Identifier: ISC */
#include "http/url.h"

#include <stdio.h>

enum { PORT_HTTPS = 443 };

bool
http_is_url(const char *text)
{
	size_t n =
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return n > 0 && strncmp(text + n, "://", 3) == 0;
}

/* Nothing that a request line or a terminal could take for something else. */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"<>\\^`{|}", s.p[i]) != NULL)
			return false;
	return true;
}

static bool
is_host(struct str s, bool address)
{
	if (s.n == 0 || s.n > HTTP_HOST_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = (char)ascii_tolower((unsigned char)s.p[i]);
		bool digit = c >= '0' && c <= '9';

		if (address ? !(digit || (c >= 'a' && c <= 'f') || c == ':' || c == '.')
			    : !(digit || (c >= 'a' && c <= 'z') || c == '-' || c == '.'))
			return false;
	}
	return true;
}

/* The part between the slashes: host, [address], each with :port. */
static bool
parse_authority(struct str a, struct http_url *u)
{
	bool address = a.n > 0 && a.p[0] == '[';
	ptrdiff_t end = str_chr(a, address ? ']' : ':');
	struct str host, rest;
	uint64_t port = PORT_HTTPS;

	if (address && end < 0)
		return false;
	if (end < 0)
		end = (ptrdiff_t)a.n;
	host = str_from(a.p + address, (size_t)end - address);
	rest = str_from(a.p + end + address, a.n - (size_t)end - address);
	if (!is_host(host, address))
		return false;
	if (rest.n > 0 &&
	    (rest.p[0] != ':' || !str_u64(str_from(rest.p + 1, rest.n - 1), UINT16_MAX, &port) ||
		port == 0))
		return false;
	u->port = (uint16_t)port;
	snprintf(u->host, sizeof(u->host), "%.*s", STRF(host));
	snprintf(u->authority, sizeof(u->authority), address ? "[%s]" : "%s", u->host);
	if (port != PORT_HTTPS)
		snprintf(u->authority + strlen(u->authority),
		    sizeof(u->authority) - strlen(u->authority), ":%u", u->port);
	return true;
}

int
http_url_parse(struct str text, struct http_url *u, const char **why)
{
	struct str rest, authority;
	size_t n;

	memset(u, 0, sizeof(*u));
	*why = "it is no address of a server";
	if (text.n > HTTP_URL_MAX || !is_plain(text))
		return -1;
	if (!str_starts_nocase(text, STR("https://"))) {
		*why = "only https:// is taken";
		return -1;
	}
	rest = str_from(text.p + 8, text.n - 8);
	for (n = 0; n < rest.n && strchr("/?#", rest.p[n]) == NULL; n++)
		;
	authority = str_from(rest.p, n);
	rest = str_from(rest.p + n, rest.n - n);
	if (str_chr(authority, '@') >= 0) {
		*why = "name and password do not belong into an address (see: --login)";
		return -1;
	}
	if (str_chr(rest, '#') >= 0 || !parse_authority(authority, u))
		return -1;
	snprintf(u->path, sizeof(u->path), "%s%.*s", rest.n == 0 || rest.p[0] != '/' ? "/" : "",
	    STRF(rest));
	*why = "";
	return 0;
}

int
http_url_follow(
    const struct http_url *u, struct str location, struct http_url *to, const char **why)
{
	if (location.n == 0 || location.p[0] != '/')
		return http_url_parse(location, to, why);
	*why = "it is no address of a server";
	if (location.n > HTTP_URL_MAX || !is_plain(location) || str_chr(location, '#') >= 0 ||
	    (location.n > 1 && location.p[1] == '/'))
		return -1;
	*to = *u;
	snprintf(to->path, sizeof(to->path), "%.*s", STRF(location));
	*why = "";
	return 0;
}

int
http_url_below(const char *url, const char *name, char out[HTTP_URL_MAX + 1])
{
	size_t n = strlen(url);
	int length = snprintf(
	    out, HTTP_URL_MAX + 1, "%s%s%s", url, n > 0 && url[n - 1] == '/' ? "" : "/", name);

	return length < 0 || length > HTTP_URL_MAX ? -1 : 0;
}

int
http_range_parse(struct str text, uint64_t *first, uint64_t *last, uint64_t *total)
{
	struct str s = str_trim(text);
	ptrdiff_t dash, slash;

	if (!str_starts_nocase(s, STR("bytes ")))
		return -1;
	s = str_from(s.p + 6, s.n - 6);
	dash = str_chr(s, '-');
	slash = str_chr(s, '/');
	if (dash < 0 || slash < dash || !str_u64(str_from(s.p, (size_t)dash), INT64_MAX, first) ||
	    !str_u64(str_from(s.p + dash + 1, (size_t)(slash - dash - 1)), INT64_MAX, last) ||
	    !str_u64(str_from(s.p + slash + 1, s.n - (size_t)slash - 1), INT64_MAX, total))
		return -1;
	return *first <= *last && *last < *total ? 0 : -1;
}
