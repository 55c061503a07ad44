/* SPDX-License-Identifier: ISC */
#include "imap/name.h"

#include "imap/imap_backend.h"
#include "imap/limits.h"
#include "imap/mutf7.h"
#include "mail/charset.h"

void
imap_name_fix_inbox(char *name, size_t n)
{
	if (n >= 5 && str_starts_nocase(str_from(name, n), STR("INBOX")) &&
	    (n == 5 || name[5] == IMAP_DELIMITER))
		memcpy(name, "INBOX", 5);
}

bool
imap_name_is_below(struct str name, struct str parent)
{
	return name.n > parent.n && memcmp(name.p, parent.p, parent.n) == 0 &&
	       name.p[parent.n] == IMAP_DELIMITER;
}

static const char *
name_check(struct str s)
{
	unsigned levels = 1;
	char last = IMAP_DELIMITER;

	if (s.n == 0)
		return "Empty folder name";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f || c == '*' || c == '%')
			return "Character not allowed in a folder name";
		/* C1 controls and U+2028, U+2029 would break lines elsewhere */
		if ((c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0) ||
		    (s.n - i >= 3 && (memcmp(s.p + i, "\xe2\x80\xa8", 3) == 0 ||
					 memcmp(s.p + i, "\xe2\x80\xa9", 3) == 0)))
			return "Character not allowed in a folder name";
		if (c == IMAP_DELIMITER) {
			if (last == IMAP_DELIMITER)
				return "Empty level in folder name";
			levels++;
		}
		last = (char)c;
	}
	if (last == IMAP_DELIMITER)
		return "Empty level in folder name";
	return levels > IMAP_LEVELS_MAX ? "Folder name has too many levels" : NULL;
}

bool
imap_name_decode(struct str wire, bool utf8, struct buf *out)
{
	for (size_t i = 0; i < wire.n && !utf8; i++)
		utf8 = (unsigned char)wire.p[i] >= 0x80;
	if (utf8)
		return mail_utf8_is_valid(wire) && buf_put(out, wire.p, wire.n) == 0;
	return imap_mutf7_decode(wire, out);
}

const char *
imap_name_parse(struct str wire, bool utf8, struct arena *a, struct str *name)
{
	const char *why = NULL;
	struct buf b;
	char *p;

	buf_init(&b, IMAP_NAME_MAX);
	if (wire.n > 0 && wire.p[wire.n - 1] == IMAP_DELIMITER)
		wire.n--;
	if (!imap_name_decode(wire, utf8, &b)) {
		why = wire.n > IMAP_NAME_MAX ? "Folder name is too long"
		      : utf8                 ? "Folder name is not valid UTF-8"
					     : "Folder name is not valid modified UTF-7";
	} else {
		*name = arena_str(a, str_from(buf_data(&b), b.len));
		p = (char *)(uintptr_t)name->p;
		if (p == NULL)
			why = "Folder name is too long";
		else if ((why = name_check(*name)) == NULL)
			imap_name_fix_inbox(p, name->n);
	}
	buf_free(&b);
	return why;
}

/* The states of all pattern places at once: no backtracking, however many wildcards there are. */
bool
imap_name_matches(struct str name, struct str pattern)
{
	bool at[IMAP_NAME_MAX + 2] = { true }; /* at[j]: the first j bytes of the pattern matched */
	size_t m = pattern.n;

	if (m > IMAP_NAME_MAX)
		return false;
	for (size_t j = 0; j < m && (pattern.p[j] == '*' || pattern.p[j] == '%'); j++)
		at[j + 1] = true;
	for (size_t i = 0; i < name.n; i++) {
		bool any = false, before = at[0];
		bool inbox = i < 5 && name.n >= 5 && memcmp(name.p, "INBOX", 5) == 0 &&
			     (name.n == 5 || name.p[5] == IMAP_DELIMITER);

		at[0] = false;
		for (size_t j = 0; j < m; j++) {
			char c = pattern.p[j];
			bool was = at[j + 1], now;

			if (c == '*' || (c == '%' && name.p[i] != IMAP_DELIMITER))
				now = before || was || at[j];
			else if (c == '%')
				now = at[j];
			else
				now = before &&
				      (inbox ? ascii_toupper(c) == name.p[i] : c == name.p[i]);
			at[j + 1] = now;
			any |= now;
			before = was;
		}
		if (!any)
			return false;
	}
	return at[m];
}
