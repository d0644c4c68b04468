/* cli/main.c -- one command from arguments to exit status. */
#include "cli/cli_priv.h"

static void close_http(void *arg)
{
	cli_http_close(arg);
}

int cli_main(int argc, char **argv, const struct cli_hooks *hooks)
{
	struct cli_ctx c = { .arena = arena_new(), .hooks = hooks, .root = &cli_root };
	enum status s;

	arena_on_free(c.arena, close_http, &c);
	s = cli_parse(&c, argc, argv);
	if (s == ST_OK) {
		if (c.command->deprecated != NULL)
			fprintf(stderr, "%s\n", c.command->deprecated);
		s = c.command->run(&c);
		if (s != ST_OK && c.err.text[0] != '\0')
			cli_error(&c, c.err.text);
	} else if (s == ST_CLOSED) {
		s = ST_OK;
	}
	arena_free(&c.arena);
	if (fflush(stdout) != 0)
		s = ST_IO;
	return s == ST_OK ? 0 : 1;
}
