/* SPDX-License-Identifier: ISC */
/*
 * Every refusal that port 25 and submission can give: the one list. No include guard. From it come the
 * replies (lib/catalogue/refusal.c), the names SMTP_* (lib/smtp/reply.h), the word after "reason=" in the
 * log, `postern explain`, the table in postern(8) and the test that provokes each of them in a session
 * (tests/system/catalogue_test.py). Define what you need and include it:
 *
 *   REFUSAL(name, product, code, enhanced, party, english, german, advice, rat)
 *       product   number of the page that explains it. Several refusals with one cause may share it. Its
 *                 first digit is that of code and of enhanced.
 *       code      reply code (rfc5321:4.2)
 *       enhanced  enhanced status code (rfc3463, in IANA's list)
 *       party     who can change something: a PARTY
 *       english, german   the reply: 7-bit ASCII. {name} stands for an argument; nothing that a peer said
 *                 gets into a reply but through an argument.
 *       advice, rat       what that party can do, in English and German (UTF-8)
 *   REFUSAL_ARG(name, kind, most, what)
 *       kind      which characters are let through, all others become '?': ADDRESS (of IP), NAME (of a
 *                 host), MAILBOX (an address of mail), DIGITS, TEXT (printable ASCII without quotes), WORDS
 *                 (the same: our own words in English, a bar, and in German; each line gets its part)
 *       most      characters
 *   PARTY(name, english, german)
 *
 * Numbers of product: 401-419 and 501-569 are given out here; 420-429 and 570-589 are for checks of
 * names, lists and signatures, 430-439 and 590-599 for those of behaviour. 550-555 are left out: they
 * would be mistaken for reply codes.
 */
#ifndef REFUSAL
#define REFUSAL(name, product, code, enhanced, party, english, german, advice, rat)
#endif
#ifndef REFUSAL_ARG
#define REFUSAL_ARG(name, kind, most, what)
#endif
#ifndef PARTY
#define PARTY(name, english, german)
#endif

PARTY(WAIT, "Nobody: the sending server tries again by itself",
    "Niemand: der sendende Server versucht es von selbst erneut")
PARTY(SENDER, "Who wrote the message", "Wer die Nachricht geschrieben hat")
PARTY(PROGRAM, "Who looks after the program that sent the message",
    "Wer das Programm betreut, das die Nachricht gesendet hat")
PARTY(SERVER, "The administrator of the sending mail server",
    "Der Administrator des sendenden Mailservers")
PARTY(DOMAIN, "The manager of the sender's domain", "Der Verwalter der Domain des Absenders")
PARTY(ZONE, "The manager of the IP zone, where names of addresses (PTR) are kept",
    "Der Verwalter der IP-Zone, in der die Namen von Adressen (PTR) stehen")
PARTY(RECIPIENT, "The recipient", "Der Empfänger")
PARTY(POSTMASTER, "The administrator of this mail server", "Der Administrator dieses Mailservers")

REFUSAL_ARG(client, ADDRESS, 45, "the client's address")
REFUSAL_ARG(helo, NAME, 100, "the name or address the client gave with HELO or EHLO")
REFUSAL_ARG(name, NAME, 100, "the client's name")
REFUSAL_ARG(domain, NAME, 100, "a domain")
REFUSAL_ARG(list, NAME, 60, "the name of a blocklist")
REFUSAL_ARG(address, MAILBOX, 100, "an address of mail")
REFUSAL_ARG(seconds, DIGITS, 10, "seconds")
REFUSAL_ARG(number, DIGITS, 20, "a number")
REFUSAL_ARG(listing, WORDS, 60, "why a blocklist names the client")
REFUSAL_ARG(link, TEXT, 120, "the page of a blocklist about the client")
REFUSAL_ARG(text, TEXT, 120, "words of another party, such as the owner of a domain or a list")

/* --- for now: our own trouble, our own limits ------------------------------------------------- */
REFUSAL(TROUBLE, 401, 451, "4.3.0", WAIT,
    "Internal trouble of this mail server, please try again later",
    "Interne Stoerung dieses Mailservers, bitte spaeter erneut versuchen",
    "Nothing is wrong with the message. The sending server keeps it and tries again. If this lasts for hours tell the postmaster of this server by phone.",
    "An der Nachricht liegt es nicht. Der sendende Server behält sie und versucht es erneut. Hält es Stunden an, bitte den Postmaster dieses Servers anrufen.")
REFUSAL(TOO_MANY_CONNECTIONS, 403, 421, "4.7.0", SERVER,
    "Too many connections at the moment, please try again later",
    "Zu viele Verbindungen zur Zeit, bitte spaeter erneut versuchen",
    "The sending server tries again by itself. It should open fewer connections at one time from one address or network.",
    "Der sendende Server versucht es von selbst erneut. Er sollte von einer Adresse oder aus einem Netz weniger Verbindungen zugleich öffnen.")
REFUSAL(MISBEHAVED, 403, 421, "4.7.0", SERVER,
    "Too much misbehaviour from {client}, please try again in {seconds} seconds",
    "Zu viel Fehlverhalten von {client}, bitte in {seconds} Sekunden erneut versuchen",
    "This address, or its network, has made many mistakes lately: unknown recipients, commands out of turn, broken lines. Such penalties fade within the hour. Look for an infected machine or a program that guesses addresses; the sending server tries again by itself.",
    "Diese Adresse oder ihr Netz hat zuletzt viele Fehler gemacht: unbekannte Empfänger, Befehle außer der Reihe, kaputte Zeilen. Solche Strafen verblassen binnen einer Stunde. Nach einem infizierten Rechner suchen oder einem Programm, das Adressen rät; der sendende Server versucht es von selbst erneut.")
REFUSAL(GREYLISTED, 402, 450, "4.7.1", WAIT,
    "The first mail of this sender to this recipient has to wait, please try again in {seconds} seconds",
    "Die erste Mail dieses Absenders an diesen Empfaenger muss warten, bitte in {seconds} Sekunden erneut versuchen",
    "Nothing is to be done: mail servers try again by themselves, and then the message is taken. Programs that do not keep mail until it is taken never get through. Servers with a confirmed name (PTR) and a history of signed mail (SPF, DKIM) are not delayed.",
    "Es ist nichts zu tun: Mailserver versuchen es von selbst erneut, dann wird die Nachricht angenommen. Programme, die Mail nicht bis zur Annahme aufheben, kommen nie durch. Server mit bestätigtem Namen (PTR) und einer Vorgeschichte beglaubigter Mail (SPF, DKIM) werden nicht verzögert.")
REFUSAL(QUEUE_FULL, 404, 452, "4.3.1", POSTMASTER,
    "This mail server is short of storage, try again later",
    "Auf diesem Mailserver ist der Speicher knapp, bitte spaeter erneut versuchen",
    "The sending server tries again by itself. Here the disk or the queue is full: make room, or raise queue.max-messages and queue.max-size.",
    "Der sendende Server versucht es von selbst erneut. Hier ist die Platte oder die Warteschlange voll: Platz schaffen, oder queue.max-messages und queue.max-size erhöhen.")
REFUSAL(MAILBOX_FULL, 404, 452, "4.2.2", RECIPIENT,
    "The mailbox of this recipient is full, please try again later",
    "Das Postfach dieses Empfaengers ist voll, bitte spaeter erneut versuchen",
    "The sending server tries again by itself for some days. The recipient has to delete messages (and empty the trash), or ask the administrator for more room: postern user quota.",
    "Der sendende Server versucht es von selbst einige Tage lang erneut. Der Empfänger muss Nachrichten löschen (und den Papierkorb leeren), oder den Administrator um mehr Platz bitten: postern user quota.")
REFUSAL(MAILBOX_FULL_LONG, 524, 552, "5.2.2", RECIPIENT,
    "The mailbox of this recipient has been full for too long",
    "Das Postfach dieses Empfaengers ist schon zu lange voll",
    "For some days such messages were only put off (P404); now they go back to their senders, until there is room. The recipient has to delete messages (and empty the trash), or ask the administrator for more room: postern user quota. How long mail is put off is the setting mailbox.quota-grace.",
    "Einige Tage lang wurden solche Nachrichten nur aufgeschoben (P404); jetzt gehen sie an ihre Absender zurück, bis Platz ist. Der Empfänger muss Nachrichten löschen (und den Papierkorb leeren), oder den Administrator um mehr Platz bitten: postern user quota. Wie lange aufgeschoben wird, sagt die Einstellung mailbox.quota-grace.")
REFUSAL(TOO_MANY_RECIPIENTS, 406, 452, "4.5.3", SENDER,
    "Too many recipients, send the message again to the rest",
    "Zu viele Empfaenger, bitte die Nachricht an die uebrigen erneut senden",
    "Mail servers send the message to the other recipients by themselves. A mail program may not: write to fewer recipients at a time.",
    "Mailserver senden die Nachricht von selbst an die übrigen Empfänger. Ein Mailprogramm tut das vielleicht nicht: an weniger Empfänger auf einmal schreiben.")
REFUSAL(STOPPING, 407, 421, "4.3.2", WAIT,
    "The mail server is being stopped, please try again later",
    "Der Mailserver wird angehalten, bitte spaeter erneut versuchen",
    "This server is being maintained. The sending server tries again by itself.",
    "Dieser Server wird gewartet. Der sendende Server versucht es von selbst erneut.")
REFUSAL(LOGIN_ENDED, 407, 421, "4.3.2", SENDER,
    "This login has ended, please connect again",
    "Diese Anmeldung ist beendet, bitte erneut verbinden",
    "The password was changed, the account was locked, or the server was restarted. Send again; if the mail program then asks for the password, enter the new one.",
    "Das Passwort wurde geändert, das Konto gesperrt oder der Server neu gestartet. Erneut senden; fragt das Mailprogramm dann nach dem Passwort, das neue eingeben.")
REFUSAL(IDLE, 408, 421, "4.4.2", SERVER, "Timeout, closing the connection",
    "Zeitueberschreitung, die Verbindung wird geschlossen",
    "Nothing came for minutes. The sending server tries again by itself; if it happens often look for trouble in the network (packets of full size that get lost, a firewall that forgets connections).",
    "Minutenlang kam nichts. Der sendende Server versucht es von selbst erneut; geschieht es oft, liegt es meist am Netz (große Pakete gehen verloren, eine Firewall vergisst Verbindungen).")
REFUSAL(TOO_SLOW, 408, 421, "4.4.2", SERVER, "The message came too slowly, closing the connection",
    "Die Nachricht kam zu langsam, die Verbindung wird geschlossen",
    "The message came with less than 500 bytes a second. The sending server tries again by itself; if it happens often its line is overloaded.",
    "Die Nachricht kam mit weniger als 500 Byte in der Sekunde. Der sendende Server versucht es von selbst erneut; geschieht es oft, ist seine Leitung überlastet.")
REFUSAL(TOO_MANY_ERRORS, 409, 421, "4.7.0", PROGRAM, "Too many errors, closing the connection",
    "Zu viele Fehler, die Verbindung wird geschlossen",
    "Too many commands of this session were refused, for example because many recipients do not exist. Look at the replies before this one.",
    "Zu viele Befehle dieser Sitzung wurden abgelehnt, zum Beispiel weil es viele Empfänger nicht gibt. Die Antworten vor dieser sagen, warum.")
REFUSAL(TOO_MANY_COMMANDS, 409, 421, "4.7.0", PROGRAM,
    "Too many commands without a message, closing the connection",
    "Zu viele Befehle ohne eine Nachricht, die Verbindung wird geschlossen",
    "The program talks without sending a message. A mail server that works as it should never sees this.",
    "Das Programm redet, ohne eine Nachricht zu senden. Ein richtig arbeitender Mailserver sieht dies nie.")
REFUSAL(SENDING_LIMIT, 410, 451, "4.7.0", SENDER,
    "This account has sent very much mail within an hour, please try again later",
    "Dieses Konto hat in einer Stunde sehr viel Mail gesendet, bitte spaeter erneut versuchen",
    "Wait an hour. If it was not you who sent so much, somebody else knows the password: change it and tell the administrator. Limits: submission.messages-per-hour, submission.recipients-per-hour.",
    "Eine Stunde warten. Wer selbst nicht so viel gesendet hat: jemand anders kennt das Passwort, also ändern und dem Administrator sagen. Grenzen: submission.messages-per-hour, submission.recipients-per-hour.")
REFUSAL(AUTH_UNAVAILABLE, 411, 454, "4.7.0", SENDER,
    "The login cannot be checked now, please try again later",
    "Die Anmeldung kann zur Zeit nicht geprueft werden, bitte spaeter erneut versuchen",
    "The password may well be right. Try again in a few minutes and do not change it.",
    "Das Passwort kann durchaus richtig sein. In einigen Minuten erneut versuchen und nichts ändern.")
REFUSAL(TLS_UNAVAILABLE, 412, 454, "4.7.0", WAIT, "TLS is not available at the moment",
    "TLS ist zur Zeit nicht verfuegbar",
    "The process that holds the keys of this server is being restarted. The client tries again by itself.",
    "Der Prozess, der die Schlüssel dieses Servers hält, wird gerade neu gestartet. Die Gegenstelle versucht es von selbst erneut.")

/* --- recipients and senders --------------------------------------------------------------------- */
REFUSAL(UNKNOWN_RECIPIENT, 504, 550, "5.1.1", SENDER, "There is no such mailbox here",
    "Diese Mailadresse gibt es hier nicht",
    "The address is no longer there, is suspended, or has a typing error. Check it letter by letter, or ask the recipient by phone.",
    "Die Adresse gibt es nicht mehr, sie ist gesperrt, oder sie hat einen Tippfehler. Buchstabe für Buchstabe prüfen oder den Empfänger anrufen.")
REFUSAL(SENDER_UNCERTAIN, 405, 451, "4.1.8", DOMAIN,
    "The sender's domain {domain} cannot be looked up in DNS now",
    "Die Domain {domain} des Absenders ist im DNS gerade nicht abfragbar",
    "The sending server tries again by itself. If it goes on: the name servers of the domain do not answer, or their DNSSEC signatures are not valid.",
    "Der sendende Server versucht es von selbst erneut. Wenn es so bleibt: die Nameserver der Domain antworten nicht, oder ihre DNSSEC-Signaturen sind ungültig.")
REFUSAL(BLOCKLISTED, 506, 550, "5.7.1", SERVER,
    "The sending mail server {client} is in the blocklist {list}: {listing}. See {link}",
    "Der sendende Mailserver {client} steht auf der Sperrliste {list}: {listing}. Siehe {link}",
    "This server cannot take you off that list. Find out on its page why the address is there, put an end to the cause and ask the list to remove it; users of a provider send it this reply. Then send the message again. The recipient can allow your exact address meanwhile: phone him.",
    "Dieser Server kann niemanden von der Liste nehmen. Auf ihrer Seite nachsehen, warum die Adresse dort steht, die Ursache beheben und die Liste um Streichung bitten; wer einen Anbieter nutzt, schickt ihm diese Antwort. Danach die Nachricht erneut senden. Der Empfänger kann Ihre genaue Adresse inzwischen erlauben: rufen Sie ihn an.")
REFUSAL(BLOCKLISTED_DIALUP, 506, 550, "5.7.1", SENDER,
    "{client} is in the blocklist {list}: {listing}. Users of this server log in at port 465 or 587. See {link}",
    "{client} steht auf der Sperrliste {list}: {listing}. Wer hier ein Konto hat, meldet sich an Port 465 oder 587 an. Siehe {link}",
    "Homes send through the mail server of their provider, after a login, not straight to the server of the recipient: set the mail program to port 465 or 587 with user name and password. Whoever runs a mail server there needs a fixed address with a name of its own.",
    "Privatanschlüsse senden nach Anmeldung über den Mailserver ihres Anbieters, nicht direkt an den Server des Empfängers: im Mailprogramm Port 465 oder 587 mit Benutzername und Passwort einstellen. Wer dort einen Mailserver betreibt, braucht eine feste Adresse mit eigenem Namen.")
REFUSAL(DYNAMIC_CLIENT, 507, 550, "5.7.1", SERVER,
    "{client} ({name}) looks like a dial-up line. Users of this server must log in at port 465 or 587",
    "{client} ({name}) sieht aus wie ein Einwahlanschluss. Wer hier ein Konto hat, muss sich an Port 465 oder 587 anmelden",
    "Send through the mail server of the provider, or give the address a name of its own that says what it is, such as mail.example.com.",
    "Über den Mailserver des Anbieters senden, oder der Adresse einen eigenen, passenden Namen geben, zum Beispiel mail.example.com.")
REFUSAL(NO_CLIENT_NAME, 508, 550, "5.7.25", ZONE, "The address {client} has no name (PTR record)",
    "Die Adresse {client} hat keinen Namen (PTR-Eintrag)",
    "The address of a mail server needs a name in reverse DNS. The provider of the line or machine sets the PTR record.",
    "Die Adresse eines Mailservers braucht einen Namen im Reverse-DNS. Den PTR-Eintrag setzt der Anbieter des Anschlusses oder der Maschine.")
REFUSAL(CLIENT_NAME_DIFFERS, 508, 550, "5.7.25", ZONE,
    "The name {name} of {client} does not lead back to that address",
    "Der Name {name} von {client} fuehrt nicht zu dieser Adresse zurueck",
    "PTR record and address record must agree: either let the name have this address, or the address another name.",
    "PTR-Eintrag und Adress-Eintrag müssen zusammenpassen: dem Namen diese Adresse geben oder der Adresse einen anderen Namen.")
REFUSAL(SENDER_UNKNOWN, 510, 550, "5.1.8", DOMAIN, "The sender's domain {domain} does not exist",
    "Die Domain {domain} des Absenders gibt es nicht",
    "Check the sender's address for typing errors. If it is right: the domain is not registered, or has expired.",
    "Die Adresse des Absenders auf Tippfehler prüfen. Wenn sie stimmt: die Domain ist nicht registriert oder abgelaufen.")
REFUSAL(SENDER_TLD, 510, 550, "5.1.8", DOMAIN, "The sender's domain {domain} has no valid top-level domain",
    "Die Domain {domain} des Absenders endet nicht auf eine gueltige Top-Level-Domain",
    "Names such as .local are valid in the own network only. Set a public domain as sender in the program or device.",
    "Namen wie .local gelten nur im eigenen Netz. Im Programm oder Gerät eine öffentliche Domain als Absender einstellen.")
REFUSAL(SENDER_NOWHERE, 510, 550, "5.1.8", DOMAIN, "The sender's domain {domain} has no mail server and no address",
    "Die Domain {domain} des Absenders hat keinen Mailserver und keine Adresse",
    "Whoever sends mail must be able to get some. Set an MX record for the domain, or use another sender.",
    "Wer Mail sendet, muss welche empfangen können. Einen MX-Eintrag für die Domain setzen oder einen anderen Absender verwenden.")
REFUSAL(SENDER_NULL_MX, 510, 550, "5.7.27", DOMAIN, "The sender's domain {domain} says that it takes no mail (null MX)",
    "Die Domain {domain} des Absenders nimmt laut DNS keine Mail an (Null-MX)",
    "A domain with a null MX record is not for mail. Use another sender, or give it a real MX record.",
    "Eine Domain mit Null-MX ist nicht für Mail gedacht. Einen anderen Absender verwenden oder einen echten MX-Eintrag setzen.")
REFUSAL(SENDER_LITERAL, 510, 550, "5.1.8", SENDER, "The sender's address has an IP address instead of a domain",
    "Die Absenderadresse hat eine IP-Adresse an Stelle einer Domain",
    "Use a sender's address with a domain.",
    "Eine Absenderadresse mit einer Domain verwenden.")
REFUSAL(SPF_FAIL, 511, 550, "5.7.23", DOMAIN,
    "{client} may not send for {domain} (SPF). Its owner says: {text}",
    "{client} darf nicht fuer {domain} senden (SPF). Deren Inhaber sagt: {text}",
    "The owner of the domain lists in its SPF record which servers may send for it. The message came from another: send through the domain's own mail server, or complete the record.",
    "Der Inhaber der Domain nennt in ihrem SPF-Eintrag, welche Server für sie senden dürfen. Die Nachricht kam von einem anderen: über den Mailserver der Domain senden oder den Eintrag ergänzen.")
REFUSAL(SPF_BROKEN, 511, 550, "5.7.24", DOMAIN,
    "The SPF policy of {domain} has a mistake: {text}",
    "Die SPF-Richtlinie von {domain} enthaelt einen Fehler: {text}",
    "The SPF record of the domain, or one that it includes, is not written as rfc7208 wants it, or needs more than 10 look-ups. Have it tested and corrected: many servers treat such a domain as one without a policy, or refuse its mail.",
    "Der SPF-Eintrag der Domain, oder einer, den er einbezieht, ist nicht so geschrieben, wie rfc7208 es will, oder er braucht mehr als 10 Abfragen. Ihn prüfen und berichtigen: viele Server behandeln eine solche Domain wie eine ohne Richtlinie oder lehnen ihre Mail ab.")
REFUSAL(DMARC_REJECT, 512, 550, "5.7.26", DOMAIN,
    "The message is not proved to be from {domain}, whose owner wants such mail refused (DMARC)",
    "Dass die Nachricht von {domain} ist, ist nicht belegt; der Inhaber will, dass solche Mail abgelehnt wird (DMARC)",
    "Neither SPF nor a DKIM signature show that the message is from the domain in its From field. Send it through a mail server of that domain which signs it. Mailing lists and forwarders must leave message and signature as they are, or write an address of their own into From.",
    "Weder SPF noch eine DKIM-Signatur belegen, dass die Nachricht von der Domain in ihrem Kopffeld From kommt. Über einen Mailserver dieser Domain senden, der sie signiert. Mailinglisten und Weiterleitungen müssen Nachricht und Signatur lassen, wie sie sind, oder eine eigene Adresse in From schreiben.")
REFUSAL(DMARC_UNCERTAIN, 420, 451, "4.7.1", DOMAIN,
    "Whether the message is from {domain} cannot be verified now (DMARC), DNS gives no answer",
    "Ob die Nachricht von {domain} ist, ist zur Zeit nicht pruefbar (DMARC), das DNS antwortet nicht",
    "The sending server tries again by itself. If it goes on: the name servers of the domain, or of the domain that signed the message, do not answer.",
    "Der sendende Server versucht es von selbst erneut. Wenn es so bleibt: die Nameserver der Domain, oder die der Domain, die signiert hat, antworten nicht.")
REFUSAL(OTHER_POLICY, 413, 452, "4.5.3", WAIT,
    "This recipient has other rules for mail than those before, send him the message by itself",
    "Dieser Empfaenger hat andere Regeln fuer Mail als die davor, bitte die Nachricht an ihn einzeln senden",
    "Mail servers send the message to this recipient again by themselves. Nothing is to be done.",
    "Mailserver senden die Nachricht an diesen Empfänger von selbst noch einmal. Es ist nichts zu tun.")
REFUSAL(REPEATED, 414, 451, "4.7.1", WAIT,
    "This very message, signed by {domain}, has come very often within an hour, please try again later",
    "Genau diese Nachricht, signiert von {domain}, kam in einer Stunde sehr oft, bitte spaeter erneut versuchen",
    "Mail servers try again by themselves, and then the message is taken. A message to very many recipients here: give more of them with each transaction, or a copy of its own to each. If you did not send so many somebody else repeats a message that you have signed. Limit: smtpd.same-message-per-hour.",
    "Mailserver versuchen es von selbst erneut, dann wird die Nachricht angenommen. Eine Nachricht an sehr viele hiesige Empfänger: mehr von ihnen je Transaktion nennen, oder jedem eine eigene Fassung senden. Wer selbst nicht so viele gesendet hat: jemand anders wiederholt eine von Ihnen signierte Nachricht. Grenze: smtpd.same-message-per-hour.")
REFUSAL(NULL_SENDER_SEVERAL, 513, 550, "5.5.3", PROGRAM,
    "A message without a sender may have one recipient only",
    "Eine Nachricht ohne Absender darf nur einen Empfaenger haben",
    "Notifications go to one address: to who sent the message they are about.",
    "Benachrichtigungen gehen an eine Adresse: an den Absender der Nachricht, von der sie handeln.")
REFUSAL(FOREIGN_REPORT, 514, 550, "5.7.1", SERVER,
    "This bounce or receipt speaks of no message that was sent from here",
    "Diese Rueckmeldung oder Lesebestaetigung betrifft keine von hier gesendete Nachricht",
    "Somebody sent mail with a forged sender address, and your server reported to the address instead of refusing the mail in the session. Do not send such reports; where a report is right it names the Message-ID (In-Reply-To, References, or the header of the returned message).",
    "Jemand hat mit gefälschtem Absender gesendet, und der meldende Server berichtet an diese Adresse, statt die Mail in der Sitzung abzulehnen. Solche Meldungen nicht senden; eine berechtigte nennt die Message-ID (In-Reply-To, References oder der Kopf der zurückgesandten Nachricht).")
REFUSAL(RELAY_DENIED, 517, 550, "5.7.1", SENDER, "This server does not take mail for that domain",
    "Dieser Server nimmt fuer diese Domain keine Mail an",
    "A user of this server who writes to others must log in first: set the mail program to port 465 or 587 with user name and password. Everybody else: check the domain, and its MX record if it is yours.",
    "Wer über diesen Server an andere schreibt, muss sich anmelden: im Mailprogramm Port 465 oder 587 mit Benutzername und Passwort einstellen. Alle anderen: die Domain prüfen, und ihren MX-Eintrag, falls sie die eigene ist.")
REFUSAL(NOT_YOUR_ADDRESS, 518, 550, "5.7.1", SENDER,
    "This login may not send with that sender address",
    "Diese Anmeldung darf nicht mit dieser Absenderadresse senden",
    "Sender address and login must belong together, in the envelope and in From and Sender. Choose your own address as sender, or ask the administrator for the right to use the other one (postern send-as add).",
    "Absenderadresse und Anmeldung müssen zusammengehören, im Umschlag und in From und Sender. Die eigene Adresse als Absender wählen oder den Administrator um das Recht für die andere bitten (postern send-as add).")
REFUSAL(BAD_SENDER, 520, 501, "5.1.7", SENDER, "The sender address is not valid",
    "Die Absenderadresse ist ungueltig",
    "The sender address of the envelope is not written as the rules want it (rfc5321:4.1.2). Correct it in the settings of the mail program.",
    "Die Absenderadresse des Umschlags ist nicht so geschrieben, wie die Regeln es wollen (rfc5321:4.1.2). Sie in den Einstellungen des Mailprogramms berichtigen.")
REFUSAL(BAD_RECIPIENT, 521, 501, "5.1.3", SENDER, "The recipient address is not valid",
    "Die Empfaengeradresse ist ungueltig",
    "The recipient's address is not written as the rules want it: look for spaces, missing or doubled dots and letters with accents.",
    "Die Adresse des Empfängers ist nicht so geschrieben, wie die Regeln es wollen: auf Leerzeichen, fehlende oder doppelte Punkte und Umlaute achten.")
REFUSAL(UTF8_NEEDED, 522, 553, "5.6.7", SERVER,
    "This address needs the SMTPUTF8 parameter of MAIL",
    "Diese Adresse braucht den Parameter SMTPUTF8 von MAIL",
    "The address has letters beyond ASCII, and the sending server did not announce that (rfc6531). It has to be made newer, or an address of plain letters has to be used.",
    "Die Adresse hat Buchstaben außerhalb von ASCII, und der sendende Server hat das nicht angekündigt (rfc6531). Er muss erneuert werden, oder es braucht eine Adresse aus einfachen Buchstaben.")
REFUSAL(NO_RECIPIENTS, 523, 554, "5.5.1", SENDER, "There is no valid recipient",
    "Es gibt keinen gueltigen Empfaenger",
    "All recipients were refused; the replies before this one say why.",
    "Alle Empfänger wurden abgelehnt; die Antworten davor sagen, warum.")

/* --- the dialogue ---------------------------------------------------------------------------------- */
REFUSAL(BAD_HELO, 509, 501, "5.5.4", PROGRAM, "A host name or address literal is expected",
    "Ein Rechnername oder eine Adresse in eckigen Klammern wird erwartet",
    "Behind HELO or EHLO belongs the full name of the host, such as mail.example.org, or its address in brackets, such as [192.0.2.1].",
    "Hinter HELO oder EHLO gehört der volle Name des Rechners, etwa mail.example.org, oder seine Adresse in Klammern, etwa [192.0.2.1].")
REFUSAL(HELO_NOT_QUALIFIED, 509, 550, "5.7.1", SERVER,
    "HELO must give the full name of the host, not {helo}",
    "HELO muss den vollen Namen des Rechners nennen, nicht {helo}",
    "Set the name that the mail server gives with HELO or EHLO to the full name its address has in the DNS, such as mail.example.org. A mail program or printer should not send to port 25 but log in on port 465 or 587.",
    "Den Namen, den der Mailserver bei HELO oder EHLO nennt, auf den vollen Namen setzen, den seine Adresse im DNS hat, etwa mail.example.org. Ein Mailprogramm oder Drucker sollte nicht an Port 25 senden, sondern sich auf Port 465 oder 587 anmelden.")
REFUSAL(HELO_OURS, 509, 550, "5.7.1", SERVER,
    "HELO gives {helo}, which is a name of this server",
    "HELO nennt {helo}, das ist ein Name dieses Servers",
    "The client calls itself by the name of the server it speaks to, as spam programs do. Give it a name of its own.",
    "Die Gegenstelle nennt sich so wie der Server, mit dem sie spricht; das tun Spam-Programme. Ihr einen eigenen Namen geben.")
REFUSAL(HELO_ADDRESS, 509, 550, "5.7.1", SERVER,
    "HELO gives the address {helo}, but the client has {client}",
    "HELO nennt die Adresse {helo}, die Gegenstelle hat aber {client}",
    "An address behind HELO or EHLO must be the one the client has here; behind a router that translates addresses it is the router's. Better give a full name.",
    "Eine Adresse hinter HELO oder EHLO muss die sein, die die Gegenstelle hier hat; hinter einem Router, der Adressen umsetzt, ist es dessen Adresse. Besser einen vollen Namen nennen.")
REFUSAL(EARLY_TALKER, 515, 503, "5.5.0", PROGRAM,
    "Commands were sent before our reply to the one before, which is not offered here (PIPELINING)",
    "Befehle kamen vor unserer Antwort auf den vorigen, das wird hier nicht angeboten (PIPELINING)",
    "A mail server waits for the greeting and for each reply. Programs that do not are nearly always made for spam; others send ahead only where EHLO offers PIPELINING. Repair the program, or send through a proper mail server.",
    "Ein Mailserver wartet auf die Begrüßung und auf jede Antwort. Programme, die das nicht tun, sind fast immer für Spam gemacht; andere senden nur voraus, wo EHLO PIPELINING anbietet. Das Programm reparieren oder über einen richtigen Mailserver senden.")
REFUSAL(EARLY_DATA, 515, 554, "5.5.1", PROGRAM,
    "The message was sent before the server asked for it",
    "Die Nachricht wurde gesendet, bevor der Server sie verlangt hat",
    "The program must wait for each reply here (rfc5321:4.1.1.4). Often a spam program is the cause: look for one in your network.",
    "Das Programm muss hier auf jede Antwort warten (rfc5321:4.1.1.4). Oft ist ein Spam-Programm die Ursache: im eigenen Netz danach suchen.")
REFUSAL(BAD_COMMAND, 516, 500, "5.5.1", PROGRAM, "Unknown command", "Unbekannter Befehl",
    "The program said something that is no command of SMTP. Use another one, or tell its maker.",
    "Das Programm hat etwas gesagt, das kein Befehl von SMTP ist. Ein anderes verwenden oder es dem Hersteller sagen.")
REFUSAL(LINE_TOO_LONG, 516, 500, "5.5.2", PROGRAM, "The command line is too long",
    "Die Befehlszeile ist zu lang",
    "A line of a command may have 512 octets, with some parameters a few hundred more (rfc5321:4.5.3.1.4).",
    "Eine Befehlszeile darf 512 Oktette haben, mit manchen Parametern einige hundert mehr (rfc5321:4.5.3.1.4).")
REFUSAL(BARE_NEWLINE, 516, 500, "5.5.2", PROGRAM,
    "Command lines end with CR LF and contain neither alone",
    "Befehlszeilen enden mit CR LF und enthalten keines davon einzeln",
    "Lines end with the two characters CR and LF (rfc5321:2.3.8). A script should use a mail program instead of writing to the port itself.",
    "Zeilen enden mit den zwei Zeichen CR und LF (rfc5321:2.3.8). Ein Skript sollte ein Mailprogramm verwenden, statt selbst auf den Port zu schreiben.")
REFUSAL(BAD_CHARACTER, 516, 501, "5.5.2", PROGRAM,
    "The command contains characters that are not allowed",
    "Der Befehl enthaelt nicht erlaubte Zeichen",
    "The command has control characters. Use another program, or tell its maker.",
    "Der Befehl enthält Steuerzeichen. Ein anderes Programm verwenden oder es dem Hersteller sagen.")
REFUSAL(BAD_SYNTAX, 516, 501, "5.5.4", PROGRAM, "Syntax error in the arguments",
    "Fehler in den Argumenten des Befehls",
    "What stands behind the command is not written as the rules want it (rfc5321:4.1.1). Use another program, or tell its maker.",
    "Was hinter dem Befehl steht, ist nicht so geschrieben, wie die Regeln es wollen (rfc5321:4.1.1). Ein anderes Programm verwenden oder es dem Hersteller sagen.")
REFUSAL(NOT_IMPLEMENTED, 516, 502, "5.5.1", PROGRAM, "This command is not offered here",
    "Dieser Befehl wird hier nicht angeboten",
    "Use only what the reply to EHLO names. A mail program that wants to log in must be set to port 465 or 587.",
    "Nur verwenden, was die Antwort auf EHLO nennt. Ein Mailprogramm, das sich anmelden will, muss auf Port 465 oder 587 eingestellt werden.")
REFUSAL(BAD_SEQUENCE, 516, 503, "5.5.1", PROGRAM, "The command does not fit at this point",
    "Der Befehl passt nicht an diese Stelle",
    "Commands come in the order EHLO, MAIL, RCPT, DATA (rfc5321:4.1.4). Look at the replies before this one: a command that was refused does not count.",
    "Befehle kommen in der Folge EHLO, MAIL, RCPT, DATA (rfc5321:4.1.4). Die Antworten davor ansehen: ein abgelehnter Befehl gilt nicht.")
REFUSAL(BAD_PARAMETER, 516, 555, "5.5.4", PROGRAM,
    "A parameter of MAIL or RCPT is unknown or not offered",
    "Ein Parameter von MAIL oder RCPT ist unbekannt oder wird nicht angeboten",
    "Use only the extensions that the reply to EHLO names.",
    "Nur die Erweiterungen verwenden, die die Antwort auf EHLO nennt.")
REFUSAL(NOT_SMTP, 516, 554, "5.5.1", PROGRAM, "This is a mail server and speaks SMTP only",
    "Dies ist ein Mailserver, er spricht nur SMTP",
    "Another protocol was spoken to this port: look at address and port of the program. On port 25 and 587 TLS begins with STARTTLS, on port 465 at once.",
    "Mit diesem Port wurde ein anderes Protokoll gesprochen: Adresse und Port des Programms prüfen. Auf Port 25 und 587 beginnt TLS mit STARTTLS, auf Port 465 sofort.")
REFUSAL(TLS_INJECTION, 528, 554, "5.5.1", PROGRAM,
    "Data was sent behind STARTTLS before TLS was started",
    "Hinter STARTTLS kamen Daten, bevor TLS begonnen hat",
    "Either the program does not wait for the reply to STARTTLS, or somebody in between tries to slip in commands (rfc3207:4.2).",
    "Entweder wartet das Programm die Antwort auf STARTTLS nicht ab, oder jemand dazwischen versucht, Befehle einzuschmuggeln (rfc3207:4.2).")
REFUSAL(XCLIENT_DENIED, 532, 550, "5.7.0", SERVER, "XCLIENT is not allowed from here",
    "XCLIENT ist von hier nicht erlaubt",
    "Only clients named in smtpd.xclient-from may speak for others.",
    "Nur die in smtpd.xclient-from genannten Gegenstellen dürfen für andere sprechen.")

/* --- logging in ------------------------------------------------------------------------------------ */
REFUSAL(AUTH_REQUIRED, 517, 530, "5.7.0", SENDER,
    "Log in first: your mail program needs user name and password",
    "Zuerst anmelden: das Mailprogramm braucht Benutzername und Passwort",
    "Switch on authentication for outgoing mail in the mail program: the user name is the whole address.",
    "Im Mailprogramm die Anmeldung für ausgehende Mail einschalten: der Benutzername ist die ganze Adresse.")
REFUSAL(TLS_REQUIRED, 529, 530, "5.7.0", SENDER, "Start TLS first", "Zuerst TLS beginnen",
    "Switch on encryption in the mail program: STARTTLS on port 587, or SSL/TLS on port 465.",
    "Im Mailprogramm die Verschlüsselung einschalten: STARTTLS auf Port 587 oder SSL/TLS auf Port 465.")
REFUSAL(AUTH_NEEDS_TLS, 529, 538, "5.7.11", SENDER, "Start TLS before the login",
    "Vor der Anmeldung TLS beginnen",
    "Switch on encryption in the mail program: STARTTLS on port 587, or SSL/TLS on port 465. The password may just have gone over the network in clear text: change it.",
    "Im Mailprogramm die Verschlüsselung einschalten: STARTTLS auf Port 587 oder SSL/TLS auf Port 465. Das Passwort ging vielleicht gerade im Klartext durch das Netz: ändern.")
REFUSAL(AUTH_REFUSED, 530, 535, "5.7.8", SENDER, "User name or password is wrong",
    "Benutzername oder Passwort ist falsch",
    "The user name is the whole address. Capital letters count in the password. If it was forgotten the administrator gives a new one.",
    "Der Benutzername ist die ganze Adresse. Im Passwort kommt es auf Groß- und Kleinschreibung an. Ist es vergessen, gibt der Administrator ein neues.")
REFUSAL(AUTH_CANCELLED, 531, 501, "5.7.0", SENDER, "The login was cancelled",
    "Die Anmeldung wurde abgebrochen",
    "The mail program gave up the login by itself: enter the password again.",
    "Das Mailprogramm hat die Anmeldung selbst abgebrochen: das Passwort erneut eingeben.")
REFUSAL(NO_MECHANISM, 531, 504, "5.5.4", SENDER, "This way to log in is not offered here",
    "Diese Art der Anmeldung wird hier nicht angeboten",
    "Set the mail program to normal password (PLAIN or LOGIN) or SCRAM-SHA-256.",
    "Das Mailprogramm auf normales Passwort (PLAIN oder LOGIN) oder SCRAM-SHA-256 einstellen.")
REFUSAL(AUTH_LINE_TOO_LONG, 531, 500, "5.5.6", PROGRAM, "The line of the login is too long",
    "Die Zeile der Anmeldung ist zu lang",
    "A line of a login may have 12288 octets (rfc4954:4). Use another program, or tell its maker.",
    "Eine Zeile der Anmeldung darf 12288 Oktette haben (rfc4954:4). Ein anderes Programm verwenden oder es dem Hersteller sagen.")
REFUSAL(BAD_BASE64, 531, 501, "5.5.2", PROGRAM, "The answer is not valid base64",
    "Die Antwort ist kein gueltiges Base64",
    "What the program said to log in is not base64 (rfc4954:4). Use another program, or tell its maker.",
    "Was das Programm zur Anmeldung sagte, ist kein Base64 (rfc4954:4). Ein anderes Programm verwenden oder es dem Hersteller sagen.")

/* --- the message ----------------------------------------------------------------------------------- */
REFUSAL(TOO_BIG, 519, 552, "5.3.4", SENDER, "The message is larger than this server accepts",
    "Die Nachricht ist groesser als dieser Server erlaubt",
    "Attachments grow by a third on their way. Send them in several messages, or put them somewhere for download and send the link.",
    "Anhänge werden auf dem Weg um ein Drittel größer. Auf mehrere Nachrichten verteilen, oder irgendwo zum Herunterladen ablegen und den Link senden.")
REFUSAL(LOOP, 525, 554, "5.4.6", SERVER,
    "The message has passed too many servers: it runs in a loop",
    "Die Nachricht lief ueber zu viele Server, sie laeuft im Kreis",
    "Two forwards lead to one another. The Received fields of the returned message show where it turned around; end one of the forwards.",
    "Zwei Weiterleitungen führen aufeinander. Die Received-Felder der zurückgekommenen Nachricht zeigen, wo sie umgekehrt ist; eine davon beenden.")
REFUSAL(BAD_NEWLINES, 540, 550, "5.6.0", PROGRAM,
    "The message has a CR or LF that is not part of a CR LF line end",
    "Die Nachricht enthaelt ein CR oder LF, das nicht Teil eines Zeilenendes CR LF ist",
    "All lines of a message end with the two characters CR and LF (rfc5321:2.3.8); anything else has been used to smuggle messages. A script should send by a mail program.",
    "Alle Zeilen einer Nachricht enden mit den zwei Zeichen CR und LF (rfc5321:2.3.8); alles andere wurde schon zum Einschmuggeln von Nachrichten benutzt. Ein Skript sollte mit einem Mailprogramm senden.")
REFUSAL(HEADER_BAD, 541, 550, "5.6.0", PROGRAM,
    "The header of the message has a line or a character that is not allowed",
    "Der Kopf der Nachricht enthaelt eine Zeile oder ein Zeichen, das nicht erlaubt ist",
    "Each line of the header is a field, Name: value, or goes on with the field before it and begins with a space (rfc5322:2.2). Mail programs would show such a message differently.",
    "Jede Zeile des Kopfes ist ein Feld, Name: Wert, oder setzt das Feld davor fort und beginnt mit einem Leerzeichen (rfc5322:2.2). Mailprogramme würden eine solche Nachricht verschieden anzeigen.")
REFUSAL(HEADER_TOO_LONG, 542, 550, "5.6.0", SENDER, "The header of the message is too long",
    "Der Kopf der Nachricht ist zu lang",
    "Mostly very many recipients stand in To and Cc: use fewer, or Bcc.",
    "Meist stehen sehr viele Empfänger in To und Cc: weniger nehmen, oder Bcc.")
REFUSAL(HEADER_TWICE, 543, 550, "5.6.0", PROGRAM,
    "A header field that may stand once stands twice, for example From, To or Subject",
    "Ein Kopffeld, das nur einmal stehen darf, steht zweimal, zum Beispiel From, To oder Subject",
    "Mail programs differ in which of two they show (rfc5322:3.6), which deceivers use. The program that made the message has to be corrected.",
    "Mailprogramme zeigen mal das eine, mal das andere (rfc5322:3.6), was Betrüger ausnutzen. Das Programm, das die Nachricht erzeugt hat, muss berichtigt werden.")
REFUSAL(FROM_MISSING, 544, 550, "5.6.0", PROGRAM, "The message has no From field",
    "Der Nachricht fehlt das Kopffeld From",
    "Each message names its author in a From field (rfc5322:3.6.2). The program or script that made the message has to write one.",
    "Jede Nachricht nennt ihren Verfasser in einem Kopffeld From (rfc5322:3.6.2). Das Programm oder Skript, das sie erzeugt hat, muss eines schreiben.")
REFUSAL(FROM_BAD, 545, 550, "5.6.0", PROGRAM,
    "An address or name in From, Sender, Resent-From or Resent-Sender is not valid",
    "Eine Adresse oder ein Name in From, Sender, Resent-From oder Resent-Sender ist ungueltig",
    "Write such a field as: From: Full Name <name@example.org>. Names with special characters stand in quotes.",
    "Ein solches Feld so schreiben: From: Voller Name <name@example.org>. Namen mit Sonderzeichen stehen in Anführungszeichen.")
REFUSAL(SENDER_MISSING, 546, 550, "5.6.0", PROGRAM,
    "Several addresses in From need a Sender field",
    "Mehrere Adressen in From brauchen ein Kopffeld Sender",
    "With several authors a Sender field says who of them sent the message (rfc5322:3.6.2).",
    "Bei mehreren Verfassern sagt ein Kopffeld Sender, wer von ihnen gesendet hat (rfc5322:3.6.2).")
REFUSAL(TOO_MANY_SENDERS, 547, 550, "5.6.0", SENDER,
    "The message names too many sender addresses",
    "Die Nachricht nennt zu viele Absenderadressen",
    "At most 16 different addresses may stand in From, Sender and their Resent- forms.",
    "Höchstens 16 verschiedene Adressen dürfen in From, Sender und deren Resent-Formen stehen.")
REFUSAL(TOO_MANY_FIELDS, 548, 550, "5.6.0", PROGRAM, "The header of the message has too many fields",
    "Der Kopf der Nachricht hat zu viele Felder",
    "A header may have 1000 fields here. Some program adds one each time it looks at the message.",
    "Ein Kopf darf hier 1000 Felder haben. Ein Programm fügt wohl jedes Mal eines hinzu, wenn es die Nachricht ansieht.")
REFUSAL(LONG_LINE, 549, 550, "5.6.0", PROGRAM, "The message has a line that is too long",
    "Die Nachricht enthaelt eine zu lange Zeile",
    "A line may have 998 characters (rfc5322:2.1.1), here as many as smtpd.max-line says. The program must break lines, or send the text as base64 or quoted-printable.",
    "Eine Zeile darf 998 Zeichen haben (rfc5322:2.1.1), hier so viele, wie smtpd.max-line sagt. Das Programm muss Zeilen umbrechen oder den Text als Base64 oder Quoted-Printable senden.")
REFUSAL(HEADER_8BIT, 560, 550, "5.6.0", PROGRAM,
    "The header of the message has letters beyond ASCII that are not encoded",
    "Der Kopf der Nachricht enthaelt Buchstaben ausserhalb von ASCII, die nicht kodiert sind",
    "Letters beyond ASCII stand encoded in a header (rfc2047), or the server announces them with SMTPUTF8 (rfc6532).",
    "Buchstaben außerhalb von ASCII stehen im Kopf kodiert (rfc2047), oder der Server kündigt sie mit SMTPUTF8 an (rfc6532).")
REFUSAL(NUL, 561, 550, "5.6.0", PROGRAM, "The message contains NUL bytes",
    "Die Nachricht enthaelt NUL-Bytes",
    "A message is text (rfc5322:2.2). Other data belongs into an attachment that is encoded as base64.",
    "Eine Nachricht ist Text (rfc5322:2.2). Andere Daten gehören in einen Anhang, der als Base64 kodiert ist.")
REFUSAL(NESTED_TOO_DEEP, 562, 550, "5.6.0", PROGRAM,
    "The parts of the message stand too deep in one another",
    "Die Teile der Nachricht sind zu tief ineinander verschachtelt",
    "Forwarding a message as an attachment of an attachment 50 times ends here. Send the innermost message by itself.",
    "Eine Nachricht 50 Mal als Anhang eines Anhangs weiterzuleiten, endet hier. Die innerste Nachricht allein senden.")

#undef REFUSAL
#undef REFUSAL_ARG
#undef PARTY
