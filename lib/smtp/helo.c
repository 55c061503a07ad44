/* SPDX-License-Identifier: ISC */
#include "smtp/helo.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* An address in its one form for comparing, an IPv4 one as mapped into IPv6; false: it is none. */
static bool
read_address(const char *text, unsigned char out[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(out, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, out + 12) == 1 || inet_pton(AF_INET6, text, out) == 1;
}

/* The address in a literal (rfc5321:4.1.3), or in what some programs give without brackets. */
static bool
helo_address(const char *helo, unsigned char out[16])
{
	static const struct str tag = STR("[IPv6:");
	struct str s = str_of(helo);
	char text[64];
	size_t skip = 0;

	if (s.n > 1 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
		skip = str_starts_nocase(s, tag) ? tag.n : 1;
		s.n--;
	}
	snprintf(text, sizeof(text), "%.*s", (int)(s.n - skip), s.p + skip);
	return read_address(text, out);
}

/* Names that are no name of a host: one label, numbers at the end, or what each host calls itself. */
static bool
is_qualified(struct str name)
{
	size_t last = name.n;

	while (last > 0 && name.p[last - 1] != '.')
		last--;
	name = str_from(name.p + last, name.n - last);
	if (last == 0 || name.n == 0 || str_eq_nocase(name, STR("localdomain")) ||
	    str_eq_nocase(name, STR("localhost")))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < '0' || name.p[i] > '9')
			return true;
	return false;
}

enum smtp_reply_id
smtp_helo_check(const struct smtp_helo *h)
{
	unsigned char said[16], real[16];

	if (helo_address(h->helo, said))
		return read_address(h->client, real) && memcmp(said, real, 16) == 0
			   ? SMTP_OK
			   : SMTP_HELO_ADDRESS;
	for (unsigned i = 0; i < 2; i++)
		if (*h->ours[i] != '\0' && str_eq_nocase(str_of(h->helo), str_of(h->ours[i])))
			return SMTP_HELO_OURS;
	return is_qualified(str_of(h->helo)) ? SMTP_OK : SMTP_HELO_NOT_QUALIFIED;
}
