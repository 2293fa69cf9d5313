/* common/bus/handshake.c - HELLO and PROOF of one connection. */
#include "common/bus/handshake.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdio.h>

void handshake_init(struct handshake *hs, const struct handshake_self *self,
		    const uint8_t nonce[HANDSHAKE_NONCE_BYTES],
		    uint8_t connection, const char *expected)
{
	*hs = (struct handshake){
		.self = self,
		.is_dialer = connection != 0,
		.connection = connection,
	};
	memcpy(hs->nonce, nonce, sizeof(hs->nonce));
	snprintf(hs->expected, sizeof(hs->expected), "%s", expected);
}

void handshake_begin(const struct handshake *hs, struct record *hello)
{
	const struct node_ref *node = &hs->self->node;

	*hello = (struct record){
		.type = RECORD_HELLO,
		.version = BUS_VERSION,
		.connection = hs->connection,
		.identity = hs->self->identity,
		.instance = node->instance,
		.boot = hs->self->boot,
	};
	memcpy(hello->nonce, hs->nonce, sizeof(hello->nonce));
	memcpy(hello->cluster, hs->self->cluster, sizeof(hello->cluster));
	memcpy(hello->node, node->id, sizeof(hello->node));
	memcpy(hello->kind, node->role, sizeof(hello->kind));
	memcpy(hello->url, node->url, sizeof(hello->url));
}

/* What an end proves: that it knows the key, now, here, and in this role. */
struct proof {
	const uint8_t *peer_nonce, *own_nonce;
	uint8_t connection;
	bool is_dialer;
	const char *node;
};

static bool make_proof(uint8_t out[32], struct span key, const struct proof *p)
{
	uint8_t text[2 * HANDSHAKE_NONCE_BYTES + 2 + NODE_ID_SIZE];
	const size_t id_len = strlen(p->node);
	unsigned len = 32;

	memcpy(text, p->peer_nonce, HANDSHAKE_NONCE_BYTES);
	memcpy(text + 32, p->own_nonce, HANDSHAKE_NONCE_BYTES);
	text[64] = p->connection;
	text[65] = p->is_dialer;
	memcpy(text + 66, p->node, id_len);
	return HMAC(EVP_sha256(), key.len ? (const void *)key.data : "",
		    (int)key.len, text, 66 + id_len, out, &len) != NULL;
}

static bool own_proof(const struct handshake *hs, struct record *out)
{
	const struct proof p = {
		.peer_nonce = hs->peer_nonce,
		.own_nonce = hs->nonce,
		.connection = hs->connection,
		.is_dialer = hs->is_dialer,
		.node = hs->self->node.id,
	};

	*out = (struct record){.type = RECORD_PROOF};
	return make_proof(out->nonce, hs->self->key, &p);
}

static bool is_proven(const struct handshake *hs, const struct record *r)
{
	const struct proof p = {
		.peer_nonce = hs->nonce,
		.own_nonce = hs->peer_nonce,
		.connection = hs->connection,
		.is_dialer = !hs->is_dialer,
		.node = hs->peer.id,
	};
	uint8_t right[32];

	return make_proof(right, hs->self->key, &p) &&
	       CRYPTO_memcmp(right, r->nonce, sizeof(right)) == 0;
}

static int refuse(enum reason *why, const char **detail, enum reason reason,
		  const char *text)
{
	*why = reason;
	*detail = text;
	return WEIR_EPROTO;
}

static int check_hello(const struct handshake *hs, const struct record *r,
		       enum reason *why, const char **detail)
{
	const struct handshake_self *self = hs->self;

	if (r->version >> 8 != BUS_VERSION >> 8)
		return refuse(why, detail, REASON_unsupported,
			      "it speaks another version of the bus");
	if (strcmp(r->cluster, self->cluster) != 0)
		return refuse(why, detail, REASON_unauthorized,
			      "it belongs to another cluster");
	if (r->identity != self->identity)
		return refuse(why, detail, REASON_unsupported,
			      "it has another stream_identity");
	if (uuid_eq(&r->instance, &self->node.instance))
		return refuse(why, detail, REASON_protocol_error,
			      "it is this node itself");
	if (hs->is_dialer && r->connection != hs->connection)
		return refuse(why, detail, REASON_protocol_error,
			      "it answers for the other connection");
	if (hs->is_dialer && strcmp(r->node, hs->expected) != 0)
		return refuse(why, detail, REASON_protocol_error,
			      "another node answers at this address");
	return 0;
}

static int take_hello(struct handshake *hs, const struct record *r,
		      struct record *reply, enum reason *why,
		      const char **detail)
{
	int err = check_hello(hs, r, why, detail);

	if (err)
		return err;
	memcpy(hs->peer_nonce, r->nonce, sizeof(hs->peer_nonce));
	memcpy(hs->peer.id, r->node, sizeof(hs->peer.id));
	memcpy(hs->peer.role, r->kind, sizeof(hs->peer.role));
	memcpy(hs->peer.url, r->url, sizeof(hs->peer.url));
	hs->peer.instance = r->instance;
	hs->peer_boot = r->boot;
	hs->stage = HANDSHAKE_PROOF;
	if (!hs->is_dialer) {
		hs->connection = r->connection;
		handshake_begin(hs, reply);
	} else if (!own_proof(hs, reply)) {
		return refuse(why, detail, REASON_internal,
			      "the proof could not be made");
	}
	return 0;
}

static int take_proof(struct handshake *hs, const struct record *r,
		      struct record *reply, enum reason *why,
		      const char **detail)
{
	if (!is_proven(hs, r))
		return refuse(why, detail, REASON_unauthorized,
			      "it does not know the cluster key");
	hs->stage = HANDSHAKE_DONE;
	if (!hs->is_dialer && !own_proof(hs, reply))
		return refuse(why, detail, REASON_internal,
			      "the proof could not be made");
	return 0;
}

int handshake_take(struct handshake *hs, const struct record *r,
		   struct record *reply, enum reason *why, const char **detail)
{
	*reply = (struct record){0};
	if (hs->stage == HANDSHAKE_HELLO && r->type == RECORD_HELLO)
		return take_hello(hs, r, reply, why, detail);
	if (hs->stage == HANDSHAKE_PROOF && r->type == RECORD_PROOF)
		return take_proof(hs, r, reply, why, detail);
	return refuse(why, detail, REASON_protocol_error,
		      hs->stage == HANDSHAKE_HELLO
			      ? "its first record is no HELLO"
			      : "its second record is no PROOF");
}
