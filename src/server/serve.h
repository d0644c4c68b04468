/* server/serve.h -- run the server in the foreground. */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

/**
 * Read the configuration, start everything, serve until SIGINT, SIGTERM or SIGQUIT, end in order.
 *
 * config_path  NULL: search. Returns the exit status: 0, or 1 when it could not start; what was wrong is on stderr.
 */
int server_serve(const char *config_path);

#endif
