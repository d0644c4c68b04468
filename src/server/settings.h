/*
 * server/settings.h -- from the configuration to what state and clients are given.
 */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include "config/config.h"
#include "crypto/keys.h"
#include "derp/map.h"
#include "state/settings.h"

/** One reference; returned (tailnet_settings_unref). */
struct tailnet_settings *server_tailnet_settings(const struct config *c);
#define TAILNET_ID_MAX 32
/** The name of the tailnet that stays: made from the server's Noise key, "T...CNTRL". */
void server_tailnet_id(const struct machine_key *noise, char out[static TAILNET_ID_MAX]);

/**
 * DNS for clients: nameservers, split and search domains, the records of the configuration or of its file.
 *
 * out  set on ST_OK: returned (dns_settings_unref).
 * ST_IO, ST_BAD_INPUT: the file of extra records cannot be read; err says why.
 * Blocks on that file.
 */
enum status server_dns_settings(const struct config *c, struct dns_settings **out, struct err *err) MUST_CHECK;

/** The region of the relay in this server, as `derp.server` describes it. */
enum status server_embedded_region(const struct config *c, struct derp_map *m, struct err *err) MUST_CHECK;

#define SERVER_FILE_MAX ((size_t)16 << 20)
/** A small file, whole. Returned (free()); NUL-terminated. ST_NOT_FOUND, ST_IO, ST_TOO_BIG. Blocks. */
enum status server_read_file(const char *path, char **out, size_t *n_out, struct err *err) MUST_CHECK;

#endif
