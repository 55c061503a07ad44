/* SPDX-License-Identifier: ISC */
#include "answers/answers.h"

#include <arpa/inet.h>
#include <stdio.h>

enum kind { K_LANGUAGE, K_DOMAIN, K_NETWORK, K_ADDRESSES, K_MAILBOX, K_PASSWORD, K_ZONE, K_HOSTS };

static const struct answer_row rows[ANSWER__MAX] = {
#define ANSWER(id, needed, def, kind, en, de) { #id, needed, def, { en, de } },
#include "answers/answer_table.h"
#undef ANSWER
};

static const enum kind kinds[ANSWER__MAX] = {
#define ANSWER(id, needed, def, kind, en, de) K_##kind,
#include "answers/answer_table.h"
#undef ANSWER
};

static const char *const reasons[][2] = {
	[K_LANGUAGE] = { "Please answer en or de.", "Bitte en oder de eingeben." },
	[K_DOMAIN] = { "Please give a full name such as example.org: letters, digits, hyphens and dots.",
	    "Bitte einen vollen Namen wie example.org: Buchstaben, Ziffern, Bindestriche und Punkte." },
	[K_NETWORK] = { "Please answer dhcp, or addresses with their lengths such as 192.0.2.5/24,2001:db8::5/64.",
	    "Bitte dhcp oder Adressen mit Länge wie 192.0.2.5/24,2001:db8::5/64 eingeben." },
	[K_ADDRESSES] = { "Please give IP addresses, separated by commas.",
	    "Bitte IP-Adressen, mit Kommas getrennt." },
	[K_MAILBOX] = { "Please give the part before @ only: letters, digits, dots, hyphens.",
	    "Bitte nur den Teil vor dem @: Buchstaben, Ziffern, Punkte, Bindestriche." },
	[K_PASSWORD] = { "A password needs at least 8 characters, and no space at its ends.",
	    "Ein Passwort braucht mindestens 8 Zeichen, am Rand kein Leerzeichen." },
	[K_ZONE] = { "Please give a time zone such as Europe/Berlin or UTC.",
	    "Bitte eine Zeitzone wie Europe/Berlin oder UTC." },
	[K_HOSTS] = { "Please give names or addresses, separated by commas.",
	    "Bitte Namen oder Adressen, mit Kommas getrennt." },
};

static const char *const texts[SAY__MAX][2] = {
#define SAY(id, en, de) { en, de },
#include "answers/text_table.h"
#undef SAY
};

const char *
answer_text(enum answer_text id, int language)
{
	return texts[id][language];
}

const struct answer_row *
answer_row(enum answer_id id)
{
	return &rows[id];
}

static bool
only(struct str s, const char *signs)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = ascii_tolower((unsigned char)s.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			(c != '\0' && strchr(signs, c) != NULL)))
			return false;
	}
	return s.n > 0;
}

/* rfc1123:2.1: labels of letters, digits and hyphens, none at an end of a label. */
static bool
good_name(struct str s, bool full)
{
	size_t label = 0, labels = 0;

	if (!only(s, ".-"))
		return false;
	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '.') {
			if (++label > 63 || (label == 1 && s.p[i] == '-'))
				return false;
			continue;
		}
		if (label == 0 || s.p[i - 1] == '-')
			return false;
		label = 0;
		labels++;
	}
	/* The last label of a name is never a number, that of an address is. */
	return (!full || labels > 1) && !(s.p[s.n - 1] >= '0' && s.p[s.n - 1] <= '9');
}

/* The family of an address; 0: none. */
static int
family(struct str s)
{
	char text[INET6_ADDRSTRLEN], raw[16];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(AF_INET, text, raw) == 1    ? AF_INET
	       : inet_pton(AF_INET6, text, raw) == 1 ? AF_INET6
						     : 0;
}

static bool
good_address(struct str s)
{
	return family(s) != 0;
}

static bool
good_host(struct str s)
{
	return good_address(s) || good_name(s, false);
}

/* An address and the length of its network. */
static bool
good_prefix(struct str s)
{
	ptrdiff_t slash = str_chr(s, '/');
	uint64_t length;
	int f;

	if (slash < 0)
		return false;
	f = family(str_from(s.p, (size_t)slash));
	return f != 0 &&
	       str_u64(str_from(s.p + slash + 1, s.n - (size_t)slash - 1), f == AF_INET ? 32 : 128,
		   &length) &&
	       length > 0;
}

/* One or more with commas between them; none is a list, too. */
static bool
good_list(struct str s, bool (*good_item)(struct str))
{
	while (s.n > 0) {
		ptrdiff_t comma = str_chr(s, ',');
		size_t n = comma < 0 ? s.n : (size_t)comma;

		if (!good_item(str_trim(str_from(s.p, n))))
			return false;
		if (comma >= 0 && n + 1 == s.n)
			return false;
		n += comma >= 0;
		s = str_from(s.p + n, s.n - n);
	}
	return true;
}

static bool
good_mailbox(struct str s)
{
	return s.n <= 64 && only(s, ".-_") && s.p[0] != '.' && s.p[s.n - 1] != '.' &&
	       memmem(s.p, s.n, "..", 2) == NULL;
}

static bool
good_zone(struct str s)
{
	return only(s, "/_+-") && s.p[0] != '/' && s.p[s.n - 1] != '/' && s.p[0] != '-';
}

static bool
good(enum answer_id id, struct str s)
{
	switch (kinds[id]) {
	case K_LANGUAGE:
		return str_eq(s, STR("en")) || str_eq(s, STR("de"));
	case K_DOMAIN:
		return good_name(s, true);
	case K_NETWORK:
		return str_eq(s, STR("dhcp")) || (s.n > 0 && good_list(s, good_prefix));
	case K_ADDRESSES:
		return good_list(s, good_address);
	case K_MAILBOX:
		return good_mailbox(s);
	case K_PASSWORD:
		return s.n >= ANSWER_PASSWORD_MIN && s.p[0] != ' ' && s.p[s.n - 1] != ' ';
	case K_ZONE:
		return good_zone(s);
	case K_HOSTS:
		return good_list(s, good_host);
	}
	return false;
}

const char *
answer_check(enum answer_id id, struct str value, int language)
{
	bool plain = value.n <= ANSWER_MAX;

	for (size_t i = 0; i < value.n && plain; i++)
		plain = (unsigned char)value.p[i] >= ' ' && value.p[i] != 0x7f;
	return plain && good(id, value) ? NULL : reasons[kinds[id]][language];
}

bool
answer_wanted(const struct answers *a, enum answer_id id)
{
	return id != ANSWER_gateway && id != ANSWER_dns
		   ? true
		   : strcmp(a->value[ANSWER_network], "dhcp") != 0;
}

void
answer_set(struct answers *a, enum answer_id id, struct str value)
{
	if (value.n > 0) /* nothing may stand at no address */
		memcpy(a->value[id], value.p, value.n);
	a->value[id][value.n] = '\0';
	a->given[id] = true;
}

/* --- files -------------------------------------------------------------------------------------------- */

static int
id_of(struct str name)
{
	for (int i = 0; i < ANSWER__MAX; i++)
		if (str_eq(name, str_of(rows[i].name)))
			return i;
	return -1;
}

static bool
next_line(struct str *rest, struct str *line)
{
	ptrdiff_t n = str_chr(*rest, '\n');
	size_t used = n < 0 ? rest->n : (size_t)n + 1;

	if (rest->n == 0)
		return false;
	*line = str_from(rest->p, n < 0 ? rest->n : (size_t)n);
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--; /* written on another system, on the FAT of a stick */
	*rest = str_from(rest->p + used, rest->n - used);
	return true;
}

/* NULL, or what is wrong with the line. */
static const char *
take_line(struct answers *a, struct str line, int language)
{
	ptrdiff_t equals;
	struct str value;
	const char *why;
	int id;

	line = str_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return NULL;
	if ((equals = str_chr(line, '=')) < 0)
		return answer_text(SAY_NO_EQUALS, language);
	id = id_of(str_trim(str_from(line.p, (size_t)equals)));
	value = str_trim(str_from(line.p + equals + 1, line.n - (size_t)equals - 1));
	if (id < 0)
		return answer_text(SAY_NO_QUESTION, language);
	if (a->given[id])
		return answer_text(SAY_TWICE, language);
	if ((why = answer_check((enum answer_id)id, value, language)) == NULL)
		answer_set(a, (enum answer_id)id, value);
	return why;
}

static int
language_of(struct str text)
{
	struct str line;

	while (next_line(&text, &line)) {
		struct answers a = { .given = { false } };

		line = str_trim(line);
		if (line.n > 8 && memcmp(line.p, "language", 8) == 0 &&
		    take_line(&a, line, 0) == NULL)
			return strcmp(a.value[ANSWER_language], "de") == 0;
	}
	return 0;
}

int
answers_parse(struct str text, struct answers *a, struct buf *faults)
{
	int language = language_of(text), n = 0;
	struct str line;
	unsigned number = 0;
	const char *why;

	memset(a, 0, sizeof(*a));
	while (next_line(&text, &line)) {
		number++;
		if ((why = take_line(a, line, language)) != NULL && n++ < ANSWERS_FAULTS_MAX)
			buf_printf(
			    faults, "%s %u: %s\n", answer_text(SAY_LINE, language), number, why);
	}
	for (int i = 0; i < ANSWER__MAX; i++) {
		if (a->given[i])
			continue;
		snprintf(a->value[i], sizeof(a->value[i]), "%s", rows[i].def);
		if (rows[i].needed && n++ < ANSWERS_FAULTS_MAX)
			buf_printf(
			    faults, "%s: %s\n", rows[i].name, answer_text(SAY_MISSING, language));
	}
	if (n == 0 && strcmp(a->value[ANSWER_network], "dhcp") != 0 &&
	    (a->value[ANSWER_gateway][0] == '\0' || a->value[ANSWER_dns][0] == '\0') && ++n)
		buf_printf(faults, "network: %s\n", answer_text(SAY_FIXED, language));
	return n == 0 ? 0 : -1;
}

void
answers_print(const struct answers *a, struct buf *out)
{
	for (int i = 0; i < ANSWER__MAX; i++)
		if (a->value[i][0] != '\0')
			buf_printf(out, "%s=%s\n", rows[i].name, a->value[i]);
}
