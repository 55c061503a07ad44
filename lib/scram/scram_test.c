/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "scram/scram.h"

/* rfc7677:3 */
#define FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define CHALLENGE \
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define FINAL \
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," \
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SIGNATURE "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void
base64(const char *text, uint8_t *out, size_t size, size_t want)
{
	size_t n;

	assert_int_equal(sodium_base642bin(out, size, text, strlen(text), NULL, &n, NULL,
			     sodium_base64_VARIANT_ORIGINAL),
	    0);
	assert_int_equal(n, want);
}

static void
test_rfc7677(void **state)
{
	static const char message[] =
	    "n=user,r=rOprNGfwEbeRWgbNEkqO," CHALLENGE
	    ",c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	uint8_t salt[SCRAM_SALT], want[SCRAM_KEY], got[SCRAM_KEY];
	crypto_auth_hmacsha256_state hmac;
	struct scram_final final;
	struct scram_first first;
	struct scram_keys keys;

	(void)state;
	base64("W22ZaJ0SNY7soEsUEjb6gQ==", salt, sizeof(salt), SCRAM_SALT);
	base64(SIGNATURE, want, sizeof(want), SCRAM_KEY);
	scram_keys_make(STR("pencil"), salt, &keys);
	assert_int_equal(scram_first_parse(STR(FIRST), &first), 0);
	assert_int_equal(first.flag, 'n');
	assert_string_equal(first.user, "user");
	assert_true(str_eq(first.bare, STR("n=user,r=rOprNGfwEbeRWgbNEkqO")));
	assert_true(str_eq(first.header, STR("n,,")));
	assert_int_equal(scram_final_parse(STR(FINAL), &final), 0);
	assert_true(scram_binding_is(&final, &first, STR("")));
	assert_false(scram_binding_is(&final, &first, STR("x")));
	first.header = STR("y,,");
	assert_false(scram_binding_is(&final, &first, STR("")));
	assert_true(scram_proves(&first, STR(CHALLENGE), &final, keys.stored));
	crypto_auth_hmacsha256_init(&hmac, keys.server, SCRAM_KEY);
	crypto_auth_hmacsha256_update(&hmac, (const uint8_t *)message, sizeof(message) - 1);
	crypto_auth_hmacsha256_final(&hmac, got);
	assert_memory_equal(got, want, SCRAM_KEY);

	/* another challenge, proof, password, salt */
	assert_false(scram_proves(&first, STR(CHALLENGE "0"), &final, keys.stored));
	final.proof[31] ^= 1;
	assert_false(scram_proves(&first, STR(CHALLENGE), &final, keys.stored));
	final.proof[31] ^= 1;
	scram_keys_make(STR("pencil "), salt, &keys);
	assert_false(scram_proves(&first, STR(CHALLENGE), &final, keys.stored));
	salt[0] ^= 1;
	scram_keys_make(STR("pencil"), salt, &keys);
	assert_false(scram_proves(&first, STR(CHALLENGE), &final, keys.stored));
}

static void
test_first(void **state)
{
	static const struct {
		const char *message;
		char flag; /* 0: refused */
		const char *binding, *user, *bare;
	} cases[] = {
		{ "y,,n=u,r=x", 'y', "", "u", "n=u,r=x" },
		{ "p=tls-unique,,n=u,r=x", 'p', "tls-unique", "u", "n=u,r=x" },
		{ "n,a=u,n=u,r=x,e=1", 'n', "", "u", "n=u,r=x,e=1" },
		{ "n,,n=a=2Cb=3Dc,r=x", 'n', "", "a,b=c", "n=a=2Cb=3Dc,r=x" },
		{ "n,,n=\xc3\xbc@x.test,r=x", 'n', "", "\xc3\xbc@x.test", "n=\xc3\xbc@x.test,r=x" },
		{ "", 0, NULL, NULL, NULL },
		{ "n", 0, NULL, NULL, NULL },
		{ "n,", 0, NULL, NULL, NULL },
		{ "n,,", 0, NULL, NULL, NULL },
		{ ",,n=u,r=x", 0, NULL, NULL, NULL },
		{ "x,,n=u,r=x", 0, NULL, NULL, NULL },
		{ "nn,,n=u,r=x", 0, NULL, NULL, NULL },
		{ "yes,,n=u,r=x", 0, NULL, NULL, NULL },
		{ "p,,n=u,r=x", 0, NULL, NULL, NULL },
		{ "p=,,n=u,r=x", 0, NULL, NULL, NULL },
		{ "n,b=u,n=u,r=x", 0, NULL, NULL, NULL },
		{ "n,,m=1,n=u,r=x", 0, NULL, NULL, NULL },
		{ "n,,r=x,n=u", 0, NULL, NULL, NULL },
		{ "n,,n=u", 0, NULL, NULL, NULL },
		{ "n,,n=u,", 0, NULL, NULL, NULL },
		{ "n,,n=u,r=", 0, NULL, NULL, NULL },
		{ "n,,n=u,r=,x", 0, NULL, NULL, NULL },
		{ "n,,n=u,r=a b", 0, NULL, NULL, NULL },
		{ "n,,n=u,r=\x7f", 0, NULL, NULL, NULL },
		{ "n,,n=,r=x", 0, NULL, NULL, NULL },
		{ "n,,n=a=2,r=x", 0, NULL, NULL, NULL },
		{ "n,,n=a=2c,r=x", 0, NULL, NULL, NULL },
		{ "n,,n=a=41,r=x", 0, NULL, NULL, NULL },
		{ "n,,n==,r=x", 0, NULL, NULL, NULL },
	};
	char big[SCRAM_MESSAGE_MAX + 2];
	struct scram_first f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = scram_first_parse(str_of(cases[i].message), &f);

		if (rc != (cases[i].flag ? 0 : -1))
			fail_msg("%s: got %d", cases[i].message, rc);
		if (rc != 0)
			continue;
		assert_int_equal(f.flag, cases[i].flag);
		assert_true(str_eq(f.binding, str_of(cases[i].binding)));
		assert_string_equal(f.user, cases[i].user);
		assert_true(str_eq(f.bare, str_of(cases[i].bare)));
	}
	assert_int_equal(scram_first_parse(str_from("n,,n=u\0v,r=x", 12), &f), -1);
	/* the longest name and message, and one byte more */
	memset(big, 'a', sizeof(big));
	memcpy(big, "n,,n=", 5);
	memcpy(big + 5 + SCRAM_USER_MAX, ",r=", 3);
	assert_int_equal(scram_first_parse(str_from(big, SCRAM_MESSAGE_MAX), &f), 0);
	assert_int_equal(strlen(f.user), SCRAM_USER_MAX);
	assert_int_equal(scram_first_parse(str_from(big, SCRAM_MESSAGE_MAX + 1), &f), -1);
	memset(big + 5, 'a', SCRAM_USER_MAX + 3);
	memcpy(big + 5 + SCRAM_USER_MAX + 1, ",r=", 3);
	assert_int_equal(scram_first_parse(str_from(big, 400), &f), -1);
}

static void
test_final(void **state)
{
#define P "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	static const struct {
		const char *message, *without; /* NULL: refused */
	} cases[] = {
		{ "c=biws,r=x," P, "c=biws,r=x" },
		{ "c=biws,r=x,e=1,f=2," P, "c=biws,r=x,e=1,f=2" },
		{ "c=biws,r=x", NULL },
		{ "c=biws,r=x,", NULL },
		{ "c=biws," P, NULL },
		{ "r=x," P, NULL },
		{ P, NULL },
		{ "", NULL },
		{ "c=biws,r=x,p=", NULL },
		{ "c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ", NULL },
		{ "c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7And", NULL },
		{ "c=biws,r=x," P "A", NULL },
		{ "c=biws,r=x," P ",e=1", NULL },
		{ "c=biws,r=x,p=AAAA"
		  "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		    NULL },
		{ "c=biws,r=x,p=!HzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", NULL },
	};
	struct scram_final f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = scram_final_parse(str_of(cases[i].message), &f);

		if (rc != (cases[i].without ? 0 : -1))
			fail_msg("%s: got %d", cases[i].message, rc);
		if (rc == 0)
			assert_true(str_eq(f.without_proof, str_of(cases[i].without)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc7677),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_final),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
