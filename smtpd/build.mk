smtpd_needs := smtp mail tls dns daemon settings proc ipc io base
