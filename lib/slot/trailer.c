/* SPDX-License-Identifier: ISC */
#include "slot/trailer.h"

#include <sodium.h>

/* The next line, without its end; false when there is none. */
static bool
next_line(struct str *rest, struct str *line)
{
	ptrdiff_t n = str_chr(*rest, '\n');

	if (n < 0)
		return false;
	*line = str_from(rest->p, (size_t)n);
	*rest = str_from(rest->p + n + 1, rest->n - (size_t)n - 1);
	return true;
}

/* The value of the next line, which has to be of this name. */
static bool
next_value(struct str *rest, const char *name, struct str *value)
{
	struct str line;
	size_t n = strlen(name);

	if (!next_line(rest, &line) || line.n <= n || memcmp(line.p, name, n) != 0 ||
	    line.p[n] != '=')
		return false;
	*value = str_from(line.p + n + 1, line.n - n - 1);
	return value->n > 0;
}

/* A word of letters, digits and a few signs that are harmless in a message or a file name. */
static bool
next_word(struct str *rest, const char *name, char *out, size_t max)
{
	static const char signs[] =
	    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~_-";
	struct str v;

	if (!next_value(rest, name, &v) || v.n > max)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\0' || strchr(signs, v.p[i]) == NULL)
			return false;
	memcpy(out, v.p, v.n);
	out[v.n] = '\0';
	return true;
}

static bool
next_hex(struct str *rest, const char *name, char *out, size_t max)
{
	if (!next_word(rest, name, out, max) || strlen(out) % 2 != 0)
		return false;
	return strspn(out, "0123456789abcdef") == strlen(out);
}

static bool
next_number(struct str *rest, const char *name, uint64_t *out)
{
	struct str v;

	return next_value(rest, name, &v) && str_u64(v, SLOT_SIZE_MAX, out);
}

static bool
lines(struct str *rest, struct slot_trailer *t)
{
	char sum[2 * SLOT_SUM_SIZE + 1];
	size_t n;

	return next_word(rest, "version", t->version, SLOT_VERSION_MAX) &&
	       next_number(rest, "serial", &t->serial) &&
	       next_word(rest, "arch", t->arch, SLOT_ARCH_MAX) &&
	       next_number(rest, "size", &t->size) && next_number(rest, "data", &t->data) &&
	       next_hex(rest, "salt", t->salt, SLOT_HEX_MAX) &&
	       next_hex(rest, "root", t->root, SLOT_HEX_MAX) &&
	       next_hex(rest, "sha256", sum, sizeof(sum) - 1) &&
	       sodium_hex2bin(t->sha256, SLOT_SUM_SIZE, sum, strlen(sum), NULL, &n, NULL) == 0 &&
	       n == SLOT_SUM_SIZE;
}

int
slot_trailer_parse(const uint8_t raw[SLOT_TRAILER_SIZE], struct slot_trailer *t, const char **why)
{
	struct str rest = str_from(raw, SLOT_SIGNED_SIZE), line;

	memset(t, 0, sizeof(*t));
	*why = "it does not end as a system for an update does";
	if (!next_line(&rest, &line) || line.n < 13 || memcmp(line.p, "postern-slot ", 13) != 0)
		return -1;
	*why = "it is of a newer format than this version understands";
	if (!str_eq(line, STR("postern-slot 1")))
		return -1;
	*why = "its description is damaged";
	if (!lines(&rest, t))
		return -1;
	for (size_t i = 0; i < rest.n; i++)
		if (rest.p[i] != '\0')
			return -1;
	if (t->size == 0 || t->size % SLOT_BLOCK != 0 || t->data == 0 || t->data >= t->size ||
	    t->data % SLOT_BLOCK != 0)
		return -1;
	*why = "";
	return 0;
}

bool
slot_trailer_signed(const uint8_t raw[SLOT_TRAILER_SIZE], const struct slot_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		if (crypto_sign_verify_detached(
			raw + SLOT_SIGNED_SIZE, raw, SLOT_SIGNED_SIZE, keys->key[i]) == 0)
			return true;
	return false;
}

static int
take_key(struct str line, struct slot_keys *keys)
{
	size_t n;

	if (line.n == 0 || line.p[0] == '#')
		return 0;
	if (keys->n == SLOT_KEYS_MAX || line.n != 2 * SLOT_KEY_SIZE ||
	    sodium_hex2bin(keys->key[keys->n], SLOT_KEY_SIZE, line.p, line.n, NULL, &n, NULL) < 0 ||
	    n != SLOT_KEY_SIZE)
		return -1;
	keys->n++;
	return 0;
}

int
slot_keys_parse(struct str text, struct slot_keys *keys)
{
	struct str line;

	memset(keys, 0, sizeof(*keys));
	while (text.n > 0) {
		if (!next_line(&text, &line)) {
			line = text;
			text.n = 0;
		}
		if (take_key(str_trim(line), keys) < 0)
			return -1;
	}
	return keys->n > 0 ? 0 : -1;
}
