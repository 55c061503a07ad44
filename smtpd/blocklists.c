/* SPDX-License-Identifier: ISC */
#include "smtpd/blocklists.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

void
blocklists_reload(struct blocklists *b, const char *text)
{
	struct dnsbl_lists lists;
	struct buf why;

	buf_init(&why, 1024);
	if (!dnsbl_parse(str_of(text), &lists, &why))
		log_error(NULL, "event=bad-setting setting=smtpd.blocklists why=\"%s\"",
		    LOGS(str_from(buf_data(&why), buf_len(&why))));
	buf_free(&why);
	if (lists.n != b->lists.n || memcmp(&lists, &b->lists, sizeof(lists)) != 0)
		memset(b->health, 0, sizeof(b->health));
	b->lists = lists;
}

static bool
is_alarm(const struct blocklist_health *h)
{
	bool lost = strcmp(h->trouble, "timeout") == 0 || strcmp(h->trouble, "bogus") == 0;

	return !lost || h->failures >= BLOCKLISTS_FAILURES;
}

static void
note(const char *zone, struct blocklist_health *h, const char *trouble)
{
	h->trouble = trouble;
	h->failures = trouble != NULL ? h->failures + 1 : 0;
	if (trouble == NULL) {
		if (h->alarmed != NULL)
			log_info(NULL, "event=blocklist-works list=%s", zone);
		h->alarmed = NULL;
	} else if (is_alarm(h) && (h->alarmed == NULL || strcmp(h->alarmed, trouble) != 0)) {
		log_warn(NULL, "event=blocklist-bypassed list=%s trouble=%s", zone, trouble);
		h->alarmed = trouble;
	}
}

void
blocklists_note(struct blocklists *b, const struct dnsbl_result *r)
{
	for (size_t i = 0; i < b->lists.n; i++)
		note(b->lists.list[i].zone, &b->health[i], r->found[i].trouble);
}

void
blocklists_verdict(const struct blocklists *b, const struct dnsbl_result *r, const char *client,
    struct blocklist_verdict *out)
{
	const struct dnsbl_list *l = &b->lists.list[r->heaviest];

	memset(out, 0, sizeof(*out));
	out->known = true;
	out->refuse = r->refuse;
	if (r->weight == 0)
		return;
	out->class = r->found[r->heaviest].class;
	snprintf(out->words, sizeof(out->words), "%s|%s", out->class->english, out->class->german);
	memcpy(out->zone, l->zone, sizeof(out->zone));
	if (l->link[0] != '\0')
		snprintf(out->link, sizeof(out->link), "%s%s", l->link, client);
	else
		snprintf(out->link, sizeof(out->link), "%.120s", l->zone);
}
