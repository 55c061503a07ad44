/* SPDX-License-Identifier: ISC */
/*
 * What setting up a machine asks; no include guard. The order of the questions.
 *
 *   ANSWER(id, needed, default, kind, English question, German question)
 *       needed  true: an answers file without it is refused
 *       kind    what is a good answer: a row of ANSWER_KINDS in answers.h
 */
ANSWER(language, false, "en", LANGUAGE, "Language (en, de)", "Sprache (en, de)")
ANSWER(domain, true, "", DOMAIN, "Mail domain: the part of your addresses behind @",
    "Maildomain: der Teil Ihrer Adressen hinter dem @")
ANSWER(hostname, true, "", DOMAIN, "Name of this machine in the DNS, such as mail.example.org",
    "Name dieses Rechners im DNS, etwa mail.example.org")
ANSWER(network, false, "dhcp", NETWORK,
    "Network: dhcp, or fixed addresses with their lengths, such as 192.0.2.5/24,2001:db8::5/64",
    "Netzwerk: dhcp oder feste Adressen mit Länge, etwa 192.0.2.5/24,2001:db8::5/64")
ANSWER(gateway, false, "", ADDRESSES, "Address of the router, one for IPv4 and one for IPv6",
    "Adresse des Routers, je eine für IPv4 und IPv6")
ANSWER(dns, false, "", ADDRESSES, "DNS servers, separated by commas",
    "DNS-Server, mit Kommas getrennt")
ANSWER(admin, true, "", MAILBOX, "Your own address: its part before @",
    "Ihre eigene Adresse: der Teil vor dem @")
ANSWER(password, true, "", PASSWORD, "Its password", "Ihr Passwort")
ANSWER(timezone, false, "UTC", ZONE, "Time zone, such as Europe/Berlin",
    "Zeitzone, etwa Europe/Berlin")
ANSWER(
    ntp, false, "", HOSTS, "Time servers, separated by commas", "Zeitserver, mit Kommas getrennt")
