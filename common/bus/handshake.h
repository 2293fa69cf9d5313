/* common/bus/handshake.h - HELLO and PROOF of one connection (README.md).
 *
 * Pure. The dialer speaks first in both rounds: its HELLO is answered by the
 * listener's, then its PROOF by the listener's, so that a stranger learns
 * nothing but a name.
 */
#ifndef WEIR_BUS_HANDSHAKE_H
#define WEIR_BUS_HANDSHAKE_H

#include "common/bus/record.h"
#include "common/bus/world.h"
#include "common/media/reason.h"

#define BUS_VERSION           0x0001u
#define HANDSHAKE_RECORD_MAX  1024u /* bytes; HELLO may grow up to this */
#define HANDSHAKE_NONCE_BYTES 32u

enum { CONNECTION_MEDIA = 1, CONNECTION_CONTROL = 2 };

/* Who we are; lives as long as its handshakes. */
struct handshake_self {
	struct node_ref node;
	struct uuid boot;
	char cluster[NODE_ID_SIZE];
	uint8_t identity;
	struct span key;
};

enum handshake_stage { HANDSHAKE_HELLO, HANDSHAKE_PROOF, HANDSHAKE_DONE };

struct handshake {
	const struct handshake_self *self;
	enum handshake_stage stage;
	bool is_dialer;
	uint8_t connection; /* the listener's: 0 until HELLO came */
	uint8_t nonce[HANDSHAKE_NONCE_BYTES];
	uint8_t peer_nonce[HANDSHAKE_NONCE_BYTES];
	char expected[NODE_ID_SIZE]; /* the dialer's: who should answer */
	struct node_ref peer;        /* from HELLO; true once DONE */
	struct uuid peer_boot;
};

/* `nonce` is random. `connection` and `expected` are the dialer's; 0 and ""
 * make a listener's end. */
void handshake_init(struct handshake *hs, const struct handshake_self *self,
		    const uint8_t nonce[HANDSHAKE_NONCE_BYTES],
		    uint8_t connection, const char *expected);

/* The dialer's first record. */
void handshake_begin(const struct handshake *hs, struct record *hello);

/* Take the peer's record. Returns 0: *reply is to be sent when its type is not
 * 0, and the stage says what comes next; or WEIR_EPROTO: refuse the peer, with
 * *why and *detail (static) saying why. */
WEIR_MUST_CHECK int handshake_take(struct handshake *hs, const struct record *r,
				   struct record *reply, enum reason *why,
				   const char **detail);

#endif
