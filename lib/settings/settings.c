/* SPDX-License-Identifier: ISC */
#include "settings/settings.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct settings {
	char *text[SET__MAX];
	uint64_t num[SET__MAX];
};

static const struct setting_row rows[] = {
#define SETTING(id, section, key, type, unit, def, min, max, who, when, help) \
	{ #section "." #key, #section, #key, ST_##type, SU_##unit, DEFAULT_##type(def), min, max, \
		who, SW_##when, help },
#define DEFAULT_BOOL(d) ((d) ? "yes" : "no")
#define DEFAULT_U64(d) #d
#define DEFAULT_STRING(d) d
#define DEFAULT_SECRET(d) d
#define DEFAULT_DOMAIN(d) d
#define DEFAULT_PATH(d) d
#define DEFAULT_ADDRS(d) d
#define DEFAULT_SERVERS(d) d
#define DEFAULT_HOST(d) d
#define DEFAULT_CHOICE(d) d
#include "settings/settings_table.h"
#undef SETTING
};

static const struct {
	enum setting which;
	const char *words;
} choices[] = {
#define CHOICE(id, words) { SET_##id, words },
#include "settings/choice_table.h"
#undef CHOICE
};

static const struct {
	const char *name;
	unsigned bit;
} programs[] = {
	{ "master", SP_MASTER },
	{ "control", SP_CONTROL },
	{ "logger", SP_LOGGER },
	{ "keys", SP_KEYS },
	{ "resolver", SP_RESOLVER },
	{ "accounts", SP_ACCOUNTS },
	{ "auth", SP_AUTH },
	{ "smtpd", SP_SMTPD },
	{ "queue", SP_QUEUE },
	{ "imapd", SP_IMAPD },
	{ "mailbox", SP_MAILBOX },
	{ "submission", SP_SUBMISSION },
	{ "delivery", SP_DELIVERY },
	{ "reputation", SP_REPUTATION },
};

const struct setting_row *
setting_row(enum setting s)
{
	return &rows[s];
}

int
setting_by_name(const char *name)
{
	for (int i = 0; i < SET__MAX; i++)
		if (strcmp(rows[i].name, name) == 0)
			return i;
	return -1;
}

unsigned
settings_program(const char *name)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(programs[i].name, name) == 0)
			return programs[i].bit;
	return 0;
}

/* ---- values -----------------------------------------------------------------------------------
 */

static uint64_t
unit_factor(enum setting_unit unit, int suffix)
{
	if (unit == SU_BYTES) {
		switch (ascii_tolower(suffix)) {
		case 'k':
			return 1024;
		case 'm':
			return 1048576;
		case 'g':
			return 1073741824;
		}
	}
	if (unit == SU_SECONDS) {
		switch (ascii_tolower(suffix)) {
		case 's':
			return 1;
		case 'm':
			return 60;
		case 'h':
			return 3600;
		case 'd':
			return 86400;
		}
	}
	return 0;
}

static int
parse_u64(const struct setting_row *row, struct str v, uint64_t *out, const char **why)
{
	uint64_t factor = 1, n;

	if (v.n > 1 && !(v.p[v.n - 1] >= '0' && v.p[v.n - 1] <= '9')) {
		factor = unit_factor(row->unit, v.p[v.n - 1]);
		v.n--;
	}
	*why = "is not such a number";
	if (factor == 0 || !str_u64(v, UINT64_MAX / factor, &n))
		return -1;
	n *= factor;
	*why = "is too small";
	if (n < row->min)
		return -1;
	*why = "is too large";
	if (n > row->max)
		return -1;
	*out = n;
	return 0;
}

static int
parse_bool(struct str v, uint64_t *out, const char **why)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < 4; i++) {
		if (str_eq_nocase(v, str_of(yes[i])) || str_eq_nocase(v, str_of(no[i]))) {
			*out = str_eq_nocase(v, str_of(yes[i]));
			return 0;
		}
	}
	*why = "is neither yes nor no";
	return -1;
}

/* Characters that would need quoting in the file or split a line of the export are refused. */
static bool
text_is_plain(struct str v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\' || c == '$')
			return false;
	}
	return true;
}

/* rfc1123:2.1 host names in lower case; A-labels only, so no bytes above ASCII. */
static bool
is_domain(struct str v)
{
	size_t label = 0;

	if (v.n == 0 || v.n > 253)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '.') {
			if (label == 0 || v.p[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && label > 0)))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && v.p[v.n - 1] != '-';
}

int
settings_addr(struct str item, uint16_t port, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	ptrdiff_t at = str_chr(item, '@');
	char host[INET6_ADDRSTRLEN];
	uint64_t n = port;

	if (at >= 0) {
		if (!str_u64(str_from(item.p + at + 1, item.n - (size_t)at - 1), 65535, &n) ||
		    n == 0)
			return -1;
		item.n = (size_t)at;
	}
	if (item.n == 0 || item.n >= sizeof(host))
		return -1;
	memcpy(host, item.p, item.n);
	host[item.n] = 0;
	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons((uint16_t)n);
		*len = sizeof(*in4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)n);
		*len = sizeof(*in6);
		return 0;
	}
	return -1;
}

/* "[198.51.100.7]:25" behind the bracket, "mail.example.net:25" behind the name. */
static ptrdiff_t
host_end(struct str value)
{
	ptrdiff_t end;

	if (value.n > 0 && value.p[0] == '[')
		return (end = str_chr(value, ']')) < 0 ? -1 : end + 1;
	return (end = str_chr(value, ':')) < 0 ? (ptrdiff_t)value.n : end;
}

int
settings_host(struct str value, uint16_t port, struct str *name, bool *literal, uint16_t *out)
{
	ptrdiff_t end = host_end(value);
	struct sockaddr_storage ss;
	uint64_t n = port;
	socklen_t len;

	if (end < 0)
		return -1;
	if ((size_t)end < value.n &&
	    (value.p[end] != ':' ||
		!str_u64(str_from(value.p + end + 1, value.n - (size_t)end - 1), 65535, &n) ||
		n == 0))
		return -1;
	*out = (uint16_t)n;
	*name = str_from(value.p, (size_t)end);
	*literal = value.p[0] == '[';
	if (!*literal)
		return is_domain(*name) ? 0 : -1;
	*name = str_from(value.p + 1, (size_t)end - 2);
	return str_chr(*name, '@') < 0 ? settings_addr(*name, port, &ss, &len) : -1;
}

static bool
is_list_space(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* The next item of a list separated by commas or spaces. */
static bool
list_next(struct str v, size_t *it, struct str *item)
{
	size_t end;

	while (*it < v.n && is_list_space(v.p[*it]))
		++*it;
	if (*it >= v.n)
		return false;
	for (end = *it; end < v.n && !is_list_space(v.p[end]);)
		end++;
	*item = str_from(v.p + *it, end - *it);
	*it = end;
	return true;
}

/* Writes the canonical form of a list of addresses. */
static int
parse_list(const struct setting_row *row, struct str v, struct buf *out, const char **why)
{
	struct sockaddr_storage ss;
	struct str item;
	socklen_t len;
	size_t it = 0;
	uint64_t n = 0;

	while (list_next(v, &it, &item)) {
		*why = row->type == ST_SERVERS ? "holds something that is not address@port"
					       : "holds something that is not an IP address";
		if (row->type == ST_ADDRS && str_chr(item, '@') >= 0)
			return -1;
		if (settings_addr(item, 53, &ss, &len) != 0)
			return -1;
		*why = "has too many entries";
		if (++n > row->max)
			return -1;
		if (buf_printf(out, "%s%.*s", n > 1 ? "," : "", STRF(item)) != 0)
			return -1;
	}
	*why = "must not be empty";
	return n < row->min ? -1 : 0;
}

static int
parse_text(const struct setting_row *row, struct str v, struct buf *out, const char **why)
{
	struct str name;
	uint16_t port;
	bool literal;

	*why = "is too long";
	if (v.n > row->max)
		return -1;
	*why = "holds a character that is not allowed (control, quote, backslash, dollar)";
	if (!text_is_plain(v))
		return -1;
	if (v.n > 0 && row->type == ST_PATH && v.p[0] != '/') {
		*why = "is not a path that begins with /";
		return -1;
	}
	for (size_t i = 0; i < v.n; i++)
		(void)buf_putc(out, row->type == ST_DOMAIN || row->type == ST_HOST
					? ascii_tolower(v.p[i])
					: v.p[i]);
	*why = "is not a domain name (letters, digits, hyphens, dots; other scripts as xn--)";
	if (v.n > 0 && row->type == ST_DOMAIN && !is_domain(str_from(buf_data(out), buf_len(out))))
		return -1;
	*why = "is not a server as host, host:port, [address] or [address]:port";
	if (v.n > 0 && row->type == ST_HOST &&
	    settings_host(str_from(buf_data(out), buf_len(out)), 1, &name, &literal, &port) != 0)
		return -1;
	return 0;
}

static const char *
words_of(const struct setting_row *row)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (&rows[choices[i].which] == row)
			return choices[i].words;
	return "";
}

/* The number of a word is its place among the words. */
static int
parse_choice(
    const struct setting_row *row, struct str v, struct buf *out, uint64_t *num, const char **why)
{
	struct str rest = str_of(words_of(row));

	for (*num = 0; rest.n > 0; ++*num) {
		ptrdiff_t space = str_chr(rest, ' ');
		struct str word = str_from(rest.p, space < 0 ? rest.n : (size_t)space);

		if (str_eq_nocase(v, word))
			return buf_put(out, word.p, word.n);
		rest = space < 0 ? STR("") : str_from(word.p + word.n + 1, rest.n - word.n - 1);
	}
	*why = "is none of the words that are possible";
	return -1;
}

/* Checks v and writes the canonical text and the number it stands for. */
static int
value_parse(
    const struct setting_row *row, struct str v, struct buf *out, uint64_t *num, const char **why)
{
	v = str_trim(v);
	*num = 0;
	switch (row->type) {
	case ST_BOOL:
		if (parse_bool(v, num, why) != 0)
			return -1;
		return buf_puts(out, DEFAULT_BOOL(*num));
	case ST_U64:
		if (parse_u64(row, v, num, why) != 0)
			return -1;
		return buf_printf(out, "%llu", (unsigned long long)*num);
	case ST_ADDRS:
	case ST_SERVERS:
		return parse_list(row, v, out, why);
	case ST_CHOICE:
		return parse_choice(row, v, out, num, why);
	case ST_STRING:
	case ST_SECRET:
	case ST_DOMAIN:
	case ST_PATH:
	case ST_HOST:
		break;
	}
	return parse_text(row, v, out, why);
}

/* Some are secrets. */
static void
text_free(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

int
settings_set(struct settings *s, enum setting which, const char *value, const char **why)
{
	struct buf out;
	uint64_t num;
	int rc = -1;

	buf_init(&out, SETTINGS_VALUE_MAX);
	*why = "is too long";
	if (strlen(value) > SETTINGS_VALUE_MAX)
		goto out;
	if (value_parse(&rows[which], str_of(value), &out, &num, why) != 0)
		goto out;
	text_free(&s->text[which]);
	s->text[which] =
	    buf_len(&out) ? xstrndup((const char *)buf_data(&out), buf_len(&out)) : xstrdup("");
	s->num[which] = num;
	rc = 0;
out:
	buf_free_secret(&out);
	return rc;
}

/* ---- sets -------------------------------------------------------------------------------------
 */

struct settings *
settings_new(void)
{
	struct settings *s = xcalloc(1, sizeof(*s));
	const char *why;

	for (int i = 0; i < SET__MAX; i++)
		if (settings_set(s, (enum setting)i, rows[i].def, &why) != 0)
			abort(); /* the table itself is wrong: found by the unit test */
	return s;
}

struct settings *
settings_dup(const struct settings *from)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	for (int i = 0; i < SET__MAX; i++) {
		s->text[i] = xstrdup(from->text[i]);
		s->num[i] = from->num[i];
	}
	return s;
}

void
settings_free(struct settings **s)
{
	if (*s == NULL)
		return;
	for (int i = 0; i < SET__MAX; i++)
		text_free(&(*s)->text[i]);
	free(*s);
	*s = NULL;
}

uint64_t
settings_u64(const struct settings *s, enum setting which)
{
	return s->num[which];
}

bool
settings_bool(const struct settings *s, enum setting which)
{
	return s->num[which] != 0;
}

const char *
settings_text(const struct settings *s, enum setting which)
{
	return s->text[which];
}

const char *
settings_shown(const struct settings *s, enum setting which)
{
	return rows[which].type == ST_SECRET && s->text[which][0] != '\0' ? SETTINGS_SHOWN_SECRET
									  : s->text[which];
}

bool
settings_is_default(const struct settings *s, enum setting which)
{
	return strcmp(s->text[which], rows[which].def) == 0;
}

bool
settings_list_next(const struct settings *s, enum setting which, size_t *it, struct str *item)
{
	return list_next(str_of(s->text[which]), it, item);
}

static bool
ranges_meet(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
	return a < b + bn && b < a + an;
}

/* 60001-65535 belong to others (systemd's dynamic users, nobody, 16-bit overflow). */
int
settings_check(const struct settings *s, const char **why)
{
	uint64_t d = s->num[SET_general_daemon_uid_base], m = s->num[SET_general_mailbox_uid_base];
	uint64_t n = s->num[SET_general_mailbox_uid_count];

	*why = "general.daemon-uid-base and general.mailbox-uid-base: the ranges overlap";
	if (ranges_meet(d, 100, m, n))
		return -1;
	*why = "general.daemon-uid-base, general.mailbox-uid-base: 60001 to 65535 are taken by the "
	       "system";
	if (ranges_meet(d, 100, 60001, 5535) || ranges_meet(m, n, 60001, 5535))
		return -1;
	*why = "queue.retry-min is above queue.retry-max";
	if (s->num[SET_queue_retry_min] > s->num[SET_queue_retry_max])
		return -1;
	*why = "log.file-size is above log.size";
	if (s->num[SET_log_file_size] > s->num[SET_log_size])
		return -1;
	*why = "general.message-size is above queue.max-size";
	return s->num[SET_general_message_size] > s->num[SET_queue_max_size] ? -1 : 0;
}

bool
settings_need_restart(const struct settings *a, const struct settings *b, unsigned who)
{
	for (int i = 0; i < SET__MAX; i++)
		if ((rows[i].who & who) && rows[i].when == SW_RESTART &&
		    strcmp(a->text[i], b->text[i]) != 0)
			return true;
	return false;
}

/* ---- words ------------------------------------------------------------------------------------
 */

static void
describe_number(uint64_t n, enum setting_unit unit, struct buf *out)
{
	static const struct {
		enum setting_unit unit;
		uint64_t factor;
		char suffix;
	} scales[] = { { SU_BYTES, 1073741824, 'G' }, { SU_BYTES, 1048576, 'M' },
		{ SU_BYTES, 1024, 'K' }, { SU_SECONDS, 86400, 'd' }, { SU_SECONDS, 3600, 'h' },
		{ SU_SECONDS, 60, 'm' } };

	for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
		if (unit == scales[i].unit && n > 0 && n % scales[i].factor == 0) {
			(void)buf_printf(out, "%llu%c", (unsigned long long)(n / scales[i].factor),
			    scales[i].suffix);
			return;
		}
	}
	(void)buf_printf(out, "%llu", (unsigned long long)n);
}

void
setting_describe(enum setting s, struct buf *out)
{
	static const char *const units[] = { "", "a number", "a number of bytes (K, M, G)",
		"a time (s, m, h, d)" };
	const struct setting_row *row = &rows[s];

	switch (row->type) {
	case ST_BOOL:
		(void)buf_puts(out, "yes or no");
		break;
	case ST_U64:
		(void)buf_printf(out, "%s from ", units[row->unit]);
		describe_number(row->min, row->unit, out);
		(void)buf_puts(out, " to ");
		describe_number(row->max, row->unit, out);
		break;
	case ST_STRING:
	case ST_SECRET:
		(void)buf_printf(out, "text of at most %u bytes", (unsigned)row->max);
		break;
	case ST_DOMAIN:
		(void)buf_puts(out, "a domain name");
		break;
	case ST_PATH:
		(void)buf_puts(out, "a path that begins with /");
		break;
	case ST_ADDRS:
		(void)buf_printf(out, "at most %u IP addresses", (unsigned)row->max);
		break;
	case ST_HOST:
		(void)buf_puts(out, "a server as host, host:port, [address] or [address]:port");
		break;
	case ST_SERVERS:
		(void)buf_printf(out, "at most %u servers as address@port", (unsigned)row->max);
		break;
	case ST_CHOICE:
		(void)buf_printf(out, "one of: %s", words_of(row));
		break;
	}
}

/* ---- export and import ------------------------------------------------------------------------
 */

int
settings_export(const struct settings *s, const char *program, struct buf *out)
{
	unsigned who = settings_program(program);

	for (int i = 0; i < SET__MAX; i++) {
		if (!(rows[i].who & who))
			continue;
		if (buf_printf(out, "%s=%s\n", rows[i].name, s->text[i]) != 0)
			return BUF_LIMIT;
	}
	return 0;
}

static int
import_line(struct settings *s, struct str line)
{
	char text[SETTINGS_VALUE_MAX + 128];
	ptrdiff_t eq = str_chr(line, '=');
	const char *why;
	int which, rc;

	if (eq < 0 || line.n >= sizeof(text))
		return -1;
	memcpy(text, line.p, line.n);
	text[line.n] = 0;
	text[eq] = 0;
	which = setting_by_name(text);
	if (which < 0 || strlen(text + eq + 1) != line.n - (size_t)eq - 1)
		return -1;
	rc = settings_set(s, (enum setting)which, text + eq + 1, &why);
	explicit_bzero(text, sizeof(text));
	return rc;
}

int
settings_import(struct settings *s, struct str lines)
{
	struct settings *fresh = settings_dup(s);
	int rc = -1;

	while (lines.n > 0) {
		ptrdiff_t nl = str_chr(lines, '\n');

		if (nl < 0 || import_line(fresh, str_from(lines.p, (size_t)nl)) != 0)
			goto out;
		lines.p += nl + 1;
		lines.n -= (size_t)nl + 1;
	}
	for (int i = 0; i < SET__MAX; i++) {
		char *old = s->text[i];

		s->text[i] = fresh->text[i];
		s->num[i] = fresh->num[i];
		fresh->text[i] = old;
	}
	rc = 0;
out:
	settings_free(&fresh);
	return rc;
}
