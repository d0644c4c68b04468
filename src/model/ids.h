/* model/ids.h -- numbers that name things; 0 is never given. IDs are never given twice. */
#ifndef MODEL_IDS_H
#define MODEL_IDS_H

#include <stdint.h>

typedef uint64_t node_id;   /* below 2^53; also the StableID, in decimal */
typedef uint64_t user_id;   /* below 2^53 */
typedef uint32_t tailnet_id;
typedef uint64_t key_id;    /* of a pre-auth key, an API key */

#define TAILNET_DEFAULT ((tailnet_id)1)
/* The pseudo user that tagged nodes belong to on the wire. */
#define USER_TAGGED_DEVICES ((user_id)2147455555)

#endif
