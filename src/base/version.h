/*
 * base/version.h -- which build this is.
 *
 * The version is the project's, HEADSCALE_VERSION. The rest comes from git when the build runs; only base/version.c is
 * compiled again when it changes. Built from an archive without git, the commit is "v" and the version, and there is no time.
 * All static, any thread.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#include <stdbool.h>

/** 40 hex digits, or "v0.1.0". */
const char *build_commit(void);
/** When the commit was made, RFC 3339 in UTC; "unknown". The same source gives the same bytes, whenever it is built. */
const char *build_time(void);
/** Files of the source differed from the commit. */
bool build_dirty(void);
/** The processor, as download pages call it: "amd64", "arm64", or the kernel's word. */
const char *build_arch(void);

#endif
