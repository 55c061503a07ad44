/* SPDX-License-Identifier: ISC */
/*
 * Blocklists whose answers are known: the one list. No include guard.
 *
 *   DNSBL_LIST(zone, link)
 *       link      page of the list about one address, which is put behind it
 *   DNSBL_CLASS(zone, first, last, dialup, english, german)
 *       first last   fourth bytes of the answers 127.0.0.x it stands for
 *       dialup       1: connections of homes, whose mail goes by a server of the provider
 *       english, german   what is said about the client: 7-bit, it stands in replies
 *
 * A client that is in several classes of one list is told of the first in this order.
 *
 * Sources: what the lists themselves say of their return codes: Spamhaus, "DNSBL usage FAQ" (SBL 2, CSS 3,
 * XBL 4 to 7, DROP 9, PBL 10 and 11; 127.255.255.x are errors, not listings); SpamCop (2).
 */
DNSBL_LIST("zen.spamhaus.org", "https://check.spamhaus.org/results/?query=")
DNSBL_CLASS("zen.spamhaus.org", 9, 9, 0, "network of criminals (DROP)", "Netz von Kriminellen (DROP)")
DNSBL_CLASS("zen.spamhaus.org", 2, 2, 0, "source of spam (SBL)", "Spamversand (SBL)")
DNSBL_CLASS("zen.spamhaus.org", 3, 3, 0, "source of low-volume spam (CSS)", "Spamversand in kleinen Mengen (CSS)")
DNSBL_CLASS("zen.spamhaus.org", 4, 7, 0, "hijacked or infected host (XBL)", "gekaperter oder befallener Rechner (XBL)")
DNSBL_CLASS("zen.spamhaus.org", 10, 11, 1, "home or dynamic connection (PBL)", "Privatanschluss oder dynamische Adresse (PBL)")
DNSBL_LIST("bl.spamcop.net", "https://www.spamcop.net/bl.shtml?")
DNSBL_CLASS("bl.spamcop.net", 2, 2, 0, "source of spam reported by users", "von Nutzern gemeldeter Spamversand")

#undef DNSBL_LIST
#undef DNSBL_CLASS
