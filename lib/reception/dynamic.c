/* SPDX-License-Identifier: ISC */
#include "reception/dynamic.h"

#include <stdio.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	int lower = ascii_tolower((unsigned char)c);

	return is_digit(c) || (lower >= 'a' && lower <= 'z');
}

/* The next run of letters or of digits; both together where hexadecimal is looked for. */
static bool
next_word(struct str *rest, bool mixed, struct str *word)
{
	size_t from = 0, to;

	while (from < rest->n && !is_alnum(rest->p[from]))
		from++;
	to = from;
	while (to < rest->n && is_alnum(rest->p[to]) &&
	       (mixed || is_digit(rest->p[to]) == is_digit(rest->p[from])))
		to++;
	*word = str_from(rest->p + from, to - from);
	*rest = str_from(rest->p + to, rest->n - to);
	return word->n > 0;
}

static bool
has_word(struct str name, const char *const *words)
{
	struct str word;

	while (next_word(&name, false, &word))
		for (const char *const *w = words; *w != NULL; w++)
			if (str_eq_nocase(word, str_of(*w)))
				return true;
	return false;
}

/* How many of the address's last two numbers stand in the name for themselves, padded or not. */
static unsigned
octets_in(const struct reception_client *client, struct str name)
{
	unsigned found = 0;

	for (int i = 2; i < 4; i++) {
		struct str rest = name, word;
		char plain[4], padded[4];

		snprintf(plain, sizeof(plain), "%u", client->bytes[i]);
		snprintf(padded, sizeof(padded), "%03u", client->bytes[i]);
		while (next_word(&rest, false, &word))
			if (str_eq(word, str_of(plain)) || str_eq(word, str_of(padded))) {
				found++;
				break;
			}
	}
	return found;
}

static bool
hex_in(const struct reception_client *client, struct str name)
{
	struct str word;
	char hex[9];

	snprintf(hex, sizeof(hex), "%02x%02x%02x%02x", client->bytes[0], client->bytes[1],
	    client->bytes[2], client->bytes[3]);
	while (next_word(&name, true, &word))
		for (size_t i = 0; i + 8 <= word.n; i++)
			if (str_eq_nocase(str_from(word.p + i, 8), str_of(hex)))
				return true;
	return false;
}

bool
dynamic_name(const struct reception_client *client, struct str name)
{
	static const char *const honest[] = { "mail", "mx", "smtp", "mta", "relay", "static", "srv",
		"server", "vps", "out", "mailout", NULL };
	static const char *const dialup[] = { "dyn", "dynamic", "dynamicip", "dial", "dialup",
		"dialin", "pool", "pools", "dsl", "adsl", "vdsl", "ppp", "pppoe", "cable", "dhcp",
		"cust", "customer", "client", "ip", "dip", "broadband", "res", "home", "user",
		NULL };
	unsigned octets;

	if (name.n == 0 || client->n != 4 || has_word(name, honest))
		return false;
	octets = octets_in(client, name);
	return octets == 2 || hex_in(client, name) || (octets == 1 && has_word(name, dialup));
}
