/* SPDX-License-Identifier: ISC */
/*
 * Changing the file. One setting's line is replaced, added or removed as text; the result is read
 * again as a whole before it takes the old file's place, so a change can never break the file.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "config/config_priv.h"

/* Where things stand in the text. */
struct place {
	size_t key, end;    /* "key = value" without what follows it; key == end: not there */
	size_t section_end; /* offset of the section's closing brace; 0: no such section */
};

static bool
is_word(int c)
{
	return c > ' ' && !strchr("={}(),+\"'#", c);
}

/* Behind a comment or quoted text that begins at i; i itself when there is none. */
static size_t
skip_opaque(const char *t, size_t i)
{
	if (t[i] == '#' || (t[i] == '/' && t[i + 1] == '/')) {
		while (t[i] && t[i] != '\n')
			i++;
	} else if (t[i] == '/' && t[i + 1] == '*') {
		const char *e = strstr(t + i + 2, "*/");

		i = e ? (size_t)(e - t) + 2 : strlen(t);
	} else if (t[i] == '"' || t[i] == '\'') {
		char q = t[i++];

		while (t[i] && t[i] != q)
			i += t[i] == '\\' && t[i + 1] ? 2 : 1;
		if (t[i])
			i++;
	}
	return i;
}

/* Behind the comment, quoted text, word or other character at i. "//" within a word begins no comment. */
static size_t
skip_token(const char *t, size_t i)
{
	size_t end = skip_opaque(t, i);

	if (end > i)
		return end;
	while (t[end] && is_word((unsigned char)t[end]))
		end++;
	return end > i ? end : i + 1;
}

/* Behind white space and comments. */
static size_t
skip_blank(const char *t, size_t i)
{
	for (;;) {
		size_t j = t[i] == '"' || t[i] == '\'' ? i : skip_opaque(t, i);

		while (t[j] && t[j] <= ' ')
			j++;
		if (j == i)
			return i;
		i = j;
	}
}

/* Behind a value: quoted, a word or { ... }. */
static size_t
skip_value(const char *t, size_t i)
{
	if (t[i] == '{') {
		while (t[i] && t[i] != '}')
			i = skip_token(t, i);
		return t[i] ? i + 1 : i;
	}
	if (t[i] == '"' || t[i] == '\'')
		return skip_opaque(t, i);
	while (t[i] && is_word((unsigned char)t[i]))
		i++;
	return i;
}

/* False also for a comment of several lines that does not end. */
static bool
is_comment(const char *t, size_t from, size_t to)
{
	if (t[from] != '/')
		return t[from] == '#';
	return t[from + 1] == '/' ||
	       (t[from + 1] == '*' && to >= from + 4 && memcmp(t + to - 2, "*/", 2) == 0);
}

char *
config_blank_comments(const char *text)
{
	char *copy = xstrdup(text);

	for (size_t i = 0; copy[i];) {
		size_t end = skip_token(copy, i);

		for (bool blank = is_comment(copy, i, end); i < end; i++)
			if (blank && copy[i] != '\n')
				copy[i] = ' ';
	}
	return copy;
}

unsigned
config_open_end(const char *text, const char **what)
{
	unsigned line = 1, depth = 0, opened = 0;

	for (size_t i = 0; text[i];) {
		size_t j = skip_token(text, i);

		if (text[i] == '/' && text[i + 1] == '*' && !is_comment(text, i, j)) {
			*what = "this comment is not closed; add a */";
			return line;
		}
		if (text[i] == '{' && depth++ == 0)
			opened = line;
		if (text[i] == '}' && depth > 0)
			depth--;
		for (; i < j; i++)
			line += text[i] == '\n';
	}
	*what = "this section is not closed; add a }";
	return depth > 0 ? opened : 0;
}

/* The text has been read by libconfuse without a fault: its form is known to be good. */
static struct place
find_place(const char *t, const struct setting_row *row)
{
	struct place p = { 0, 0, 0 };
	bool here = false;

	for (size_t i = skip_blank(t, 0); t[i]; i = skip_blank(t, i)) {
		size_t b = i, e;

		if (t[i] == '}') {
			if (here)
				p.section_end = i;
			here = false;
			i++;
			continue;
		}
		e = i = skip_value(t, i);
		if (e == b) {
			i++;
			continue;
		}
		i = skip_blank(t, i);
		if (t[i] == '{') {
			here = strlen(row->section) == e - b &&
			       memcmp(t + b, row->section, e - b) == 0;
			i++;
			continue;
		}
		i += t[i] == '+';
		i = skip_blank(t, i + (t[i] == '='));
		i = skip_value(t, i);
		if (here && strlen(row->key) == e - b && memcmp(t + b, row->key, e - b) == 0) {
			p.key = b;
			p.end = i;
		}
	}
	return p;
}

/* "key = value" as it stands in the file. */
static int
put_setting(struct buf *out, const struct settings *s, enum setting which)
{
	const struct setting_row *row = setting_row(which);
	const char *text = settings_text(s, which);
	struct str item;
	size_t it = 0;
	int n = 0;

	if (row->type == ST_BOOL || row->type == ST_U64)
		return buf_printf(out, "%s = %s", row->key, text);
	if (row->type != ST_ADDRS && row->type != ST_SERVERS)
		return buf_printf(out, "%s = \"%s\"", row->key, text);
	if (buf_printf(out, "%s = {", row->key) != 0)
		return BUF_LIMIT;
	while (settings_list_next(s, which, &it, &item))
		if (buf_printf(out, "%s\"%.*s\"", n++ ? ", " : " ", STRF(item)) != 0)
			return BUF_LIMIT;
	return buf_puts(out, n ? " }" : "}");
}

/* The text with one setting changed. */
static int
edit(const char *t, const struct settings *s, enum setting which, bool remove, struct buf *out)
{
	const struct setting_row *row = setting_row(which);
	struct place p = find_place(t, row);
	size_t n = strlen(t), at = p.key < p.end ? p.key : p.section_end;
	int rc;

	if (p.key == p.end && remove)
		return buf_put(out, t, n);
	if (p.key == p.end && p.section_end == 0) {
		rc = buf_put(out, t, n);
		if (rc == 0)
			rc = buf_printf(
			    out, "%s\n%s {\n\t", n && t[n - 1] != '\n' ? "\n" : "", row->section);
		if (rc == 0)
			rc = put_setting(out, s, which);
		return rc == 0 ? buf_puts(out, "\n}\n") : rc;
	}
	rc = buf_put(out, t, at);
	if (p.key == p.end) {
		bool fresh = at > 0 && t[at - 1] == '\n';

		if (rc == 0)
			rc = buf_puts(out, fresh ? "\t" : "\n\t");
		if (rc == 0)
			rc = put_setting(out, s, which);
		if (rc == 0)
			rc = buf_putc(out, '\n');
		p.end = at;
	} else if (remove) {
		rc = rc == 0 ? buf_printf(out, "# %s = (default)", row->key) : rc;
		if (rc == 0 && t[p.end] != '\n')
			rc = buf_putc(out, '\n');
	} else if (rc == 0) {
		rc = put_setting(out, s, which);
	}
	return rc == 0 ? buf_put(out, t + p.end, n - p.end) : rc;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static int
sync_parent(const char *path)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');
	int fd, rc = -1;

	if (slash)
		slash[slash == dir] = 0;
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		rc = fsync(fd);
		close(fd);
	}
	free(dir);
	return rc;
}

static int
write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

/* old: mode and owner to keep; NULL: 0640 and ours. */
static int
replace_file(const char *path, struct buf *text, const struct stat *old, struct buf *errors)
{
	char *tmp = xasprintf("%s.new", path);
	int fd, rc = CONFIG_IO;

	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		goto out;
	/* the owner first: chown clears nothing here, but a foreign owner must not see 0640 early
	 */
	if (old && (old->st_uid != geteuid() || old->st_gid != getegid()) &&
	    fchown(fd, old->st_uid, old->st_gid) != 0)
		goto out;
	if (fchmod(fd, old ? old->st_mode & 07777 : 0640) != 0)
		goto out;
	if (write_all(fd, buf_data(text), buf_len(text)) != 0 || fsync(fd) != 0)
		goto out;
	if (rename(tmp, path) != 0 || sync_parent(path) != 0)
		goto out;
	rc = CONFIG_OK;
out:
	if (rc != CONFIG_OK)
		(void)buf_printf(errors, "%s: cannot be written: %s\n", path, strerror(errno));
	if (fd >= 0) {
		close(fd);
		if (rc != CONFIG_OK)
			(void)unlink(tmp);
	}
	free(tmp);
	return rc;
}

static int
check_value(struct settings *s, enum setting which, const char *value, struct buf *errors)
{
	const char *why;
	struct buf want;

	if (settings_set(s, which, value, &why) == 0) {
		if (settings_check(s, &why) == 0)
			return CONFIG_OK;
		(void)buf_printf(errors, "%s\n", why);
		return CONFIG_INVALID;
	}
	if (setting_row(which)->type == ST_SECRET)
		value = "...";
	buf_init(&want, 256);
	setting_describe(which, &want);
	(void)buf_printf(errors, "%s: \"%.200s\" %s; give %.*s\n", setting_row(which)->name, value,
	    why, (int)buf_len(&want), (const char *)buf_data(&want));
	buf_free(&want);
	return CONFIG_INVALID;
}

int
config_set(const char *path, const char *name, const char *value, struct buf *errors)
{
	struct settings *s = NULL, *again = NULL;
	int which = setting_by_name(name), rc;
	char *text = NULL, *now = NULL;
	struct stat st;
	struct buf out;

	buf_init(&out, CONFIG_FILE_MAX);
	if (which < 0) {
		(void)buf_printf(errors,
		    "%.200s: there is no such setting; `postern config list` shows all\n", name);
		return CONFIG_INVALID;
	}
	if ((rc = config_read_file(path, &text, &st, errors)) != CONFIG_OK ||
	    (rc = config_parse(path, text, &s, errors)) != CONFIG_OK)
		goto out;
	rc = check_value(
	    s, (enum setting)which, value ? value : setting_row((enum setting)which)->def, errors);
	if (rc != CONFIG_OK)
		goto out;
	rc = CONFIG_INVALID;
	if (edit(text, s, (enum setting)which, value == NULL, &out) != 0) {
		(void)buf_printf(errors, "%s: the file would become too large\n", path);
		goto out;
	}
	now = xstrndup((const char *)buf_data(&out), buf_len(&out));
	if (config_parse(path, now, &again, errors) != CONFIG_OK ||
	    strcmp(settings_text(again, (enum setting)which),
		settings_text(s, (enum setting)which)) != 0) {
		(void)buf_printf(
		    errors, "%s: cannot be changed by itself; please edit %s\n", path, name);
		goto out;
	}
	/* Who may read the file shall not learn a password by it. */
	if (setting_row((enum setting)which)->type == ST_SECRET)
		st.st_mode &= (mode_t) ~(S_IRWXG | S_IRWXO);
	rc = replace_file(path, &out, &st, errors);
out:
	buf_free(&out);
	free(text);
	free(now);
	settings_free(&s);
	settings_free(&again);
	return rc;
}

static int
put_row(struct buf *out, const struct settings *s, enum setting which)
{
	const struct setting_row *row = setting_row(which);

	if (buf_printf(out, "\t# %s\n\t# ", row->help) != 0)
		return BUF_LIMIT;
	setting_describe(which, out);
	if (buf_printf(out, "%s\n\t%s", row->when == SW_RESTART ? " (needs a restart)" : "",
		settings_is_default(s, which) ? "#" : "") != 0 ||
	    put_setting(out, s, which) != 0)
		return BUF_LIMIT;
	return buf_puts(out, "\n");
}

int
config_create(const char *path, const struct settings *s, struct buf *errors)
{
	const char *section = "";
	struct buf out;
	int rc;

	buf_init(&out, CONFIG_FILE_MAX);
	rc = buf_puts(&out,
	    "# Settings of this Postern instance; see postern.conf(5).\n"
	    "# Lines that begin with # show defaults. After a change: postern config check, then\n"
	    "# SIGHUP or a restart.\n");
	for (int i = 0; rc == 0 && i < SET__MAX; i++) {
		const struct setting_row *row = setting_row((enum setting)i);

		if (strcmp(section, row->section) != 0)
			rc = buf_printf(&out, "%s\n%s {\n", *section ? "}\n" : "", row->section);
		section = row->section;
		if (rc == 0)
			rc = put_row(&out, s, (enum setting)i);
	}
	if (rc == 0)
		rc = buf_puts(&out, "}\n");
	if (rc == 0)
		rc = replace_file(path, &out, NULL, errors);
	buf_free(&out);
	return rc == BUF_LIMIT ? CONFIG_INVALID : rc;
}
