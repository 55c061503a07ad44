/* SPDX-License-Identifier: ISC */
/* The arguments of FETCH behind the set. */
#include "imap/fetch.h"

bool
imap_fetch_item_add(struct imap_parse *p, struct fetch *f, enum item_kind kind, struct str name)
{
	if (f->nitems == IMAP_FETCH_ITEMS_MAX)
		return imap_parse_fail(p, "Too many FETCH items");
	f->items[f->nitems].kind = kind;
	f->items[f->nitems++].name = name;
	f->has_flags |= kind == ITEM_FLAGS;
	f->has_modseq |= kind == ITEM_MODSEQ;
	if (kind == ITEM_ENVELOPE)
		f->wants |= FACTS_ENVELOPE;
	else if (kind == ITEM_BODYSTRUCTURE)
		f->wants |= FACTS_STRUCTURE;
	else
		f->needs_content |= kind >= ITEM_BODY;
	f->needs_tree |= kind == ITEM_BODY || kind == ITEM_PREVIEW;
	return true;
}

static bool
section_add(struct imap_parse *p, struct fetch *f, enum item_kind kind, struct str name, bool peek,
    const struct imap_section *section)
{
	if (!imap_fetch_item_add(p, f, kind, name))
		return false;
	f->items[f->nitems - 1].section = *section;
	f->items[f->nitems - 1].peek = peek;
	f->marks_seen |= !peek;
	f->needs_tree |= imap_section_needs_tree(section);
	return true;
}

/* RFC822, RFC822.HEADER and RFC822.TEXT are sections with another name. */
static bool
old_item(struct imap_parse *p, struct fetch *f, struct str word, bool *known)
{
	static const struct {
		struct str name;
		enum imap_section_kind kind;
		bool peek;
	} old[] = {
		{ { "RFC822", 6 }, IMAP_SECTION_ALL, false },
		{ { "RFC822.HEADER", 13 }, IMAP_SECTION_HEADER, true },
		{ { "RFC822.TEXT", 11 }, IMAP_SECTION_TEXT, false },
	};

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		if (str_eq_nocase(word, old[i].name)) {
			struct imap_section s = { .kind = old[i].kind };

			*known = true;
			return section_add(p, f, ITEM_SECTION, old[i].name, old[i].peek, &s);
		}
	}
	*known = false;
	return true;
}

/* " (LAZY)" behind PREVIEW (rfc8970:3.1); other parentheses are the command's. */
static bool
lazy_parse(struct imap_parse *p, struct fetch *f)
{
	struct str rest = str_from(p->p, (size_t)(p->end - p->p));

	if (!str_starts_nocase(rest, STR(" (LAZY)")))
		return true;
	p->p += 7;
	f->items[f->nitems - 1].lazy = true;
	return true;
}

static bool
simple_item(struct imap_parse *p, struct fetch *f, struct str word)
{
	static const struct {
		struct str name;
		enum item_kind kind;
	} simple[] = {
		{ { "UID", 3 }, ITEM_UID },
		{ { "FLAGS", 5 }, ITEM_FLAGS },
		{ { "MODSEQ", 6 }, ITEM_MODSEQ },
		{ { "INTERNALDATE", 12 }, ITEM_INTERNALDATE },
		{ { "RFC822.SIZE", 11 }, ITEM_SIZE },
		{ { "SAVEDATE", 8 }, ITEM_SAVEDATE },
		{ { "EMAILID", 7 }, ITEM_EMAILID },
		{ { "THREADID", 8 }, ITEM_THREADID },
		{ { "ENVELOPE", 8 }, ITEM_ENVELOPE },
		{ { "PREVIEW", 7 }, ITEM_PREVIEW },
		{ { "BODY", 4 }, ITEM_BODY },
		{ { "BODYSTRUCTURE", 13 }, ITEM_BODYSTRUCTURE },
	};
	bool known;

	for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++)
		if (str_eq_nocase(word, simple[i].name))
			return imap_fetch_item_add(p, f, simple[i].kind, simple[i].name) &&
			       (simple[i].kind != ITEM_PREVIEW || lazy_parse(p, f));
	if (!old_item(p, f, word, &known))
		return false;
	return known || imap_parse_fail(p, "Unknown FETCH item");
}

/* BINARY takes part numbers only, its size no range (rfc3516:4.2). */
static bool
section_fits(struct imap_parse *p, enum item_kind kind, const struct imap_section *section)
{
	if (kind == ITEM_SECTION ||
	    (section->kind == IMAP_SECTION_ALL && !(kind == ITEM_BINARY_SIZE && section->partial)))
		return true;
	return imap_parse_fail(p, "Invalid section");
}

static bool
item_parse(struct imap_parse *p, struct fetch *f)
{
	static const struct {
		struct str word, name;
		enum item_kind kind;
		bool peek;
	} kinds[] = {
		{ { "BODY", 4 }, { "BODY", 4 }, ITEM_SECTION, false },
		{ { "BODY.PEEK", 9 }, { "BODY", 4 }, ITEM_SECTION, true },
		{ { "BINARY", 6 }, { "BINARY", 6 }, ITEM_BINARY, false },
		{ { "BINARY.PEEK", 11 }, { "BINARY", 6 }, ITEM_BINARY, true },
		{ { "BINARY.SIZE", 11 }, { "BINARY.SIZE", 11 }, ITEM_BINARY_SIZE, true },
	};
	const char *from = p->p;
	struct imap_section section;
	struct str word;

	while (p->p < p->end && imap_is_atom_char(*p->p) && *p->p != '[' && *p->p != '<')
		p->p++;
	word = str_from(from, (size_t)(p->p - from));
	if (imap_parse_peek(p) != '[')
		return simple_item(p, f, word);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_eq_nocase(word, kinds[i].word))
			return imap_section_parse(p, &section) &&
			       section_fits(p, kinds[i].kind, &section) &&
			       section_add(
				   p, f, kinds[i].kind, kinds[i].name, kinds[i].peek, &section);
	return imap_parse_fail(p, "Unknown FETCH item");
}

static bool
macro_parse(struct imap_parse *p, struct fetch *f, bool *known)
{
	static const struct {
		struct str name;
		const char *items;
	} macros[] = {
		{ { "ALL", 3 }, "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE" },
		{ { "FAST", 4 }, "FLAGS INTERNALDATE RFC822.SIZE" },
		{ { "FULL", 4 }, "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY" },
	};
	const char *end = memchr(p->p, ' ', (size_t)(p->end - p->p));
	struct str word = str_from(p->p, (size_t)((end ? end : p->end) - p->p));

	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		struct imap_parse q;

		if (!str_eq_nocase(word, macros[i].name))
			continue;
		*known = true;
		p->p += word.n;
		imap_parse_init(&q, str_of(macros[i].items), p->a);
		do
			item_parse(&q, f);
		while (imap_parse_try(&q, ' '));
		return true;
	}
	*known = false;
	return true;
}

bool
imap_fetch_items_parse(struct imap_parse *p, struct fetch *f)
{
	bool macro;

	if (!macro_parse(p, f, &macro) || macro)
		return macro;
	if (!imap_parse_try(p, '('))
		return item_parse(p, f);
	do
		if (!item_parse(p, f))
			return false;
	while (imap_parse_try(p, ' '));
	return imap_parse_char(p, ')');
}

bool
imap_fetch_modifiers_parse(struct imap_session *s, struct imap_parse *p, struct fetch *f)
{
	struct str word;

	if (!imap_parse_try(p, ' '))
		return true;
	if (!imap_parse_char(p, '('))
		return false;
	do {
		if (!imap_parse_atom(p, &word))
			return false;
		if (str_eq_nocase(word, STR("VANISHED"))) {
			f->vanished = true;
		} else if (!str_eq_nocase(word, STR("CHANGEDSINCE"))) {
			return imap_parse_fail(p, "Unknown FETCH modifier");
		} else { /* 0 is not in the grammar, but Apple's programs send it */
			if (!imap_parse_sp(p) || !imap_parse_number(p, INT64_MAX, &f->since))
				return false;
			f->changed = true;
		}
	} while (imap_parse_try(p, ' '));
	if (!imap_parse_char(p, ')'))
		return false;
	if (f->vanished && !(f->changed && s->by_uid && (s->enabled & IMAP_ON_QRESYNC)))
		return imap_parse_fail(p, "VANISHED needs UID, CHANGEDSINCE and QRESYNC");
	return !f->changed || f->has_modseq ||
	       imap_fetch_item_add(p, f, ITEM_MODSEQ, STR("MODSEQ"));
}
