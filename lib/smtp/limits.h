/* SPDX-License-Identifier: ISC */
/* Every limit of an SMTP session and why it is that number. */
#ifndef POSTERN_SMTP_LIMITS_H
#define POSTERN_SMTP_LIMITS_H

enum {
	/* rfc5321:4.5.3.1.4, CRLF included; extensions add to it: */
	SMTP_LINE_MAX = 512,
	/* SIZE 26 (rfc1870:3), BODY 17 (rfc6152:2), SMTPUTF8 10 (rfc6531:3.1), RET and ENVID 107
	 * (rfc3461:4) */
	SMTP_LINE_MAIL_MAX = SMTP_LINE_MAX + 26 + 17 + 10 + 107,
	/* NOTIFY and ORCPT (rfc3461:4) */
	SMTP_LINE_RCPT_MAX = SMTP_LINE_MAX + 500,
	/* Six attributes, two of them host names written as xtext. */
	SMTP_LINE_XCLIENT_MAX = 2048,
	/* No command is as long: a peer that sends more without an end of line is dropped. */
	SMTP_LINE_HARD_MAX = 4096,
	/* rfc5321:4.5.3.1.5, CRLF included */
	SMTP_REPLY_LINE_MAX = 512,

	/* rfc5321:4.5.3.1.8 asks for 100 at least; more than 1,000 helps only senders of bulk. */
	SMTP_RCPT_MIN = 100,
	SMTP_RCPT_MAX = 1000,
	/* 452 answers in a transaction before the peer is dropped: a list of ten times the least
	 * limit still gets its first part through. */
	SMTP_RCPT_OVER_MAX = 1000,
	/* Refused recipients until a message is accepted: address guessing ends here. */
	SMTP_RCPT_REFUSED_MAX = 100,

	/* Wrong commands in a session: a program that errs ten times will not learn. */
	SMTP_BAD_MAX = 10,
	/* NOOP, RSET, VRFY, HELP, EHLO and given-up transactions until a message is accepted. */
	SMTP_JUNK_MAX = 100,
	/* Bytes of commands before a recipient is accepted: 16 commands of the hard limit. */
	SMTP_BEFORE_RCPT_MAX = 64 * 1024,

	/* A line of a SASL exchange with its CR LF (rfc4954:4), and the bytes it may stand for: what
	 * auth takes (ipc_table.h: auth_start). */
	SMTP_LINE_AUTH_MAX = 12288,
	SMTP_AUTH_DATA_MAX = 8192,
	/* rfc4422:3.1: 20 characters; room for an older one. */
	SMTP_MECHANISM_MAX = 32,

	/* rfc3461:4.4, and ORCPT's limit from the growth of the RCPT line */
	SMTP_ENVID_MAX = 100,
	SMTP_ORCPT_MAX = 500,
	/* Digits of SIZE= and BDAT (rfc1870:3: up to 20) */
	SMTP_SIZE_DIGITS = 20,
	/* HELO name: a domain or a literal. */
	SMTP_HELO_MAX = 255,

	/* The 51st Received header says that the message goes in circles (rfc5321:6.3: >= 100 was
	 * the advice when paths were long; 50 is what Postfix has used for decades). */
	SMTP_HOPS_MAX = 50,
	/* Chunks of one BDAT message; at 64 KiB a chunk this is 640 MiB. */
	SMTP_CHUNKS_MAX = 10000,
	/* Bytes of a message beyond the size limit that are read and thrown away, so that the
	 * peer can be told 552 at the end of data; then it is told at once and dropped. */
	SMTP_OVERSIZE_DRAIN = 1024 * 1024,

	/* What is looked at of a line of the header: the field's name, and the value of Message-ID. */
	SMTP_FIELD_START_MAX = 320,
	/* A Message-ID as it is logged; real ones are below 100. */
	SMTP_MESSAGE_ID_MAX = 250,
	/* Fields of a header: ten times what mailing lists, scanners and signatures add up to. */
	SMTP_FIELDS_MAX = 1000,
	/* Header of a message from elsewhere: as that of users, below. */
	SMTP_HEADER_MAX = 256 * 1024,

	/* Parts in one another: real mail nests under ten deep. */
	SMTP_NESTING_MAX = 50,
	/* Of a line that may be a delimiter (rfc2046:5.1.1: 70 octets), or of a field. */
	SMTP_NESTING_LINE_MAX = 512,
	/* Of a Content-Type: its boundary stands there. */
	SMTP_NESTING_TYPE_MAX = 1024,

	/* Header that is kept until it is over: 1,000 recipients with their names in To and a long
	 * thread in References are half of it. */
	SMTP_SUBMITTED_HEADER_MAX = 256 * 1024,
	/* Different addresses of From, Sender, Resent-* and in their names: each is a question. */
	SMTP_SUBMITTED_SENDERS_MAX = 16,
	/* What smtp_submitted_complete appends at most. */
	SMTP_SUBMITTED_ADDED_MAX = 512,

	/* What the engine can have waiting for the host to send: 100 refusals, of commands that came
	 * together. */
	SMTP_OUT_MAX = 64 * 1024
};

#endif
