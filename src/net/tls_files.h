/*
 * net/tls_files.h -- certificates from a pair of PEM files, read again when they change.
 */
#ifndef NET_TLS_FILES_H
#define NET_TLS_FILES_H

#include "net/tls.h"

struct net_tls_files;
/** Told after each new reading, on the loop: ST_OK, or why the old certificate stays in use. */
typedef void net_tls_files_fn(void *arg, enum status s, const struct err *err);

/** Read both files (small, at start) and watch them from `l`. fn may be NULL. Returned (net_tls_files_free). */
enum status net_tls_files_new(struct loop *l, const char *cert_path, const char *key_path, net_tls_files_fn *fn,
			      void *arg, struct net_tls_files **out, struct err *err) MUST_CHECK;
void net_tls_files_free(struct net_tls_files **f);
/** Any name gets the pair. Valid while f lives. */
struct net_tls_provider net_tls_files_provider(struct net_tls_files *f);
/** Read the files again now; on failure the old pair stays. On the loop of f. */
enum status net_tls_files_reload(struct net_tls_files *f, struct err *err) MUST_CHECK;
/** Send this certificate (DER, copied; empty: none) behind the chain from now on, also after reloads. On the loop of f. */
enum status net_tls_files_set_extra(struct net_tls_files *f, struct bytes der, struct err *err) MUST_CHECK;
/** The certificate in use: a reference. Any thread. */
struct net_tls_cert *net_tls_files_cert(struct net_tls_files *f);

#endif
