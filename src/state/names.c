/* state/names.c -- see state/names.h. */
#include "state/names.h"

#include <stdio.h>
#include <string.h>

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static size_t strip_suffix(const char *s, size_t n, const char *suffix)
{
	size_t m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0 ? n - m : n;
}

void name_from_hostname(const char *hostname, char out[static NODE_NAME_MAX + 1])
{
	size_t n = strlen(hostname), from = 0, len = 0;

	n = strip_suffix(hostname, n, ".local");
	n = strip_suffix(hostname, n, ".localdomain");
	n = strip_suffix(hostname, n, ".lan");
	if (n > NODE_NAME_MAX)
		n = NODE_NAME_MAX;
	while (from < n && !alnum(hostname[from]))
		from++;
	while (n > from && !alnum(hostname[n - 1]))
		n--;
	for (; from < n; from++) {
		char c = hostname[from];

		if (c >= 'A' && c <= 'Z')
			out[len++] = (char)(c - 'A' + 'a');
		else if (alnum(c) || c == '-')
			out[len++] = c;
		else if (c == ' ' || c == '.' || c == '@' || c == '_')
			out[len++] = '-';
	}
	out[len] = '\0';
	if (len == 0)
		strcpy(out, "node");
}

void name_numbered(const char *base, unsigned n, char out[static NODE_NAME_MAX + 1])
{
	char tail[16] = "";
	size_t keep = strlen(base), t = 0;

	if (n > 0)
		t = (size_t)snprintf(tail, sizeof tail, "-%u", n);
	if (keep > NODE_NAME_MAX - t)
		keep = NODE_NAME_MAX - t;
	while (n > 0 && keep > 1 && base[keep - 1] == '-')
		keep--; /* no "--1": the cut may have left a hyphen */
	memcpy(out, base, keep);
	memcpy(out + keep, tail, t + 1);
}

bool name_is_derived(const char *name, const char *hostname)
{
	char base[NODE_NAME_MAX + 1], want[NODE_NAME_MAX + 1];
	const char *dash;
	unsigned n = 0;

	name_from_hostname(hostname, base);
	if (strcmp(name, base) == 0)
		return true;
	dash = strrchr(name, '-');
	if (dash == NULL || dash[1] == '\0' || dash[1] == '0' || strlen(dash + 1) > 9)
		return false;
	for (const char *c = dash + 1; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return false;
		n = n * 10 + (unsigned)(*c - '0');
	}
	name_numbered(base, n, want);
	return strcmp(name, want) == 0;
}

bool name_is_label(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NODE_NAME_MAX || name[0] == '-' || name[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!alnum(name[i]) && name[i] != '-')
			return false;
	return true;
}
