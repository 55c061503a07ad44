/* SPDX-License-Identifier: ISC */
#include "auth/exchange.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdlib.h>
#include <string.h>

/* One run; the callbacks' context. */
struct run {
	const struct exchange_input *in;
	struct exchange_output *out;
	bool need, temp, proven;
};

/* ---- callbacks for the whole library ----------------------------------------------------------
 */

static bool
file_is(const char *file, const char *name)
{
	const char *base = strrchr(file, '/');

	base = base ? base + 1 : file;
	return strncmp(base, name, strlen(name)) == 0 && base[strlen(name)] == '.';
}

/* Only what is needed is loaded: each plug-in is code in the process that sees passwords. */
static int
on_verify_file(void *context, const char *file, sasl_verify_type_t type)
{
	(void)context;
	if (type == SASL_VRFY_PLUGIN && (file_is(file, "libplain") || file_is(file, "liblogin")))
		return SASL_OK;
	return SASL_CONTINUE;
}

static int
on_getopt(void *context, const char *plugin, const char *option, const char **result, unsigned *len)
{
	static const struct {
		const char *option, *value;
	} options[] = {
		{ "mech_list", "PLAIN LOGIN" },
		{ "auxprop_plugin", "none" }, /* no sasldb */
		{ "pwcheck_method", "none" }, /* only our callback answers */
		{ "auto_transition", "no" },
		{ "log_level", "0" },
	};

	(void)context;
	(void)plugin;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(option, options[i].option) == 0) {
			*result = options[i].value;
			if (len)
				*len = (unsigned)strlen(*result);
			return SASL_OK;
		}
	}
	return SASL_FAIL;
}

static int
on_log(void *context, int level, const char *message)
{
	(void)context;
	(void)level;
	(void)message;
	return SASL_OK;
}

/* ---- callbacks of one run ---------------------------------------------------------------------
 */

/* Printable bytes only, no blanks: what the library would trim or cut is refused instead. */
static bool
login_ok(const char *p, size_t n)
{
	if (n == 0 || n > EXCHANGE_LOGIN_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] <= 0x20 || p[i] == 0x7f)
			return false;
	return true;
}

static int
on_canon_user(sasl_conn_t *conn, void *context, const char *in, unsigned inlen, unsigned flags,
    const char *realm, char *out, unsigned out_max, unsigned *out_len)
{
	(void)conn;
	(void)context;
	(void)flags;
	(void)realm;
	if (!login_ok(in, inlen) || inlen >= out_max)
		return SASL_BADAUTH;
	memmove(out, in, inlen);
	out[inlen] = 0;
	*out_len = inlen;
	return SASL_OK;
}

static int
on_checkpass(sasl_conn_t *conn, void *context, const char *user, const char *pass, unsigned passlen,
    struct propctx *props)
{
	struct run *r = context;
	enum ipc_result result;

	(void)conn;
	(void)props;
	if (r->need || r->temp || r->proven || strlen(user) > EXCHANGE_LOGIN_MAX)
		return SASL_FAIL;
	strcpy(r->out->login, user);
	if (r->in->known == NULL || strcmp(r->in->known, user) != 0) {
		r->need = r->in->known == NULL;
		r->temp = r->in->known != NULL;
		return SASL_FAIL;
	}
	result = r->in->check(r->in->arg, str_of(user), str_from(pass, passlen));
	r->proven = result == IPC_OK;
	r->temp = result == IPC_TEMP;
	return r->proven ? SASL_OK : SASL_BADAUTH;
}

/* Nobody acts for another. */
static int
on_authorize(sasl_conn_t *conn, void *context, const char *requested, unsigned rlen,
    const char *identity, unsigned ilen, const char *realm, unsigned realmlen,
    struct propctx *props)
{
	(void)conn;
	(void)context;
	(void)realm;
	(void)realmlen;
	(void)props;
	return str_eq_nocase(str_from(requested, rlen), str_from(identity, ilen)) ? SASL_OK
										  : SASL_NOAUTHZ;
}

/* ---- the library ------------------------------------------------------------------------------
 */

#define CALLBACK(id, fn, context) \
	{ \
		(id), (int (*)(void))(uintptr_t)(fn), (context) \
	}

int
exchange_init(struct buf *why)
{
	static sasl_callback_t callbacks[] = {
		CALLBACK(SASL_CB_VERIFYFILE, on_verify_file, NULL),
		CALLBACK(SASL_CB_GETOPT, on_getopt, NULL),
		CALLBACK(SASL_CB_LOG, on_log, NULL),
		CALLBACK(SASL_CB_LIST_END, NULL, NULL),
	};
	const char **mechs;
	int rc, found = 0;

	(void)unsetenv("SASL_PATH");
	(void)unsetenv("SASL_CONF_PATH");
	rc = sasl_server_init(callbacks, NULL);
	if (rc != SASL_OK) {
		(void)buf_printf(
		    why, "libsasl2 does not start: %s", sasl_errstring(rc, NULL, NULL));
		return -1;
	}
	for (mechs = sasl_global_listmech(); mechs && *mechs; mechs++)
		found += strcmp(*mechs, "PLAIN") == 0 || strcmp(*mechs, "LOGIN") == 0;
	if (found == 2)
		return 0;
	(void)buf_puts(why, "libsasl2 has no PLAIN and LOGIN: install libsasl2-modules");
	sasl_server_done();
	return -1;
}

void
exchange_end(void)
{
	sasl_server_done();
}

/* The whole exchange so far; the library's last word. */
static int
replay(sasl_conn_t *conn, const struct exchange_input *in, const char **out, unsigned *out_n)
{
	unsigned next = in->has_initial ? 1 : 0;
	int rc;

	/* "" is an initial response too, but for the library NULL means: none */
	rc = sasl_server_start(conn, in->mechanism, in->has_initial ? in->input[0].p : NULL,
	    in->has_initial ? (unsigned)in->input[0].n : 0, out, out_n);
	while (rc == SASL_CONTINUE && next < in->n) {
		rc = sasl_server_step(
		    conn, in->input[next].p, (unsigned)in->input[next].n, out, out_n);
		next++;
	}
	return next == in->n ? rc : SASL_BADPROT; /* input behind the end */
}

/* Proven means: our check said so, the library agrees, and it is the same name. */
static bool
is_proven(sasl_conn_t *conn, const struct run *r)
{
	const void *user = NULL;

	return r->proven && sasl_getprop(conn, SASL_USERNAME, &user) == SASL_OK && user &&
	       str_eq_nocase(str_of(user), str_of(r->out->login));
}

enum exchange_result
exchange_run(const struct exchange_input *in, struct exchange_output *out)
{
	struct run r = { .in = in, .out = out };
	sasl_callback_t callbacks[] = {
		CALLBACK(SASL_CB_GETOPT, on_getopt, NULL),
		CALLBACK(SASL_CB_LOG, on_log, NULL),
		CALLBACK(SASL_CB_CANON_USER, on_canon_user, NULL),
		CALLBACK(SASL_CB_PROXY_POLICY, on_authorize, NULL),
		CALLBACK(SASL_CB_SERVER_USERDB_CHECKPASS, on_checkpass, &r),
		CALLBACK(SASL_CB_LIST_END, NULL, NULL),
	};
	enum exchange_result result = EXCHANGE_FAILED;
	sasl_conn_t *conn = NULL;
	const char *challenge = NULL;
	unsigned challenge_n = 0;
	int rc;

	out->login[0] = 0;
	buf_clear(&out->challenge);
	if (strcasecmp(in->mechanism, "PLAIN") != 0 && strcasecmp(in->mechanism, "LOGIN") != 0)
		return EXCHANGE_FAILED;
	/* the library's LOGIN loses the password's memory when it refuses the name */
	if (strcasecmp(in->mechanism, "LOGIN") == 0 && in->n >= 2 &&
	    !login_ok(in->input[0].p, in->input[0].n))
		return EXCHANGE_FAILED;
	if (sasl_server_new(in->service, in->hostname, NULL, NULL, NULL, callbacks, 0, &conn) !=
	    SASL_OK)
		return EXCHANGE_TEMP;
	rc = replay(conn, in, &challenge, &challenge_n);
	if (r.need)
		result = EXCHANGE_NEED;
	else if (r.temp || rc == SASL_NOMEM)
		result = EXCHANGE_TEMP;
	else if (rc == SASL_OK && is_proven(conn, &r))
		result = EXCHANGE_PROVEN;
	else if (rc == SASL_CONTINUE && in->n < EXCHANGE_INPUTS_MAX &&
		 buf_put(
		     &out->challenge, challenge ? challenge : "", challenge ? challenge_n : 0) == 0)
		result = EXCHANGE_CHALLENGE;
	sasl_dispose(&conn);
	return result;
}
