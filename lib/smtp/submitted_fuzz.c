/* SPDX-License-Identifier: ISC */
/*
 * The input is a message. Oracles:
 * - what is said of it does not depend on how it was split;
 * - of an accepted header, the lenient reader of addresses (what IMAP shows) finds in From, Sender
 *   and Resent-* no address that was not named for the check, and no group.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/addrlist.h"
#include "mail/header.h"
#include "smtp/submitted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed(struct smtp_submitted *s, struct str msg, size_t piece)
{
	smtp_submitted_init(s, true);
	while (msg.n > 0) {
		size_t n = msg.n < piece ? msg.n : piece;

		smtp_submitted_content(s, str_from(msg.p, n));
		msg = str_from(msg.p + n, msg.n - n);
	}
	smtp_submitted_end(s);
	assert(s->over);
}

static bool
named(const struct smtp_submitted *s, const struct mail_addr *m)
{
	char text[1024];
	struct address a;

	if (m->local.n + m->domain.n + 2 > sizeof(text))
		return false;
	memcpy(text, m->local.p, m->local.n);
	text[m->local.n] = '@';
	memcpy(text + m->local.n + 1, m->domain.p, m->domain.n);
	if (address_parse_mailbox(str_from(text, m->local.n + 1 + m->domain.n), ADDRESS_UTF8, &a) !=
	    1)
		return false;
	address_print(&a, text, sizeof(text));
	for (unsigned i = 0; i < s->senders; i++) {
		if (strcmp(s->sender[i], text) == 0)
			return true;
	}
	return false;
}

static bool
is_originator(struct str name)
{
	return str_eq_nocase(name, STR("from")) || str_eq_nocase(name, STR("sender")) ||
	       str_eq_nocase(name, STR("resent-from")) || str_eq_nocase(name, STR("resent-sender"));
}

static void
compare(const struct smtp_submitted *s, struct str msg)
{
	struct arena *a = arena_new(4 * msg.n + 65536);
	struct mail_field f;
	size_t off = 0;

	while (mail_field_next(msg, &off, &f)) {
		struct mail_addr *m;

		if (!is_originator(f.name))
			continue;
		arena_reset(a);
		m = mail_addrlist_parse(f.value, a);
		assert(m != NULL);
		for (; m != NULL; m = m->next)
			assert(m->kind == MAIL_ADDR_MAILBOX && m->route.n == 0 && named(s, m));
	}
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str msg = str_from(data, size);
	struct smtp_submitted *s = calloc(2, sizeof(*s));
	struct buf out;

	assert(s != NULL);
	feed(&s[0], msg, size > 0 ? size : 1);
	feed(&s[1], msg, 3);
	assert(s[0].refusal == s[1].refusal && s[0].senders == s[1].senders);
	for (unsigned i = 0; i < s[0].senders; i++)
		assert(strcmp(s[0].sender[i], s[1].sender[i]) == 0);
	if (s[0].refusal == SMTP_OK) {
		assert(s[0].senders > 0);
		compare(&s[0], msg);
		buf_init(&out, SMTP_SUBMITTED_ADDED_MAX);
		assert(smtp_submitted_complete(&s[0], &out, 1, "1.u1") == 0);
		buf_free(&out);
	}
	smtp_submitted_free(&s[0]);
	smtp_submitted_free(&s[1]);
	free(s);
	return 0;
}
