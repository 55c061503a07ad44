/* SPDX-License-Identifier: ISC */
/*
 * The three zones: what is refused, what goes into the folder Junk, what goes into INBOX. Each judge looks at the
 * whole message and can make the verdict worse, never better.
 */
#include "base/log.h"
#include "smtpd/session.h"

static void (*const judges[])(const struct session *s, struct verdict *v) = {
	signatures_judge,
	signatures_judge_repeated, /* the last: what is refused already is not counted */
};

void
verdict_refuse(struct verdict *v, const char *by, enum smtp_reply_id reply)
{
	if (v->zone == ZONE_REFUSE)
		return;
	v->zone = ZONE_REFUSE;
	v->by = by;
	v->reply = reply;
}

void
verdict_junk(struct verdict *v, const char *by)
{
	if (v->zone >= ZONE_JUNK)
		return;
	v->zone = ZONE_JUNK;
	v->by = by;
}

enum policy_class
verdict_class(const struct smtp_recipient *r)
{
	return checks_spares(r) ? CLASS_SPARED : CLASS_ORDINARY;
}

/* What would be refused for good to others is put into Junk. */
static void
spare(struct verdict *v)
{
	if (v->zone == ZONE_REFUSE && smtp_reply_get(v->reply)->code >= 500)
		v->zone = ZONE_JUNK;
}

void
verdict_find(const struct session *s, struct verdict *v)
{
	*v = (struct verdict){ .by = "", .reply = SMTP_OK };
	for (size_t i = 0; i < sizeof(judges) / sizeof(judges[0]); i++)
		judges[i](s, v);
	if (s->class == CLASS_SPARED)
		spare(v);
	if (v->zone == ZONE_JUNK)
		log_info(s->conn.id, "event=judged zone=junk by=%s", v->by);
}
