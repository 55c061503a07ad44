/* SPDX-License-Identifier: ISC */
/*
 * The SASL mechanisms that auth knows and everybody offers; no include guard.
 *
 *   SASL_MECHANISM(name, bound)   bound: only where the connection has a channel binding
 */
SASL_MECHANISM("PLAIN", false)
SASL_MECHANISM("LOGIN", false)
SASL_MECHANISM("SCRAM-SHA-256", false)
SASL_MECHANISM("SCRAM-SHA-256-PLUS", true)
