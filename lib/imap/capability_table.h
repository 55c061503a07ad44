/* SPDX-License-Identifier: ISC */
/*
 * The capabilities announced after login, in the order of the announcement:
 *     IMAP_CAP(id, name, where, rfc, what it gives)
 * where: EVER (before login as well, as far as it concerns that), LOGIN (after login).
 */
IMAP_CAP(IMAP4REV1, "IMAP4rev1", EVER, "3501", "the protocol")
IMAP_CAP(IMAP4REV2, "IMAP4rev2", EVER, "9051", "its second revision, once it is enabled")
IMAP_CAP(LITERAL_PLUS, "LITERAL+", EVER, "7888",
    "literals sent without asking, of any size (LITERAL- is part of it)")
IMAP_CAP(SASL_IR, "SASL-IR", EVER, "4959", "AUTHENTICATE with initial response")
IMAP_CAP(IDLE, "IDLE", LOGIN, "2177", "news at once, without polling")
IMAP_CAP(ID, "ID", EVER, "2971", "names of programs")
IMAP_CAP(ENABLE, "ENABLE", LOGIN, "5161", "switches extensions on that change answers")
IMAP_CAP(NAMESPACE, "NAMESPACE", LOGIN, "2342", "one personal namespace, delimiter `/`")
IMAP_CAP(CHILDREN, "CHILDREN", LOGIN, "3348", "`\\HasChildren`, `\\HasNoChildren` in LIST")
IMAP_CAP(UIDPLUS, "UIDPLUS", LOGIN, "4315", "UID EXPUNGE, APPENDUID, COPYUID")
IMAP_CAP(UNSELECT, "UNSELECT", LOGIN, "3691", "closes a folder without expunging")
IMAP_CAP(MOVE, "MOVE", LOGIN, "6851", "MOVE and UID MOVE, atomic")
IMAP_CAP(CONDSTORE, "CONDSTORE", LOGIN, "7162", "a MODSEQ for each message, conditional STORE")
IMAP_CAP(QRESYNC, "QRESYNC", LOGIN, "7162", "a folder brought up to date by one SELECT")
IMAP_CAP(ESEARCH, "ESEARCH", LOGIN, "4731", "SEARCH RETURN (MIN MAX ALL COUNT)")
IMAP_CAP(SEARCHRES, "SEARCHRES", LOGIN, "5182", "`$` is the result of the last SEARCH with SAVE")
IMAP_CAP(WITHIN, "WITHIN", LOGIN, "5032", "OLDER and YOUNGER in SEARCH")
IMAP_CAP(SORT, "SORT", LOGIN, "5256", "sorted by the server; texts compared by i;unicode-casemap")
IMAP_CAP(ESORT, "ESORT", LOGIN, "5267", "SORT RETURN (MIN MAX ALL COUNT), and SAVE")
IMAP_CAP(THREAD_ORDEREDSUBJECT, "THREAD=ORDEREDSUBJECT", LOGIN, "5256", "threads by subject")
IMAP_CAP(THREAD_REFERENCES, "THREAD=REFERENCES", LOGIN, "5256", "threads by references and subject")
IMAP_CAP(QUOTA, "QUOTA", LOGIN, "9208", "how much the mailbox holds and may hold; set with `postern user quota`")
IMAP_CAP(QUOTA_STORAGE, "QUOTA=RES-STORAGE", LOGIN, "9208", "by size; DELETED-STORAGE in STATUS")
IMAP_CAP(QUOTA_MESSAGE, "QUOTA=RES-MESSAGE", LOGIN, "9208", "by messages; DELETED in STATUS")
IMAP_CAP(OBJECTID, "OBJECTID", LOGIN, "8474", "EMAILID, THREADID, MAILBOXID")
IMAP_CAP(SAVEDATE, "SAVEDATE", LOGIN, "8514", "when a message came into its folder")
IMAP_CAP(MULTIAPPEND, "MULTIAPPEND", LOGIN, "3502", "several messages in one APPEND, all or none")
IMAP_CAP(BINARY, "BINARY", LOGIN, "3516", "parts decoded by the server; messages with NUL bytes are not stored")
IMAP_CAP(UTF8_ACCEPT, "UTF8=ACCEPT", LOGIN, "9755", "folder names and headers in UTF-8")
IMAP_CAP(PREVIEW, "PREVIEW", LOGIN, "8970", "the first words of a message")
IMAP_CAP(SPECIAL_USE, "SPECIAL-USE", LOGIN, "6154", "`\\Drafts`, `\\Sent` and others in LIST")
IMAP_CAP(CREATE_SPECIAL_USE, "CREATE-SPECIAL-USE", LOGIN, "6154",
    "CREATE with USE; each use belongs to one folder")
IMAP_CAP(LIST_EXTENDED, "LIST-EXTENDED", LOGIN, "5258",
    "selection and return options of LIST, several patterns")
IMAP_CAP(LIST_STATUS, "LIST-STATUS", LOGIN, "5819", "LIST ... RETURN (STATUS (...))")
IMAP_CAP(STATUS_SIZE, "STATUS=SIZE", LOGIN, "8438", "SIZE in STATUS")
IMAP_CAP(APPENDLIMIT, "APPENDLIMIT", LOGIN, "7889",
    "largest message APPEND takes, the same for all folders")
