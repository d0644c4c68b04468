/* A whole handshake at protocol version 145 with fixed keys; compared with what clients' own code computes. */
#ifndef TEST_NOISE_VECTORS_H
#define TEST_NOISE_VECTORS_H

#define V_VERSION 145
#define V_CLIENT_PRIV "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e6f"
#define V_CLIENT_PUB "d89e3bad79437dbed9f843418304f460ff05c7fe81fe4a9577a804cb9367ff66"
#define V_SERVER_PRIV "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
#define V_SERVER_PUB "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51a"
#define V_CLIENT_EPH "707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e4f"
#define V_SERVER_EPH "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbe7f"
#define V_INITIATION                                                                                                   \
	"0091010060"                                                                                                   \
	"23b7bb8c91ae008711fb12846780bcdf1e065f821bdfec49f57e7c7dcd4c4823"                                             \
	"3e3656b8d011d79289238e398d21992719757cfddd7b176b1542816cfce2502c9e0d5a1f52682b6b32262b5c874658c3"             \
	"9d1feb6d320dd80bfe318d5aab519c61"
#define V_RESPONSE                                                                                                     \
	"020030"                                                                                                       \
	"605a725d2a4adfeeb1a29e17edd621c1b7593ee8cdbc44ac6c4ab6e2f805d23c"                                             \
	"cad3c9a0e67a46e2079e74e5608a159f"
#define V_HASH "a53756579002be4585d14458a46f1de01fbb21887a7d1b747b1b8cae91806ec4"
#define V_TO_SERVER "7fae2c4dfe32dc87bfa7509e8f277d722fbb5a363cd7d884ef1106bd2bd2fad9"
#define V_TO_CLIENT "3b0b7ee8ca35498aced65f09705b6c04d31794785abc4069e886b45386330022"

#define V_EARLY_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define V_EARLY_JSON "{\"nodeKeyChallenge\":\"chalpub:" V_EARLY_KEY "\"}"
/* server to client: the payload as three records ... */
#define V_EARLY_THREE                                                                                                  \
	"040015216eb189aea3b7ac820c39853b121020ed2163ce3a"                                                             \
	"0400144c6dae6b9cee6d2e3941320caaa0af7ec6e44576"                                                               \
	"04006fa3c33da69931fa3af9040b655c426b6840c15403648fd069798651b07218506f1ada5e37b62dd61240452316a0"             \
	"77137ea2b44b076f0891bf3c111a35f6d6043d181b566e41d1f7e689d68279674294e46d49389775ff910d3cd8d64078"             \
	"b5224e322f186a70e173f806723c3adc658d"
/* ... and as one */
#define V_EARLY_ONE                                                                                                    \
	"040078216eb189ae40f9ade87f03c7da129c63409f9393ab9fc4586612f75db59178361806d59d39e7d6f7262cc9563f"             \
	"938ba105709ab416e90f05a7ad073fe9a32e8c80ddc1b44fb51871b00424e4cc994195f3b59cf629e960ea01d4fd488c"             \
	"fbec234282b593db791a2dd776ddd70d6e05aab533879c7dfc2cfa"
/* client to server: the HTTP/2 preface, then an empty SETTINGS frame */
#define V_CLIENT_0 "040028ec93a41924ed73dc849019d0bf952ced103e76d4961bcc542c43e4c076e983e51558f6a40d03045e"
#define V_CLIENT_1 "040019a0bd608c7a9a4c793d5017031555517784803dfffd5fb5fe3e"
/* client to server, record 256: 4077 zero bytes */
#define V_CLIENT_256_BEGIN "040ffd1191a96391ca91c395749616bc9cabd8"
#define V_CLIENT_256_END "9ede1d1c8709faa6fbcb5b36ad1cb5d5"

#endif
