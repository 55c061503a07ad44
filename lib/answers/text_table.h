/* SPDX-License-Identifier: ISC */
/*
 * What setting up a machine says beside its questions; no include guard.
 *
 *   SAY(id, English, German)
 *       {host} in it stands for the name of the machine
 */
SAY(AGAIN, "Once more: ", "Noch einmal: ")
SAY(DIFFERENT, "The two passwords differ.", "Die Passwörter sind verschieden.")
SAY(NO_EQUALS, "There is no = in it.", "Hier fehlt ein =.")
SAY(NO_QUESTION, "There is no such question.", "Diese Frage gibt es nicht.")
SAY(TWICE, "This answer stands there twice.", "Diese Antwort steht zweimal da.")
SAY(MISSING, "This answer is missing.", "Diese Antwort fehlt.")
SAY(FIXED, "A fixed address needs gateway and dns.", "Eine feste Adresse braucht gateway und dns.")
SAY(LINE, "line", "Zeile")
SAY(READY, "The instance is ready, start it with: postern run (or: systemctl start postern). ",
    "Die Instanz ist fertig, gestartet wird sie mit: postern run (oder: systemctl start postern). ")
SAY(PUBLISH,
    "Publish these records in the DNS. Mail programs: IMAP {host} port 993, sending {host} port 465, both with TLS, the whole address as user name.",
    "Diese Einträge gehören in das DNS. Mailprogramme: IMAP {host} Port 993, Versand {host} Port 465, beides mit TLS, Benutzername ist die ganze Adresse.")
SAY(TELEPHONES, "For telephones:", "Für Telefone:")
