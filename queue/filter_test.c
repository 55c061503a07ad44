/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue/filter.h"

enum { NOW = 1000000000 };

static struct filter f;
static struct envelope_writer writer;
static struct envelope envelope;
static unsigned ended; /* bits of deliveries */

static int
parse(int argc, const char *a, const char *b, const char *c)
{
	const char *const argv[] = { a, b, c };
	struct command_line line;
	char error[160] = "";
	int r;

	if (command_parse(command_get(CMD_queue_list), argc, argv, &line) < 0)
		return -2;
	r = filter_parse(&line, NOW, &f, error);
	assert_int_equal(r < 0, error[0] != '\0');
	return r;
}

static bool
open_delivery(void *arg, uint32_t i)
{
	(void)arg;
	return (ended & 1U << i) == 0;
}

static void
make(const char *sender)
{
	static const char *const to[] = { "bob@there.test", "Carl@Elsewhere.test" };

	envelope_begin(&writer, &(struct ipc_msg_begin){ .reverse_path = str_of(sender) });
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(envelope_recipient(&writer,
				     &(struct envelope_recipient){
					 .address = str_of(to[i]), .from = ENVELOPE_ITSELF }),
		    i);
		assert_int_equal(envelope_delivery(&writer, i, TARGET_REMOTE, DELIVERY_PENDING), 0);
	}
	assert_int_equal(envelope_end(&writer, 1, 1, STR("")), 0);
	assert_int_equal(
	    envelope_read(str_from(buf_data(&writer.bytes), buf_len(&writer.bytes)), &envelope), 0);
}

static void
test_memory(void **state)
{
	(void)state;
	assert_int_equal(parse(0, NULL, NULL, NULL), 0);
	assert_false(f.given);
	assert_false(filter_needs_envelope(&f));
	assert_true(filter_fits(&f, 5, FILTER_held));
	assert_int_equal(parse(1, "--all", NULL, NULL), 0);
	assert_true(f.given);
	assert_int_equal(parse(1, "--limit=5", NULL, NULL), 0);
	assert_false(f.given);
	assert_int_equal(parse(2, "--older", "10s", NULL), 0);
	assert_true(f.given);
	assert_true(filter_fits(&f, NOW - 10001, FILTER_held));
	assert_false(filter_fits(&f, NOW - 10000, FILTER_held));
	assert_int_equal(parse(2, "--newer", "2m", NULL), 0);
	assert_true(filter_fits(&f, NOW - 120000, FILTER_held));
	assert_false(filter_fits(&f, NOW - 120001, FILTER_held));
	assert_int_equal(parse(1, "--older=1h", NULL, NULL), 0);
	assert_int_equal(f.before_ms, NOW - 3600000);
	assert_int_equal(parse(1, "--older=1d", NULL, NULL), 0);
	assert_int_equal(f.before_ms, NOW - 86400000);
	assert_int_equal(parse(1, "--older=9999d", NULL, NULL), 0);
	assert_int_equal(f.before_ms, 0);
	assert_int_equal(parse(2, "--state", "deferred", NULL), 0);
	assert_true(filter_fits(&f, 5, FILTER_deferred));
	assert_false(filter_fits(&f, 5, FILTER_waiting));
	assert_string_equal(filter_state_text(FILTER_sending), "sending");
}

static void
test_refused(void **state)
{
	static const char *const bad[] = { "--older=10", "--older=d", "--older=", "--older=-1d",
		"--newer=1w", "--state=sleeping", "--sender=bob", "--recipient=x",
		"--recipient=", "--domain=a@b", "--domain=", "--older=99999999999d" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(1, bad[i], NULL, NULL), -1);
	assert_int_equal(parse(1, "--older", NULL, NULL), -2);
	assert_int_equal(parse(1, "--all=1", NULL, NULL), -2);
	assert_int_equal(parse(1, "--colour=1", NULL, NULL), -2);
}

static bool
fits(const char *option)
{
	assert_int_equal(parse(1, option, NULL, NULL), 0);
	assert_true(filter_needs_envelope(&f));
	return filter_fits_envelope(&f, &envelope, open_delivery, NULL);
}

static void
test_envelope(void **state)
{
	(void)state;
	make("Anna@here.test");
	assert_true(fits("--sender=anna@HERE.test"));
	assert_true(fits("--sender=@here.test"));
	assert_false(fits("--sender=@ere.test"));
	assert_false(fits("--sender=nna@here.test"));
	assert_false(fits("--sender=<>"));
	assert_true(fits("--recipient=bob@there.test"));
	assert_true(fits("--recipient=@elsewhere.test"));
	assert_false(fits("--recipient=b@there.test"));
	assert_true(fits("--domain=there.test"));
	assert_true(fits("--domain=ELSEWHERE.test"));
	assert_false(fits("--domain=where.test"));
	ended = 1;
	assert_false(fits("--recipient=bob@there.test"));
	assert_false(fits("--domain=there.test"));
	assert_true(fits("--domain=elsewhere.test"));
	ended = 0;
	/* All that is said must hold. */
	assert_int_equal(parse(2, "--sender=@here.test", "--domain=nowhere.test", NULL), 0);
	assert_false(filter_fits_envelope(&f, &envelope, open_delivery, NULL));
	make("");
	assert_true(fits("--sender=<>"));
	assert_false(fits("--sender=@here.test"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_envelope),
	};
	int rc;

	envelope_writer_init(&writer);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	envelope_writer_free(&writer);
	return rc;
}
