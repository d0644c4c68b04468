/*
 * state/names.h -- from what a machine calls itself to a DNS label that is valid and its own.
 *
 * "Joe's Mac mini" -> joes-mac-mini; taken: joes-mac-mini-1. Pure; any thread.
 */
#ifndef STATE_NAMES_H
#define STATE_NAMES_H

#include <stdbool.h>

#include "model/node.h"

/**
 * The label that a host name gives: never empty ("node" if nothing is left), at most NODE_NAME_MAX bytes.
 *
 * One ending .local, .localdomain, .lan each goes; of the first 63 bytes, what is not ASCII alphanumeric goes at both
 * ends; inside, blanks, dots, @ and _ become hyphens, letters lower case, the rest goes.
 */
void name_from_hostname(const char *hostname, char out[static NODE_NAME_MAX + 1]);

/** `base` itself for n = 0, else with "-n" behind it, the base cut so that the whole stays a valid label. */
void name_numbered(const char *base, unsigned n, char out[static NODE_NAME_MAX + 1]);

/** Is `name` what `hostname` gives, perhaps with a number behind? Then a new host name may rename the node. */
bool name_is_derived(const char *name, const char *hostname);

/** 1..63 letters, digits and hyphens, no hyphen at the ends. */
bool name_is_label(const char *name);

#endif
