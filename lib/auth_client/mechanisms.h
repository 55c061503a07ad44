/* SPDX-License-Identifier: ISC */
/*
 * The SASL mechanisms that are offered, best first; no include guard.
 *
 *   AUTH_MECHANISM(name, plus)   plus: only where the connection has a channel binding
 */
AUTH_MECHANISM("PLAIN", false)
AUTH_MECHANISM("LOGIN", false)
