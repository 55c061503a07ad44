/* SPDX-License-Identifier: ISC */
/* First two bytes: the type; then a response. Oracle: what comes out is whole and reads again. */
#include <assert.h>

#include "dns/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_records(const struct dns_answer *a)
{
	const uint8_t *p = buf_data(&a->records);
	size_t n = buf_len(&a->records), at = 0;
	unsigned count = 0;

	while (at < n) {
		assert(n - at >= 2);
		at += 2U + ((size_t)p[at] << 8 | p[at + 1]);
		assert(at <= n);
		count++;
	}
	assert(count == a->count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_answer a;
	struct dns_name again;
	char text[DNS_TEXT_MAX];
	size_t at = 0;
	int rc;

	if (size < 2)
		return 0;
	buf_init(&a.records, 65000);
	rc = dns_answer_read(data + 2, size - 2, (uint16_t)(data[0] << 8 | data[1]), &a);
	assert((rc == 1) == (rc >= 0 && a.count > 0));
	if (rc >= 0) {
		check_records(&a);
		assert(a.ttl <= DNS_TTL_MAX);
		assert(dns_name_read(a.name.wire, a.name.n, &at, &again));
		assert(dns_name_eq(&a.name, &again));
		assert(strlen(dns_name_text(&a.name, text)) < DNS_TEXT_MAX);
	}
	buf_free(&a.records);
	return 0;
}
