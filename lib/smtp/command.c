/* SPDX-License-Identifier: ISC */
#include "smtp/command.h"

#include <arpa/inet.h>
#include <string.h>

#include "smtp/xtext.h"

static const struct {
	struct str name;
	size_t line_max;
} verbs[] = {
#define SMTP_VERB_ROW(verb, line_max) { STR(#verb), line_max },
	SMTP_VERBS(SMTP_VERB_ROW)
#undef SMTP_VERB_ROW
};

/* First words of protocols whose clients are lured to mail servers (rfc5321 has none of them). */
static const struct str foreign[] = { STR("GET"), STR("POST"), STR("HEAD"), STR("PUT"),
	STR("OPTIONS"), STR("CONNECT"), STR("DELETE"), STR("PATCH"), STR("TRACE"), STR("PRI"),
	STR("PROXY") };

static enum smtp_verb
find_verb(struct str word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (word.n == verbs[i].name.n && str_eq_nocase(word, verbs[i].name))
			return (enum smtp_verb)i;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (str_eq(word, foreign[i]))
			return SMTP_VERB_FOREIGN;
	if (str_starts_nocase(word, STR("SSH-")))
		return SMTP_VERB_FOREIGN;
	return SMTP_VERB_UNKNOWN;
}

void
smtp_command_parse(struct str line, struct smtp_command *out)
{
	ptrdiff_t space = str_chr(line, ' ');
	struct str word = str_from(line.p, space >= 0 ? (size_t)space : line.n);

	out->verb = find_verb(word);
	out->args = str_trim(str_from(line.p + word.n, line.n - word.n));
	out->line_max = out->verb < SMTP_VERB_UNKNOWN ? verbs[out->verb].line_max : SMTP_LINE_MAX;
}

/* --- parameters: "KEY=value KEY ..." ------------------------------------------------------------
 */

/* Takes the next word off *rest; false at the end. */
static bool
next_word(struct str *rest, struct str *word)
{
	ptrdiff_t space;

	*rest = str_trim(*rest);
	if (rest->n == 0)
		return false;
	space = str_chr(*rest, ' ');
	*word = str_from(rest->p, space >= 0 ? (size_t)space : rest->n);
	*rest = str_from(rest->p + word->n, rest->n - word->n);
	return true;
}

/* "KEY=value" or "KEY"; -1: an empty value. rfc5321:4.1.2 esmtp-param */
static int
split_param(struct str word, struct str *key, struct str *value)
{
	ptrdiff_t eq = str_chr(word, '=');

	*key = word;
	*value = str_from(NULL, 0);
	if (eq < 0)
		return 1;
	key->n = (size_t)eq;
	*value = str_from(word.p + eq + 1, word.n - (size_t)eq - 1);
	return key->n > 0 && value->n > 0 ? 1 : -1;
}

/* A number of at most SMTP_SIZE_DIGITS digits; UINT64_MAX stands for what is larger. */
static bool
parse_size(struct str s, uint64_t *out)
{
	if (s.n == 0 || s.n > SMTP_SIZE_DIGITS)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	if (!str_u64(s, UINT64_MAX, out))
		*out = UINT64_MAX;
	return true;
}

static bool
copy_text(char *out, size_t outsize, struct str s)
{
	if (s.n >= outsize)
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

static bool
mail_size(void *to, struct str value)
{
	return parse_size(value, &((struct smtp_mail *)to)->size);
}

static bool
mail_body(void *to, struct str value)
{
	bool eight = str_eq_nocase(value, STR("8BITMIME"));

	((struct smtp_mail *)to)->body_8bit = eight;
	return eight || str_eq_nocase(value, STR("7BIT"));
}

static bool
mail_smtputf8(void *to, struct str value)
{
	((struct smtp_mail *)to)->smtputf8 = true;
	return value.p == NULL;
}

static bool
mail_ret(void *to, struct str value)
{
	bool full = str_eq_nocase(value, STR("FULL"));

	((struct smtp_mail *)to)->ret = full ? SMTP_RET_FULL : SMTP_RET_HDRS;
	return full || str_eq_nocase(value, STR("HDRS"));
}

static bool
mail_envid(void *to, struct str value)
{
	struct smtp_mail *m = to;

	return value.n > 0 && smtp_xtext_decode(value, NULL, 0) > 0 &&
	       copy_text(m->envid, sizeof(m->envid), value);
}

/* rfc4954:5: an address as xtext, or "<>". */
static bool
mail_auth(void *to, struct str value)
{
	((struct smtp_mail *)to)->auth = true;
	return value.n > 0 && (str_eq(value, STR("<>")) || smtp_xtext_decode(value, NULL, 0) > 0);
}

/* rfc3461:4.1: NEVER stands alone, each of the others at most once. */
static bool
rcpt_notify(void *to, struct str value)
{
	static const struct str names[] = { STR("NEVER"), STR("SUCCESS"), STR("FAILURE"),
		STR("DELAY") };
	struct smtp_rcpt *r = to;

	while (value.n > 0) {
		ptrdiff_t comma = str_chr(value, ',');
		struct str one = str_from(value.p, comma >= 0 ? (size_t)comma : value.n);
		unsigned bit = 0;

		for (unsigned i = 0; i < 4; i++)
			if (str_eq_nocase(one, names[i]))
				bit = 1u << i;
		if (bit == 0 || (r->notify & (bit | SMTP_NOTIFY_NEVER)) ||
		    (bit == SMTP_NOTIFY_NEVER && r->notify != 0))
			return false;
		r->notify |= bit;
		value = str_from(value.p + one.n, value.n - one.n);
		if (comma >= 0) {
			value = str_from(value.p + 1, value.n - 1);
			if (value.n == 0)
				return false;
		}
	}
	return r->notify != 0;
}

/* xtext, between which whole UTF-8 characters may stand (rfc6533:3, utf-8-addr-unitext). */
static bool
check_unitext(struct str s)
{
	size_t from = 0;

	for (size_t i = 0; i <= s.n; i++)
		if (i == s.n || (unsigned char)s.p[i] >= 0x80) {
			if (smtp_xtext_decode(str_from(s.p + from, i - from), NULL, 0) < 0)
				return false;
			from = i + 1;
		}
	return address_utf8_valid(s);
}

/* rfc3461:4.2 and rfc6533:3: an address type, ";", the address as xtext. */
static bool
rcpt_orcpt(void *to, struct str value)
{
	struct smtp_rcpt *r = to;
	ptrdiff_t semi = str_chr(value, ';');
	struct str text;

	if (semi <= 0 || (size_t)semi + 1 == value.n)
		return false;
	for (ptrdiff_t i = 0; i < semi; i++) {
		char c = value.p[i];

		if (c != '-' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
		    !(c >= 'A' && c <= 'Z'))
			return false;
	}
	text = str_from(value.p + semi + 1, value.n - (size_t)semi - 1);
	if (str_eq_nocase(str_from(value.p, (size_t)semi), STR("utf-8"))
		? !check_unitext(text)
		: smtp_xtext_decode(text, NULL, 0) <= 0)
		return false;
	return copy_text(r->orcpt, sizeof(r->orcpt), value);
}

struct param {
	struct str key;
	bool (*set)(void *to, struct str value);
};

static const struct param mail_params[] = {
	{ STR("SIZE"), mail_size },
	{ STR("BODY"), mail_body },
	{ STR("SMTPUTF8"), mail_smtputf8 },
	{ STR("RET"), mail_ret },
	{ STR("ENVID"), mail_envid },
	{ STR("AUTH"), mail_auth },
};
static const struct param rcpt_params[] = {
	{ STR("NOTIFY"), rcpt_notify },
	{ STR("ORCPT"), rcpt_orcpt },
};

static int
parse_params(
    struct str rest, const struct param *params, size_t count, void *to, enum smtp_reply_id *why)
{
	struct str word, key, value;
	unsigned seen = 0;

	*why = SMTP_BAD_SYNTAX;
	while (next_word(&rest, &word)) {
		size_t i = 0;

		if (split_param(word, &key, &value) < 0)
			return -1;
		while (i < count && !str_eq_nocase(key, params[i].key))
			i++;
		if (i == count) {
			*why = SMTP_BAD_PARAMETER;
			return -1;
		}
		if ((seen & 1u << i) || !params[i].set(to, value))
			return -1;
		seen |= 1u << i;
	}
	return 1;
}

/* "FROM:" or "TO:", then a path; *rest is what follows it. Spaces before the path are taken,
 * because many senders write them. */
static int
parse_path(
    struct str args, struct str prefix, unsigned flags, struct address *out, struct str *rest)
{
	size_t used;
	int r;

	if (!str_starts_nocase(args, prefix))
		return 0;
	*rest = str_trim(str_from(args.p + prefix.n, args.n - prefix.n));
	if ((r = address_parse_path(*rest, flags, out, &used)) < 0)
		return r;
	*rest = str_from(rest->p + used, rest->n - used);
	return rest->n == 0 || rest->p[0] == ' ' ? 1 : ADDRESS_ERR_SYNTAX;
}

int
smtp_mail_parse(struct str args, struct smtp_mail *out, enum smtp_reply_id *why)
{
	struct str rest;
	int r;

	memset(out, 0, sizeof(*out));
	/* SMTPUTF8 comes behind the address: that it was needed is found out afterwards */
	r = parse_path(args, STR("FROM:"), ADDRESS_UTF8 | ADDRESS_NULL, &out->from, &rest);
	if (r <= 0) {
		*why = r == 0 ? SMTP_BAD_SYNTAX : SMTP_BAD_SENDER;
		return -1;
	}
	if (parse_params(
		rest, mail_params, sizeof(mail_params) / sizeof(mail_params[0]), out, why) < 0)
		return -1;
	if (out->from.utf8 && !out->smtputf8) {
		*why = SMTP_UTF8_NEEDED;
		return -1;
	}
	return 1;
}

int
smtp_rcpt_parse(struct str args, bool utf8, struct smtp_rcpt *out, enum smtp_reply_id *why)
{
	struct str rest;
	int r;

	memset(out, 0, sizeof(*out));
	r = parse_path(args, STR("TO:"), ADDRESS_UTF8 | ADDRESS_POSTMASTER, &out->to, &rest);
	if (r <= 0) {
		*why = r == 0 ? SMTP_BAD_SYNTAX : SMTP_BAD_RECIPIENT;
		return -1;
	}
	if (parse_params(
		rest, rcpt_params, sizeof(rcpt_params) / sizeof(rcpt_params[0]), out, why) < 0)
		return -1;
	for (const char *p = out->orcpt; !utf8 && *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80) {
			*why = SMTP_BAD_SYNTAX;
			return -1;
		}
	if (out->to.utf8 && !utf8) {
		*why = SMTP_UTF8_NEEDED;
		return -1;
	}
	return 1;
}

int
smtp_helo_parse(struct str args, char *out)
{
	int n;

	if (args.n > 0 && args.p[0] == '[')
		n = address_parse_literal(args, out);
	else
		n = address_parse_domain(args, 0, out);
	if (n < 0)
		return -1;
	out[n] = '\0';
	return n;
}

int
smtp_bdat_parse(struct str args, uint64_t *size, bool *last)
{
	struct str word;

	*last = false;
	if (!next_word(&args, &word) || !parse_size(word, size))
		return -1;
	if (!next_word(&args, &word))
		return 1;
	*last = str_eq_nocase(word, STR("LAST"));
	return *last && !next_word(&args, &word) ? 1 : -1;
}

/* --- XCLIENT ------------------------------------------------------------------------------------
 */

static bool
check_name(char *value)
{
	return smtp_helo_parse(str_of(value), value) > 0;
}

static bool
check_addr(char *value)
{
	static const struct str tag = STR("IPV6:");
	unsigned char addr[16];

	if (str_starts_nocase(str_of(value), tag)) {
		memmove(value, value + tag.n, strlen(value + tag.n) + 1);
		return inet_pton(AF_INET6, value, addr) == 1;
	}
	return inet_pton(AF_INET, value, addr) == 1 || inet_pton(AF_INET6, value, addr) == 1;
}

static bool
check_port(char *value)
{
	uint64_t port;

	return str_u64(str_of(value), UINT16_MAX, &port);
}

static bool
check_proto(char *value)
{
	return str_eq_nocase(str_of(value), STR("SMTP")) ||
	       str_eq_nocase(str_of(value), STR("ESMTP"));
}

static const struct {
	struct str key;
	bool (*check)(char *value); /* NULL: anything printable */
} xclient_attrs[SMTP_X__COUNT] = {
	[SMTP_X_NAME] = { STR("NAME"), check_name },
	[SMTP_X_ADDR] = { STR("ADDR"), check_addr },
	[SMTP_X_PORT] = { STR("PORT"), check_port },
	[SMTP_X_PROTO] = { STR("PROTO"), check_proto },
	[SMTP_X_HELO] = { STR("HELO"), check_name },
	[SMTP_X_REVERSE_NAME] = { STR("REVERSE_NAME"), check_name },
	[SMTP_X_LOGIN] = { STR("LOGIN"), NULL },
	[SMTP_X_DESTADDR] = { STR("DESTADDR"), check_addr },
	[SMTP_X_DESTPORT] = { STR("DESTPORT"), check_port },
};

static int
xclient_set(struct smtp_xclient *x, size_t i, struct str value)
{
	char *to = x->attr[i].value;
	int n;

	if (x->attr[i].state != SMTP_X_ABSENT)
		return -1;
	if (str_eq_nocase(value, STR("[UNAVAILABLE]"))) {
		x->attr[i].state = SMTP_X_UNAVAILABLE;
		return 1;
	}
	if (str_eq_nocase(value, STR("[TEMPUNAVAIL]"))) {
		x->attr[i].state = SMTP_X_TEMPUNAVAIL;
		return 1;
	}
	if ((n = smtp_xtext_decode(value, to, SMTP_HELO_MAX)) <= 0)
		return -1;
	to[n] = '\0';
	x->attr[i].state = SMTP_X_SET;
	return xclient_attrs[i].check == NULL || xclient_attrs[i].check(to) ? 1 : -1;
}

int
smtp_xclient_parse(struct str args, struct smtp_xclient *out)
{
	struct str word, key, value;

	memset(out, 0, sizeof(*out));
	if (args.n == 0)
		return -1;
	while (next_word(&args, &word)) {
		size_t i = 0;

		if (split_param(word, &key, &value) < 0 || value.p == NULL)
			return -1;
		while (i < SMTP_X__COUNT && !str_eq_nocase(key, xclient_attrs[i].key))
			i++;
		if (i == SMTP_X__COUNT || xclient_set(out, i, value) < 0)
			return -1;
	}
	return 1;
}
