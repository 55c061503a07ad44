/* SPDX-License-Identifier: ISC */
#include "mail/decode.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
sextet(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t
mail_base64_decode(struct mail_base64 *d, struct str in, uint8_t *out)
{
	uint8_t *to = out;

	for (size_t i = 0; i < in.n && !d->ended; i++) {
		int v = sextet((unsigned char)in.p[i]);

		if (in.p[i] == '=' && d->have >= 2) {
			to += mail_base64_end(d, to);
			d->ended = true;
		}
		if (v < 0)
			continue;
		d->bits = d->bits << 6 | (uint32_t)v;
		if (++d->have == 4) {
			*to++ = (uint8_t)(d->bits >> 16);
			*to++ = (uint8_t)(d->bits >> 8);
			*to++ = (uint8_t)d->bits;
			*d = (struct mail_base64){ 0 };
		}
	}
	return (size_t)(to - out);
}

size_t
mail_base64_end(struct mail_base64 *d, uint8_t *out)
{
	size_t n = 0;

	if (d->have == 3) {
		out[n++] = (uint8_t)(d->bits >> 10);
		out[n++] = (uint8_t)(d->bits >> 2);
	} else if (d->have == 2) {
		out[n++] = (uint8_t)(d->bits >> 4);
	}
	*d = (struct mail_base64){ .ended = true };
	return n;
}

bool
mail_base64_strict(struct str in, uint8_t *out, size_t *n)
{
	struct mail_base64 d = { 0 };
	size_t pad = 0;

	if (in.n % 4 != 0)
		return false;
	while (pad < 2 && pad < in.n && in.p[in.n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < in.n - pad; i++)
		if (sextet((unsigned char)in.p[i]) < 0)
			return false;
	*n = mail_base64_decode(&d, str_from(in.p, in.n - pad), out);
	*n += mail_base64_end(&d, out + *n);
	return true;
}

size_t
mail_base64_encode(const void *p, size_t n, char *out)
{
	const uint8_t *in = p;
	char *to = out;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16;

		v |= i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0;
		v |= i + 2 < n ? in[i + 2] : 0;
		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		*to++ = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
		*to++ = i + 2 < n ? alphabet[v & 63] : '=';
	}
	return (size_t)(to - out);
}

/* ---- quoted-printable -------------------------------------------------------------------------
 */
static int
hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (unsigned char)(c & ~0x20);
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static size_t
held_flush(struct mail_qp *d, uint8_t *out)
{
	size_t n = d->n;

	memcpy(out, d->held, n);
	d->n = 0;
	d->escape = false;
	return n;
}

/* One more byte of a begun escape; true: c was used up. */
static bool
escape_step(struct mail_qp *d, unsigned char c, uint8_t **to)
{
	if (d->n == 1 && (c == '\r' || hex(c) >= 0)) {
		d->held[d->n++] = c;
		return true;
	}
	if (c == '\n' && (d->n == 1 || d->held[1] == '\r')) { /* soft line break */
		d->n = 0;
		d->escape = false;
		return true;
	}
	if (d->n == 2 && d->held[1] != '\r' && hex(c) >= 0) {
		*(*to)++ = (uint8_t)(hex(d->held[1]) << 4 | hex(c));
		d->n = 0;
		d->escape = false;
		return true;
	}
	*to += held_flush(d, *to); /* no escape: as it stands */
	return false;
}

size_t
mail_qp_decode(struct mail_qp *d, struct str in, bool header, uint8_t *out)
{
	uint8_t *to = out;

	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (d->escape && escape_step(d, c, &to))
			continue;
		if (c == '=') {
			to += held_flush(d, to);
			d->held[d->n++] = c;
			d->escape = true;
		} else if (!header && (c == ' ' || c == '\t' || c == '\r')) {
			if (d->n == sizeof(d->held))
				to += held_flush(d, to);
			d->held[d->n++] = c;
		} else if (!header && c == '\n') { /* white space before a line end is padding */
			bool cr = d->n > 0 && d->held[d->n - 1] == '\r';

			d->n = 0;
			if (cr)
				*to++ = '\r';
			*to++ = c;
		} else {
			to += held_flush(d, to);
			*to++ = header && c == '_' ? ' ' : c;
		}
	}
	return (size_t)(to - out);
}

size_t
mail_qp_end(struct mail_qp *d, uint8_t *out)
{
	if (d->escape && (d->n == 1 || d->held[1] == '\r')) {
		*d = (struct mail_qp){ 0 }; /* "=" at the very end: a soft break */
		return 0;
	}
	return held_flush(d, out);
}
