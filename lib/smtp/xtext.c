/* SPDX-License-Identifier: ISC */
#include "smtp/xtext.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
smtp_xtext_decode(struct str in, char *out, size_t outsize)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++, n++) {
		int c = (unsigned char)in.p[i], least = ' ' + 1;

		if (c == '=')
			return -1;
		if (c == '+') {
			if (in.n - i < 3 || hex(in.p[i + 1]) < 0 || hex(in.p[i + 2]) < 0)
				return -1;
			c = hex(in.p[i + 1]) << 4 | hex(in.p[i + 2]);
			least = ' '; /* a space may stand there in its encoded form only */
			i += 2;
		}
		if (c < least || c >= 0x7f || (out != NULL && n >= outsize))
			return -1;
		if (out != NULL)
			out[n] = (char)c;
	}
	return (int)n;
}
