/* SPDX-License-Identifier: ISC */
#include "smtp_client/caps.h"

/* Cuts the next word off *s; n == 0: none is left. */
static struct str
next_word(struct str *s)
{
	struct str word = str_trim(*s);
	size_t n = 0;

	while (n < word.n && word.p[n] != ' ' && word.p[n] != '\t')
		n++;
	*s = str_from(word.p + n, word.n - n);
	return str_from(word.p, n);
}

static void
auth_words(struct smtp_client_caps *caps, struct str words)
{
	struct str w;

	while ((w = next_word(&words)).n > 0) {
		caps->auth_plain |= str_eq_nocase(w, STR("PLAIN"));
		caps->auth_login |= str_eq_nocase(w, STR("LOGIN"));
	}
}

static void
limit_word(struct str word, struct str name, uint64_t *out)
{
	uint64_t value;

	if (str_starts_nocase(word, name) &&
	    str_u64(str_from(word.p + name.n, word.n - name.n), 999999, &value) && value > 0)
		*out = value;
}

static void
limit_words(struct smtp_client_caps *caps, struct str words)
{
	struct str w;

	while ((w = next_word(&words)).n > 0) {
		limit_word(w, STR("MAILMAX="), &caps->mail_max);
		limit_word(w, STR("RCPTMAX="), &caps->rcpt_max);
	}
}

static void
size_words(struct smtp_client_caps *caps, struct str words)
{
	caps->size = true;
	if (!str_u64(next_word(&words), UINT64_MAX, &caps->size_max))
		caps->size_max = 0;
}

void
smtp_client_caps_line(struct smtp_client_caps *caps, struct str line)
{
	const struct {
		struct str name;
		bool *flag;
	} flags[] = {
		{ STR("8BITMIME"), &caps->eightbit },
		{ STR("SMTPUTF8"), &caps->smtputf8 },
		{ STR("DSN"), &caps->dsn },
		{ STR("STARTTLS"), &caps->starttls },
		{ STR("PIPELINING"), &caps->pipelining },
		{ STR("ENHANCEDSTATUSCODES"), &caps->enhanced },
	};
	struct str name = next_word(&line);

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (str_eq_nocase(name, flags[i].name))
			*flags[i].flag = true;
	if (str_eq_nocase(name, STR("SIZE"))) {
		size_words(caps, line);
	} else if (str_eq_nocase(name, STR("LIMITS"))) {
		limit_words(caps, line);
	} else if (str_eq_nocase(name, STR("AUTH"))) {
		auth_words(caps, line);
	} else if (str_starts_nocase(name, STR("AUTH="))) { /* old servers write it so */
		auth_words(caps, str_from(name.p + 5, name.n - 5));
		auth_words(caps, line);
	}
}
