/* SPDX-License-Identifier: ISC */
/*
 * Cuts the input into commands (rfc3501:2.2): a line, and for each line that ends in "{n}" or
 * "{n+}" n bytes and one more line. Resumable at every byte. What was announced as a literal is
 * never read as a command, whatever is refused.
 */
#ifndef POSTERN_IMAP_FRAME_H
#define POSTERN_IMAP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct imap_frame {
	struct buf cmd; /* the command so far: lines and literals as they came */
	size_t max;     /* limit of cmd */
	/* private */
	uint64_t left; /* bytes of the literal still to come */
	size_t line;   /* where the current line begins in cmd */
	unsigned literals;
	bool skipping; /* the command is refused: its bytes are dropped */
	bool too_big;  /* ... because of a literal */
	bool eaten;    /* a command was handed out: cmd is cleared at the next step */
	char tail[24]; /* last bytes of a line that is dropped */
	size_t ntail;
	uint64_t skipped; /* bytes dropped of this command */
	/* valid after IMAP_FRAME_LITERAL */
	uint64_t size;
	bool sync; /* the client waits for "+" */
};

enum imap_frame_event {
	IMAP_FRAME_INPUT,   /* needs more */
	IMAP_FRAME_COMMAND, /* cmd is a whole command without its line end */
	IMAP_FRAME_LITERAL, /* a literal begins: call take, skip, refuse or stream */
	IMAP_FRAME_TOO_BIG, /* a command was refused for its length; cmd holds how it began */
	IMAP_FRAME_BYE,     /* cannot go on: a refused command that is longer than may be skipped */
};

void imap_frame_init(struct imap_frame *f, size_t max);
void imap_frame_free(struct imap_frame *f);
/* The next event; drains what it has used. */
enum imap_frame_event imap_frame_next(struct imap_frame *f, struct buf *in);
/* After IMAP_FRAME_LITERAL: collect it into cmd, if the limits let it (a sync literal is to be
 * answered with "+" by the caller when this returns true; false: it is being skipped or, when the
 * client waits, the command is over and the next event is IMAP_FRAME_TOO_BIG). */
bool imap_frame_take(struct imap_frame *f);
/* ... the command is to be refused: drop what comes of it. */
void imap_frame_refuse(struct imap_frame *f);
/* ... the caller reads the literal's f->size bytes from the input itself, then goes on. */
void imap_frame_stream(struct imap_frame *f);
/* Forgets the command at hand (a stream broken off, an exchange of its own). */
void imap_frame_reset(struct imap_frame *f);

/* The announcement a line ends with: true, with size and sync. at: where the '{' is. */
bool imap_literal_at_end(struct str line, uint64_t *size, bool *sync, size_t *at);

#endif
