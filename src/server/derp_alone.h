/* server/derp_alone.h -- `headscale derp`: only the relay and STUN. */
#ifndef SERVER_DERP_ALONE_H
#define SERVER_DERP_ALONE_H

/** Flags as derper has them; see `headscale derp --help`. Runs until told to stop. Returns the exit status. */
int server_derp_alone(int argc, char **argv);

#endif
