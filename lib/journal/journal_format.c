/* SPDX-License-Identifier: ISC */
#include "journal/journal_format.h"

#include <string.h>
#include <zlib.h>

#include "base/le.h"

static const uint8_t segment_magic[8] = { 'P', 'S', 'T', 'N', 'J', 'R', 'N', 'L' };
static const uint8_t record_magic[4] = { 'r', 'e', 'c', '1' };

uint32_t
journal_crc(uint32_t crc, const void *p, size_t n)
{
	return (uint32_t)crc32_z(crc, p, n);
}

void
journal_header_encode(uint8_t out[JOURNAL_HEADER_USED], const struct journal_segment_header *h)
{
	memset(out, 0, JOURNAL_HEADER_USED);
	memcpy(out, segment_magic, 8);
	le_put32(out + 8, JOURNAL_VERSION);
	memcpy(out + 16, h->kind, 8);
	le_put64(out + 24, h->number);
	le_put64(out + 32, h->salt);
	le_put64(out + 40, h->prev);
	le_put32(out + 48, h->prev_end);
	le_put32(out + 52, h->prev_cut ? 1 : 0);
	le_put64(out + 56, h->first_seq);
	le_put32(out + 64, journal_crc(0, out, 64));
}

int
journal_header_decode(const uint8_t in[JOURNAL_HEADER_USED], struct journal_segment_header *h)
{
	if (memcmp(in, segment_magic, 8) != 0 || le_get32(in + 64) != journal_crc(0, in, 64))
		return JOURNAL_DAMAGED;
	if (le_get32(in + 8) != JOURNAL_VERSION)
		return le_get32(in + 8) > JOURNAL_VERSION ? JOURNAL_NEWER : JOURNAL_DAMAGED;
	memcpy(h->kind, in + 16, 8);
	h->number = le_get64(in + 24);
	h->salt = le_get64(in + 32);
	h->prev = le_get64(in + 40);
	h->prev_end = le_get32(in + 48);
	h->prev_cut = le_get32(in + 52) != 0;
	h->first_seq = le_get64(in + 56);
	return 0;
}

static uint32_t
record_crc(const uint8_t *p, uint64_t salt)
{
	uint8_t s[8];

	le_put64(s, salt);
	return journal_crc(journal_crc(0, s, sizeof(s)), p, 60);
}

void
journal_record_encode(
    uint8_t out[JOURNAL_RECORD_HEADER], const struct journal_record_header *h, uint64_t salt)
{
	memcpy(out, record_magic, 4);
	out[4] = h->type;
	out[5] = h->flags;
	out[6] = out[7] = 0;
	le_put32(out + 8, h->meta_len);
	le_put32(out + 12, h->meta_crc);
	le_put64(out + 16, h->content_len);
	le_put32(out + 24, h->content_crc);
	le_put32(out + 28, h->synced_end);
	le_put64(out + 32, h->seq);
	le_put64(out + 40, h->large_id);
	le_put64(out + 48, h->about.pos);
	le_put32(out + 56, h->about.size);
	le_put32(out + 60, record_crc(out, salt));
}

bool
journal_record_decode(
    const uint8_t in[JOURNAL_RECORD_HEADER], struct journal_record_header *h, uint64_t salt)
{
	if (memcmp(in, record_magic, 4) != 0 || le_get32(in + 60) != record_crc(in, salt))
		return false;
	h->type = in[4];
	h->flags = in[5];
	h->meta_len = le_get32(in + 8);
	h->meta_crc = le_get32(in + 12);
	h->content_len = le_get64(in + 16);
	h->content_crc = le_get32(in + 24);
	h->synced_end = le_get32(in + 28);
	h->seq = le_get64(in + 32);
	h->large_id = le_get64(in + 40);
	h->about.pos = le_get64(in + 48);
	h->about.size = le_get32(in + 56);
	return h->meta_len <= JOURNAL_META_MAX &&
	       (h->large_id != 0 || h->content_len <= JOURNAL_INLINE_MAX);
}

uint32_t
journal_record_size(size_t meta_len, size_t content_len)
{
	return (uint32_t)((JOURNAL_RECORD_HEADER + meta_len + content_len + 7) & ~(size_t)7);
}

uint32_t
journal_record_extent(const struct journal_record_header *h)
{
	return journal_record_size(h->meta_len, h->large_id ? 0 : (size_t)h->content_len);
}

const char *
journal_strerror(int result)
{
	static const char *const text[] = {
		"no error",
		"input/output error",
		"no space",
		"the journal failed",
		"written by a newer version of this program",
		"another kind of journal",
		"damaged",
		"no such record",
		"over a limit",
		"in use by another process",
		"the checkpoint does not fit",
	};

	if (result > 0 || result < JOURNAL_STALE)
		return "unknown error";
	return text[-result];
}
