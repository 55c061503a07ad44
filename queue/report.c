/* SPDX-License-Identifier: ISC */
#include "queue/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "smtp/command.h"

enum {
	REPLY_MAX = 600, /* code, enhanced status code and the 512 bytes of text of ipc_table.h */
	FROM_MAX = 320,
	ID_MAX = 400,
	XTEXT_MAX = 16 + 3 * 512, /* "rfc822;" and each byte of an address as three */
};

/* Strings that are made for one recipient. */
struct words {
	char reply[REPLY_MAX];
	char orcpt[XTEXT_MAX];
};

bool
report_wanted(const struct envelope *e, uint32_t delivery, enum dsn_kind kind)
{
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r;

	if (!envelope_recipient_at(e, &c, envelope_recipient_of(e, delivery), &r))
		return false;
	/* A list has told of its own success; its members' is not the sender's affair. */
	if ((r.flags & RECIPIENT_LIST) && kind != DSN_EXPANDED)
		r.notify = envelope_list_notify(r.notify);
	return dsn_wanted(kind, r.notify, e->reverse_path.n == 0);
}

/* What failed for now until its time was up has another code for good. */
static struct str
status_of(enum dsn_kind kind, const struct answer *a)
{
	bool temporary = a->result == IPC_TEMP || (a->enhanced.n > 0 && a->enhanced.p[0] == '4');

	return kind == DSN_FAILED && temporary ? STR("5.4.7") : a->enhanced;
}

static struct str
reply_of(const struct answer *a, char out[REPLY_MAX])
{
	if (a->code == 0)
		return STR("");
	snprintf(out, REPLY_MAX, "%03u %.*s%s%.*s", (unsigned)a->code, STRF(a->enhanced),
	    a->enhanced.n > 0 ? " " : "", STRF(a->text));
	return str_of(out);
}

/* An address as the ORCPT that its sender would have written (rfc3461:4.2). "" beyond ASCII: that
 * would take the form of rfc6533, which the text for users makes up for. */
static struct str
orcpt_of(struct str address, char out[XTEXT_MAX])
{
	size_t n = (size_t)snprintf(out, XTEXT_MAX, "rfc822;");

	for (size_t i = 0; i < address.n && n + 3 < XTEXT_MAX; i++) {
		unsigned char c = (unsigned char)address.p[i];

		if (c >= 0x80)
			return STR("");
		if (c > ' ' && c < 0x7f && c != '+' && c != '=')
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, XTEXT_MAX - n, "+%02X", c);
	}
	return str_from(out, n);
}

static void
fill_recipient(const struct report_input *in, const struct report_item *item,
    struct dsn_recipient *out, struct words *words)
{
	const struct envelope *e = in->envelope;
	uint32_t index = envelope_recipient_of(e, item->delivery);
	struct envelope_recipient original = { 0 };

	envelope_original(e, index, &original);
	*out = (struct dsn_recipient){
		.address = envelope_address(e, item->delivery),
		.orcpt = original.orcpt,
		.status = status_of(in->kind, &item->last),
		.remote_mta = item->last.remote,
		.remote_reply = reply_of(&item->last, words->reply),
		.reason = item->last.code == 0 ? item->last.text : STR(""),
		.last_attempt = (int64_t)(item->last.time_ms / 1000),
		.retry_until = in->kind == DSN_DELAYED ? (int64_t)(in->retry_until_ms / 1000) : 0,
	};
	if (str_eq_nocase(original.address, out->address))
		return;
	/* The sender knows the address that he wrote to, not where it leads. */
	out->written_to = original.address;
	if (out->orcpt.n == 0)
		out->orcpt = orcpt_of(original.address, words->orcpt);
}

/* Unique: one message has one report of a kind that is about this delivery first. */
static void
message_id(const struct report_input *in, char out[ID_MAX])
{
	char id[QUEUE_ID_SIZE];

	snprintf(out, ID_MAX, "%s.%u.%u.%llx@%.*s", queue_id_print(id, in->envelope->number),
	    (unsigned)in->kind, (unsigned)in->items[0].delivery, (unsigned long long)in->now_ms,
	    STRF(in->hostname));
}

static int
build(const struct report_input *in, const struct dsn_recipient *recipients, struct buf *out,
    struct dsn_result *result)
{
	const struct envelope *e = in->envelope;
	char from[FROM_MAX], id[ID_MAX];

	snprintf(from, sizeof(from), "MAILER-DAEMON@%.*s", STRF(in->hostname));
	message_id(in, id);
	return dsn_build(
	    &(struct dsn_input){
		.kind = in->kind,
		.reporting_mta = in->hostname,
		.from = str_of(from),
		.to = e->reverse_path,
		.message_id = str_of(id),
		.envid = e->envid,
		.now = { (int64_t)(in->now_ms / 1000), 0 },
		.arrival = (int64_t)(e->arrival_ms / 1000),
		.seed = in->seed,
		.full = e->ret == SMTP_RET_FULL && in->kind == DSN_FAILED,
		.utf8 = (e->flags & ENVELOPE_UTF8) != 0,
		.original = in->message,
		.original_size = in->message_size,
		.recipients = recipients,
		.recipient_count = in->count,
	    },
	    out, result);
}

int
report_build(const struct report_input *in, struct buf *out, struct dsn_result *result)
{
	struct dsn_recipient *recipients;
	struct words *words;
	int r;

	*result = (struct dsn_result){ 0 };
	if (in->count == 0 || in->count > DSN_RECIPIENTS_MAX || in->envelope->reverse_path.n == 0)
		return DSN_ERR_INPUT;
	recipients = xcalloc(in->count, sizeof(*recipients));
	words = xcalloc(in->count, sizeof(*words));
	for (size_t i = 0; i < in->count; i++)
		fill_recipient(in, &in->items[i], &recipients[i], &words[i]);
	r = build(in, recipients, out, result);
	free(words);
	free(recipients);
	return r;
}
