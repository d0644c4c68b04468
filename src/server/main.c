/* server/main.c -- the programme: a command line whose `serve` is the server. */
#include "cli/cli.h"
#include "server/derp_alone.h"
#include "server/serve.h"

int main(int argc, char **argv)
{
	static const struct cli_hooks hooks = { .serve = server_serve, .derp = server_derp_alone };

	return cli_main(argc, argv, &hooks);
}
