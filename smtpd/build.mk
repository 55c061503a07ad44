smtpd_needs := smtp_host smtp mail tls dns daemon settings proc ipc io base
