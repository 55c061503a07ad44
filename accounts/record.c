/* SPDX-License-Identifier: ISC */
#include "accounts/record.h"

#include <stdio.h>
#include <string.h>

struct str
record_key(char *out, int letter, struct str text)
{
	size_t n = text.n < ADDRESS_TEXT_SIZE ? text.n : ADDRESS_TEXT_SIZE;

	out[0] = (char)letter;
	out[1] = '/';
	memcpy(out + 2, text.p, n);
	return str_from(out, n + 2);
}

struct str
record_key_id(char *out, int letter, uint32_t id)
{
	char hex[9];

	(void)snprintf(hex, sizeof(hex), "%08x", id);
	return record_key(out, letter, str_from(hex, 8));
}

bool
record_id(struct str key, uint32_t *id)
{
	*id = 0;
	if (key.n != 10 || key.p[1] != '/')
		return false;
	for (size_t i = 2; i < 10; i++) {
		int c = (unsigned char)key.p[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : -1;

		if (digit < 0)
			return false;
		*id = *id << 4 | (uint32_t)digit;
	}
	return true;
}

static int
put_number(struct buf *out, uint64_t n, int bytes)
{
	uint8_t b[8];

	for (int i = 0; i < bytes; i++)
		b[i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
	return buf_put(out, b, (size_t)bytes);
}

static uint64_t
get_number(const char *p, int bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | (uint8_t)p[i];
	return n;
}

int
record_put_u64(struct buf *out, uint64_t n)
{
	return put_number(out, n, 8);
}

int
record_put_u32(struct buf *out, uint32_t n)
{
	return put_number(out, n, 4);
}

bool
record_get_u64(struct str value, uint64_t *n)
{
	*n = value.n == 8 ? get_number(value.p, 8) : 0;
	return value.n == 8;
}

bool
record_get_u32(struct str value, uint32_t *n)
{
	*n = value.n == 4 ? (uint32_t)get_number(value.p, 4) : 0;
	return value.n == 4;
}

int
record_put_account(struct buf *out, const struct record_account *a)
{
	if (put_number(out, a->state, 1) != 0 || put_number(out, a->generation, 8) != 0 ||
	    put_number(out, a->created, 8) != 0)
		return BUF_LIMIT;
	return buf_put(out, a->address.p, a->address.n);
}

int
record_get_account(struct str value, struct record_account *a)
{
	if (value.n <= 17 || value.n - 17 >= ADDRESS_TEXT_SIZE)
		return -1;
	a->state = (uint8_t)value.p[0];
	a->generation = get_number(value.p + 1, 8);
	a->created = get_number(value.p + 9, 8);
	a->address = str_from(value.p + 17, value.n - 17);
	return a->state == ACCOUNT_ACTIVE || a->state == ACCOUNT_SUSPENDED ? 0 : -1;
}

int
record_put_forward(struct buf *out, const struct record_forward *f)
{
	if (put_number(out, f->keep, 1) != 0)
		return BUF_LIMIT;
	return buf_put(out, f->targets.p, f->targets.n);
}

int
record_get_forward(struct str value, struct record_forward *f)
{
	if (value.n < 2 || (unsigned char)value.p[0] > 1)
		return -1;
	f->keep = value.p[0] == 1;
	f->targets = str_from(value.p + 1, value.n - 1);
	return 0;
}

int
record_put_options(struct buf *out, const struct record_options *o)
{
	if (put_number(out, o->quota_bytes, 8) != 0 || put_number(out, o->quota_messages, 8) != 0)
		return BUF_LIMIT;
	return buf_put(out, o->hidden.p, o->hidden.n);
}

int
record_get_options(struct str value, struct record_options *o)
{
	if (value.n < 16 || value.n - 16 > HIDDEN_MAX)
		return -1;
	o->quota_bytes = get_number(value.p, 8);
	o->quota_messages = get_number(value.p + 8, 8);
	o->hidden = str_from(value.p + 16, value.n - 16);
	return str_chr(o->hidden, 0) < 0 ? 0 : -1;
}

int
record_put_holds(struct buf *out, const struct record_holds *h)
{
	if (put_number(out, h->bytes, 8) != 0 || put_number(out, h->messages, 8) != 0)
		return BUF_LIMIT;
	return put_number(out, h->since, 8);
}

int
record_get_holds(struct str value, struct record_holds *h)
{
	if (value.n != 16 && value.n != 24)
		return -1;
	h->bytes = get_number(value.p, 8);
	h->messages = get_number(value.p + 8, 8);
	h->since = value.n == 24 ? get_number(value.p + 16, 8) : 0;
	return 0;
}

int
record_put_keys(struct buf *out, const struct record_keys *k)
{
	if (put_number(out, k->created, 8) != 0 || buf_put(out, k->keys.stored, SCRAM_KEY) != 0 ||
	    buf_put(out, k->keys.server, SCRAM_KEY) != 0 || buf_put(out, k->name.p, k->name.n) != 0)
		return BUF_LIMIT;
	return buf_putc(out, 0);
}

int
record_keys_next(struct str value, size_t *it, struct record_keys *k)
{
	enum { FIXED = 8 + 2 * SCRAM_KEY };
	struct str rest = str_from(value.p + *it, value.n - *it);
	ptrdiff_t end;

	if (rest.n == 0)
		return 0;
	if (rest.n <= FIXED)
		return -1;
	k->created = get_number(rest.p, 8);
	memcpy(k->keys.stored, rest.p + 8, SCRAM_KEY);
	memcpy(k->keys.server, rest.p + 8 + SCRAM_KEY, SCRAM_KEY);
	k->name = str_from(rest.p + FIXED, rest.n - FIXED);
	end = str_chr(k->name, 0);
	if (end < 0 || end > APP_NAME_MAX)
		return -1;
	k->name.n = (size_t)end;
	*it += FIXED + (size_t)end + 1;
	return 1;
}

int
record_target(struct str value, size_t *it, struct str *target)
{
	ptrdiff_t end;

	if (*it >= value.n)
		return 0;
	*target = str_from(value.p + *it, value.n - *it);
	end = str_chr(*target, 0);
	if (end <= 0 || end >= ADDRESS_TEXT_SIZE)
		return -1;
	target->n = (size_t)end;
	*it += (size_t)end + 1;
	return 1;
}

int
address_key(const struct address *a, bool detail, char *out)
{
	struct address low = *a;
	struct str user, rest;
	int n;

	if (!detail && address_split_detail(a, &user, &rest))
		low.local_n = (unsigned char)user.n;
	for (size_t i = 0; i < low.local_n; i++)
		low.local[i] = (char)ascii_tolower((unsigned char)low.local[i]);
	n = address_print(&low, out, ADDRESS_TEXT_SIZE);
	return n > 0 ? n : -1;
}

int
address_key_text(struct str text, struct str home, struct address *a, char *out)
{
	if (str_eq_nocase(text, STR("postmaster")) && home.n > 0 && home.n <= ADDRESS_DOMAIN_MAX) {
		memset(a, 0, sizeof(*a));
		memcpy(a->local, "postmaster", 10);
		a->local_n = 10;
		memcpy(a->domain, home.p, home.n);
		a->domain_n = (unsigned char)home.n;
	} else if (address_parse_mailbox(text, ADDRESS_UTF8, a) != 1) {
		return -1;
	}
	return address_key(a, true, out);
}
