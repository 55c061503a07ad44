/* SPDX-License-Identifier: ISC */
/* Dialogues as tables: what the server says, what the client must say, what comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp_client/smtp_client.h"

enum { MAX_LINES = 40 };

struct row {
	const char *name;
	const char *options; /* t STARTTLS, T TLS from the start, a AUTH, 2 two messages, 8 8-bit,
				u SMTPUTF8, 3 three recipients, d DSN, e EOF at the end, b big */
	const char *want;    /* each recipient: class, code, why; then the end of the dialogue */
	const char *lines[MAX_LINES]; /* "S..." server, "C..." client */
};

#define HI "S220 mx\r\n", "CEHLO us\r\n"
#define EHLO HI, "S250 mx\r\n"
#define MAIL "CMAIL FROM:<a@b.test> SIZE=9\r\n"
#define RCPT "CRCPT TO:<c@d.test>\r\n"
#define BODY "C..a\r\nb\r\n.\r\n" /* what ".a\nb" becomes */
#define BYE "CQUIT\r\n", "S221 bye\r\n"

static const struct smtp_client_rcpt to[] = {
	{ "c@d.test", 0, NULL },
	{ "e@D.TEST", 0, NULL },
	{ "f@d.test", 0, NULL },
	{ "c@d.test", SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY, "rfc822;c+2Bx@d.test" },
};

struct host {
	const struct row *row;
	struct smtp_client *c;
	struct smtp_client_message m;
	enum smtp_client_event last;
	unsigned left;
	bool authed, closed;
	struct buf in, log, sent;
};

static bool
option(const struct host *h, char o)
{
	return strchr(h->row->options, o) != NULL;
}

static void
log_result(struct host *h, const struct smtp_client_result *r)
{
	buf_printf(&h->log, "%c%u%c ", "?OTP"[r->class], r -> code, "rlpixth"[r->why]);
}

static void
give_content(struct host *h)
{
	struct str body = option(h, '8') ? STR("\xc3\xa4") : STR(".a\nb");

	while (body.n > 0 && smtp_client_wants_content(h->c)) {
		size_t n = smtp_client_content(h->c, str_from(body.p, body.n < 2 ? body.n : 2));

		body = str_from(body.p + n, body.n - n);
	}
	smtp_client_content_end(h->c);
}

static void
next_order(struct host *h)
{
	int rc;

	if (option(h, 't') && smtp_client_starttls(h->c) == 0)
		return;
	if (option(h, 'a') && !h->authed) {
		h->authed = true;
		rc = smtp_client_auth(h->c, "joe", STR("pass"));
		if (rc == 0)
			return;
		buf_printf(&h->log, "auth%d ", rc);
		h->left = 0;
	}
	rc = h->left > 0 ? smtp_client_send(h->c, &h->m) : smtp_client_quit(h->c);
	assert_int_equal(rc, 0);
	if (h->left > 0)
		h->left--;
}

static void
log_event(struct host *h, enum smtp_client_event ev)
{
	if (ev == SMTP_CLIENT_EV_DONE) {
		for (size_t i = 0; i < h->m.nrcpts; i++)
			log_result(h, smtp_client_result(h->c, i));
	} else if (ev == SMTP_CLIENT_EV_AUTH && smtp_client_last(h->c)->class != SMTP_CLIENT_OK) {
		log_result(h, smtp_client_last(h->c));
		h->left = 0;
	} else if (ev == SMTP_CLIENT_EV_CLOSED) {
		buf_puts(&h->log, "X");
		log_result(h, smtp_client_last(h->c));
		h->closed = true;
	} else if (ev == SMTP_CLIENT_EV_STARTTLS) {
		smtp_client_tls_started(h->c, 0);
	}
}

static void
drain(struct host *h)
{
	struct buf *out = smtp_client_out(h->c);

	buf_put(&h->sent, buf_data(out), buf_len(out));
	buf_drain(out, buf_len(out));
}

static void
work(struct host *h)
{
	enum smtp_client_event ev;
	bool again = true;

	while (again) {
		size_t n = smtp_client_step(h->c, str_from(buf_data(&h->in), buf_len(&h->in)), &ev);

		buf_drain(&h->in, n);
		log_event(h, ev);
		drain(h);
		if (ev == SMTP_CLIENT_EV_CONTENT)
			give_content(h);
		else if (ev == SMTP_CLIENT_EV_NONE && smtp_client_phase(h->c) == SMTP_CLIENT_IDLE)
			next_order(h);
		else
			again = ev != SMTP_CLIENT_EV_NONE;
		drain(h);
	}
	assert_true(h->closed || buf_len(&h->in) < SMTP_CLIENT_LINE_MAX);
}

static void
host_start(struct host *h, const struct row *row)
{
	*h = (struct host){ .row = row };
	h->c = smtp_client_new("us", strchr(row->options, 'T') != NULL);
	h->left = option(h, '2') ? 2 : 1;
	h->m = (struct smtp_client_message){
		.from = option(h, 'u') ? "\xc3\xa4@b.test" : "a@b.test",
		.rcpts = option(h, 'd') ? &to[3] : to,
		.nrcpts = option(h, '3') ? 3 : 1,
		.size = option(h, 'b') ? 5000 : 9,
		.body_8bit = option(h, '8') && !option(h, 'n'),
		.smtputf8 = option(h, 'u'),
		.ret = option(h, 'd') ? SMTP_RET_HDRS : SMTP_RET_NONE,
		.envid = option(h, 'd') ? "q7" : NULL,
	};
	buf_init(&h->in, 1 << 20);
	buf_init(&h->log, 1 << 16);
	buf_init(&h->sent, 1 << 20);
}

static void
host_end(struct host *h)
{
	smtp_client_free(&h->c);
	buf_free(&h->in);
	buf_free(&h->log);
	buf_free(&h->sent);
}

static void
check_text(const char *name, const char *what, struct buf *got, const char *want)
{
	buf_putc(got, '\0');
	if (strcmp((const char *)buf_data(got), want) != 0)
		fail_msg(
		    "%s: %s\n got: %s\nwant: %s", name, what, (const char *)buf_data(got), want);
	buf_clear(got);
}

static void
feed(struct host *h, const char *p, size_t n)
{
	if (n == 0)
		return;
	buf_put(&h->in, p, n);
	work(h);
}

/* split: place among all server bytes where a read ends; every: bytes of a read. */
static void
run_row(const struct row *row, size_t split, size_t every)
{
	struct host h;
	size_t at = 0;

	host_start(&h, row);
	work(&h);
	for (size_t i = 0; row->lines[i] != NULL; i++) {
		const char *p = row->lines[i] + 1;
		size_t n = strlen(p), first = split > at && split < at + n ? split - at : 0;

		if (row->lines[i][0] == 'C') {
			check_text(row->name, "client says", &h.sent, p);
			continue;
		}
		feed(&h, p, first);
		for (size_t k = first; k < n; k += every)
			feed(&h, p + k, n - k < every ? n - k : every);
		at += n;
	}
	if (option(&h, 'e')) {
		smtp_client_eof(h.c);
		work(&h);
	}
	check_text(row->name, "unexpected", &h.sent, "");
	check_text(row->name, "result", &h.log, row->want);
	host_end(&h);
}

static void
run_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t total = 0;

		for (size_t k = 0; rows[i].lines[k] != NULL; k++)
			total += rows[i].lines[k][0] == 'S' ? strlen(rows[i].lines[k] + 1) : 0;
		for (size_t split = 0; split < total; split++)
			run_row(&rows[i], split, SIZE_MAX / 2);
		run_row(&rows[i], 0, 1);
	}
}

#define GROUP_TEXT "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
#define GROUP "C" GROUP_TEXT
#define PIPE HI, "S250-mx\r\n250 PIPELINING\r\n"

static const struct row good[] = {
	{ "plain", "", "O250r XO221r ",
	    { EHLO, "CMAIL FROM:<a@b.test>\r\n", "S250 ok\r\n", RCPT, "S250 ok\r\n", "CDATA\r\n",
		"S354 go\r\n", BODY, "S250 2.0.0 ok\r\n", BYE } },
	{ "line ends, codes alone", "", "O250r XO221r ",
	    { "S220-a\n220\n", "CEHLO us\r\n", "S250-x\r\n250\r\n", "CMAIL FROM:<a@b.test>\r\n",
		"S250 \r\n", RCPT, "S251\r\n", "CDATA\r\n", "S354\r\n", BODY, "S250\r\n", BYE } },
	{ "HELO", "", "O250r XO221r ",
	    { HI, "S502 what\r\n", "CHELO us\r\n", "S250-mx\r\n250 PIPELINING\r\n",
		"CMAIL FROM:<a@b.test>\r\n", "S250 ok\r\n", RCPT, "S250 ok\r\n", "CDATA\r\n",
		"S354 go\r\n", BODY, "S250 ok\r\n", BYE } },
	{ "group, two messages", "2", "O250r O250r XO221r ",
	    { PIPE, GROUP, "S250 a\r\n250 b\r\n354 c\r\n", BODY, "S250 ok\r\n", GROUP,
		"S250 a\r\n250 b\r\n354 c\r\n", BODY, "S250 ok\r\n", BYE } },
	{ "TLS", "t", "O250r XO221r ",
	    { HI, "S250-mx\r\n250-PIPELINING\r\n250 starttls\r\n", "CSTARTTLS\r\n", "S220 go\r\n",
		"CEHLO us\r\n", "S250-mx\r\n250 SIZE 100\r\n", MAIL, "S250 ok\r\n", RCPT,
		"S250 ok\r\n", "CDATA\r\n", "S354 go\r\n", BODY, "S250 ok\r\n", BYE } },
	{ "AUTH PLAIN", "Ta", "O250r XO221r ",
	    { HI, "S250-mx\r\n250-AUTH LOGIN PLAIN\r\n250 PIPELINING\r\n",
		"CAUTH PLAIN AGpvZQBwYXNz\r\n", "S235 2.7.0 ok\r\n", GROUP,
		"S250 a\r\n250 b\r\n354 c\r\n", BODY, "S250 ok\r\n", BYE } },
	{ "AUTH LOGIN refused", "Ta", "P535r XO221r ",
	    { HI, "S250-mx\r\n250 AUTH=LOGIN\r\n", "CAUTH LOGIN\r\n", "S334 VXNlcm5hbWU6\r\n",
		"Cam9l\r\n", "S334 UGFzc3dvcmQ6\r\n", "CcGFzcw==\r\n", "S535 5.7.8 no\r\n", BYE } },
	{ "AUTH in clear", "a", "auth-3 XO221r ", { HI, "S250-mx\r\n250 AUTH PLAIN\r\n", BYE } },
	{ "DSN", "d", "O250r XO221r ",
	    { HI, "S250-mx\r\n250 DSN\r\n", "CMAIL FROM:<a@b.test> RET=HDRS ENVID=q7\r\n",
		"S250 ok\r\n",
		"CRCPT TO:<c@d.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;c+2Bx@d.test\r\n",
		"S250 ok\r\n", "CDATA\r\n", "S354 go\r\n", BODY, "S250 ok\r\n", BYE } },
	{ "DSN not offered", "d", "P550r XO221r ",
	    { EHLO, "CMAIL FROM:<a@b.test>\r\n", "S250 ok\r\n", RCPT, "S550 no\r\n", BYE } },
	{ "8-bit, SMTPUTF8", "8u", "O250r XO221r ",
	    { HI, "S250-mx\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
		"CMAIL FROM:<\xc3\xa4@b.test> BODY=8BITMIME SMTPUTF8\r\n", "S250 ok\r\n", RCPT,
		"S250 ok\r\n", "CDATA\r\n", "S354 go\r\n", "C\xc3\xa4\r\n.\r\n", "S250 ok\r\n",
		BYE } },
	{ "8-bit not offered", "8", "P0l XO221r ", { EHLO, BYE } },
	{ "8-bit not announced", "8n", "P0l XP0l ",
	    { EHLO, "CMAIL FROM:<a@b.test>\r\n", "S250 ok\r\n", RCPT, "S250 ok\r\n", "CDATA\r\n",
		"S354 go\r\n" } },
	{ "SMTPUTF8 not offered", "u", "P0l XO221r ", { EHLO, BYE } },
	{ "too large", "b", "P0l XO221r ", { HI, "S250-mx\r\n250 SIZE 4999\r\n", BYE } },
	{ "three recipients", "3", "O250r P550r T452r XO221r ",
	    { EHLO, "CMAIL FROM:<a@b.test>\r\n", "S250 ok\r\n", RCPT, "S250 ok\r\n",
		"CRCPT TO:<e@d.test>\r\n", "S550 5.1.1 no\r\n", "CRCPT TO:<f@d.test>\r\n",
		"S452 later\r\n", "CDATA\r\n", "S354 go\r\n", BODY, "S250 ok\r\n", BYE } },
	{ "552 is too many", "3", "T552r P552r T552r XO221r ",
	    { EHLO, "CMAIL FROM:<a@b.test>\r\n", "S250 ok\r\n", RCPT, "S552 many\r\n",
		"CRCPT TO:<e@d.test>\r\n", "S552 5.2.2 full\r\n", "CRCPT TO:<f@d.test>\r\n",
		"S552 5.5.3 many\r\n", BYE } },
	{ "all refused in a group, RSET", "2", "P550r O250r XO221r ",
	    { PIPE, GROUP, "S250 a\r\n550 b\r\n503 c\r\n", "CRSET\r\n" GROUP_TEXT,
		"S250 r\r\n250 a\r\n250 b\r\n354 c\r\n", BODY, "S250 ok\r\n", BYE } },
	{ "all refused in a group, 354", "", "T450r XO221r ",
	    { PIPE, GROUP, "S250 a\r\n450 b\r\n354 c\r\n", "C.\r\n", "S554 empty\r\n", BYE } },
	{ "MAIL refused in a group", "", "P550r XO221r ",
	    { PIPE, GROUP, "S550 a\r\n503 b\r\n503 c\r\n", BYE } },
	{ "MAIL refused, RSET", "2", "T451r T451r XO221r ",
	    { EHLO, "CMAIL FROM:<a@b.test>\r\n", "S451 x\r\n", "CRSET\r\n", "S250 ok\r\n",
		"CMAIL FROM:<a@b.test>\r\n", "S451 x\r\n", BYE } },
	{ "DATA refused", "", "T451r XO221r ",
	    { PIPE, GROUP, "S250 a\r\n250 b\r\n451 c\r\n", BYE } },
	{ "dot refused", "", "P554r XO221r ",
	    { PIPE, GROUP, "S250 a\r\n250 b\r\n354 c\r\n", BODY, "S554-5.7.1 spam\r\n554 x\r\n",
		BYE } },
	{ "dot refused, RSET", "2", "T451r O250r XO221r ",
	    { PIPE, GROUP, "S250 a\r\n250 b\r\n354 c\r\n", BODY, "S451 x\r\n",
		"CRSET\r\n" GROUP_TEXT, "S250 r\r\n250 a\r\n250 b\r\n354 c\r\n", BODY,
		"S250 ok\r\n", BYE } },
	{ "lost after QUIT", "e", "O250r XO0x ",
	    { PIPE, GROUP, "S250 a\r\n250 b\r\n354 c\r\n", BODY, "S250 ok\r\n", "CQUIT\r\n" } },
};

#define GO_DATA PIPE, GROUP, "S250 a\r\n250 b\r\n354 c\r\n", BODY

static const struct row hostile[] = {
	{ "refused greeting", "", "XP554r ", { "S554 no\r\n", "CQUIT\r\n" } },
	{ "busy greeting", "", "XT421r ", { "S421 later\r\n" } },
	{ "another protocol", "", "XT0p ", { "SSSH-2.0-x\r\n" } },
	{ "354 greeting", "", "XT0p ", { "S354 x\r\n" } },
	{ "code 199", "", "XT0p ", { "S199 x\r\n" } },
	{ "code 600", "", "XT0p ", { "S600 x\r\n" } },
	{ "four digits", "", "XT0p ", { "S2200 x\r\n" } },
	{ "two digits", "", "XT0p ", { "S22\r\n" } },
	{ "empty line", "", "XT0p ", { "S\r\n" } },
	{ "code changes", "", "XT0p ", { "S220-a\r\n250 b\r\n" } },
	{ "EHLO busy", "", "XT450r ", { HI, "S450 x\r\n", "CQUIT\r\n" } },
	{ "HELO refused", "", "XP550r ",
	    { HI, "S550 x\r\n", "CHELO us\r\n", "S550 x\r\n", "CQUIT\r\n" } },
	{ "TLS refused", "t", "XT421r ",
	    { HI, "S250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n", "CSTARTTLS\r\n", "S454 x\r\n",
		"CSTARTTLS\r\n", "S421 tired\r\n" } },
	{ "AUTH without end", "Ta", "XT0p ",
	    { HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "CAUTH PLAIN AGpvZQBwYXNz\r\n", "S334 x\r\n" } },
	{ "421 to MAIL", "", "T421r XT421r ", { PIPE, GROUP, "S421 x\r\n" } },
	{ "421 between recipients", "3", "T421r P550r T421r XT421r ",
	    { EHLO, "CMAIL FROM:<a@b.test>\r\n", "S250 ok\r\n", RCPT, "S250 ok\r\n",
		"CRCPT TO:<e@d.test>\r\n", "S550 no\r\n", "CRCPT TO:<f@d.test>\r\n",
		"S421 x\r\n" } },
	{ "354 to RCPT", "", "T0p XT0p ", { PIPE, GROUP, "S250 a\r\n354 c\r\n" } },
	{ "250 to DATA", "", "T0p XT0p ", { PIPE, GROUP, "S250 a\r\n250 b\r\n250 c\r\n" } },
	{ "354 without MAIL", "", "P550r XT0p ", { PIPE, GROUP, "S550 a\r\n250 b\r\n354 c\r\n" } },
	{ "354 at the end", "", "T0p XT0p ", { GO_DATA, "S354 x\r\n" } },
	{ "421 at the end", "", "T421r XT421r ", { GO_DATA, "S421 x\r\n" } },
	{ "junk at the end", "", "T0p XT0p ", { GO_DATA, "S25O ok\r\n" } },
	{ "lost at the end", "e", "T0x XT0x ", { GO_DATA } },
	{ "lost amid the reply", "e", "T0x XT0x ", { GO_DATA, "S250-a\r\n250 o" } },
	{ "lost at once", "e", "XT0x ", { "S" } },
	{ "lost in EHLO", "e", "XT0x ", { HI, "S250-a\r\n" } },
	{ "RSET refused", "2", "P550r T500r XT500r ",
	    { EHLO, "CMAIL FROM:<a@b.test>\r\n", "S550 x\r\n", "CRSET\r\n", "S500 x\r\n",
		"CQUIT\r\n" } },
};

static void
test_good(void **state)
{
	(void)state;
	run_rows(good, sizeof(good) / sizeof(good[0]));
}

static void
test_hostile(void **state)
{
	(void)state;
	run_rows(hostile, sizeof(hostile) / sizeof(hostile[0]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
