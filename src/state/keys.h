/* state/keys.h -- the texts of keys and tags, shared by commands and by the import. Pure but for keys_find_preauth. */
#ifndef STATE_KEYS_H
#define STATE_KEYS_H

#include "state/records.h"

struct draft;
struct command;

/** Cut "...<marker><12>-<64>"; name gets the twelve, secret_out points into text. False: not of that form. */
bool key_text_split(struct bytes text, const char *marker, char name[static KEY_NAME_MAX], struct bytes *secret_out);
/** The name that an old pre-auth key (48 hex digits, no name of its own) is kept under: of its SHA-256. */
void key_legacy_name(struct bytes text, char name[static KEY_NAME_MAX]);
/** The form of a tag: "tag:", lower case, no blanks. ST_BAD_INPUT with the API's words. */
enum status tag_check(const char *tag, struct err *err) MUST_CHECK;
enum status tags_check(const char *const *tags, size_t n, struct err *err) MUST_CHECK;

/**
 * The pre-auth key that a client's text is, its secret checked; whether it may be used is another question. Borrowed
 * from the draft. ST_DENIED: there is none. ST_AGAIN: an imported hash; the command goes to the helper and runs again.
 */
enum status keys_find_preauth(struct draft *d, struct command *c, struct bytes text, struct preauth_key **out,
			      struct err *err) MUST_CHECK;

#endif
