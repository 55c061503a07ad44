/* SPDX-License-Identifier: ISC */
#include "srs/srs.h"

#include <sodium.h>

#include "base/buf.h"
#include "base/le.h"

enum {
	STAMP_SIZE = 2,
	STAMP_DAYS = 1024, /* what two characters count to */
	PREFIX = 5,        /* "SRS0=" */
};

static const char base32[33] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* What is between the first signs and the at sign. */
struct rewritten {
	char kind; /* '0' or '1' */
	uint32_t day;
	struct str domain, rest;
};

static void
hash_lower(crypto_generichash_state *state, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)ascii_tolower((unsigned char)s.p[i]);

		crypto_generichash_update(state, &c, 1);
	}
}

static void
tag_make(const uint8_t key[SRS_KEY_SIZE], const struct rewritten *r, char out[SRS_TAG_SIZE])
{
	uint8_t head[6] = { (uint8_t)r->kind }, hash[crypto_generichash_BYTES_MIN];
	crypto_generichash_state state;
	uint64_t bits = 0;

	le_put32(head + 1, r->day);
	head[5] = (uint8_t)r->domain.n;
	crypto_generichash_init(&state, key, SRS_KEY_SIZE, sizeof(hash));
	crypto_generichash_update(&state, head, sizeof(head));
	hash_lower(&state, r->domain);
	hash_lower(&state, r->rest);
	crypto_generichash_final(&state, hash, sizeof(hash));
	for (size_t i = 0; i < 5; i++)
		bits = bits << 8 | hash[i];
	for (size_t i = 0; i < SRS_TAG_SIZE; i++)
		out[i] = base32[bits >> (35 - 5 * i) & 31];
	sodium_memzero(&state, sizeof(state));
}

/* Takes constant time for a tag of the right length. */
static bool
tag_fits(const uint8_t key[SRS_KEY_SIZE], const struct rewritten *r, struct str tag)
{
	char want[SRS_TAG_SIZE], got[SRS_TAG_SIZE];

	for (size_t i = 0; i < SRS_TAG_SIZE; i++)
		got[i] = (char)ascii_toupper((unsigned char)tag.p[i]);
	tag_make(key, r, want);
	return sodium_memcmp(want, got, SRS_TAG_SIZE) == 0;
}

static int
stamp_read(struct str s)
{
	int days = 0;

	for (size_t i = 0; i < STAMP_SIZE; i++) {
		const char *p =
		    memchr(base32, ascii_toupper((unsigned char)s.p[i]), sizeof(base32) - 1);

		if (p == NULL)
			return -1;
		days = days << 5 | (int)(p - base32);
	}
	return days;
}

/* What stands before the next '='; false when there is none. */
static bool
take_field(struct str *rest, struct str *field)
{
	ptrdiff_t end = str_chr(*rest, '=');

	if (end < 0)
		return false;
	*field = str_from(rest->p, (size_t)end);
	*rest = str_from(rest->p + end + 1, rest->n - (size_t)end - 1);
	return true;
}

static bool
domain_valid(struct str domain)
{
	char normal[ADDRESS_DOMAIN_MAX];

	return address_parse_domain(domain, ADDRESS_UTF8, normal) > 0 ||
	       address_parse_literal(domain, normal) > 0;
}

/* Two parts as an address in normal form; its length, or SRS_UNFIT. */
static int
compose(const struct buf *local, struct str domain, char out[ADDRESS_TEXT_SIZE])
{
	struct address a = { .local_n = (unsigned char)buf_len(local) }, again;
	char text[ADDRESS_TEXT_SIZE];
	int n;

	if (buf_len(local) > ADDRESS_LOCAL_MAX || domain.n > ADDRESS_DOMAIN_MAX)
		return SRS_UNFIT;
	if (a.local_n > 0) /* an empty buf has no bytes to point at */
		memcpy(a.local, buf_data(local), a.local_n);
	a.domain_n = (unsigned char)domain.n;
	memcpy(a.domain, domain.p, domain.n);
	n = address_print(&a, text, sizeof(text));
	/* Written with quotes it may be too long, too. */
	if (n <= 0 || address_parse_mailbox(str_from(text, (size_t)n), ADDRESS_UTF8, &again) != 1)
		return SRS_UNFIT;
	n = address_print(&again, out, ADDRESS_TEXT_SIZE);
	return n > 0 ? n : SRS_UNFIT;
}

/* "SRS0" and one of the separators that are in use. */
static bool
is_rewritten(struct str local, char kind)
{
	return local.n > PREFIX && str_starts_nocase(local, STR("SRS")) && local.p[3] == kind &&
	       strchr("=+-", local.p[4]) != NULL;
}

/* The first forwarder and what it wrote, of an address that another forwarder has made. */
static bool
earlier(const struct address *from, struct rewritten *r)
{
	struct str local = address_local(from), tag;

	if (is_rewritten(local, '0')) {
		r->domain = address_domain(from);
		r->rest = str_from(local.p + 4, local.n - 4);
		return true;
	}
	if (!is_rewritten(local, '1'))
		return false;
	r->rest = str_from(local.p + PREFIX, local.n - PREFIX);
	return take_field(&r->rest, &tag) && take_field(&r->rest, &r->domain) && r->rest.n > 1 &&
	       strchr("=+-", r->rest.p[0]) != NULL && domain_valid(r->domain);
}

static void
put_local(struct buf *out, const uint8_t key[SRS_KEY_SIZE], const struct rewritten *r)
{
	char tag[SRS_TAG_SIZE];

	tag_make(key, r, tag);
	buf_printf(out, "SRS%c=%.*s=", r->kind, SRS_TAG_SIZE, tag);
	if (r->kind == '0')
		buf_printf(out, "%c%c=", base32[r->day >> 5 & 31], base32[r->day & 31]);
	buf_put(out, r->domain.p, r->domain.n);
	buf_putc(out, '=');
	buf_put(out, r->rest.p, r->rest.n);
}

int
srs_make(const uint8_t key[SRS_KEY_SIZE], uint32_t day, struct str reverse_path,
    struct str our_domain, char out[ADDRESS_TEXT_SIZE])
{
	struct rewritten r = { .kind = '1', .day = day };
	struct address from;
	struct buf local;
	int n;

	n = address_parse_mailbox(reverse_path, ADDRESS_UTF8, &from);
	out[0] = '\0';
	if (reverse_path.n == 0)
		return 0;
	if (n != 1)
		return SRS_UNFIT;
	if (!earlier(&from, &r)) {
		r.kind = '0';
		r.domain = address_domain(&from);
		r.rest = address_local(&from);
	}
	buf_init(&local, ADDRESS_TEXT_SIZE * 2);
	put_local(&local, key, &r);
	n = compose(&local, our_domain, out);
	buf_free(&local);
	return n;
}

static int
parse_first(const uint8_t key[SRS_KEY_SIZE], uint32_t day, struct rewritten *r, struct str tag)
{
	struct str stamp;
	uint32_t age;
	int days;

	if (!take_field(&r->rest, &stamp) || stamp.n != STAMP_SIZE ||
	    (days = stamp_read(stamp)) < 0 || !take_field(&r->rest, &r->domain))
		return SRS_NONE;
	age = (day + SRS_AHEAD_DAYS - (uint32_t)days) % STAMP_DAYS;
	r->day = day + SRS_AHEAD_DAYS - age;
	if (!tag_fits(key, r, tag))
		return SRS_FORGED;
	return age > SRS_AGE_DAYS + SRS_AHEAD_DAYS ? SRS_OLD : SRS_OK;
}

static int
parse_later(const uint8_t key[SRS_KEY_SIZE], uint32_t day, struct rewritten *r, struct str tag)
{
	bool fits = false;

	if (!take_field(&r->rest, &r->domain) || r->rest.n == 0)
		return SRS_NONE;
	for (uint32_t age = 0; age <= SRS_AGE_DAYS + SRS_AHEAD_DAYS; age++) {
		r->day = day + SRS_AHEAD_DAYS - age;
		fits |= tag_fits(key, r, tag);
	}
	return fits ? SRS_OK : SRS_FORGED;
}

int
srs_parse(
    const uint8_t key[SRS_KEY_SIZE], uint32_t day, struct str address, char out[ADDRESS_TEXT_SIZE])
{
	struct rewritten r = { 0 };
	struct address to;
	struct str local, tag;
	struct buf original;
	int n;

	n = address_parse_mailbox(address, ADDRESS_UTF8, &to);
	out[0] = '\0';
	if (n != 1)
		return SRS_NONE;
	local = address_local(&to);
	if (!str_starts_nocase(local, STR("SRS0=")) && !str_starts_nocase(local, STR("SRS1=")))
		return SRS_NONE;
	r.kind = local.p[3];
	r.rest = str_from(local.p + PREFIX, local.n - PREFIX);
	if (!take_field(&r.rest, &tag) || tag.n != SRS_TAG_SIZE)
		return SRS_NONE;
	n = r.kind == '0' ? parse_first(key, day, &r, tag) : parse_later(key, day, &r, tag);
	if (n != SRS_OK)
		return n;
	buf_init(&original, ADDRESS_TEXT_SIZE);
	if (r.kind == '1')
		buf_puts(&original, "SRS0");
	buf_put(&original, r.rest.p, r.rest.n);
	n = compose(&original, r.domain, out);
	buf_free(&original);
	return n < 0 ? SRS_NONE : n;
}
