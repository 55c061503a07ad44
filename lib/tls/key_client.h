/* SPDX-License-Identifier: ISC */
/*
 * The client end of a "keys" channel, synchronous. One thing comes unasked: key_changed. Answers
 * that come too late are told by their number and dropped, so a slow moment of keys costs the
 * handshakes of that moment only; for KEY_CLIENT_REST_MS after one no further call is tried, so
 * that a stuck keys does not stop the process that waits for it.
 */
#ifndef POSTERN_TLS_KEY_CLIENT_H
#define POSTERN_TLS_KEY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tls/key_algorithm.h"

enum { KEY_CLIENT_REST_MS = 1000, KEY_TICKET_BYTES = 80 };

struct key_client;

struct key_client *key_client_new(void);
void key_client_free(struct key_client **k);
/* Takes over fd (-1: none) in place of the older one. */
void key_client_set_fd(struct key_client *k, int fd);
/* For watching; -1: none. It stays open, at its end, when the other end is gone. */
int key_client_fd(const struct key_client *k);
/* The other end is gone or was cut off: stop watching, then key_client_set_fd(k, -1). */
bool key_client_broken(const struct key_client *k);
/* Reads what came unasked. True when the certificates changed since the last call. */
bool key_client_changed(struct key_client *k);

/* All return 0 or -1. */
typedef void key_info_fn(void *arg, uint32_t key, bool is_default, struct str chain);
int key_client_list(struct key_client *k, key_info_fn *fn, void *arg, int timeout_ms);
/* *n: room in signature, then its length. */
int key_client_sign(struct key_client *k, uint32_t key, enum key_algorithm algorithm,
    struct str digest, uint8_t *signature, size_t *n, int timeout_ms);
int key_client_tickets(struct key_client *k, uint8_t current[KEY_TICKET_BYTES],
    uint8_t previous[KEY_TICKET_BYTES], int timeout_ms);

#endif
