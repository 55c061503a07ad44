/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "srs/srs.h"

enum { DAY = 20785 };

static const uint8_t key[SRS_KEY_SIZE] = "0123456789abcdef0123456789abcde";
static const uint8_t other_key[SRS_KEY_SIZE] = "0123456789abcdef0123456789abcdf";
static char made[ADDRESS_TEXT_SIZE], back[ADDRESS_TEXT_SIZE];

static int
make(const char *from, const char *domain)
{
	return srs_make(key, DAY, str_of(from), str_of(domain), made);
}

static int
parse(uint32_t day, const char *address)
{
	return srs_parse(key, day, str_of(address), back);
}

static void
lower(char *p)
{
	for (; *p != '\0'; p++)
		*p = (char)ascii_tolower((unsigned char)*p);
}

/* The tag was computed with Python's hashlib.blake2b: bytes '0', day and length little-endian. */
static void
test_known(void **state)
{
	(void)state;
	assert_true(make("alice@example.net", "example.org") > 0);
	assert_string_equal(made, "SRS0=47TY3QLP=JR=example.net=alice@example.org");
	assert_true(make(made, "next.example") > 0);
	assert_string_equal(
	    made, "SRS1=S7F3KTIM=example.org==47TY3QLP=JR=example.net=alice@next.example");
}

static void
test_there_and_back(void **state)
{
	static const char *const from[] = { "alice@example.net", "Alice.B+tag@example.net",
		"bounce=7-a=b@news.example.com", "a@[192.0.2.1]", "\"two words\"@example.net",
		"j\xc3\xb6rg@b\xc3\xbc"
		"cher.example" };

	(void)state;
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		int n = make(from[i], "example.org");

		assert_int_equal(n, strlen(made));
		assert_int_equal(parse(DAY, made), strlen(from[i]));
		assert_string_equal(back, from[i]);
		lower(made);
		assert_true(parse(DAY, made) > 0);
		assert_true(str_eq_nocase(str_of(back), str_of(from[i])));
	}
}

static void
test_null_stays_null(void **state)
{
	(void)state;
	made[0] = 'x';
	assert_int_equal(make("", "example.org"), 0);
	assert_string_equal(made, "");
}

/* The second forwarder's answers go to the first; a third changes its own part only. */
static void
test_chain(void **state)
{
	char first[ADDRESS_TEXT_SIZE], second[ADDRESS_TEXT_SIZE], third[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_true(make("al@a.example", "b.example") > 0);
	strcpy(first, made);
	assert_true(make(first, "c.example") > 0);
	strcpy(second, made);
	assert_true(make(second, "d.example") > 0);
	strcpy(third, made);
	assert_memory_equal(second, "SRS1=", 5);
	assert_string_equal(strchr(third + 5, '=') + 1, "b.example=" /* and the rest of the first */
							"=5FKUBU6B=JR=a.example=al@d.example");
	assert_true(parse(DAY, third) > 0);
	assert_string_equal(back, first);
	assert_true(parse(DAY, second) > 0);
	assert_string_equal(back, first);
	assert_true(parse(DAY, back) > 0);
	assert_string_equal(back, "al@a.example");
}

/* What other programs write: other separators, shorter tags. */
static void
test_others(void **state)
{
	static const char *const from[] = { "SRS0+abcd=2x=a.example=al@b.example",
		"SRS0-abcd=2x=a.example=al@b.example", "SRS0=abcd=2x=a.example=al@b.example" };

	(void)state;
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		assert_true(make(from[i], "c.example") > 0);
		assert_memory_equal(made, "SRS1=", 5);
		assert_true(parse(DAY, made) > 0);
		assert_string_equal(back, from[i]);
	}
	assert_true(make("srs1=abcd=b.example==wxyz=2x=a.example=al@c.example", "d.example") > 0);
	assert_true(parse(DAY, made) > 0);
	assert_string_equal(back, "SRS0=wxyz=2x=a.example=al@b.example");
	/* Only looks so: rewritten as any address. */
	assert_true(make("SRS1=abcd=b!example==x@c.example", "d.example") > 0);
	assert_memory_equal(made, "SRS0=", 5);
	assert_true(make("SRS1=abcd=nothing@c.example", "d.example") > 0);
	assert_memory_equal(made, "SRS0=", 5);
	assert_true(parse(DAY, made) > 0);
	assert_string_equal(back, "SRS1=abcd=nothing@c.example");
}

static void
test_age(void **state)
{
	(void)state;
	assert_true(make("alice@example.net", "example.org") > 0);
	assert_true(parse(DAY - 1, made) > 0);
	assert_int_equal(parse(DAY - 2, made), SRS_FORGED);
	assert_true(parse(DAY + SRS_AGE_DAYS, made) > 0);
	assert_int_equal(parse(DAY + SRS_AGE_DAYS + 1, made), SRS_OLD);
	assert_string_equal(back, "");
	assert_int_equal(parse(DAY + 1000, made), SRS_OLD);
	/* The stamp has come round, the hash has not. */
	assert_int_equal(parse(DAY + 1024, made), SRS_FORGED);
	assert_true(make("SRS0=abcd=2x=a.example=al@b.example", "c.example") > 0);
	assert_true(parse(DAY - 1, made) > 0);
	assert_int_equal(parse(DAY - 2, made), SRS_FORGED);
	assert_true(parse(DAY + SRS_AGE_DAYS, made) > 0);
	assert_int_equal(parse(DAY + SRS_AGE_DAYS + 1, made), SRS_FORGED);
}

/* Each character of the local part counts, and the key. */
static void
test_forged(void **state)
{
	static const char *const from[] = { "alice@example.net",
		"SRS0=abcd=2x=a.example=al@b.example" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_true(make(from[i], "c.example") > 0);
		assert_int_equal(srs_parse(other_key, DAY, str_of(made), back), SRS_FORGED);
		for (char *p = made + 5; *p != '@'; p++) {
			char was = *p;

			*p = ascii_tolower(was) == 'q' ? 'r' : 'q';
			assert_true(parse(DAY, made) < 0);
			assert_string_equal(back, "");
			*p = was;
		}
		assert_true(parse(DAY, made) > 0);
	}
	/* The border between domain and the rest is covered. */
	assert_true(make("b=c@a.example", "ours.example") > 0);
	*strchr(strstr(made, "a.example="), '=') = '-';
	assert_int_equal(parse(DAY, made), SRS_FORGED);
}

static void
test_none(void **state)
{
	static const char *const address[] = { "alice@example.org", "SRS@example.org",
		"SRS0@example.org", "SRS0=@example.org", "SRS0=abcdefgh=@example.org",
		"SRS0=abcdefgh=JR=x@example.org", "SRS0=abcdefgh=J1=a.example=x@example.org",
		"SRS0=abcdefg=JR=a.example=x@example.org", "SRS1=abcdefgh=a.example@example.org",
		"SRS2=abcdefgh=JR=a.example=x@example.org", "no address", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(address) / sizeof(address[0]); i++)
		assert_int_equal(parse(DAY, address[i]), SRS_NONE);
}

/* 64 octets as written: one more does not fit. */
static void
test_length(void **state)
{
	char from[ADDRESS_TEXT_SIZE] = "";

	(void)state;
	/* SRS0=TAG=DD=example.net= takes 29. */
	memset(from, 'a', 35);
	strcpy(from + 35, "@example.net");
	assert_int_equal(make(from, "example.org"), 64 + 12);
	assert_true(parse(DAY, made) > 0);
	assert_string_equal(back, from);
	memset(from, 'a', 36);
	strcpy(from + 36, "@example.net");
	assert_int_equal(make(from, "example.org"), SRS_UNFIT);
	assert_string_equal(made, "");
	/* Two quotes are two more octets. */
	memset(from, 'a', 36);
	strcpy(from, "\"a b");
	memset(from + 4, 'a', 31);
	strcpy(from + 35, "\"@example.net");
	assert_int_equal(make(from, "example.org"), SRS_UNFIT);
	assert_int_equal(make("no address", "example.org"), SRS_UNFIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_null_stays_null),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
