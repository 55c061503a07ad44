/* SPDX-License-Identifier: ISC */
#include "queue/filter.h"

#include <stdio.h>

static const char *const states[FILTER_STATE__MAX] = {
#define FILTER_STATE(name) [FILTER_##name] = #name,
	FILTER_STATES(FILTER_STATE)
#undef FILTER_STATE
};

const char *
filter_state_text(enum filter_state s)
{
	return states[s];
}

static int
wrong(char error[160], enum command_option o)
{
	snprintf(error, 160, "--%s takes %s: %s", command_option(o)->name, command_option(o)->value,
	    command_option(o)->help);
	return -1;
}

/* "90s", "30m", "4h", "5d" as milliseconds. */
static bool
parse_age(struct str s, uint64_t *ms)
{
	static const struct {
		char unit;
		uint64_t ms;
	} units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && s.n > 1; i++) {
		if (s.p[s.n - 1] != units[i].unit)
			continue;
		/* A hundred years. */
		if (!str_u64(str_from(s.p, s.n - 1), UINT64_C(3153600000), ms))
			return false;
		*ms *= units[i].ms;
		return true;
	}
	return false;
}

static bool
copy_text(char out[FILTER_TEXT_SIZE], const char *before, const char *text)
{
	int n = snprintf(out, FILTER_TEXT_SIZE, "%s%s", before, text);

	return n > (int)strlen(before) && n < FILTER_TEXT_SIZE;
}

static int
parse_addresses(const struct command_line *line, struct filter *f, char error[160])
{
	const char *sender = line->option[OPTION_sender];
	const char *recipient = line->option[OPTION_recipient];
	const char *domain = line->option[OPTION_domain];

	f->by_sender = sender != NULL;
	f->by_recipient = recipient != NULL;
	if (sender && strcmp(sender, "<>") != 0 &&
	    (strchr(sender, '@') == NULL || !copy_text(f->sender, "", sender)))
		return wrong(error, OPTION_sender);
	if (recipient &&
	    (strchr(recipient, '@') == NULL || !copy_text(f->recipient, "", recipient)))
		return wrong(error, OPTION_recipient);
	if (domain && (strchr(domain, '@') != NULL || !copy_text(f->domain, "@", domain)))
		return wrong(error, OPTION_domain);
	return 0;
}

/* The moment that lies so far back. */
static bool
parse_since(const char *text, uint64_t now_ms, uint64_t *moment)
{
	uint64_t age;

	if (text == NULL)
		return true;
	if (!parse_age(str_of(text), &age))
		return false;
	*moment = age < now_ms ? now_ms - age : 0;
	return true;
}

static int
parse_state(const char *text, struct filter *f)
{
	f->state = -1;
	for (int i = 0; text && i < FILTER_STATE__MAX; i++)
		if (strcmp(text, states[i]) == 0)
			f->state = i;
	return text && f->state < 0 ? -1 : 0;
}

int
filter_parse(const struct command_line *line, uint64_t now_ms, struct filter *f, char error[160])
{
	*f = (struct filter){ .before_ms = UINT64_MAX };
	for (unsigned o = 0; o < OPTION__MAX; o++)
		if (line->option[o] &&
		    strcmp(command_option((enum command_option)o)->group, "FILTER") == 0)
			f->given = true;
	if (parse_addresses(line, f, error) < 0)
		return -1;
	if (!parse_since(line->option[OPTION_older], now_ms, &f->before_ms))
		return wrong(error, OPTION_older);
	if (!parse_since(line->option[OPTION_newer], now_ms, &f->not_before_ms))
		return wrong(error, OPTION_newer);
	if (parse_state(line->option[OPTION_state], f) < 0)
		return wrong(error, OPTION_state);
	return 0;
}

bool
filter_fits(const struct filter *f, uint64_t arrival_ms, enum filter_state state)
{
	return arrival_ms >= f->not_before_ms && arrival_ms < f->before_ms &&
	       (f->state < 0 || f->state == (int)state);
}

bool
filter_needs_envelope(const struct filter *f)
{
	return f->by_sender || f->by_recipient || f->domain[0] != '\0';
}

/* A whole address, or "@domain" at its end; case does not count: it is a person who asks. */
static bool
address_fits(const char *want, struct str address)
{
	struct str w = str_of(want);

	if (w.n > 0 && w.p[0] == '@' && address.n > w.n)
		address = str_from(address.p + address.n - w.n, w.n);
	return str_eq_nocase(w, address);
}

bool
filter_fits_envelope(const struct filter *f, const struct envelope *e,
    bool (*open)(void *arg, uint32_t delivery), void *arg)
{
	bool recipient = !f->by_recipient, domain = f->domain[0] == '\0';
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r;

	if (f->by_sender && !address_fits(f->sender, e->reverse_path))
		return false;
	for (uint32_t i = 0; !(recipient && domain) && i < e->deliveries; i++) {
		if (!open(arg, i) || !envelope_recipient_at(e, &c, envelope_recipient_of(e, i), &r))
			continue;
		recipient = recipient || address_fits(f->recipient, r.address);
		domain = domain || address_fits(f->domain, r.address);
	}
	return recipient && domain;
}
