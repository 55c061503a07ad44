/* SPDX-License-Identifier: ISC */
/*
 * What enhanced status codes (rfc3463, rfc7504, rfc7505, rfc7372) mean to somebody who writes mail:
 * what happened and what to do, in English and German (UTF-8). A '*' stands for any one part of the
 * code; the first row that matches counts, the last one matches all.
 *
 * DSN_EXPLANATION(status, english, german)
 */
DSN_EXPLANATION("*.1.1",
    "The address does not exist. Check it for typing errors or ask the recipient for the right one.",
    "Die Adresse gibt es nicht. Prüfen Sie sie auf Tippfehler oder fragen Sie den Empfänger nach der "
    "richtigen.")
DSN_EXPLANATION("*.1.2",
    "The domain (the part behind the @) does not exist or takes no mail. Check it for typing errors.",
    "Die Domain (der Teil hinter dem @) gibt es nicht oder sie nimmt keine Post an. Prüfen Sie sie auf "
    "Tippfehler.")
DSN_EXPLANATION("*.1.3", "The address is not written correctly. Check it for typing errors.",
    "Die Adresse ist nicht richtig geschrieben. Prüfen Sie sie auf Tippfehler.")
DSN_EXPLANATION("*.1.6", "The mailbox has moved. Ask the recipient for the new address.",
    "Das Postfach ist umgezogen. Fragen Sie den Empfänger nach der neuen Adresse.")
DSN_EXPLANATION("*.1.8",
    "The other server does not accept your sender address. Ask your administrator.",
    "Der andere Server nimmt Ihre Absenderadresse nicht an. Fragen Sie Ihren Administrator.")
DSN_EXPLANATION("*.1.10",
    "The domain says that it takes no mail at all. Look for another way to reach the recipient.",
    "Die Domain nimmt nach eigener Angabe keine Post an. Erreichen Sie den Empfänger auf anderem Weg.")
DSN_EXPLANATION("*.2.1", "The mailbox is disabled. Look for another way to reach the recipient.",
    "Das Postfach ist gesperrt. Erreichen Sie den Empfänger auf anderem Weg.")
DSN_EXPLANATION("*.2.2",
    "The mailbox is full. Tell the recipient in another way and send the message again later.",
    "Das Postfach ist voll. Sagen Sie es dem Empfänger auf anderem Weg und senden Sie die Nachricht "
    "später noch einmal.")
DSN_EXPLANATION("*.2.3",
    "The message is too large for this mailbox. Send it without large attachments.",
    "Die Nachricht ist zu groß für dieses Postfach. Senden Sie sie ohne große Anhänge.")
DSN_EXPLANATION("*.3.1",
    "The other server has no space left at the moment. Send the message again later.",
    "Der andere Server hat zurzeit keinen Platz. Senden Sie die Nachricht später noch einmal.")
DSN_EXPLANATION("*.3.4",
    "The message is too large. Send it without large attachments, or share these in another way.",
    "Die Nachricht ist zu groß. Senden Sie sie ohne große Anhänge oder geben Sie diese anders weiter.")
DSN_EXPLANATION("*.4.1",
    "The recipient's mail server did not answer. It may be down or unreachable.",
    "Der Mailserver des Empfängers hat nicht geantwortet. Er ist vielleicht abgeschaltet oder nicht "
    "erreichbar.")
DSN_EXPLANATION("*.4.2", "The connection to the recipient's mail server broke.",
    "Die Verbindung zum Mailserver des Empfängers ist abgerissen.")
DSN_EXPLANATION("*.4.3",
    "It could not be found out which server takes mail for the recipient: the directory of domain "
    "names gave no answer.",
    "Es ließ sich nicht feststellen, welcher Server Post für den Empfänger annimmt: Das Verzeichnis "
    "der Domainnamen gab keine Antwort.")
DSN_EXPLANATION("*.4.4",
    "The domain (the part behind the @) has no mail server that can be reached. Check it for typing "
    "errors.",
    "Die Domain (der Teil hinter dem @) hat keinen erreichbaren Mailserver. Prüfen Sie sie auf "
    "Tippfehler.")
DSN_EXPLANATION("*.4.6",
    "The message goes round in circles between mail servers. Tell your administrator.",
    "Die Nachricht läuft zwischen Mailservern im Kreis. Sagen Sie es Ihrem Administrator.")
DSN_EXPLANATION("*.4.7", "The message could not be delivered in time.",
    "Die Nachricht konnte nicht rechtzeitig zugestellt werden.")
DSN_EXPLANATION("*.5.3", "The message has too many recipients. Send it to fewer at a time.",
    "Die Nachricht hat zu viele Empfänger. Senden Sie sie an weniger auf einmal.")
DSN_EXPLANATION("*.6.7",
    "The recipient's server does not know addresses with letters beyond ASCII. Use another address.",
    "Der Server des Empfängers kennt keine Adressen mit Umlauten und anderen besonderen Zeichen. "
    "Nehmen Sie eine andere Adresse.")
DSN_EXPLANATION("*.7.1",
    "The recipient's server refuses the message. Its words may say why; if not, ask the recipient in "
    "another way.",
    "Der Server des Empfängers lehnt die Nachricht ab. Seine Worte sagen vielleicht, warum; sonst "
    "fragen Sie den Empfänger auf anderem Weg.")
DSN_EXPLANATION("*.7.26",
    "The recipient's server could not confirm that the message is from your domain (SPF, DKIM). Tell "
    "your administrator.",
    "Der Server des Empfängers konnte nicht bestätigen, dass die Nachricht aus Ihrer Domain kommt "
    "(SPF, DKIM). Sagen Sie es Ihrem Administrator.")
DSN_EXPLANATION("*.0.0", "The recipient's server gave no closer reason.",
    "Der Server des Empfängers nannte keinen genaueren Grund.")
DSN_EXPLANATION("*.1.*", "Something is wrong with the address. Check it for typing errors.",
    "Mit der Adresse stimmt etwas nicht. Prüfen Sie sie auf Tippfehler.")
DSN_EXPLANATION("*.2.*", "The recipient's mailbox does not take the message.",
    "Das Postfach des Empfängers nimmt die Nachricht nicht an.")
DSN_EXPLANATION("*.3.*", "The recipient's mail server has a trouble of its own.",
    "Der Mailserver des Empfängers hat selbst eine Störung.")
DSN_EXPLANATION("*.4.*", "The network on the way to the recipient's mail server has a trouble.",
    "Auf dem Weg zum Mailserver des Empfängers ist das Netz gestört.")
DSN_EXPLANATION("*.5.*", "The mail servers did not understand each other. Tell your administrator.",
    "Die Mailserver haben einander nicht verstanden. Sagen Sie es Ihrem Administrator.")
DSN_EXPLANATION("*.6.*",
    "The recipient's server cannot take the message in this form. Send it as plain text without "
    "attachments.",
    "Der Server des Empfängers kann die Nachricht in dieser Form nicht annehmen. Senden Sie sie als "
    "einfachen Text ohne Anhänge.")
DSN_EXPLANATION("*.7.*",
    "The recipient's server refuses the message for reasons of security or policy. Its words may say "
    "why.",
    "Der Server des Empfängers lehnt die Nachricht aus Gründen der Sicherheit oder seiner Regeln ab. "
    "Seine Worte sagen vielleicht, warum.")
DSN_EXPLANATION("*.*.*", "No closer reason is known.", "Ein genauerer Grund ist nicht bekannt.")
