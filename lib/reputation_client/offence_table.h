/* SPDX-License-Identifier: ISC */
/*
 * What clients do, and what it costs them: the one list. No include guard.
 *
 *   OFFENCE(name, points, what)
 *
 * A client with 100 points is refused (reputation/penalty.h). Points below 0 are taken off. Clients that
 * only come and go cost nothing: monitors do that, the limits of sessions care for the rest.
 */
OFFENCE(ACCEPTED, -10, "a message of it was accepted")
OFFENCE(UNKNOWN_RECIPIENT, 3, "it wrote to an address that does not exist")
OFFENCE(RELAY, 5, "it wanted mail passed on to others")
OFFENCE(EARLY, 10, "it spoke before its turn")
OFFENCE(ERRORS, 10, "its session ended for too many errors or useless commands")
OFFENCE(SYNTAX, 10, "it sent lines that no mail program sends")
OFFENCE(FOREIGN, 25, "it spoke another protocol than SMTP")
OFFENCE(INJECTION, 35, "it sent something behind STARTTLS")
OFFENCE(SLOW, 5, "it was too slow, or silent to the end of its time")
OFFENCE(CONTENT, 5, "a message of it was refused for what it contains")
