/* SPDX-License-Identifier: ISC */
/* An ascending set of UIDs that is filled by notices and emptied from its low end. */
#ifndef POSTERN_IMAP_UIDSET_H
#define POSTERN_IMAP_UIDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct imap_uidset {
	uint32_t *uid; /* uid[head .. end-1]; use imap_uidset_at */
	size_t head, end, cap;
};

static inline size_t
imap_uidset_count(const struct imap_uidset *s)
{
	return s->end - s->head;
}

static inline uint32_t
imap_uidset_at(const struct imap_uidset *s, size_t i)
{
	return s->uid[s->head + i];
}

/* Adds n ascending UIDs in time |s| + n (n alone when they belong at the end). */
void imap_uidset_add(struct imap_uidset *s, const uint32_t *uids, size_t n);
/* How many are below uid. */
size_t imap_uidset_below(const struct imap_uidset *s, uint32_t uid);
bool imap_uidset_has(const struct imap_uidset *s, uint32_t uid);
/* Takes n ascending UIDs out. */
void imap_uidset_remove(struct imap_uidset *s, const uint32_t *uids, size_t n);
/* Takes the lowest; the set must not be empty. Gives the memory back with the last one. */
uint32_t imap_uidset_take(struct imap_uidset *s);
void imap_uidset_clear(struct imap_uidset *s);

#endif
