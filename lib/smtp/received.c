/* SPDX-License-Identifier: ISC */
#include "smtp/received.h"

#include <stdio.h>
#include <string.h>

#include "mail/date.h"

/* A line under construction: words go to the next line when they would pass the fold. */
struct field {
	struct buf *out;
	size_t column;
	int error;
};

/* Writes a word that is made of pieces; control bytes (none get here) become question marks. */
static void
put_word(struct field *f, const char *word)
{
	size_t n = strlen(word);
	char *p;

	if (f->column > 0 && f->column + 1 + n > SMTP_RECEIVED_FOLD) {
		f->error |= buf_puts(f->out, "\r\n\t");
		f->column = 8;
	} else if (f->column > 0) {
		f->error |= buf_putc(f->out, ' ');
		f->column++;
	}
	if ((p = (char *)buf_reserve(f->out, n)) == NULL) {
		f->error = BUF_LIMIT;
		return;
	}
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)word[i] < ' ' || word[i] == 0x7f ? '?' : word[i];
	buf_commit(f->out, n);
	f->column += n;
}

/* "from helo (rdns [ip])", the last as one word or two; literals as in rfc5321:4.1.3. */
static void
put_client(struct field *f, const struct smtp_received *r)
{
	const char *tag = strchr(r->ip, ':') != NULL ? "IPv6:" : "";
	char word[512];

	put_word(f, "from");
	put_word(f, *r->helo != '\0' ? r->helo : "unknown");
	if (*r->rdns != '\0') {
		snprintf(word, sizeof(word), "(%s", r->rdns);
		put_word(f, word);
	}
	snprintf(word, sizeof(word), "%s[%s%s])", *r->rdns != '\0' ? "" : "(", tag, r->ip);
	put_word(f, word);
}

/* rfc3848 and rfc6531:4.3; out takes the longest, "UTF8SMTPSA". */
static const char *
with(const struct smtp_received *r, char out[16])
{
	const char *tls = *r->tls != '\0' ? "S" : "", *auth = r->authenticated ? "A" : "";

	if (r->smtputf8 || r->esmtp)
		snprintf(out, 16, "%s%s%s", r->smtputf8 ? "UTF8SMTP" : "ESMTP", tls, auth);
	else
		snprintf(out, 16, "SMTP");
	return out;
}

int
smtp_received_print(struct buf *out, const struct smtp_received *r)
{
	char date[MAIL_RFC5322_TIME_SIZE], word[512], protocol[16];
	struct field f = { out, 0, 0 };

	put_word(&f, "Received:");
	if (r->ip != NULL)
		put_client(&f, r);
	put_word(&f, "by");
	put_word(&f, r->by);
	put_word(&f, "with");
	put_word(&f, with(r, protocol));
	if (*r->tls != '\0') {
		snprintf(word, sizeof(word), "(%s)", r->tls);
		put_word(&f, word);
	}
	put_word(&f, "id");
	snprintf(word, sizeof(word), "%s%s", r->id, r->only_rcpt != NULL ? "" : ";");
	put_word(&f, word);
	if (r->only_rcpt != NULL) {
		put_word(&f, "for");
		snprintf(word, sizeof(word), "<%s>;", r->only_rcpt);
		put_word(&f, word);
	}
	mail_time_format_rfc5322((struct mail_time){ .seconds = r->time }, date);
	put_word(&f, date);
	f.error |= buf_puts(out, "\r\n");
	return f.error != 0 ? BUF_LIMIT : 0;
}
