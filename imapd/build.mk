imapd_needs := imap tls daemon settings ipc io base
imapd_ldlibs :=
