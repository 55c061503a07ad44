/* SPDX-License-Identifier: ISC */
/*
 * Every positive reply of the SMTP session: the one list. No include guard. Refusals are the rows of
 * lib/catalogue/refusal_table.h.
 *
 *   SMTP_REPLY(name, code, enhanced, text)
 *
 * enhanced is "" where rfc2034:4 has none (2xx greeting, EHLO, HELO, 354). A %s takes the
 * argument of the reply: our own words only, a host name or a queue id.
 */
SMTP_REPLY(GREETING, 220, "", "%s ESMTP Postern")
SMTP_REPLY(BYE, 221, "2.0.0", "Bye")
SMTP_REPLY(HELO, 250, "", "%s")
SMTP_REPLY(TLS_READY, 220, "2.0.0", "Ready to start TLS")
SMTP_REPLY(OK, 250, "2.0.0", "OK")
SMTP_REPLY(SENDER_OK, 250, "2.1.0", "Sender OK")
SMTP_REPLY(RCPT_OK, 250, "2.1.5", "Recipient OK")
SMTP_REPLY(STORED, 250, "2.0.0", "Stored as %s")
SMTP_REPLY(CHUNK_OK, 250, "2.0.0", "Chunk received")
SMTP_REPLY(CANNOT_VRFY, 252, "2.0.0", "Cannot verify, send some mail")
SMTP_REPLY(HELP, 214, "2.0.0", "HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT (RFC 5321)")
SMTP_REPLY(AUTH_OK, 235, "2.7.0", "Welcome")
SMTP_REPLY(GO_AHEAD, 354, "", "End data with <CR><LF>.<CR><LF>")
