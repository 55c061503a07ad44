/* SPDX-License-Identifier: ISC */
#include "dsn/dsn.h"

#include <stdio.h>

#include "dsn/returned.h"
#include "dsn/text.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/word.h"
#include "smtp/command.h"
#include "smtp/xtext.h"

enum {
	QUOTE_MAX = 600,    /* of another server's words in the text for users */
	SUBJECT_MAX = 200,  /* of the message's subject there */
	ADDRESS_MAX = 800,  /* of an address, escaped */
	TEXT_MAX = 6291456, /* the text for users of 1000 recipients, both languages */
	BOUNDARY_SIZE = 32,
};

static const struct {
	const char *action;
	char class;
	const char *status, *subject, *english, *german;
} kinds[] = {
#define DSN_KIND(kind, action, class, status, subject, english, german) \
	[kind] = { action, class, status, subject, english, german },
#include "dsn/kinds.h"
#undef DSN_KIND
};

/* What one notification is built from. */
struct work {
	const struct dsn_input *in;
	struct buf *out;
	struct dsn_result *result;
	struct dsn_returned original;
	char boundary[BOUNDARY_SIZE];
};

bool
dsn_wanted(enum dsn_kind kind, unsigned notify, bool null_reverse_path)
{
	if (null_reverse_path || (notify & SMTP_NOTIFY_NEVER))
		return false;
	switch (kind) {
	case DSN_FAILED:
		return notify == 0 || (notify & SMTP_NOTIFY_FAILURE);
	case DSN_DELAYED:
		return notify == 0 || (notify & SMTP_NOTIFY_DELAY);
	default:
		return notify & SMTP_NOTIFY_SUCCESS;
	}
}

static struct str
contents(const struct buf *b)
{
	return str_from(buf_data(b), buf_len(b));
}

static bool
ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* The code that is told: of the kind's class, whatever a server said. */
static struct str
status_of(const struct work *w, const struct dsn_recipient *r)
{
	if (dsn_status_is_valid(r->status) && r->status.p[0] == kinds[w->in->kind].class)
		return r->status;
	return str_of(kinds[w->in->kind].status);
}

/* The first part */

static int
text_words(struct buf *t, const char *label, struct str words)
{
	struct buf line;
	int rc = BUF_LIMIT;

	buf_init(&line, QUOTE_MAX + 512);
	if (buf_puts(&line, label) == 0 && dsn_text_clean(words, true, QUOTE_MAX, &line) == 0)
		rc = dsn_text_wrap(t, "    ", contents(&line));
	buf_free(&line);
	return rc;
}

static int
text_said(struct buf *t, const struct dsn_recipient *r, bool german)
{
	char label[300];
	struct buf name;

	if (r->remote_reply.n == 0)
		return r->reason.n == 0
			   ? 0
			   : text_words(t, german ? "Einzelheit: " : "Detail: ", r->reason);
	buf_init(&name, 256);
	dsn_text_clean(r->remote_mta, false, 255, &name);
	if (buf_len(&name) == 0)
		buf_puts(&name, german ? "Der andere Server" : "The other server");
	snprintf(
	    label, sizeof(label), "%.*s %s: ", STRF(contents(&name)), german ? "sagte" : "said");
	buf_free(&name);
	return text_words(t, label, r->remote_reply);
}

/* The address, and the one that led to it: the sender may not know the first. */
static int
text_address(struct buf *t, const struct dsn_recipient *r, bool german)
{
	if (buf_puts(t, "\n  ") != 0 || dsn_text_clean(r->address, true, ADDRESS_MAX, t) != 0)
		return BUF_LIMIT;
	if (r->written_to.n > 0 &&
	    (buf_puts(t, german ? "\n  (Sie schrieben an " : "\n  (you wrote to ") != 0 ||
		dsn_text_clean(r->written_to, true, ADDRESS_MAX, t) != 0 || buf_puts(t, ")") != 0))
		return BUF_LIMIT;
	return buf_puts(t, "\n");
}

static int
text_recipient(const struct work *w, struct buf *t, const struct dsn_recipient *r, bool german)
{
	const char *english, *deutsch;
	int rc;

	if (text_address(t, r, german) != 0)
		return BUF_LIMIT;
	if (kinds[w->in->kind].class == '2')
		return 0;
	dsn_explain(status_of(w, r), &english, &deutsch);
	rc = dsn_text_wrap(t, "    ", str_of(german ? deutsch : english));
	return rc != 0 ? rc : text_said(t, r, german);
}

/* The subject of the user's message, so that he knows which one it is. */
static int
text_subject(const struct work *w, struct buf *t, bool german)
{
	struct mail_field f;
	struct buf words;
	int rc = 0;

	if (!mail_field_find(w->original.header, STR("Subject"), &f))
		return 0;
	buf_init(&words, DSN_HEADER_MAX);
	if (mail_words_decode(f.value, &words) == 0 && buf_len(&words) > 0) {
		rc = buf_puts(t, german ? "\nBetreff: " : "\nSubject: ");
		if (rc == 0)
			rc = dsn_text_clean(contents(&words), true, SUBJECT_MAX, t);
		if (rc == 0)
			rc = buf_puts(t, "\n");
	}
	buf_free(&words);
	return rc;
}

static int
text_language(const struct work *w, struct buf *t, bool german)
{
	const char *lead = german ? kinds[w->in->kind].german : kinds[w->in->kind].english;
	int rc;

	rc = buf_puts(t, german ? "Guten Tag,\n\n" : "Hello,\n\n");
	if (rc == 0)
		rc = dsn_text_wrap(t, "", str_of(lead));
	if (rc == 0)
		rc = text_subject(w, t, german);
	for (size_t i = 0; i < w->in->recipient_count && rc == 0; i++)
		rc = text_recipient(w, t, &w->in->recipients[i], german);
	if (rc == 0)
		rc = buf_puts(
		    t, german ? "\nDies schreibt der Mailserver " : "\nThis is the mail server ");
	if (rc == 0)
		rc = dsn_text_clean(w->in->reporting_mta, false, 255, t);
	return rc != 0 ? rc : buf_puts(t, german ? " von selbst.\n" : ", writing by itself.\n");
}

static int
put_text(struct work *w)
{
	struct buf t;
	int rc;

	buf_init(&t, TEXT_MAX);
	rc = buf_puts(&t, "(Deutsch weiter unten.)\n\n");
	if (rc == 0)
		rc = text_language(w, &t, false);
	if (rc == 0)
		rc = buf_puts(&t, "\n\n");
	if (rc == 0)
		rc = text_language(w, &t, true);
	if (rc == 0)
		rc = buf_printf(w->out,
		    "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		    "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		    w->boundary);
	if (rc == 0)
		rc = dsn_text_qp(w->out, contents(&t));
	buf_free(&t);
	return rc != 0 ? rc : buf_puts(w->out, "\r\n");
}

/* The second part */

static int
put_date(struct work *w, const char *name, int64_t seconds)
{
	char text[MAIL_RFC5322_TIME_SIZE];

	if (seconds == 0)
		return 0;
	mail_time_format_rfc5322((struct mail_time){ seconds, w->in->now.zone }, text);
	return buf_printf(w->out, "%s: %s\r\n", name, text);
}

/* "type; words" as a field, the words cleaned. */
static int
put_typed(struct work *w, const char *name, const char *type, struct str words)
{
	struct buf value;
	int rc = BUF_LIMIT;

	buf_init(&value, DSN_FIELD_MAX);
	if (buf_printf(&value, "%s; ", type) == 0 &&
	    dsn_text_clean(words, w->result->utf8, ADDRESS_MAX, &value) == 0)
		rc = dsn_text_field(w->out, name, contents(&value), w->result->utf8);
	buf_free(&value);
	return rc;
}

/* An address beyond ASCII in a notification that is not: \x{HEX} (rfc6533:3). */
static int
put_final(struct work *w, struct str address)
{
	struct buf escaped;
	uint32_t code;
	int rc = 0;

	if (ascii(address))
		return put_typed(w, "Final-Recipient", "rfc822", address);
	if (w->result->utf8)
		return put_typed(w, "Final-Recipient", "utf-8", address);
	buf_init(&escaped, 8192);
	for (size_t i = 0, n; i < address.n && rc == 0; i += n) {
		n = mail_utf8_get(str_from(address.p + i, address.n - i), &code);
		if (n > 1)
			rc = buf_printf(&escaped, "\\x{%X}", (unsigned)code);
		else
			rc = buf_putc(&escaped, n == 0 ? '?' : address.p[i]);
		n = n == 0 ? 1 : n;
	}
	if (rc == 0)
		rc = put_typed(w, "Final-Recipient", "utf-8", contents(&escaped));
	buf_free(&escaped);
	return rc;
}

/* ORCPT as it came: left out unless it is "atom;xtext". */
static int
put_original_recipient(struct work *w, struct str orcpt)
{
	ptrdiff_t semicolon = str_chr(orcpt, ';');
	char type[64], value[ADDRESS_MAX];
	int n;

	if (semicolon <= 0 || (size_t)semicolon >= sizeof(type))
		return 0;
	for (ptrdiff_t i = 0; i < semicolon; i++) {
		int c = ascii_tolower((unsigned char)orcpt.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return 0;
		type[i] = orcpt.p[i];
	}
	type[semicolon] = '\0';
	n = smtp_xtext_decode(str_from(orcpt.p + semicolon + 1, orcpt.n - (size_t)semicolon - 1),
	    value, sizeof(value));
	return n <= 0 ? 0 : put_typed(w, "Original-Recipient", type, str_from(value, (size_t)n));
}

static int
put_recipient(struct work *w, const struct dsn_recipient *r)
{
	bool delayed = w->in->kind == DSN_DELAYED;

	if (buf_puts(w->out, "\r\n") != 0 || put_original_recipient(w, r->orcpt) != 0 ||
	    put_final(w, r->address) != 0 ||
	    buf_printf(w->out, "Action: %s\r\nStatus: %.*s\r\n", kinds[w->in->kind].action,
		STRF(status_of(w, r))) != 0)
		return BUF_LIMIT;
	if (r->remote_mta.n > 0 && put_typed(w, "Remote-MTA", "dns", r->remote_mta) != 0)
		return BUF_LIMIT;
	if (r->remote_reply.n > 0 && put_typed(w, "Diagnostic-Code", "smtp", r->remote_reply) != 0)
		return BUF_LIMIT;
	/* Our own words have a type of their own: rfc3464:2.3.6 wants one, "smtp" is a reply. */
	if (r->remote_reply.n == 0 && r->reason.n > 0 &&
	    put_typed(w, "Diagnostic-Code", "X-Postern", r->reason) != 0)
		return BUF_LIMIT;
	if (put_date(w, "Last-Attempt-Date", r->last_attempt) != 0)
		return BUF_LIMIT;
	return delayed ? put_date(w, "Will-Retry-Until", r->retry_until) : 0;
}

static int
put_status(struct work *w)
{
	const struct dsn_input *in = w->in;
	char envid[256];
	int n = smtp_xtext_decode(in->envid, envid, sizeof(envid));

	if (buf_printf(w->out, "--%s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n",
		w->boundary, w->result->utf8 ? "global-" : "",
		w->result->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "") != 0 ||
	    put_typed(w, "Reporting-MTA", "dns", in->reporting_mta) != 0)
		return BUF_LIMIT;
	if (n > 0 &&
	    dsn_text_field(w->out, "Original-Envelope-Id", str_from(envid, (size_t)n), false) != 0)
		return BUF_LIMIT;
	if (put_date(w, "Arrival-Date", in->arrival) != 0)
		return BUF_LIMIT;
	for (size_t i = 0; i < in->recipient_count; i++)
		if (put_recipient(w, &in->recipients[i]) != 0)
			return BUF_LIMIT;
	return buf_puts(w->out, "\r\n");
}

/* The third part and the frame */

static int
put_original(struct work *w)
{
	const char *global = w->result->utf8 ? "message/global" : "message/rfc822";
	const char *headers = w->result->utf8 ? "message/global-headers" : "text/rfc822-headers";
	bool eightbit = w->original.eightbit || w->result->utf8;

	if (buf_printf(w->out, "--%s\r\nContent-Type: %s\r\n%s\r\n", w->boundary,
		w->original.full ? global : headers,
		eightbit ? "Content-Transfer-Encoding: 8bit\r\n" : "") != 0 ||
	    dsn_returned_put(&w->original, w->result->utf8, w->out) != 0)
		return BUF_LIMIT;
	return buf_printf(w->out, "\r\n--%s--\r\n", w->boundary);
}

/* "<id>" of the original, so that clients show the notification beside it. */
static int
put_references(struct work *w)
{
	struct mail_field f;
	struct str id;

	if (!mail_field_find(w->original.header, STR("Message-ID"), &f))
		return 0;
	id = str_trim(f.value);
	if (id.n < 3 || id.n > 250 || id.p[0] != '<' || id.p[id.n - 1] != '>')
		return 0;
	for (size_t i = 1; i + 1 < id.n; i++)
		if (id.p[i] <= ' ' || id.p[i] >= 0x7f || id.p[i] == '<' || id.p[i] == '>')
			return 0;
	return buf_printf(w->out, "In-Reply-To: %.*s\r\nReferences: %.*s\r\n", STRF(id), STRF(id));
}

/* A header field whose value stands between two constants. */
static int
put_between(
    struct work *w, const char *name, const char *before, struct str value, const char *after)
{
	struct buf b;
	int rc = BUF_LIMIT;

	buf_init(&b, DSN_FIELD_MAX);
	if (buf_puts(&b, before) == 0 &&
	    dsn_text_clean(value, w->result->utf8, ADDRESS_MAX, &b) == 0 &&
	    buf_puts(&b, after) == 0)
		rc = dsn_text_field(w->out, name, contents(&b), w->result->utf8);
	buf_free(&b);
	return rc;
}

static int
put_header(struct work *w)
{
	const struct dsn_input *in = w->in;

	if (put_between(w, "From", "Mail Delivery System <", in->from, ">") != 0 ||
	    put_between(w, "To", "<", in->to, ">") != 0 ||
	    buf_printf(w->out, "Subject: %s\r\n", kinds[in->kind].subject) != 0 ||
	    put_date(w, "Date", in->now.seconds) != 0 ||
	    put_between(w, "Message-ID", "<", in->message_id, ">") != 0 || put_references(w) != 0)
		return BUF_LIMIT;
	return buf_printf(w->out,
	    "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%s\"\r\n%s"
	    "\r\nThis is a delivery status notification in MIME format.\r\n\r\n",
	    w->boundary, w->result->eightbit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

/* A boundary that stands nowhere in what is returned; a chance of 2^-64 for each try to fail. */
static void
boundary_choose(struct work *w)
{
	uint64_t seed = w->in->seed;

	do {
		snprintf(
		    w->boundary, sizeof(w->boundary), "=_dsn_%016llx", (unsigned long long)seed++);
	} while (w->in->original.n > 0 && memmem(w->in->original.p, w->in->original.n, w->boundary,
					      strlen(w->boundary)) != NULL);
}

int
dsn_build(const struct dsn_input *in, struct buf *out, struct dsn_result *result)
{
	struct work w = { .in = in, .out = out, .result = result };

	*result = (struct dsn_result){ 0 };
	if (in->recipient_count == 0 || in->recipient_count > DSN_RECIPIENTS_MAX)
		return DSN_ERR_INPUT;
	dsn_returned_prepare(
	    in->original, in->full && in->original_size == in->original.n, &w.original);
	result->utf8 = in->utf8 || !ascii(in->to) || !ascii(in->from);
	result->full = w.original.full;
	result->eightbit = result->utf8 || w.original.eightbit;
	boundary_choose(&w);
	if (put_header(&w) != 0 || put_text(&w) != 0 || put_status(&w) != 0 ||
	    put_original(&w) != 0)
		return DSN_ERR_LIMIT;
	return 0;
}
