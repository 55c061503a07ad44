/* SPDX-License-Identifier: ISC */
#include "imap/part.h"

#include "base/arena.h"
#include "mail/decode.h"
#include "mail/param.h"

enum mail_charset
imap_part_charset(const struct mime_part *p)
{
	struct str type, subtype, name;
	enum mail_charset cs = MAIL_CHARSET_UNKNOWN;
	struct mail_lex params;
	struct arena *a;

	if (!mail_ctype_parse(p->ctype, &type, &subtype, &params))
		return cs;
	a = arena_new(16384);
	if (mail_param_find(params, a, STR("charset"), &name))
		cs = mail_charset_find(name);
	arena_free(&a);
	/* bytes that are not what was promised are better kept than replaced */
	return cs == MAIL_CHARSET_ASCII ? MAIL_CHARSET_UNKNOWN : cs;
}

struct str
imap_part_decode(struct str body, enum mime_encoding enc, struct buf *scratch)
{
	struct mail_base64 b64 = { 0 };
	struct mail_qp qp = { 0 };
	uint8_t *to;
	size_t n;

	if (enc != MIME_ENC_BASE64 && enc != MIME_ENC_QP)
		return body;
	buf_clear(scratch);
	if ((to = buf_reserve(scratch, body.n + 80)) == NULL)
		return body;
	if (enc == MIME_ENC_BASE64) {
		n = mail_base64_decode(&b64, body, to);
		n += mail_base64_end(&b64, to + n);
	} else {
		n = mail_qp_decode(&qp, body, false, to);
		n += mail_qp_end(&qp, to + n);
	}
	buf_commit(scratch, n);
	return str_from(buf_data(scratch), n);
}
