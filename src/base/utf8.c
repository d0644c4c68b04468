/* base/utf8.c -- see base/utf8.h. Ranges are those of Unicode's table 3-7 (RFC 3629, section 4). */
#include "base/utf8.h"

static bool in_range(uint8_t c, uint8_t low, uint8_t high)
{
	return c >= low && c <= high;
}

size_t utf8_len(struct bytes in)
{
	uint8_t low = 0x80, high = 0xbf, c;
	size_t len;

	if (!in.n)
		return 0;
	c = in.p[0];
	if (c < 0x80)
		return 1;
	if (!in_range(c, 0xc2, 0xf4))
		return 0;
	len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (c == 0xe0)
		low = 0xa0; /* overlong below */
	else if (c == 0xed)
		high = 0x9f; /* surrogates above */
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f; /* past U+10FFFF */
	if (in.n < len || !in_range(in.p[1], low, high))
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (!in_range(in.p[i], 0x80, 0xbf))
			return 0;
	}
	return len;
}

bool utf8_valid(struct bytes in)
{
	while (in.n) {
		size_t len = utf8_len(in);

		if (!len)
			return false;
		in = bytes_skip(in, len);
	}
	return true;
}
