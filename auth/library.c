/* SPDX-License-Identifier: ISC */
#include "auth/library.h"

#include <dlfcn.h>
#include <sasl/saslplug.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRAM "SCRAM-SHA-256"

static const struct library_scram *current;

/* ---- callbacks --------------------------------------------------------------------------------
 */

static char scram_file[1024]; /* where the library would have loaded it from */

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
	if (type != SASL_VRFY_PLUGIN)
		return SASL_CONTINUE;
	if (file_is(file, "libplain") || file_is(file, "liblogin"))
		return SASL_OK;
	if (file_is(file, "libscram")) /* loaded by us, see below */
		(void)snprintf(scram_file, sizeof(scram_file), "%s", file);
	return SASL_CONTINUE;
}

int
library_getopt(
    void *context, const char *plugin, const char *option, const char **result, unsigned *len)
{
	static const struct {
		const char *option, *value;
	} options[] = {
		{ "mech_list", "PLAIN LOGIN " SCRAM },
		{ "pwcheck_method", "none" }, /* only our callback answers */
		{ "auto_transition", "no" },
		{ "log_level", "0" },
	};

	(void)context;
	(void)plugin;
	*result = NULL;
	if (strcmp(option, "auxprop_plugin") == 0) /* no sasldb */
		*result = current ? "postern" : "none";
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(option, options[i].option) == 0)
			*result = options[i].value;
	if (*result == NULL)
		return SASL_FAIL;
	if (len)
		*len = (unsigned)strlen(*result);
	return SASL_OK;
}

int
library_log(void *context, int level, const char *message)
{
	(void)context;
	(void)level;
	(void)message;
	return SASL_OK;
}

/* ---- keys for SCRAM ---------------------------------------------------------------------------
 */

static void
base64(const uint8_t *p, size_t n, char *out, size_t size)
{
	(void)sodium_bin2base64(out, size, p, n, sodium_base64_VARIANT_ORIGINAL);
}

/* The plug-in asks for the login's keys; the look-up of the identity to act for must work too. */
static int
on_lookup(
    void *context, sasl_server_params_t *params, unsigned flags, const char *user, unsigned user_n)
{
	char salt[32], stored[64], server[64], text[256];
	int n, rc;

	(void)context;
	if (flags & SASL_AUXPROP_AUTHZID)
		return SASL_OK;
	if (current == NULL || !str_eq(str_from(user, user_n), str_of(current->user)))
		return SASL_NOUSER;
	base64(current->salt, SCRAM_SALT, salt, sizeof(salt));
	base64(current->keys.stored, SCRAM_KEY, stored, sizeof(stored));
	base64(current->keys.server, SCRAM_KEY, server, sizeof(server));
	n = snprintf(
	    text, sizeof(text), SCRAM "$%d:%s$%s:%s", SCRAM_ITERATIONS, salt, stored, server);
	rc = params->utils->prop_set(params->propctx, "*authPassword", text, n);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(stored, sizeof(stored));
	sodium_memzero(server, sizeof(server));
	return rc;
}

static int
lookup_init(const sasl_utils_t *utils, int max_version, int *version, sasl_auxprop_plug_t **plug,
    const char *name)
{
	static char plug_name[] = "postern";
	static sasl_auxprop_plug_t lookup = { .auxprop_lookup = on_lookup, .name = plug_name };

	(void)utils;
	(void)name;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*version = SASL_AUXPROP_PLUG_VERSION;
	*plug = &lookup;
	return SASL_OK;
}

/* ---- randomness for SCRAM ---------------------------------------------------------------------
 */

static int (*plug_step)(void *, sasl_server_params_t *, const char *, unsigned, const char **,
    unsigned *, sasl_out_params_t *);

static void
our_nonce(sasl_rand_t *pool, char *out, unsigned n)
{
	(void)pool;
	if (current && n == LIBRARY_NONCE)
		memcpy(out, current->nonce, n);
	else
		randombytes_buf(out, n);
}

/* The plug-in's step with our nonce in place of the library's. */
static int
on_step(void *context, sasl_server_params_t *params, const char *in, unsigned in_n,
    const char **out, unsigned *out_n, sasl_out_params_t *result)
{
	const sasl_utils_t *before = params->utils;
	sasl_utils_t utils = *before;
	int rc;

	utils.rand = our_nonce;
	params->utils = &utils;
	rc = plug_step(context, params, in, in_n, out, out_n, result);
	params->utils = before;
	return rc;
}

static sasl_server_plug_init_t *scram_init;

/* The plug-in as the library would have loaded it, but only with SHA-256 and our step. */
static int
plug_init(
    const sasl_utils_t *utils, int max_version, int *version, sasl_server_plug_t **list, int *count)
{
	static sasl_server_plug_t ours;
	int rc = scram_init(utils, max_version, version, list, count);

	if (rc != SASL_OK)
		return rc;
	for (int i = 0; i < *count; i++) {
		if (strcmp((*list)[i].mech_name, SCRAM) != 0)
			continue;
		ours = (*list)[i];
		plug_step = ours.mech_step;
		ours.mech_step = on_step;
		*list = &ours;
		*count = 1;
		return SASL_OK;
	}
	return SASL_NOMECH;
}

static int
load_scram(void)
{
	void *file = scram_file[0] ? dlopen(scram_file, RTLD_NOW | RTLD_LOCAL) : NULL;

	if (file == NULL)
		return SASL_NOMECH;
	*(void **)&scram_init = dlsym(file, "sasl_server_plug_init");
	if (scram_init == NULL)
		return SASL_NOMECH;
	return sasl_server_add_plugin("postern-scram", plug_init);
}

/* ---- life -------------------------------------------------------------------------------------
 */

void
library_scram(const struct library_scram *s)
{
	current = s;
}

static bool
has_mechanisms(void)
{
	static const char *const wanted[] = { "PLAIN", "LOGIN" }; /* SCRAM was added later */
	size_t found = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char **m = sasl_global_listmech();

		while (m && *m && strcmp(*m, wanted[i]) != 0)
			m++;
		found += m && *m;
	}
	return found == sizeof(wanted) / sizeof(wanted[0]);
}

int
library_init(struct buf *why)
{
	static sasl_callback_t callbacks[] = {
		LIBRARY_CALLBACK(SASL_CB_VERIFYFILE, on_verify_file, NULL),
		LIBRARY_CALLBACK(SASL_CB_GETOPT, library_getopt, NULL),
		LIBRARY_CALLBACK(SASL_CB_LOG, library_log, NULL),
		LIBRARY_CALLBACK(SASL_CB_LIST_END, NULL, NULL),
	};
	int rc;

	(void)unsetenv("SASL_PATH");
	(void)unsetenv("SASL_CONF_PATH");
	rc = sasl_server_init(callbacks, NULL);
	if (rc != SASL_OK) {
		(void)buf_printf(
		    why, "libsasl2 does not start: %s", sasl_errstring(rc, NULL, NULL));
		return -1;
	}
	if (load_scram() == SASL_OK && has_mechanisms() &&
	    sasl_auxprop_add_plugin("postern", lookup_init) == SASL_OK)
		return 0;
	(void)buf_puts(why, "libsasl2 lacks PLAIN, LOGIN or " SCRAM ": install libsasl2-modules");
	library_end();
	return -1;
}

void
library_end(void)
{
	sasl_server_done();
}
