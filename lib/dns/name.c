/* SPDX-License-Identifier: ISC */
#include "dns/name.h"

#include <string.h>

static bool
append_label(struct dns_name *out, const uint8_t *label, size_t n)
{
	/* One byte stays for the root label at the end. */
	if (n > DNS_LABEL_MAX || (size_t)out->n + 1 + n + 1 > DNS_NAME_MAX)
		return false;
	out->wire[out->n++] = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		out->wire[out->n++] = (uint8_t)ascii_tolower(label[i]);
	return true;
}

bool
dns_name_read(const uint8_t *packet, size_t size, size_t *at, struct dns_name *out)
{
	size_t p = *at, before = *at;
	bool jumped = false;

	out->n = 0;
	for (;;) {
		if (p >= size)
			return false;
		if ((packet[p] & 0xc0) == 0xc0) {
			size_t to;

			if (p + 1 >= size)
				return false;
			to = (size_t)(packet[p] & 0x3f) << 8 | packet[p + 1];
			if (!jumped)
				*at = p + 2;
			if (to >= before)
				return false;
			p = before = to;
			jumped = true;
		} else if (packet[p] == 0) {
			break;
		} else {
			if (packet[p] > DNS_LABEL_MAX || size - p - 1 < packet[p] ||
			    !append_label(out, packet + p + 1, packet[p]))
				return false;
			p += 1U + packet[p];
		}
	}
	out->wire[out->n++] = 0;
	if (!jumped)
		*at = p + 1;
	return true;
}

bool
dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
	return a->n == b->n && memcmp(a->wire, b->wire, a->n) == 0;
}

static bool
plain(int c)
{
	return c > ' ' && c < 0x7f && c != '\\' && c != '"';
}

bool
dns_name_parse(struct str text, struct dns_name *out)
{
	size_t begin = 0;

	out->n = 0;
	if (text.n > 0 && text.p[text.n - 1] == '.')
		text.n--;
	for (size_t i = 0; i <= text.n && text.n > 0; i++) {
		if (i < text.n && text.p[i] != '.') {
			if (!plain((unsigned char)text.p[i]))
				return false;
			continue;
		}
		if (i == begin || !append_label(out, (const uint8_t *)text.p + begin, i - begin))
			return false;
		begin = i + 1;
	}
	out->wire[out->n++] = 0;
	return true;
}

static size_t
put_byte(char *out, uint8_t c)
{
	if (plain(c) && c != '.') {
		out[0] = (char)c;
		return 1;
	}
	out[0] = '\\';
	out[1] = (char)('0' + c / 100);
	out[2] = (char)('0' + c / 10 % 10);
	out[3] = (char)('0' + c % 10);
	return 4;
}

const char *
dns_name_text(const struct dns_name *name, char out[DNS_TEXT_MAX])
{
	size_t o = 0;

	for (size_t p = 0; p < name->n && name->wire[p] != 0; p += 1U + name->wire[p]) {
		if (o > 0)
			out[o++] = '.';
		for (size_t i = 0; i < name->wire[p]; i++)
			o += put_byte(out + o, name->wire[p + 1 + i]);
	}
	if (o == 0)
		out[o++] = '.';
	out[o] = '\0';
	return out;
}
