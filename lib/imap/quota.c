/* SPDX-License-Identifier: ISC */
/* GETQUOTA, GETQUOTAROOT, SETQUOTA (rfc9208): one root for the whole mailbox. */
#include "imap/respond.h"
#include "imap/state.h"

static const struct str root = { "Mailbox", 7 };

/* In units of 1,024 octets; what is begun counts. */
static uint64_t
kib(uint64_t bytes)
{
	return bytes / 1024 + (bytes % 1024 != 0);
}

/* "* QUOTA "Mailbox" (STORAGE 1 2 MESSAGE 3 4)" with what has a limit. */
static void
quota_put(struct imap_session *s, const struct imap_quota *q)
{
	const char *sep = "";

	imap_check(s, buf_puts(&s->out, "* QUOTA ") | imap_put_string(&s->out, root));
	imap_put(s, " (");
	if (q->bytes_limit > 0) {
		imap_put(s, "STORAGE %llu %llu", (unsigned long long)kib(q->bytes),
		    (unsigned long long)(q->bytes_limit / 1024));
		sep = " ";
	}
	if (q->messages_limit > 0)
		imap_put(s, "%sMESSAGE %llu %llu", sep, (unsigned long long)q->messages,
		    (unsigned long long)q->messages_limit);
	imap_put(s, ")\r\n");
}

static bool
has_limit(const struct imap_quota *q)
{
	return q->bytes_limit > 0 || q->messages_limit > 0;
}

bool
imap_cmd_getquota(struct imap_session *s, struct imap_parse *p)
{
	struct imap_quota q;
	struct str name;

	if (!imap_parse_sp(p) || !imap_parse_astring(p, &name) || !imap_parse_end(p))
		return false;
	s->ops->quota(s->be, &q);
	if (!str_eq(name, root) || !has_limit(&q)) {
		imap_reply(s, "NO [NONEXISTENT] No such quota root");
		return true;
	}
	quota_put(s, &q);
	imap_reply(s, "OK Quota shown");
	return true;
}

/* A folder belongs to the one root, or to none while nothing is limited. */
bool
imap_cmd_getquotaroot(struct imap_session *s, struct imap_parse *p)
{
	struct imap_folder *f;
	struct imap_quota q;
	enum imap_result r;
	struct str name;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &name) || !imap_parse_end(p))
		return false;
	if (name.p == NULL)
		return true;
	if ((r = s->ops->open(s->be, name, NULL, &f)) != IMAP_DONE) {
		imap_reply_result(s, r, "");
		return true;
	}
	s->ops->close(s->be, f, NULL);
	s->ops->quota(s->be, &q);
	imap_check(s,
	    buf_puts(&s->out, "* QUOTAROOT ") | imap_put_name(&s->out, name, imap_names_utf8(s)));
	if (has_limit(&q))
		imap_check(s, buf_putc(&s->out, ' ') | imap_put_string(&s->out, root));
	imap_put(s, "\r\n");
	if (has_limit(&q))
		quota_put(s, &q);
	imap_reply(s, "OK Quota shown");
	return true;
}

/* Limits are the administrator's (QUOTASET is not announced): understood, and refused. */
bool
imap_cmd_setquota(struct imap_session *s, struct imap_parse *p)
{
	struct str name, resource;
	uint64_t n;

	if (!imap_parse_sp(p) || !imap_parse_astring(p, &name) || !imap_parse_sp(p) ||
	    !imap_parse_char(p, '('))
		return false;
	for (bool first = true; !imap_parse_try(p, ')'); first = false)
		if ((!first && !imap_parse_sp(p)) || !imap_parse_atom(p, &resource) ||
		    !imap_parse_sp(p) || !imap_parse_number(p, INT64_MAX, &n))
			return false;
	if (!imap_parse_end(p))
		return false;
	imap_reply(s, "NO [NOPERM] Limits are set by the administrator");
	return true;
}
