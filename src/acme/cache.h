/*
 * acme/cache.h -- account keys and certificates on disk.
 *
 *     <dir>/acme_account+key   the account's key, PEM
 *     <dir>/<first name>       a certificate: its key, then its chain, PEM
 *
 * Names and contents are those of the Go server's cache (autocert), so that either finds what the other left. Files
 * have mode 0600 and appear whole or not at all. All of it blocks on the disk. Any thread.
 */
#ifndef ACME_CACHE_H
#define ACME_CACHE_H

#include "acme/jws.h"
#include "net/tls.h"

/** Make the directory (0700, with its parents) if it is missing, and see that a file can be written there. */
enum status acme_cache_check(const char *dir, struct err *err) MUST_CHECK;
/**
 * The account's key. ST_NOT_FOUND: there is none. ST_BAD_INPUT: the file holds no such key; it is left alone, a key
 * is never replaced.
 */
enum status acme_cache_load_account(const char *dir, struct acme_key **out, struct err *err) MUST_CHECK;
enum status acme_cache_save_account(const char *dir, const struct acme_key *k, struct err *err) MUST_CHECK;
/** A certificate. name: a host name in lower case. ST_NOT_FOUND: there is none. ST_BAD_INPUT: damaged. */
enum status acme_cache_load_cert(const char *dir, const char *name, struct net_tls_cert **out, struct err *err) MUST_CHECK;
/** pem: the key, then the chain. Replaces what was there. */
enum status acme_cache_save_cert(const char *dir, const char *name, struct bytes pem, struct err *err) MUST_CHECK;

#endif
