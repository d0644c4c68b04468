/* cli/cmd_misc.c -- what needs no server, or is none of the others: serve, version, completion, manual page, help. */
#include "cli/cli_priv.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/version.h"
#include "config/config.h"
#include "crypto/keys.h"
#include "crypto/secret.h"

enum status cli_serve(struct cli_ctx *c)
{
	return c->hooks->serve(c->config_path) == 0 ? ST_OK : ST_IO;
}

enum status cli_derp(struct cli_ctx *c)
{
	return c->hooks->derp(c->n_args, c->args) == 0 ? ST_OK : ST_IO;
}

enum status cli_version(struct cli_ctx *c)
{
	struct json_object *o = cli_object(c), *go = json_object_new_object();

	cli_put(o, "version", HEADSCALE_VERSION);
	cli_put(o, "commit", build_commit());
	cli_put(o, "buildTime", build_time());
	/* The Go server's member names; a script that reads them finds our compiler. */
	json_object_object_add(o, "go", go);
	cli_put(go, "version", "C (" __VERSION__ ")");
	cli_put(go, "os", "linux");
	cli_put(go, "arch", build_arch());
	json_object_object_add(o, "dirty", json_object_new_boolean(build_dirty()));
	cli_result(c, o, "headscale version %s%s\ncommit: %s\nbuild time: %s\nbuilt with: C %s linux/%s\n",
		   HEADSCALE_VERSION, build_dirty() ? "-dirty" : "", build_commit(), build_time(), __VERSION__, build_arch());
	return ST_OK;
}

enum status cli_configtest(struct cli_ctx *c)
{
	struct config_source src = { .path = c->config_path, .env = environ, .purpose = CONFIG_FOR_SERVER };
	struct config_report report = { 0 };
	struct config *config = NULL;
	struct buf text;
	enum status s = config_load(&src, &config, &report);

	buf_init(&text, 1u << 20);
	config_report_print(&report, &text);
	if (text.n > 0)
		fwrite(text.p, 1, text.n, stderr);
	if (s != ST_OK)
		err_set(&c->err, "configuration: %zu error(s)", report.n_errors);
	if (s == ST_OK && config_unserved(config) != NULL) {
		err_set(&c->err, "%s", config_unserved(config));
		s = ST_UNSUPPORTED;
	}
	buf_release(&text);
	config_report_release(&report);
	config_free(&config);
	return s;
}

enum status cli_health(struct cli_ctx *c)
{
	struct json_object *out = NULL;
	enum status s = cli_call(c, "checking health", "GET", "/api/v1/health", NULL, &out);

	if (s == ST_OK)
		cli_result(c, out, "%s", "");
	return s;
}

enum status cli_generate_key(struct cli_ctx *c)
{
	struct machine_private k;
	char text[KEY_TEXT_MAX];
	struct json_object *o = cli_object(c);

	machine_private_new(&k);
	machine_private_format(&k, text);
	cli_put(o, "private_key", text);
	cli_result(c, o, "%s", text);
	secret_wipe(&k, sizeof k);
	secret_wipe(text, sizeof text);
	return ST_OK;
}

/* ---- help, completion, manual page: all from the table ---- */

enum status cli_help(struct cli_ctx *c)
{
	const struct cli_command *cmd = c->root;
	const char *path = "";

	for (int i = 0; i < c->n_args; i++) {
		const struct cli_command *s = cmd->subs;

		while (s != NULL && s->name != NULL && strcmp(s->name, c->args[i]) != 0)
			s++;
		if (s == NULL || s->name == NULL) {
			err_set(&c->err, "unknown help topic \"%s\"", c->args[i]);
			return ST_NOT_FOUND;
		}
		cmd = s;
		path = arena_printf(c->arena, "%s%s%s", path, path[0] ? " " : "", s->name);
	}
	cli_usage(c, cmd, path, stdout);
	return ST_OK;
}

static void words_of(const struct cli_command *cmd, FILE *to)
{
	for (const struct cli_command *s = cmd->subs; s != NULL && s->name != NULL; s++)
		if (!s->hidden)
			fprintf(to, "%s ", s->name);
	for (size_t i = 0; i < CLI_FLAGS_MAX && cmd->flags[i].name != NULL; i++)
		fprintf(to, "--%s ", cmd->flags[i].name);
	fputs("--config --output --force --help", to);
}

static void completion_bash(const struct cli_command *root)
{
	puts("# bash completion for headscale\n_headscale() {\n\tlocal cur words path w\n\tcur=${COMP_WORDS[COMP_CWORD]}\n"
	     "\tpath=\n\tfor w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n\t\tcase $w in -*) ;; *) path=\"$path $w\" ;; esac\n\tdone\n"
	     "\tcase \"${path# }\" in");
	for (const struct cli_command *a = root->subs; a->name != NULL; a++) {
		for (const struct cli_command *b = a->subs; b != NULL && b->name != NULL; b++) {
			printf("\t\"%s %s\"*) words=\"", a->name, b->name);
			words_of(b, stdout);
			puts("\" ;;");
		}
		printf("\t\"%s\"*) words=\"", a->name);
		words_of(a, stdout);
		puts("\" ;;");
	}
	fputs("\t*) words=\"", stdout);
	words_of(root, stdout);
	puts("\" ;;\n\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _headscale headscale");
}

static void completion_zsh(const struct cli_command *root)
{
	puts("#compdef headscale\nautoload -U +X bashcompinit && bashcompinit");
	completion_bash(root);
}

static void completion_fish(const struct cli_command *root)
{
	puts("# fish completion for headscale\ncomplete -c headscale -f");
	for (const struct cli_command *a = root->subs; a->name != NULL; a++) {
		if (a->hidden)
			continue;
		printf("complete -c headscale -n __fish_use_subcommand -a %s -d \"%s\"\n", a->name, a->help);
		for (const struct cli_command *b = a->subs; b != NULL && b->name != NULL; b++)
			printf("complete -c headscale -n '__fish_seen_subcommand_from %s' -a %s -d \"%s\"\n", a->name, b->name,
			       b->help);
	}
	puts("complete -c headscale -s c -l config -r\ncomplete -c headscale -s o -l output -x -a 'json json-line yaml'\n"
	     "complete -c headscale -l force");
}

enum status cli_completion(struct cli_ctx *c)
{
	const char *shell = c->n_args > 0 ? c->args[0] : "";

	if (strcmp(shell, "bash") == 0)
		completion_bash(c->root);
	else if (strcmp(shell, "zsh") == 0)
		completion_zsh(c->root);
	else if (strcmp(shell, "fish") == 0)
		completion_fish(c->root);
	else {
		err_set(&c->err, "unknown shell \"%s\": bash, zsh and fish are known", shell);
		return ST_BAD_INPUT;
	}
	return ST_OK;
}

static void man_flags(const struct cli_command *cmd)
{
	for (size_t i = 0; i < CLI_FLAGS_MAX && cmd->flags[i].name != NULL; i++) {
		const struct cli_flag *f = &cmd->flags[i];

		printf(".RS\n.TP\n");
		if (f->letter != 0)
			printf("\\fB\\-%c\\fR, ", f->letter);
		printf("\\fB\\-\\-%s\\fR\n%s.\n.RE\n", f->name, f->help);
	}
}

static void man_commands(const struct cli_command *cmd, const char *path)
{
	for (const struct cli_command *s = cmd->subs; s != NULL && s->name != NULL; s++) {
		char full[64];

		if (s->hidden)
			continue;
		snprintf(full, sizeof full, "%s%s%s", path, path[0] ? " " : "", s->name);
		if (s->subs != NULL)
			man_commands(s, full);
		if (s->run == NULL)
			continue;
		printf(".TP\n\\fBheadscale %s\\fR %s\n%s.\n", full, s->args != NULL ? s->args : "", s->help);
		man_flags(s);
	}
}

enum status cli_man(struct cli_ctx *c)
{
	printf(".TH HEADSCALE 1 \"\" \"headscale %s\"\n.SH NAME\nheadscale \\- coordination server for Tailscale clients\n"
	       ".SH SYNOPSIS\n\\fBheadscale\\fR [\\fB\\-c\\fR FILE] [\\fB\\-o\\fR json|json\\-line|yaml] [\\fB\\-\\-force\\fR] COMMAND ...\n"
	       ".SH DESCRIPTION\nRuns the server (\\fBserve\\fR), or speaks to a running one over its Unix socket or, with "
	       "\\fBcli.address\\fR and an API key in the configuration, from anywhere.\n.SH COMMANDS\n",
	       HEADSCALE_VERSION);
	man_commands(c->root, "");
	printf(".SH EXIT STATUS\n0 on success, 1 on any error.\n.SH FILES\n/etc/headscale/config.yaml\n"
	       ".SH ENVIRONMENT\n\\fBHEADSCALE_CONFIG\\fR, and \\fBHEADSCALE_\\fR with the name of any key of the configuration.\n");
	return ST_OK;
}
