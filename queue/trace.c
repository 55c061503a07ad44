/* SPDX-License-Identifier: ISC */
#include "queue/trace.h"

#include <string.h>

#include "mail/address.h"
#include "mail/header.h"
#include "smtp/command.h"
#include "srs/srs.h"

/* --- Delivered-To ------------------------------------------------------------------------------ */
void
trace_seen(struct str message, struct buf *seen)
{
	char text[ADDRESS_TEXT_SIZE];
	struct mail_field f;
	struct address a;
	size_t off = 0;
	int n;

	while (mail_field_next(message, &off, &f)) {
		if (!str_eq_nocase(f.name, STR("Delivered-To")) ||
		    address_parse_mailbox(str_trim(f.value), ADDRESS_UTF8, &a) != 1)
			continue;
		n = address_print(&a, text, sizeof(text));
		if (n > 0 && buf_put(seen, text, (size_t)n + 1) < 0)
			return;
	}
	if (buf_len(seen) == 0)
		buf_putc(seen, '\0');
}

static bool
was_at(const struct buf *seen, struct str address)
{
	const char *p = (const char *)buf_data(seen), *end = p + buf_len(seen);

	for (; p < end; p += strlen(p) + 1)
		if (address.n > 0 && str_eq(str_of(p), address))
			return true;
	return false;
}

bool
trace_goes_round(const struct envelope_writer *w, const struct buf *seen)
{
	uint32_t n = buf_len(seen) > 1 ? envelope_deliveries(w) : 0;

	for (uint32_t i = 0; i < n; i++) {
		struct envelope_recipient r, o;

		if (envelope_writer_target(w, i) != TARGET_REMOTE)
			continue;
		r = envelope_writer_recipient(w, envelope_writer_recipient_of(w, i));
		o = envelope_writer_recipient(w, r.from);
		if (!str_eq(o.address, r.address) && was_at(seen, o.address))
			return true;
	}
	return false;
}

void
trace_field(const struct envelope *e, uint32_t delivery, struct buf *out)
{
	uint32_t recipient = envelope_recipient_of(e, delivery);
	struct envelope_recipient o = { 0 };

	buf_clear(out);
	envelope_original(e, recipient, &o);
	if (envelope_target(e, delivery) == TARGET_REMOTE && o.from == recipient)
		return;
	(void)buf_printf(out, "Delivered-To: %.*s\r\n", STRF(o.address));
}

/* --- expansion --------------------------------------------------------------------------------- */
static int
add_accounts(struct envelope_writer *w, uint32_t recipient, struct str accounts)
{
	if (accounts.n % 4 != 0)
		return -1;
	for (size_t i = 0; i < accounts.n; i += 4) {
		const uint8_t *p = (const uint8_t *)accounts.p + i;
		uint32_t account =
		    (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

		if (account >= TARGET_NOBODY ||
		    envelope_delivery(w, recipient, account, DELIVERY_PENDING) != 0)
			return -1;
	}
	return 0;
}

/* What forwards for this recipient go out with; empty: as the message came. Answers to the rewritten
 * path come back to the recipient's domain; where none can be made, to the recipient. */
static struct str
forward_path(const struct envelope_writer *w, struct str address, const struct expand_from *from,
    char out[ADDRESS_TEXT_SIZE])
{
	struct str path = envelope_writer_reverse_path(w);

	if (!from->rewrite || path.n == 0)
		return STR("");
	if (from->key == NULL ||
	    srs_make(from->key, srs_day(from->now_ms), path, address_text_domain(address), out) < 0)
		return address;
	return str_of(out);
}

static int
add_remote(struct envelope_writer *w, uint32_t recipient, struct str address,
    const struct expand_from *from)
{
	/* Copies: the writer's memory moves when it grows. */
	char own[512], orcpt[512], path[ADDRESS_TEXT_SIZE];
	struct envelope_recipient parent = envelope_writer_recipient(w, recipient);
	struct envelope_recipient r = {
		.address = address,
		.notify = parent.flags & RECIPIENT_LIST ? envelope_list_notify(parent.notify)
							: parent.notify,
		.from = recipient,
	};
	int index;

	if (parent.address.n > sizeof(own) || parent.orcpt.n > sizeof(orcpt))
		return -1;
	memcpy(own, parent.address.p, parent.address.n);
	memcpy(orcpt, parent.orcpt.p, parent.orcpt.n);
	r.orcpt = str_from(orcpt, parent.orcpt.n);
	r.reverse_path = forward_path(w, str_from(own, parent.address.n), from, path);
	index = envelope_recipient(w, &r);
	return index < 0 ? -1
			 : envelope_delivery(w, (uint32_t)index, TARGET_REMOTE, DELIVERY_PENDING);
}

/* Who asked to hear of success hears now that it went to a list; its members tell no more. */
static int
mark_list(struct envelope_writer *w, uint32_t recipient)
{
	struct envelope_recipient r = envelope_writer_recipient(w, recipient);

	envelope_set_list(w, recipient);
	if ((r.notify & SMTP_NOTIFY_SUCCESS) == 0 || envelope_writer_reverse_path(w).n == 0)
		return 0;
	return envelope_delivery(w, recipient, TARGET_NOBODY, DELIVERY_EXPANDED);
}

int
expand_targets(struct envelope_writer *w, uint32_t recipient, const struct ipc_address_targets *m,
    const struct expand_from *from)
{
	struct str rest = m->remote;

	if (m->list && mark_list(w, recipient) != 0)
		return -1;
	if (m->accounts.n + m->remote.n == 0 || add_accounts(w, recipient, m->accounts) != 0)
		return -1;
	while (rest.n > 0) {
		ptrdiff_t n = str_chr(rest, '\0');

		if (n <= 0 || add_remote(w, recipient, str_from(rest.p, (size_t)n), from) != 0)
			return -1;
		rest = str_from(rest.p + n + 1, rest.n - (size_t)n - 1);
	}
	return 0;
}
