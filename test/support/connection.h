/*
 * test/support/connection.h -- for unit tests of upper rooms: a connection in memory and a store that forgets.
 *
 * Such a room may not include net/ or store/ itself; a test of it needs both ends of a connection and a writer behind it.
 */
#ifndef TEST_SUPPORT_CONNECTION_H
#define TEST_SUPPORT_CONNECTION_H

#include "net/pipe.h"
#include "store/store.h"

#endif
