/*
 * crypto/private_file.h -- the file a private key of the server lives in.
 *
 * Its content is "privkey:" and 64 hex digits, with or without white space around, as headscale has always
 * written it; so a server that takes over finds its identity. Blocks on the disk: at start only.
 */
#ifndef CRYPTO_PRIVATE_FILE_H
#define CRYPTO_PRIVATE_FILE_H

#include "base/status.h"
#include "crypto/keys.h"

/**
 * Read the key in `path`; where there is no file, make a key and write it (mode 0600, parent directory made with 0700
 * if it is missing). The file appears whole or not at all; of two processes that make it at once, both end with one key.
 *
 * ST_BAD_INPUT  the file holds no key: it is left as it is, a key is never replaced.
 * ST_IO         cannot be read or written.
 * err says which file and why, never what is in it.
 */
enum status private_file_load_machine(const char *path, struct machine_private *out, struct err *err) MUST_CHECK;
enum status private_file_load_node(const char *path, struct node_private *out, struct err *err) MUST_CHECK;

/**
 * The file is there and others than its owner may read or write it: worth a warning at start, but no reason to stop, for
 * some ways of handing secrets to a container always look so.
 */
bool private_file_is_open_to_others(const char *path);

#endif
