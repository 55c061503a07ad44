/* SPDX-License-Identifier: ISC */
#include "slot/grubenv.h"

#include <stdio.h>

static const char head[] = "# GRUB Environment Block\n";

/* Length of the line at p with its end; 0: none (the fill, or no end). An escaped end is content. A
 * comment is a line, too; the fill has no end. */
static size_t
line_length(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '\n')
			return i + 1;
	}
	return 0;
}

/* Bytes in use: behind them is nothing but '#'. 0: not such a block. */
static size_t
used(const uint8_t block[GRUBENV_SIZE])
{
	const char *p = (const char *)block;
	size_t at = sizeof(head) - 1, n;

	if (memcmp(p, head, at) != 0)
		return 0;
	while ((n = line_length(p + at, GRUBENV_SIZE - at)) > 0)
		at += n;
	for (size_t i = at; i < GRUBENV_SIZE; i++)
		if (p[i] != '#')
			return 0;
	return at;
}

/* Where the line of a variable is and how long; 0: there is none. */
static size_t
find(const uint8_t block[GRUBENV_SIZE], const char *name, size_t *length)
{
	const char *p = (const char *)block;
	size_t at = sizeof(head) - 1, n, k = strlen(name);

	for (; (n = line_length(p + at, GRUBENV_SIZE - at)) > 0; at += n)
		if (n > k && memcmp(p + at, name, k) == 0 && p[at + k] == '=') {
			*length = n;
			return at;
		}
	return 0;
}

bool
grubenv_valid(const uint8_t block[GRUBENV_SIZE])
{
	return used(block) > 0;
}

bool
grubenv_get(const uint8_t block[GRUBENV_SIZE], const char *name, char *out, size_t size)
{
	size_t length, at, k = strlen(name), n = 0;

	if (used(block) == 0 || (at = find(block, name, &length)) == 0)
		return false;
	for (size_t i = at + k + 1; i < at + length - 1; i++) {
		if (block[i] == '\\')
			i++;
		if (n + 1 >= size)
			return false;
		out[n++] = (char)block[i];
	}
	out[n] = '\0';
	return true;
}

int
grubenv_set(uint8_t block[GRUBENV_SIZE], const char *name, const char *value)
{
	char line[GRUBENV_VALUE_MAX + 64];
	size_t end = used(block), old = 0, at = end ? find(block, name, &old) : 0;
	int n = snprintf(line, sizeof(line), "%s=%s\n", name, value);

	if (end == 0 || n < 0 || (size_t)n >= sizeof(line) ||
	    end - old + (size_t)n > GRUBENV_SECTOR)
		return -1;
	if (at == 0)
		at = end;
	memmove(block + at + (size_t)n, block + at + old, end - at - old);
	memcpy(block + at, line, (size_t)n);
	end = end - old + (size_t)n;
	memset(block + end, '#', GRUBENV_SIZE - end);
	return 0;
}

/* --- which slot is booted ----------------------------------------------------------------------------- */

static int
slot_of(char letter)
{
	return letter == 'a' ? SLOT_A : letter == 'b' ? SLOT_B : -1;
}

static bool
read_tries(const uint8_t *block, const char *name, unsigned *out)
{
	char v[8];

	if (!grubenv_get(block, name, v, sizeof(v)) || v[0] < '0' || v[0] > '9' || v[1] != '\0')
		return false;
	*out = (unsigned)(v[0] - '0');
	return true;
}

int
slot_boot_read(const uint8_t block[GRUBENV_SIZE], struct slot_boot *b)
{
	char order[8], fresh[8] = "";

	if (!grubenv_get(block, "order", order, sizeof(order)) ||
	    (strcmp(order, "ab") != 0 && strcmp(order, "ba") != 0) ||
	    !read_tries(block, "try_a", &b->tries[SLOT_A]) ||
	    !read_tries(block, "try_b", &b->tries[SLOT_B]))
		return -1;
	/* GRUB drops a variable that is empty. */
	if (grubenv_get(block, "new", fresh, sizeof(fresh)) && fresh[0] != '\0' &&
	    (fresh[1] != '\0' || slot_of(fresh[0]) < 0))
		return -1;
	b->first = order[0] == 'a' ? SLOT_A : SLOT_B;
	b->fresh = slot_of(fresh[0]);
	return 0;
}

int
slot_boot_write(uint8_t block[GRUBENV_SIZE], const struct slot_boot *b)
{
	uint8_t copy[GRUBENV_SIZE];
	char tries[2][2] = { { (char)('0' + b->tries[SLOT_A]), '\0' },
		{ (char)('0' + b->tries[SLOT_B]), '\0' } };
	char fresh[2] = { b->fresh < 0 ? '\0' : slot_letter((enum slot)b->fresh), '\0' };

	memcpy(copy, block, GRUBENV_SIZE);
	if (grubenv_set(copy, "order", b->first == SLOT_A ? "ab" : "ba") < 0 ||
	    grubenv_set(copy, "try_a", tries[SLOT_A]) < 0 ||
	    grubenv_set(copy, "try_b", tries[SLOT_B]) < 0 || grubenv_set(copy, "new", fresh) < 0)
		return -1;
	memcpy(block, copy, GRUBENV_SIZE);
	return 0;
}

void
slot_boot_begin(struct slot_boot *b, enum slot target)
{
	b->first = slot_other(target);
	b->tries[b->first] = SLOT_TRIES;
	b->tries[target] = 0;
	b->fresh = -1;
}

void
slot_boot_installed(struct slot_boot *b, enum slot target)
{
	b->first = target;
	b->tries[target] = SLOT_TRIES;
	b->fresh = (int)target;
}

void
slot_boot_healthy(struct slot_boot *b, enum slot running)
{
	b->first = running;
	b->tries[running] = SLOT_TRIES;
	b->fresh = -1;
}
