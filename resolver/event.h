/* SPDX-License-Identifier: ISC */
/*
 * libunbound's own event interface on our loop, so that its descriptors and timers are ours and no
 * second event library decides about them.
 */
#ifndef POSTERN_RESOLVER_EVENT_H
#define POSTERN_RESOLVER_EVENT_H

#include "io/io.h"

struct ub_event_base;

/* Needs no loop yet: libunbound makes its first event at the first question. */
struct ub_event_base *resolver_events_new(void);
void resolver_events_set_loop(struct ub_event_base *base, struct io_loop *loop);
/* After ub_ctx_delete. */
void resolver_events_free(struct ub_event_base **base);

#endif
