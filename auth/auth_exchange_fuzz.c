/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as a SASL exchange. First byte: bit 0 LOGIN or PLAIN, bit 1 initial response, bit 2 the
 * verifier is known, bit 3 SCRAM instead (bit 0: -PLUS), bit 4 there are channel bindings; then
 * inputs, each ended by the byte 0xff. Oracle: a login is proven only by bytes that hold both the
 * name and the password, and only when the check was asked; by SCRAM never, for nobody has a
 * password for these keys; the same again gives the same.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "auth/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAME "a@b.test"
#define PASSWORD "pw"

static unsigned asked;

static enum ipc_result
check(void *arg, struct str login, struct str password)
{
	(void)arg;
	asked++;
	return str_eq(login, STR(NAME)) && str_eq(password, STR(PASSWORD)) ? IPC_OK : IPC_NO;
}

static bool
holds(const uint8_t *data, size_t size, const char *what)
{
	return memmem(data, size, what, strlen(what)) != NULL;
}

static void
again(const struct exchange_input *in, const struct exchange_output *first)
{
	struct exchange_output out;

	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	if (exchange_run(in, &out) != EXCHANGE_CHALLENGE || strcmp(out.login, first->login) != 0 ||
	    !str_eq(str_from(buf_data(&out.challenge), buf_len(&out.challenge)),
		str_from(buf_data(&first->challenge), buf_len(&first->challenge))))
		abort();
	buf_free(&out.challenge);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	static const struct scram_keys keys[2] = { { { 1 }, { 2 } }, { { 3 }, { 4 } } };
	struct exchange_input in = {
		.service = "imap", .hostname = "h.test", .check = check, .keys = keys, .nkeys = 2
	};
	struct exchange_output out;
	enum exchange_result r;
	bool scram;
	const uint8_t *p, *end;

	if (!ready) {
		buf_init(&out.challenge, 256);
		if (sodium_init() < 0 || exchange_init(&out.challenge) != 0)
			abort();
		buf_free(&out.challenge);
		ready = true;
	}
	if (size == 0)
		return 0;
	scram = data[0] & 8;
	in.mechanism = scram         ? data[0] & 1 ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256"
		       : data[0] & 1 ? "LOGIN"
				     : "PLAIN";
	if (data[0] & 16)
		in.bindings = (struct exchange_bindings){ STR("exporter"), STR("unique"), STR("") };
	in.known = data[0] & 4 ? NAME : NULL;
	for (p = data + 1; p < data + size && in.n < EXCHANGE_INPUTS_MAX; p = end + 1) {
		end = memchr(p, 0xff, (size_t)(data + size - p));
		if (end == NULL)
			end = data + size;
		if (end - p > EXCHANGE_INPUT_MAX)
			break;
		in.input[in.n++] = str_from(p, (size_t)(end - p));
	}
	in.has_initial = (data[0] & 2) && in.n > 0;
	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	asked = 0;
	r = exchange_run(&in, &out);
	if (asked > 1 || (asked && in.known == NULL))
		abort();
	if (r == EXCHANGE_PROVEN &&
	    (scram || !asked || !holds(data, size, NAME) || !holds(data, size, PASSWORD) ||
		strcmp(out.login, NAME) != 0))
		abort();
	if (r == EXCHANGE_NEED && (in.known || out.login[0] == 0))
		abort();
	if (scram && r == EXCHANGE_CHALLENGE)
		again(&in, &out);
	buf_free(&out.challenge);
	return 0;
}
