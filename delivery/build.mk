delivery_needs := daemon smtp_client route dns smtp mail tls settings ipc io base proc
delivery_ldlibs := -lidn2
