/* SPDX-License-Identifier: ISC */
#include "proxy/proxy.h"

#include <string.h>

enum {
	V2_FIXED = 16,
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
	PORT_MAX = 65535
};

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";
enum { V2_SIGNATURE = sizeof(v2_signature) - 1 };

/* Whether in may become, or is, something that begins like this. */
static bool
begins(struct str in, const char *with, size_t n)
{
	return memcmp(in.p, with, in.n < n ? in.n : n) == 0;
}

/* --- version 1 ---------------------------------------------------------------------------------- */

/* The next word; words have one space between them. */
static struct str
next_word(struct str *line)
{
	ptrdiff_t space = str_chr(*line, ' ');
	struct str word = str_from(line->p, space < 0 ? line->n : (size_t)space);

	*line = space < 0 ? str_from(line->p + line->n, 0)
			  : str_from(word.p + word.n + 1, line->n - word.n - 1);
	return word;
}

static bool
read_port(struct str word, uint16_t *port)
{
	uint64_t n;

	if ((word.n > 1 && word.p[0] == '0') || !str_u64(word, PORT_MAX, &n))
		return false;
	*port = (uint16_t)n;
	return true;
}

static bool
read_v1(struct str line, struct proxy_header *out)
{
	struct str family = (next_word(&line), next_word(&line)), from, to;
	struct net_address destination;
	uint16_t port;
	bool six = str_eq(family, STR("TCP6"));

	out->local = str_eq(family, STR("UNKNOWN"));
	if (out->local)
		return true;
	if (!six && !str_eq(family, STR("TCP4")))
		return false;
	from = next_word(&line);
	to = next_word(&line);
	/* The form must be the family's; IPv4 written as IPv6 is IPv4 from here on. */
	if ((str_chr(from, ':') >= 0) != six || (str_chr(to, ':') >= 0) != six)
		return false;
	return net_parse(from, &out->client) && net_parse(to, &destination) &&
	       read_port(next_word(&line), &out->port) && read_port(next_word(&line), &port) &&
	       line.n == 0;
}

static int
parse_v1(struct str in, struct proxy_header *out, size_t *used)
{
	size_t most = in.n < PROXY_V1_MAX ? in.n : PROXY_V1_MAX;
	const char *lf = memchr(in.p, '\n', most);

	if (lf == NULL)
		return in.n < PROXY_V1_MAX ? 0 : -1;
	if (lf == in.p || lf[-1] != '\r')
		return -1;
	*used = (size_t)(lf - in.p) + 1;
	return read_v1(str_from(in.p, *used - 2), out) ? 1 : -1;
}

/* --- version 2 ---------------------------------------------------------------------------------- */

/* Text is the one form that all IPv4 in IPv6 is told from others by. */
static bool
read_client(const uint8_t *p, bool six, struct net_address *out)
{
	struct net_address raw = { .six = six };
	char text[NET_TEXT_MAX];

	memcpy(raw.b, p, six ? 16 : 4);
	return net_parse(str_of(net_print(&raw, text)), out);
}

static bool
read_v2(const uint8_t *h, size_t n, struct proxy_header *out)
{
	bool six = h[13] == V2_TCP6;
	size_t address = six ? 16 : 4;
	const uint8_t *port = h + V2_FIXED + 2 * address;

	if (h[12] == V2_LOCAL || (h[12] == V2_PROXY && h[13] == 0)) {
		out->local = true;
		return true;
	}
	if (h[12] != V2_PROXY || (!six && h[13] != V2_TCP4) || n < V2_FIXED + 2 * address + 4)
		return false;
	out->port = (uint16_t)(port[0] << 8 | port[1]);
	return read_client(h + V2_FIXED, six, &out->client);
}

static int
parse_v2(struct str in, struct proxy_header *out, size_t *used)
{
	const uint8_t *h = (const uint8_t *)in.p;

	if (in.n < V2_FIXED)
		return 0;
	*used = V2_FIXED + (size_t)(h[14] << 8 | h[15]);
	if (*used > PROXY_V2_MAX)
		return -1;
	if (in.n < *used)
		return 0;
	return read_v2(h, *used, out) ? 1 : -1;
}

int
proxy_parse(struct str in, struct proxy_header *out, size_t *used)
{
	memset(out, 0, sizeof(*out));
	*used = 0;
	if (in.n == 0)
		return 0;
	if (begins(in, "PROXY ", 6))
		return in.n < 6 ? 0 : parse_v1(in, out, used);
	if (begins(in, v2_signature, V2_SIGNATURE))
		return parse_v2(in, out, used);
	return -1;
}
