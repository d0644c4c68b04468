/* Vectors of docs/wire/derp.md, made with two independent implementations of the boxes. */
#ifndef TEST_DERP_VECTORS_H
#define TEST_DERP_VECTORS_H

#include "base/bytes.h"

#define V_SERVER_PRIVATE "0002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60"
#define V_SERVER         "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
#define V_A_PRIVATE      "4042434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60"
#define V_A              "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466"
#define V_B_PRIVATE      "8082838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f60"
#define V_B              "883186b800b41d5cf0429695da9b3cc4f328ebcd184a6e482fa578c103f06c77"
#define V_MESH           "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define V_SERVER_KEY_FRAME "010000002844455250f09f9491" V_SERVER
#define V_CLIENT_INFO_A                                                                                                \
	"0200000068" V_A "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b76cffec82736cd2129b825def91dab6667d"           \
	"fbbfe74feceee2842379acdf7acb5bb387740e0e27b6d3d9ab25945f3ffc3f"
#define V_SERVER_INFO_A                                                                                                \
	"0300000035c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d719e6b9c203327451f267124ec8d07d84d62c7c1b97f1bb18"    \
	"cbbfe8b602"
#define V_SERVER_INFO_A_RATE                                                                                           \
	"0300000079c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d77587495ca6f0da09051bcbc142c60216d62c7c1b97f1bb18"    \
	"cbbfe8b65361cf2f7ee00473c3016e6788c042bb6a5a63dd1596a47f5f48762acd284d78dd48d2eb379cb1ac9643dda4667e19667d"    \
	"2632f2c749fcee4301ae234203965195e6cfd479"
#define V_CLIENT_INFO_B                                                                                                \
	"02000000b6" V_B "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7f932b82ecaee8ebb6b0ec3fb1694392ade519c41"    \
	"f683da3fadb51d747c0002520172ff9ba74e5cab0a424d0c09ff5e4ff81e249c7f5efcc8974a1ad36ede8f7714685c8fe58be6df46"    \
	"77c94dad03098c1362ba398863a424c4831287a173f5b797e3e5daaaa80aca937247527a527093ed7a496754db80d1a8f374f066d6"

static inline size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;
	return hex_decode(bytes_of_str(hex), out, n) == ST_OK ? n : 0;
}

#endif
