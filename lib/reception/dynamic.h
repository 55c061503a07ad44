/* SPDX-License-Identifier: ISC */
/* Names that providers give to the addresses of their dial-up customers. */
#ifndef POSTERN_RECEPTION_DYNAMIC_H
#define POSTERN_RECEPTION_DYNAMIC_H

#include "base/str.h"
#include "reception/client.h"

/*
 * Looks the name like one made from the address by a machine: it holds the address's numbers (in decimal or
 * hexadecimal, forwards or backwards, at least the last two), or a word such as "dyn", "dialup" or "pool"
 * beside one of them; names with words such as "mail", "mx" or "static" are not. A guess: some honest
 * servers have such names.
 */
bool dynamic_name(const struct reception_client *client, struct str name);

#endif
