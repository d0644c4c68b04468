/* base/version.c -- see base/version.h; build_info.h is written by tools/build-info, "COMMIT DIRTY TIME". */
#include "base/version.h"

#include <string.h>

#include "base/build_info.h"

/* Compile time's architecture: the name in Debian's and Go's lists. */
#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#elif defined(__i386__)
#define ARCH "386"
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH "riscv64"
#elif defined(__arm__)
#define ARCH "arm"
#elif defined(__powerpc64__)
#define ARCH "ppc64le"
#elif defined(__s390x__)
#define ARCH "s390x"
#else
#define ARCH "unknown"
#endif

/* The n-th word of BUILD_INFO, in `out`. */
static const char *word(int n, char *out, size_t cap)
{
	const char *p = BUILD_INFO;
	size_t len;

	for (; n > 0 && *p != '\0'; n--) {
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	len = strcspn(p, " ");
	if (len >= cap)
		len = cap - 1;
	memcpy(out, p, len);
	out[len] = '\0';
	return out;
}

const char *build_commit(void)
{
	static _Thread_local char text[64];

	return word(0, text, sizeof text);
}

bool build_dirty(void)
{
	char text[16];

	return strcmp(word(1, text, sizeof text), "dirty") == 0;
}

const char *build_time(void)
{
	static _Thread_local char text[40];

	word(2, text, sizeof text);
	return text[0] != '\0' ? text : "unknown";
}

const char *build_arch(void)
{
	return ARCH;
}
