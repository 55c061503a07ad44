/* SPDX-License-Identifier: ISC */
/* The Author Domain (rfc9989:5.3.1): from the From field, whatever a sender made of it. */
#include "dmarc/dmarc.h"
#include "mail/addrlist.h"
#include "mail/header.h"
#include "mail/originator.h"

enum { LENIENT_MAX = 1 << 20 }; /* the lists of a field of MAIL_ADDRLIST_BYTES_MAX */

struct domains {
	char first[IDN_SIZE];
	bool any, several, bad;
};

static void
add(struct domains *d, struct str domain, bool literal)
{
	char normal[ADDRESS_DOMAIN_MAX], ascii[IDN_SIZE];
	int n = literal || domain.n == 0 ? -1 : address_parse_domain(domain, ADDRESS_UTF8, normal);

	if (n > 0)
		n = idn_to_ascii(str_from(normal, (size_t)n), ascii);
	if (n <= 0) {
		d->bad = true;
		return;
	}
	for (int i = 0; i < n; i++)
		ascii[i] = (char)ascii_tolower((unsigned char)ascii[i]);
	if (d->any && strcmp(d->first, ascii) != 0)
		d->several = true;
	else
		memcpy(d->first, ascii, (size_t)n + 1);
	d->any = true;
}

static void
found(void *arg, const struct address *a, bool mailbox)
{
	/* What a display name shows is no author. */
	if (mailbox)
		add(arg, address_domain(a), a->literal);
}

static void
read_lenient(struct str value, struct domains *d)
{
	struct arena *arena = arena_new(LENIENT_MAX);

	for (struct mail_addr *a = mail_addrlist_parse(value, arena); a != NULL; a = a->next)
		if (a->kind == MAIL_ADDR_MAILBOX)
			add(d, a->domain, false);
	arena_free(&arena);
	if (value.n > MAIL_ADDRLIST_BYTES_MAX)
		d->bad = true;
}

/*
 * Nothing but a name and one address, or the address alone: one '@' outside of quotes, and none of the
 * characters by which readers come to differ. The name may be what the strict reader cannot decode.
 */
static bool
is_plain(struct str value)
{
	bool quoted = false;
	int ats = 0;

	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c == '"')
			quoted = !quoted;
		else if (c == '@')
			ats += quoted ? 2 : 1;
		else if (c == 0x7f || (c < ' ' && strchr("\t\r\n", c) == NULL) ||
			 strchr("\\()[],:;", c) != NULL)
			return false;
	}
	return ats == 1 && !quoted;
}

static enum dmarc_author_state
state_of(const struct domains *d, enum dmarc_author_state good)
{
	if (d->bad || !d->any)
		return DMARC_AUTHOR_UNREADABLE;
	return d->several ? DMARC_AUTHOR_SEVERAL_DOMAINS : good;
}

static enum dmarc_author_state
read_value(struct str value, struct domains *d)
{
	bool plain;

	memset(d, 0, sizeof(*d));
	if (mail_originators(value, ADDRESS_UTF8, found, d) > 0)
		return state_of(d, DMARC_AUTHOR_OK);
	plain = is_plain(value);
	memset(d, 0, sizeof(*d));
	read_lenient(value, d);
	return state_of(d, plain ? DMARC_AUTHOR_OK : DMARC_AUTHOR_DOUBTFUL);
}

void
dmarc_author_find(struct str header, struct dmarc_author *out)
{
	struct mail_field f, from = { 0 };
	struct domains d;
	size_t off = 0;
	int fields = 0;

	out->domain[0] = '\0';
	while (mail_field_next(header, &off, &f)) {
		if (!str_eq_nocase(f.name, STR("From")))
			continue;
		from = f;
		fields++;
	}
	if (fields != 1) {
		out->state = fields == 0 ? DMARC_AUTHOR_NO_FIELD : DMARC_AUTHOR_SEVERAL_FIELDS;
		return;
	}
	out->state = read_value(from.value, &d);
	if (out->state == DMARC_AUTHOR_OK || out->state == DMARC_AUTHOR_DOUBTFUL)
		memcpy(out->domain, d.first, sizeof(out->domain));
}
