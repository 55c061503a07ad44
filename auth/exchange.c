/* SPDX-License-Identifier: ISC */
#include "auth/exchange.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "auth/library.h"

/* One run; the callbacks' context. */
struct run {
	const struct exchange_input *in;
	struct exchange_output *out;
	bool need, temp, proven;
};

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

/* ---- runs of the library ----------------------------------------------------------------------
 */

/* The first n inputs; the library's last word. */
static int
replay(sasl_conn_t *conn, const struct exchange_input *in, unsigned n, const char **out,
    unsigned *out_n)
{
	unsigned next = in->has_initial ? 1 : 0;
	int rc;

	/* "" is an initial response too, but for the library NULL means: none */
	rc = sasl_server_start(conn, in->mechanism, in->has_initial ? in->input[0].p : NULL,
	    in->has_initial ? (unsigned)in->input[0].n : 0, out, out_n);
	while (rc == SASL_CONTINUE && next < n) {
		rc = sasl_server_step(
		    conn, in->input[next].p, (unsigned)in->input[next].n, out, out_n);
		next++;
	}
	return next == n ? rc : SASL_BADPROT; /* input behind the end */
}

/* Proven means: we say so, the library agrees, and it is the same name. */
static bool
is_proven(sasl_conn_t *conn, const struct run *r)
{
	const void *user = NULL;

	return r->proven && sasl_getprop(conn, SASL_USERNAME, &user) == SASL_OK && user &&
	       str_eq_nocase(str_of(user), str_of(r->out->login));
}

static enum exchange_result
verdict(sasl_conn_t *conn, const struct run *r, unsigned n, int rc, const char *challenge,
    unsigned challenge_n)
{
	if (r->need)
		return EXCHANGE_NEED;
	if (r->temp || rc == SASL_NOMEM)
		return EXCHANGE_TEMP;
	if (rc == SASL_OK && is_proven(conn, r))
		return EXCHANGE_PROVEN;
	if (rc == SASL_CONTINUE && n < EXCHANGE_INPUTS_MAX &&
	    buf_put(&r->out->challenge, challenge ? challenge : "", challenge ? challenge_n : 0) ==
		0)
		return EXCHANGE_CHALLENGE;
	return EXCHANGE_FAILED;
}

/* Through the library with the first n inputs, in a fresh state. */
static enum exchange_result
run_library(struct run *r, unsigned n, const sasl_channel_binding_t *binding)
{
	sasl_callback_t callbacks[] = {
		LIBRARY_CALLBACK(SASL_CB_GETOPT, library_getopt, NULL),
		LIBRARY_CALLBACK(SASL_CB_LOG, library_log, NULL),
		LIBRARY_CALLBACK(SASL_CB_CANON_USER, on_canon_user, NULL),
		LIBRARY_CALLBACK(SASL_CB_PROXY_POLICY, on_authorize, NULL),
		LIBRARY_CALLBACK(SASL_CB_SERVER_USERDB_CHECKPASS, on_checkpass, r),
		LIBRARY_CALLBACK(SASL_CB_LIST_END, NULL, NULL),
	};
	const char *challenge = NULL;
	unsigned challenge_n = 0;
	enum exchange_result result = EXCHANGE_TEMP;
	sasl_conn_t *conn = NULL;
	int rc;

	buf_clear(&r->out->challenge);
	rc =
	    sasl_server_new(r->in->service, r->in->hostname, NULL, NULL, NULL, callbacks, 0, &conn);
	if (rc == SASL_OK && binding)
		rc = sasl_setprop(conn, SASL_CHANNEL_BINDING, binding);
	if (rc == SASL_OK) {
		rc = replay(conn, r->in, n, &challenge, &challenge_n);
		result = verdict(conn, r, n, rc, challenge, challenge_n);
	}
	sasl_dispose(&conn);
	return result;
}

/* ---- PLAIN and LOGIN --------------------------------------------------------------------------
 */

static enum exchange_result
run_password(const struct exchange_input *in, struct exchange_output *out)
{
	struct run r = { .in = in, .out = out };

	/* the library's LOGIN loses the password's memory when it refuses the name */
	if (strcasecmp(in->mechanism, "LOGIN") == 0 && in->n >= 2 &&
	    !login_ok(in->input[0].p, in->input[0].n))
		return EXCHANGE_FAILED;
	return run_library(&r, in->n, NULL);
}

/* ---- SCRAM ------------------------------------------------------------------------------------
 */

/* False: the client must not go on with this flag. *binding->name stays NULL without one. */
static bool
choose_binding(const struct exchange_bindings *b, const struct scram_first *first, bool plus,
    sasl_channel_binding_t *binding)
{
	const struct {
		const char *name;
		struct str data;
	} ours[] = {
		{ "tls-exporter", b->exporter },
		{ "tls-unique", b->unique },
		{ "tls-server-end-point", b->end_point },
	};
	bool announced = false;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		announced = announced || ours[i].data.n > 0;
		if (ours[i].data.n > 0 && str_eq(first->binding, str_of(ours[i].name)))
			*binding = (sasl_channel_binding_t){ .name = ours[i].name,
				.critical = 1,
				.len = ours[i].data.n,
				.data = (const unsigned char *)ours[i].data.p };
	}
	/* 'y': it did not see -PLUS among our mechanisms; somebody took it out (rfc5802:6) */
	if (first->flag == 'y' && announced)
		return false;
	return plus ? binding->name != NULL : first->flag != 'p';
}

/* Nonce and keys nobody has a password for, both unknown to the client. */
static void
prepare(const struct exchange_input *in, struct library_scram *s)
{
	uint8_t bytes[LIBRARY_NONCE + sizeof(s->keys)];

	randombytes_buf_deterministic(bytes, sizeof(bytes), in->seed);
	memcpy(s->nonce, bytes, LIBRARY_NONCE);
	memcpy(&s->keys, bytes + LIBRARY_NONCE, sizeof(s->keys));
	memcpy(s->salt, in->salt, SCRAM_SALT);
	s->user = in->known;
	sodium_memzero(bytes, sizeof(bytes));
}

/*
 * Which of the login's keys does the proof fit? It always looks at as many, so that time does not
 * tell how many there are. False: none; s->keys stay.
 */
static bool
choose_keys(struct run *r, const struct scram_first *first, const sasl_channel_binding_t *binding,
    unsigned final_at, struct library_scram *s)
{
	const struct exchange_input *in = r->in;
	const struct scram_keys nobodys = s->keys;
	struct scram_final final;
	struct str challenge;
	bool found = false;

	if (run_library(r, final_at, binding) != EXCHANGE_CHALLENGE ||
	    scram_final_parse(in->input[final_at], &final) != 0 ||
	    !scram_binding_is(
		&final, first, binding ? str_from(binding->data, binding->len) : STR("")))
		return false;
	challenge = str_from(buf_data(&r->out->challenge), buf_len(&r->out->challenge));
	for (unsigned i = 0; i < EXCHANGE_KEYS_MAX; i++) {
		const struct scram_keys *k = i < in->nkeys ? &in->keys[i] : &nobodys;

		if (scram_proves(first, challenge, &final, k->stored) && i < in->nkeys) {
			s->keys = *k;
			found = true;
		}
	}
	return found;
}

static enum exchange_result
run_scram(const struct exchange_input *in, struct exchange_output *out, bool plus)
{
	struct run r = { .in = in, .out = out };
	sasl_channel_binding_t binding = { .name = NULL };
	struct library_scram s;
	struct scram_first first;
	enum exchange_result result;

	if (in->n == 0)
		return EXCHANGE_CHALLENGE;       /* an empty one: the client begins */
	if ((in->n > 2 && in->input[2].n > 0) || /* the library would not mind */
	    scram_first_parse(in->input[0], &first) != 0 ||
	    !login_ok(first.user, strlen(first.user)) ||
	    !choose_binding(&in->bindings, &first, plus, &binding))
		return EXCHANGE_FAILED;
	strcpy(out->login, first.user);
	if (in->known == NULL)
		return EXCHANGE_NEED;
	if (strcmp(in->known, first.user) != 0)
		return EXCHANGE_TEMP;
	prepare(in, &s);
	library_scram(&s);
	if (in->n > 1)
		r.proven = choose_keys(&r, &first, plus ? &binding : NULL, 1, &s);
	result = run_library(&r, in->n, plus ? &binding : NULL);
	library_scram(NULL);
	sodium_memzero(&s, sizeof(s));
	return in->n > 1 && !r.proven && result != EXCHANGE_TEMP ? EXCHANGE_FAILED : result;
}

/* ---- all --------------------------------------------------------------------------------------
 */

enum exchange_result
exchange_run(const struct exchange_input *in, struct exchange_output *out)
{
	out->login[0] = 0;
	buf_clear(&out->challenge);
	if (strcasecmp(in->mechanism, "PLAIN") == 0 || strcasecmp(in->mechanism, "LOGIN") == 0)
		return run_password(in, out);
	if (strcasecmp(in->mechanism, "SCRAM-SHA-256") == 0)
		return run_scram(in, out, false);
	if (strcasecmp(in->mechanism, "SCRAM-SHA-256-PLUS") == 0)
		return run_scram(in, out, true);
	return EXCHANGE_FAILED;
}

/* SCRAM-SHA-256-PLUS to its last step, with a proof that fits nothing. */
static enum exchange_result
rehearse(struct exchange_output *out)
{
	static const char proof[] = "p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	static const char binding[] = "c=cD10bHMtdW5pcXVlLCx4"; /* "p=tls-unique,,x" */
	struct exchange_input in = { .service = "imap",
		.hostname = "localhost",
		.mechanism = "SCRAM-SHA-256-PLUS",
		.bindings = { .unique = STR("x") },
		.has_initial = true,
		.known = "a",
		.n = 1 };
	char final[512];
	int nonce;

	in.input[0] = STR("p=tls-unique,,n=a,r=x");
	randombytes_buf(in.seed, sizeof(in.seed));
	if (exchange_run(&in, out) != EXCHANGE_CHALLENGE || buf_putc(&out->challenge, 0) != 0)
		return EXCHANGE_TEMP;
	nonce = (int)strcspn((const char *)buf_data(&out->challenge), ",");
	(void)snprintf(final, sizeof(final), "%s,%.*s,%s", binding, nonce,
	    (const char *)buf_data(&out->challenge), proof);
	in.input[in.n++] = str_of(final);
	return exchange_run(&in, out);
}

int
exchange_init(struct buf *why)
{
	struct exchange_output out;
	bool works;

	if (library_init(why) != 0)
		return -1;
	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	works = rehearse(&out) == EXCHANGE_FAILED;
	buf_free(&out.challenge);
	if (works)
		return 0;
	(void)buf_puts(why, "libsasl2 does not speak SCRAM-SHA-256-PLUS");
	library_end();
	return -1;
}

void
exchange_end(void)
{
	library_end();
}
