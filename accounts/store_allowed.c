/* SPDX-License-Identifier: ISC */
/* Senders that an account allows: no blocklist keeps their mail from it. */
#include "accounts/store_priv.h"

/* Account and normal form of the sender (in out, ADDRESS_TEXT_SIZE bytes). */
static enum ipc_result
find_both(struct store *s, struct str account, struct str text, const struct account **a, char *out,
    struct str *sender, struct buf *say)
{
	enum ipc_result r = store_find_user(s, account, a, say);
	struct address parsed;
	int n;

	if (r != IPC_OK)
		return r;
	if (address_parse_mailbox(text, ADDRESS_UTF8, &parsed) != 1 ||
	    (n = address_print(&parsed, out, ADDRESS_TEXT_SIZE)) <= 0) {
		(void)buf_printf(say,
		    "%s is not an address: a sender is allowed by its whole address", LOGS(text));
		return IPC_INVALID;
	}
	*sender = str_from(out, (size_t)n);
	return IPC_OK;
}

/* All but this one, and how many these are; false: it was not among them. */
static bool
others(const struct account *a, struct str sender, struct buf *out, unsigned *count)
{
	struct str all = str_from(a->allowed ? a->allowed : "", a->allowed_n), one;
	bool hit = false;
	size_t it = 0;

	for (*count = 0; record_target(all, &it, &one) == 1; *count += !str_eq(one, sender)) {
		if (str_eq(one, sender)) {
			hit = true;
			continue;
		}
		(void)buf_put(out, one.p, one.n);
		(void)buf_putc(out, 0);
	}
	return hit;
}

static enum ipc_result
put(struct store *s, const struct account *a, const struct buf *senders, struct buf *say)
{
	char row[RECORD_KEY_SIZE];
	struct change c = { .key = record_key_id(row, 'z', a->id) };

	if (buf_len(senders) > 0)
		c.value = store_text_of(senders);
	return store_commit(s, &c, 1, buf_len(senders) > 0, say);
}

enum ipc_result
store_allow(struct store *s, struct str account, struct str text, uint32_t *id, struct buf *say)
{
	char normal[ADDRESS_TEXT_SIZE];
	const struct account *a;
	struct str sender;
	struct buf all;
	unsigned count;
	enum ipc_result r = find_both(s, account, text, &a, normal, &sender, say);

	if (r != IPC_OK)
		return r;
	*id = a->id;
	buf_init(&all, DB_VALUE_MAX);
	if (others(a, sender, &all, &count)) {
		(void)buf_puts(say, "that sender is allowed already");
		r = IPC_EXISTS;
	} else if (count >= ALLOWED_MAX) {
		(void)buf_printf(say, "an account allows at most %d senders", ALLOWED_MAX);
		r = IPC_FULL;
	} else if (buf_put(&all, sender.p, sender.n) != 0 || buf_putc(&all, 0) != 0) {
		r = store_trouble(s, DBE_LIMIT, say);
	} else {
		r = put(s, a, &all, say);
	}
	buf_free(&all);
	return r;
}

enum ipc_result
store_disallow(struct store *s, struct str account, struct str text, uint32_t *id, struct buf *say)
{
	char normal[ADDRESS_TEXT_SIZE];
	const struct account *a;
	struct str sender;
	struct buf left;
	unsigned count;
	enum ipc_result r = find_both(s, account, text, &a, normal, &sender, say);

	if (r != IPC_OK)
		return r;
	*id = a->id;
	buf_init(&left, DB_VALUE_MAX);
	if (others(a, sender, &left, &count)) {
		r = put(s, a, &left, say);
	} else {
		(void)buf_puts(say, "that sender is not among those it allows");
		r = IPC_NO;
	}
	buf_free(&left);
	return r;
}
