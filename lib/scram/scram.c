/* SPDX-License-Identifier: ISC */
#include "scram/scram.h"

#include <sodium.h>
#include <string.h>

_Static_assert(SCRAM_KEY == crypto_auth_hmacsha256_BYTES, "the same hash");

/* ---- keys -------------------------------------------------------------------------------------
 */

static void
hmac(const uint8_t *key, size_t key_n, struct str text, uint8_t out[SCRAM_KEY])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_n);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)text.p, text.n);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof(state));
}

/* Hi() of rfc5802:2.2, which is PBKDF2 with one block: the keyed state is made only once. */
static void
salted_password(struct str password, const uint8_t salt[SCRAM_SALT], uint8_t out[SCRAM_KEY])
{
	static const uint8_t block[4] = { 0, 0, 0, 1 };
	crypto_auth_hmacsha256_state keyed, state;
	uint8_t u[SCRAM_KEY];

	crypto_auth_hmacsha256_init(&keyed, (const uint8_t *)password.p, password.n);
	state = keyed;
	crypto_auth_hmacsha256_update(&state, salt, SCRAM_SALT);
	crypto_auth_hmacsha256_update(&state, block, sizeof(block));
	crypto_auth_hmacsha256_final(&state, u);
	memcpy(out, u, SCRAM_KEY);
	for (unsigned i = 1; i < SCRAM_ITERATIONS; i++) {
		state = keyed;
		crypto_auth_hmacsha256_update(&state, u, SCRAM_KEY);
		crypto_auth_hmacsha256_final(&state, u);
		for (unsigned k = 0; k < SCRAM_KEY; k++)
			out[k] ^= u[k];
	}
	sodium_memzero(&keyed, sizeof(keyed));
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(u, sizeof(u));
}

void
scram_keys_make(struct str password, const uint8_t salt[SCRAM_SALT], struct scram_keys *out)
{
	uint8_t salted[SCRAM_KEY], client[SCRAM_KEY];

	salted_password(password, salt, salted);
	hmac(salted, SCRAM_KEY, STR("Client Key"), client);
	crypto_hash_sha256(out->stored, client, SCRAM_KEY);
	hmac(salted, SCRAM_KEY, STR("Server Key"), out->server);
	sodium_memzero(salted, sizeof(salted));
	sodium_memzero(client, sizeof(client));
}

/* ---- messages ---------------------------------------------------------------------------------
 */

/* Takes what stands before the next ',' (which must be there) off the front. */
static bool
field(struct str *rest, struct str *out)
{
	ptrdiff_t comma = str_chr(*rest, ',');

	if (comma < 0)
		return false;
	*out = str_from(rest->p, (size_t)comma);
	*rest = str_from(rest->p + comma + 1, rest->n - (size_t)comma - 1);
	return true;
}

static bool
begins(struct str s, const char *prefix, struct str *value)
{
	size_t n = strlen(prefix);

	if (s.n < n || memcmp(s.p, prefix, n) != 0)
		return false;
	*value = str_from(s.p + n, s.n - n);
	return true;
}

/* rfc5802:5.1: saslname, with ',' and '=' written as =2C and =3D. */
static bool
saslname(struct str s, char out[SCRAM_USER_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '=') {
			if (s.n - i < 3 ||
			    (memcmp(s.p + i, "=2C", 3) != 0 && memcmp(s.p + i, "=3D", 3) != 0))
				return false;
			c = s.p[i + 1] == '2' ? ',' : '=';
			i += 2;
		}
		if (n >= SCRAM_USER_MAX)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return n > 0;
}

/* rfc5802:7: printable characters but ','. */
static bool
nonce_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

static bool
flag_ok(struct str s, struct scram_first *out)
{
	out->flag = s.n > 0 ? s.p[0] : 0;
	out->binding = STR("");
	if (out->flag == 'p')
		return begins(s, "p=", &out->binding) && out->binding.n > 0;
	return s.n == 1 && (out->flag == 'n' || out->flag == 'y');
}

int
scram_first_parse(struct str message, struct scram_first *out)
{
	struct str rest = message, part, authzid, user, nonce;
	ptrdiff_t comma;

	if (message.n > SCRAM_MESSAGE_MAX || str_chr(message, 0) >= 0 || !field(&rest, &part) ||
	    !flag_ok(part, out) || !field(&rest, &part) ||
	    (part.n > 0 && !begins(part, "a=", &authzid)))
		return -1;
	out->header = str_from(message.p, (size_t)(rest.p - message.p));
	out->bare = rest;
	if (!field(&rest, &part) || !begins(part, "n=", &user) || !saslname(user, out->user) ||
	    !begins(rest, "r=", &nonce))
		return -1;
	comma = str_chr(nonce, ',');
	if (comma >= 0)
		nonce.n = (size_t)comma;
	return nonce_ok(nonce) ? 0 : -1;
}

int
scram_final_parse(struct str message, struct scram_final *out)
{
	struct str rest = message, part, text;
	size_t n = 0;

	if (message.n > SCRAM_MESSAGE_MAX || !field(&rest, &part) ||
	    !begins(part, "c=", &out->binding) || !field(&rest, &part) ||
	    !begins(part, "r=", &text))
		return -1;
	while (!begins(rest, "p=", &text)) /* extensions nobody must understand */
		if (!field(&rest, &part))
			return -1;
	out->without_proof = str_from(message.p, (size_t)(rest.p - message.p) - 1);
	if (sodium_base642bin(out->proof, SCRAM_KEY, text.p, text.n, NULL, &n, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0)
		return -1;
	return n == SCRAM_KEY ? 0 : -1;
}

bool
scram_binding_is(const struct scram_final *final, const struct scram_first *first, struct str data)
{
	uint8_t bytes[SCRAM_MESSAGE_MAX + SCRAM_BINDING_MAX];
	char text[(sizeof(bytes) + 2) / 3 * 4 + 1];
	size_t n = first->header.n;

	if (n > SCRAM_MESSAGE_MAX || data.n > SCRAM_BINDING_MAX)
		return false;
	memcpy(bytes, first->header.p, n);
	if (data.n > 0)
		memcpy(bytes + n, data.p, data.n);
	(void)sodium_bin2base64(
	    text, sizeof(text), bytes, n + data.n, sodium_base64_VARIANT_ORIGINAL);
	return str_eq(final->binding, str_of(text));
}

bool
scram_proves(const struct scram_first *first, struct str challenge, const struct scram_final *final,
    const uint8_t stored[SCRAM_KEY])
{
	crypto_auth_hmacsha256_state state;
	uint8_t key[SCRAM_KEY], hash[SCRAM_KEY];
	bool same;

	crypto_auth_hmacsha256_init(&state, stored, SCRAM_KEY);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)first->bare.p, first->bare.n);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)",", 1);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)challenge.p, challenge.n);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)",", 1);
	crypto_auth_hmacsha256_update(
	    &state, (const uint8_t *) final->without_proof.p, final->without_proof.n);
	crypto_auth_hmacsha256_final(&state, key);
	for (unsigned i = 0; i < SCRAM_KEY; i++)
		key[i] ^= final->proof[i];
	crypto_hash_sha256(hash, key, SCRAM_KEY);
	same = sodium_memcmp(hash, stored, SCRAM_KEY) == 0;
	sodium_memzero(key, sizeof(key));
	return same;
}
