/* SPDX-License-Identifier: ISC */
/* Changes of passwords: of the main one and of those for apps. */
#include <sodium.h>
#include <string.h>

#include "accounts/store_priv.h"

static const struct str gone = { NULL, 0 };

static struct str
keys_of(const struct account *a)
{
	return str_from(a && a->keys ? a->keys : "", a ? a->keys_n : 0);
}

/* Appends those of other names. False: there was none of this name. */
static bool
others(const struct account *a, struct str name, struct buf *out)
{
	struct record_keys k;
	bool hit = false;
	size_t it = 0;

	while (record_keys_next(keys_of(a), &it, &k) == 1) {
		if (str_eq(k.name, name))
			hit = true;
		else
			(void)record_put_keys(out, &k);
	}
	sodium_memzero(&k, sizeof(k));
	return hit;
}

struct change
store_main_keys(const struct account *a, const struct store_password *password, struct str key,
    struct buf *keys)
{
	struct record_keys k = { .created = store_now(), .name = STR("") };

	if (password->keys) {
		k.keys = *password->keys;
		(void)record_put_keys(keys, &k);
		sodium_memzero(&k, sizeof(k));
	}
	(void)others(a, STR(""), keys);
	return (struct change){ key, buf_len(keys) ? store_text_of(keys) : gone };
}

enum ipc_result
store_user_password(struct store *s, struct str address, const struct store_password *password,
    uint32_t *id, struct buf *say)
{
	char vkey[RECORD_KEY_SIZE], ykey[RECORD_KEY_SIZE];
	const struct account *a;
	struct account_change ac;
	struct record_account r;
	enum ipc_result result;
	struct change c[4];
	struct buf keys;

	if ((result = store_find_user(s, address, &a, say)) != IPC_OK)
		return result;
	*id = a->id;
	r = store_record_of(a);
	buf_init(&keys, DB_VALUE_MAX);
	store_account_change(s, *id, &r, &ac, c);
	c[2] = (struct change){ record_key_id(vkey, 'v', *id), password->verifier };
	c[3] = store_main_keys(a, password, record_key_id(ykey, 'y', *id), &keys);
	result = store_commit(s, c, 4, true, say);
	buf_free_secret(&keys);
	store_account_change_free(&ac);
	return result;
}

/* ---- app passwords ----------------------------------------------------------------------------
 */

static enum ipc_result
name_check(struct str name, struct buf *say)
{
	bool ok = name.n > 0 && name.n <= APP_NAME_MAX && address_utf8_valid(name);

	for (size_t i = 0; i < name.n; i++)
		ok = ok && (unsigned char)name.p[i] >= 0x20 && name.p[i] != 0x7f;
	if (ok)
		return IPC_OK;
	(void)buf_printf(say, "a name has 1 to %d bytes and no control characters", APP_NAME_MAX);
	return IPC_INVALID;
}

/* Is there room for one more of this name? */
static enum ipc_result
room_check(const struct account *a, struct str name, struct buf *say)
{
	struct record_keys k;
	bool taken = false;
	unsigned n = 0;
	size_t it = 0;

	while (record_keys_next(keys_of(a), &it, &k) == 1) {
		n += k.name.n > 0;
		taken = taken || str_eq(k.name, name);
	}
	sodium_memzero(&k, sizeof(k));
	if (taken) {
		(void)buf_puts(say, "that user has an app password of this name already");
		return IPC_EXISTS;
	}
	if (n < APP_PASSWORDS_MAX)
		return IPC_OK;
	(void)buf_printf(say, "that user has %d app passwords already", APP_PASSWORDS_MAX);
	return IPC_FULL;
}

enum ipc_result
store_app_add(struct store *s, struct str address, struct str name, const struct scram_keys *keys,
    uint32_t *id, struct buf *say)
{
	struct record_keys fresh = { .created = store_now(), .keys = *keys, .name = name };
	char row[RECORD_KEY_SIZE];
	const struct account *a;
	enum ipc_result r;
	struct buf value;

	if ((r = store_find_user(s, address, &a, say)) != IPC_OK ||
	    (r = name_check(name, say)) != IPC_OK || (r = room_check(a, name, say)) != IPC_OK)
		return r;
	*id = a->id;
	buf_init(&value, DB_VALUE_MAX);
	(void)buf_put(&value, keys_of(a).p, keys_of(a).n);
	(void)record_put_keys(&value, &fresh);
	r = store_commit(s, &(struct change){ record_key_id(row, 'y', *id), store_text_of(&value) },
	    1, true, say);
	buf_free_secret(&value);
	sodium_memzero(&fresh, sizeof(fresh));
	return r;
}

enum ipc_result
store_app_remove(
    struct store *s, struct str address, struct str name, uint32_t *id, struct buf *say)
{
	char row[RECORD_KEY_SIZE];
	const struct account *a;
	struct account_change ac;
	struct record_account r;
	enum ipc_result result;
	struct change c[3];
	struct buf value;

	if ((result = store_find_user(s, address, &a, say)) != IPC_OK)
		return result;
	*id = a->id;
	buf_init(&value, DB_VALUE_MAX);
	if (name.n == 0 || !others(a, name, &value)) {
		(void)buf_puts(say,
		    "that user has no app password of this name; \"postern app-password list\" shows all");
		buf_free_secret(&value);
		return IPC_NO;
	}
	r = store_record_of(a);
	store_account_change(s, *id, &r, &ac, c);
	c[2] = (struct change){ record_key_id(row, 'y', *id),
		buf_len(&value) ? store_text_of(&value) : gone };
	result = store_commit(s, c, 3, false, say);
	store_account_change_free(&ac);
	buf_free_secret(&value);
	return result;
}

/* The same for everybody, so that it does not say who exists and who has which passwords. */
void
store_salt(const struct store *s, struct str login, uint8_t out[SCRAM_SALT])
{
	char key[ADDRESS_TEXT_SIZE];
	struct address a;
	int n = address_key_text(login, STR(""), &a, key);
	struct str name = n > 0 ? str_from(key, (size_t)n) : login;

	(void)crypto_generichash(
	    out, SCRAM_SALT, (const uint8_t *)name.p, name.n, s->login_key, sizeof(s->login_key));
}
