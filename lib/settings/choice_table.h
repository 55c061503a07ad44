/* SPDX-License-Identifier: ISC */
/*
 * The words of each setting of type CHOICE. No include guard.
 *
 *   CHOICE(id, words)    separated by one space; settings_u64 gives the place of the word, from 0 on
 */
CHOICE(smtpd_greylist, "off suspicious all")
CHOICE(smtpd_early_talkers, "off mark refuse")
CHOICE(smtpd_foreign_reports, "off mark refuse")
