/* SPDX-License-Identifier: ISC */
/*
 * libconfuse does the syntax. All options are declared as text and checked here, so that a wrong
 * value does not end the reading; names it does not know end it, so they are noted, declared as
 * "unknown" and the text is read again until nothing new comes up.
 */
#include "config/config.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "config/config_priv.h"

enum { UNKNOWN_MAX = CONFIG_ERRORS_MAX };

struct unknown {
	char *section; /* NULL: an unknown section */
	char *name;
	unsigned line;
};

struct reader {
	const char *file;
	struct settings *settings;
	struct buf *errors;
	unsigned count;          /* faults of this pass */
	unsigned line[SET__MAX]; /* where it was set in this pass; 0: not */
	bool bad[SET__MAX];      /* told already: a list is checked at each item */
	struct unknown unknown[UNKNOWN_MAX];
	unsigned nunknown;
	bool found_unknown;
};

/* libconfuse passes no argument to its callbacks. */
static struct reader *cur;

__attribute__((format(printf, 3, 4))) static void
fault(struct reader *r, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (r->count++ >= CONFIG_ERRORS_MAX)
		return;
	(void)buf_printf(r->errors, "%s:%u: ", r->file, line);
	va_start(ap, fmt);
	(void)buf_vprintf(r->errors, fmt, ap);
	va_end(ap);
	(void)buf_putc(r->errors, '\n');
}

static void
note_unknown(struct reader *r, cfg_t *cfg, const char *name)
{
	struct unknown *u;

	if (r->nunknown >= UNKNOWN_MAX)
		return;
	u = &r->unknown[r->nunknown++];
	u->section = strcmp(cfg->name, "root") == 0 ? NULL : xstrdup(cfg->name);
	u->name = xstrdup(name);
	u->line = (unsigned)cfg->line;
	r->found_unknown = true;
}

static void __attribute__((format(printf, 2, 0))) on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	static const char no_such[] = "no such option '";
	char text[512];
	size_t n;

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	n = strlen(text);
	if (strncmp(text, no_such, sizeof(no_such) - 1) == 0 && n > sizeof(no_such)) {
		text[n - 1] = 0;
		note_unknown(cur, cfg, text + sizeof(no_such) - 1);
		return;
	}
	fault(cur, (unsigned)cfg->line, "%s; see postern.conf(5) for the form of the file", text);
}

static void
fault_value(struct reader *r, unsigned line, enum setting which, const char *value, const char *why)
{
	struct buf want;

	buf_init(&want, 256);
	setting_describe(which, &want);
	if (setting_row(which)->type == ST_SECRET)
		value = "...";
	fault(r, line, "%s: \"%.200s\" %s; give %.*s", setting_row(which)->name, value, why,
	    (int)buf_len(&want), buf_data(&want));
	buf_free(&want);
}

static bool
is_list(enum setting which)
{
	return setting_row(which)->type == ST_ADDRS || setting_row(which)->type == ST_SERVERS;
}

/* Called after each value; for a list after each item and once more at its end. */
static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	struct reader *r = cur;
	char name[160], value[SETTINGS_VALUE_MAX + 1];
	unsigned n = cfg_opt_size(opt), line = (unsigned)cfg->line;
	const char *why;
	size_t len = 0;
	int which;

	(void)snprintf(name, sizeof(name), "%s.%s", cfg->name, opt->name);
	which = setting_by_name(name);
	if (which < 0)
		return 0;
	if (r->line[which] != 0 && !(is_list((enum setting)which) && n > 1) &&
	    r->line[which] != line) {
		fault(r, line, "%s: already set in line %u; remove one of them", name,
		    r->line[which]);
		return 0;
	}
	r->line[which] = line;
	value[0] = 0;
	for (unsigned i = 0; i < n; i++) {
		int k = snprintf(value + len, sizeof(value) - len, "%s%s", i ? "," : "",
		    cfg_opt_getnstr(opt, i));

		if (k < 0 || (size_t)k >= sizeof(value) - len) {
			fault(r, line, "%s: the value is too long", name);
			return 0;
		}
		len += (size_t)k;
	}
	if (!r->bad[which] && settings_set(r->settings, (enum setting)which, value, &why) != 0) {
		r->bad[which] = true;
		fault_value(r, line, (enum setting)which, value, why);
	}
	return 0;
}

/* ---- declaring the table to libconfuse --------------------------------------------------------
 */

static const cfg_opt_t end_opt = CFG_END();

static void
add_opt(cfg_opt_t *opts, unsigned *n, cfg_opt_t opt, cfg_validate_callback_t cb)
{
	opt.validcb = cb;
	opts[(*n)++] = opt;
	opts[*n] = end_opt;
}

/* Options of one section; freed by the caller. */
static cfg_opt_t *
section_opts(const struct reader *r, const char *section)
{
	cfg_opt_t *opts = xcalloc(SET__MAX + UNKNOWN_MAX + 1, sizeof(*opts));
	unsigned n = 0;

	opts[0] = end_opt;
	for (int i = 0; i < SET__MAX; i++) {
		const struct setting_row *row = setting_row((enum setting)i);

		if (strcmp(row->section, section) != 0)
			continue;
		if (is_list((enum setting)i))
			add_opt(opts, &n, (cfg_opt_t)CFG_STR_LIST(row->key, NULL, CFGF_NODEFAULT),
			    on_value);
		else
			add_opt(
			    opts, &n, (cfg_opt_t)CFG_STR(row->key, NULL, CFGF_NODEFAULT), on_value);
	}
	for (unsigned i = 0; i < r->nunknown; i++)
		if (r->unknown[i].section && strcmp(r->unknown[i].section, section) == 0)
			add_opt(opts, &n,
			    (cfg_opt_t)CFG_STR_LIST(r->unknown[i].name, NULL, CFGF_NODEFAULT),
			    NULL);
	return opts;
}

static bool
section_is_first(int row)
{
	for (int i = 0; i < row; i++)
		if (strcmp(setting_row((enum setting)i)->section,
			setting_row((enum setting)row)->section) == 0)
			return false;
	return true;
}

/* One pass. 0, or -1 when libconfuse gave up. */
static int
pass(struct reader *r, const char *text)
{
	cfg_opt_t *top = xcalloc(SET__MAX + UNKNOWN_MAX + 1, sizeof(*top));
	cfg_opt_t none[] = { CFG_END() };
	unsigned n = 0, known;
	cfg_t *cfg;
	int rc;

	top[0] = end_opt;
	for (int i = 0; i < SET__MAX; i++) {
		const char *section = setting_row((enum setting)i)->section;

		if (section_is_first(i))
			add_opt(top, &n,
			    (cfg_opt_t)CFG_SEC(section, section_opts(r, section), CFGF_NONE), NULL);
	}
	known = n;
	for (unsigned i = 0; i < r->nunknown; i++)
		if (r->unknown[i].section == NULL)
			add_opt(top, &n,
			    (cfg_opt_t)CFG_SEC(r->unknown[i].name, none, CFGF_KEYSTRVAL), NULL);
	cfg = cfg_init(top, CFGF_NONE);
	if (cfg == NULL)
		abort();
	(void)cfg_set_error_function(cfg, on_error);
	cur = r;
	rc = cfg_parse_buf(cfg, text) == CFG_SUCCESS ? 0 : -1;
	cur = NULL;
	cfg_free(cfg);
	for (unsigned i = 0; i < known; i++)
		free(top[i].subopts);
	free(top);
	return rc;
}

static void
fault_unknown(struct reader *r)
{
	for (unsigned i = 0; i < r->nunknown; i++) {
		const struct unknown *u = &r->unknown[i];

		if (u->section)
			fault(r, u->line,
			    "%s.%s: there is no such setting; `postern config list` shows all",
			    u->section, u->name);
		else
			fault(r, u->line,
			    "%s: there is no such section; settings stand as SECTION { KEY = VALUE "
			    "}, `postern config list` shows all",
			    u->name);
	}
}

int
config_parse(const char *file, const char *text, struct settings **out, struct buf *errors)
{
	struct reader *r = xcalloc(1, sizeof(*r));
	char *plain = config_blank_comments(text);
	size_t before = buf_len(errors);
	const char *why;
	struct buf scratch;
	unsigned open_line;
	int rc;

	*out = NULL;
	r->file = file;
	for (;;) {
		buf_init(&scratch, 65536);
		r->errors = &scratch;
		r->count = 0;
		r->found_unknown = false;
		memset(r->line, 0, sizeof(r->line));
		memset(r->bad, 0, sizeof(r->bad));
		settings_free(&r->settings);
		r->settings = settings_new();
		rc = pass(r, plain);
		if (!r->found_unknown || r->nunknown >= UNKNOWN_MAX)
			break;
		buf_free(&scratch);
	}
	fault_unknown(r);
	if (rc == 0 && (open_line = config_open_end(text, &why)) != 0)
		fault(r, open_line, "%s", why);
	if (rc == 0 && r->count == 0 && settings_check(r->settings, &why) != 0)
		fault(r, 1, "%s", why);
	(void)buf_put(errors, buf_data(&scratch), buf_len(&scratch));
	if (rc != 0 && r->count == 0 && buf_len(errors) == before)
		(void)buf_printf(errors, "%s:1: the file cannot be read\n", file);
	if (rc == 0 && r->count == 0) {
		*out = r->settings;
		r->settings = NULL;
	}
	rc = *out ? CONFIG_OK : CONFIG_INVALID;
	buf_free(&scratch);
	settings_free(&r->settings);
	for (unsigned i = 0; i < r->nunknown; i++) {
		free(r->unknown[i].section);
		free(r->unknown[i].name);
	}
	free(plain);
	free(r);
	return rc;
}

int
config_read_file(const char *path, char **text, struct stat *st, struct buf *errors)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc = CONFIG_IO;
	char *p = xmalloc(CONFIG_FILE_MAX + 1);
	size_t n = 0;
	ssize_t k = 0;

	if (fd < 0 || fstat(fd, st) != 0) {
		(void)buf_printf(errors, "%s: %s%s\n", path, strerror(errno),
		    errno == ENOENT ? "; name the directory of an instance with --dir, or make one "
				      "with: postern init"
				    : "");
		goto out;
	}
	while (n < CONFIG_FILE_MAX && (k = read(fd, p + n, CONFIG_FILE_MAX - n)) > 0)
		n += (size_t)k;
	if (k < 0 || n >= CONFIG_FILE_MAX) {
		(void)buf_printf(errors, "%s: %s\n", path, k < 0 ? strerror(errno) : "too large");
		goto out;
	}
	p[n] = 0;
	if (strlen(p) != n) {
		(void)buf_printf(errors, "%s: holds a NUL byte; it must be text\n", path);
		rc = CONFIG_INVALID;
		goto out;
	}
	*text = p;
	p = NULL;
	rc = CONFIG_OK;
out:
	free(p);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* A password in a file that everybody may read is none. */
static int
check_mode(const char *path, const struct settings *s, mode_t mode, struct buf *errors)
{
	for (int i = 0; i < SET__MAX; i++) {
		if (setting_row((enum setting)i)->type != ST_SECRET || (mode & S_IRWXO) == 0 ||
		    *settings_text(s, (enum setting)i) == '\0')
			continue;
		(void)buf_printf(errors,
		    "%s: holds %s and everybody may read it; take the rights of others away (chmod "
		    "o= %s)\n",
		    path, setting_row((enum setting)i)->name, path);
		return CONFIG_INVALID;
	}
	return CONFIG_OK;
}

int
config_load(const char *path, struct settings **out, struct buf *errors)
{
	struct stat st;
	char *text = NULL;
	int rc;

	*out = NULL;
	rc = config_read_file(path, &text, &st, errors);
	if (rc == CONFIG_OK)
		rc = config_parse(path, text, out, errors);
	if (rc == CONFIG_OK && (rc = check_mode(path, *out, st.st_mode, errors)) != CONFIG_OK)
		settings_free(out);
	free(text);
	return rc;
}
