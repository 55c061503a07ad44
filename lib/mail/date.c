/* SPDX-License-Identifier: ISC */
#include "mail/date.h"

#include "mail/lex.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "SunMonTueWedThuFriSat";

int64_t
mail_days(struct mail_date d)
{
	/* Years begin in March: the leap day is the last one; 400 years have 146,097 days. */
	int64_t y = d.month <= 2 ? d.year - 1 : d.year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

struct mail_date
mail_date_of_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	struct mail_date d;

	d.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	d.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	d.year = (int)(yoe + era * 400 + (d.month <= 2));
	return d;
}

bool
mail_date_is_valid(struct mail_date d)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;

	if (d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1)
		return false;
	return d.day <= days[d.month - 1] - (d.month == 2 && !leap);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t
mail_time_day(struct mail_time t)
{
	return floor_div(t.seconds + t.zone * 60, 86400);
}

static int
month_number(struct str s)
{
	for (int i = 0; i < 12; i++)
		if (s.n >= 3 && str_starts_nocase(s, str_from(months + 3 * i, 3)))
			return i + 1;
	return 0;
}

/* ---- rfc5322 ----------------------------------------------------------------------------------
 */
static bool
number(struct mail_lex *l, int least, int most, int *out, int *digits)
{
	int v = 0, n = 0;

	while (l->p < l->end && *l->p >= '0' && *l->p <= '9') {
		if (++n > most)
			return false;
		v = v * 10 + (*l->p++ - '0');
	}
	*out = v;
	if (digits != NULL)
		*digits = n;
	return n >= least;
}

static struct str
word(struct mail_lex *l)
{
	const char *from = l->p;

	while (l->p < l->end && ascii_tolower(*l->p) >= 'a' && ascii_tolower(*l->p) <= 'z')
		l->p++;
	return str_from(from, (size_t)(l->p - from));
}

static bool
lit(struct mail_lex *l, char c)
{
	if (l->p == l->end || *l->p != c)
		return false;
	l->p++;
	return true;
}

/* rfc5322:4.3: the old names; what is unknown means -0000. */
static int
zone_by_name(struct str s)
{
	static const struct {
		struct str name;
		int hours;
	} zones[] = {
		{ { "EDT", 3 }, -4 },
		{ { "EST", 3 }, -5 },
		{ { "CDT", 3 }, -5 },
		{ { "CST", 3 }, -6 },
		{ { "MDT", 3 }, -6 },
		{ { "MST", 3 }, -7 },
		{ { "PDT", 3 }, -7 },
		{ { "PST", 3 }, -8 },
	};

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (str_eq_nocase(s, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

/* "+0100"; false when it is no zone. */
static bool
zone_number(struct mail_lex *l, int *zone)
{
	int v, sign = *l->p == '-' ? -1 : 1;

	l->p++;
	if (!number(l, 4, 4, &v, NULL) || v % 100 > 59 || v > 1400)
		return false;
	*zone = sign * (v / 100 * 60 + v % 100);
	return true;
}

static int
year_of(int year, int digits)
{
	if (digits == 2)
		return year < 50 ? 2000 + year : 1900 + year;
	return digits == 3 ? 1900 + year : year;
}

static bool
time_of_day(struct mail_lex *l, int *seconds)
{
	int h, m, s = 0;

	if (!number(l, 1, 2, &h, NULL))
		return false;
	mail_lex_cfws(l);
	if (!lit(l, ':'))
		return false;
	mail_lex_cfws(l);
	if (!number(l, 1, 2, &m, NULL))
		return false;
	mail_lex_cfws(l);
	if (lit(l, ':')) {
		mail_lex_cfws(l);
		if (!number(l, 1, 2, &s, NULL))
			return false;
	}
	if (h > 23 || m > 59 || s > 60)
		return false;
	*seconds = h * 3600 + m * 60 + (s == 60 ? 59 : s);
	return true;
}

bool
mail_date_parse(struct str value, struct mail_time *t)
{
	struct mail_lex l = mail_lex_of(value);
	struct mail_date d;
	int digits, seconds, zone = 0;

	mail_lex_cfws(&l);
	if (word(&l).n > 0) {
		mail_lex_cfws(&l);
		lit(&l, ',');
		mail_lex_cfws(&l);
	}
	if (!number(&l, 1, 2, &d.day, NULL))
		return false;
	mail_lex_cfws(&l);
	lit(&l, '-');
	d.month = month_number(word(&l));
	mail_lex_cfws(&l);
	lit(&l, '-');
	if (!number(&l, 2, 4, &d.year, &digits))
		return false;
	d.year = year_of(d.year, digits);
	mail_lex_cfws(&l);
	if (!mail_date_is_valid(d) || !time_of_day(&l, &seconds))
		return false;
	mail_lex_cfws(&l);
	if (l.p < l.end && (*l.p == '+' || *l.p == '-')) {
		if (!zone_number(&l, &zone))
			zone = 0;
	} else {
		zone = zone_by_name(word(&l));
	}
	t->seconds = mail_days(d) * 86400 + seconds - zone * 60;
	t->zone = (int16_t)zone;
	return true;
}

/* ---- IMAP -------------------------------------------------------------------------------------
 */
static bool
imap_date(struct mail_lex *l, struct mail_date *d)
{
	struct str month;

	if (!number(l, 1, 2, &d->day, NULL) || !lit(l, '-'))
		return false;
	month = word(l);
	if (month.n != 3 || !lit(l, '-') || !number(l, 4, 4, &d->year, NULL))
		return false;
	d->month = month_number(month);
	return mail_date_is_valid(*d);
}

bool
mail_date_parse_imap(struct str s, struct mail_date *d)
{
	struct mail_lex l = { s.p, s.p + s.n };

	return imap_date(&l, d) && l.p == l.end;
}

bool
mail_time_parse_imap(struct str s, struct mail_time *t)
{
	struct mail_lex l = { s.p, s.p + s.n };
	struct mail_date d;
	int h, m, sec, zone;

	lit(&l, ' ');
	if (!imap_date(&l, &d) || !lit(&l, ' ') || !number(&l, 2, 2, &h, NULL) || !lit(&l, ':') ||
	    !number(&l, 2, 2, &m, NULL) || !lit(&l, ':') || !number(&l, 2, 2, &sec, NULL) ||
	    !lit(&l, ' ') || h > 23 || m > 59 || sec > 60)
		return false;
	if (l.p == l.end || (*l.p != '+' && *l.p != '-') || !zone_number(&l, &zone) || l.p != l.end)
		return false;
	t->seconds = mail_days(d) * 86400 + h * 3600 + m * 60 + (sec == 60 ? 59 : sec) - zone * 60;
	t->zone = (int16_t)zone;
	return true;
}

struct clock {
	struct mail_date d;
	int weekday;
	unsigned h, m, s;
	char sign;
	unsigned zh, zm;
};

/* What a clock on the wall shows; kept within what four digits can say. */
static struct clock
clock_of(struct mail_time t)
{
	const int64_t least = -62135510400, most = 253402214400; /* years 1 and 9999, one day off */
	int64_t local, day;
	struct clock c;
	int zone = t.zone < -840 || t.zone > 840 ? 0 : t.zone;

	local = (t.seconds < least ? least : t.seconds > most ? most : t.seconds) + zone * 60;
	day = floor_div(local, 86400);
	local -= day * 86400;
	c.d = mail_date_of_days(day);
	c.weekday = (int)(((day + 4) % 7 + 7) % 7);
	c.h = (unsigned)local / 3600;
	c.m = (unsigned)local / 60 % 60;
	c.s = (unsigned)local % 60;
	c.sign = zone < 0 ? '-' : '+';
	c.zh = (unsigned)(zone < 0 ? -zone : zone) / 60;
	c.zm = (unsigned)(zone < 0 ? -zone : zone) % 60;
	return c;
}

static char *
put2(char *p, unsigned v)
{
	*p++ = (char)('0' + v / 10 % 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

static char *
put_time_zone(char *p, const struct clock *c)
{
	p = put2(p, c->h);
	*p++ = ':';
	p = put2(p, c->m);
	*p++ = ':';
	p = put2(p, c->s);
	*p++ = ' ';
	*p++ = c->sign;
	p = put2(p, c->zh);
	p = put2(p, c->zm);
	*p = '\0';
	return p;
}

void
mail_time_format_imap(struct mail_time t, char out[static MAIL_IMAP_TIME_SIZE])
{
	struct clock c = clock_of(t);
	char *p = put2(out, (unsigned)c.d.day);

	if (out[0] == '0')
		out[0] = ' ';
	*p++ = '-';
	memcpy(p, months + 3 * (c.d.month - 1), 3);
	p += 3;
	*p++ = '-';
	p = put2(p, (unsigned)c.d.year / 100);
	p = put2(p, (unsigned)c.d.year % 100);
	*p++ = ' ';
	put_time_zone(p, &c);
}

size_t
mail_time_format_rfc5322(struct mail_time t, char out[static MAIL_RFC5322_TIME_SIZE])
{
	struct clock c = clock_of(t);
	char *p = out;

	memcpy(p, weekdays + 3 * c.weekday, 3);
	memcpy(p + 3, ", ", 2);
	p = put2(p + 5, (unsigned)c.d.day);
	*p++ = ' ';
	memcpy(p, months + 3 * (c.d.month - 1), 3);
	p += 3;
	*p++ = ' ';
	p = put2(p, (unsigned)c.d.year / 100);
	p = put2(p, (unsigned)c.d.year % 100);
	*p++ = ' ';
	return (size_t)(put_time_zone(p, &c) - out);
}
