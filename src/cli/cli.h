/*
 * cli/cli.h -- the command line: reads arguments, asks the server by HTTP, prints for people or programmes.
 *
 * Commands are rows of a table (cli/commands.c); what needs the server goes through its API v1, over
 * the Unix socket or, with an address and a key, from anywhere. What runs in this process instead
 * (serve, derp) is handed down by the caller.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

struct cli_hooks {
	/* Run the server in the foreground with the configuration at path (NULL: search). Returns the exit status. */
	int (*serve)(const char *config_path);
	/* `headscale derp ARGS...`: relay and STUN alone. */
	int (*derp)(int argc, char **argv);
};

/**
 * Run one command. Output goes to stdout, errors and prompts to stderr. Returns the exit status: 0, or 1 on any error.
 * One thread; may block up to the configured time limit.
 */
int cli_main(int argc, char **argv, const struct cli_hooks *hooks);

#endif
