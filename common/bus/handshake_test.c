/* common/bus/handshake_test.c */
#include "common/bus/handshake.h"

#include <stdio.h>

#include "common/test/check.h"

static const struct handshake_self edge = {
	.node = {.id = "edge-1",
		 .role = "edge",
		 .url = "ipc:///e",
		 .instance = {{1}}},
	.cluster = "c1",
	.key = {(const uint8_t *)"secret", 6},
};

static const struct handshake_self origin = {
	.node = {.id = "origin-1", .role = "origin", .instance = {{2}}},
	.boot = {{7}},
	.cluster = "c1",
	.key = {(const uint8_t *)"secret", 6},
};

static const uint8_t nonce_a[32] = "nonce a", nonce_b[32] = "nonce b";

/* Both ends to the end of the handshake, or to the first refusal. */
struct talk {
	struct handshake dialer, listener;
	int err;
	enum reason why;
	const char *detail;
	struct record last; /* what was refused, or the listener's PROOF */
};

static void talk_begin(struct talk *t, const struct handshake_self *from,
		       const struct handshake_self *to)
{
	*t = (struct talk){0};
	handshake_init(&t->dialer, from, nonce_a, CONNECTION_CONTROL,
		       to->node.id);
	handshake_init(&t->listener, to, nonce_b, 0, "");
	handshake_begin(&t->dialer, &t->last);
}

/* Whose turn it is takes `last`. false: refused. */
static bool step(struct talk *t, struct handshake *to)
{
	struct record reply;

	t->err = handshake_take(to, &t->last, &reply, &t->why, &t->detail);
	if (t->err)
		return false;
	t->last = reply;
	return true;
}

static void talk(struct talk *t, const struct handshake_self *from,
		 const struct handshake_self *to)
{
	talk_begin(t, from, to);
	(void)(step(t, &t->listener) && step(t, &t->dialer) &&
	       step(t, &t->listener) && step(t, &t->dialer));
}

TEST(both_ends_prove_themselves)
{
	struct talk t;

	talk(&t, &edge, &origin);
	CHECK_EQ(t.err, 0);
	CHECK_EQ(t.dialer.stage, HANDSHAKE_DONE);
	CHECK_EQ(t.listener.stage, HANDSHAKE_DONE);
	CHECK_EQ(t.listener.connection, CONNECTION_CONTROL);
	CHECK_STR(t.listener.peer.id, "edge-1");
	CHECK_STR(t.listener.peer.role, "edge");
	CHECK_STR(t.listener.peer.url, "ipc:///e");
	CHECK(uuid_eq(&t.dialer.peer.instance, &origin.node.instance));
	CHECK(uuid_eq(&t.dialer.peer_boot, &origin.boot));
	CHECK_EQ(t.last.type, 0);
}

TEST(an_empty_key_is_a_key)
{
	struct handshake_self a = edge, b = origin;
	struct talk t;

	a.key = b.key = (struct span){0};
	talk(&t, &a, &b);
	CHECK_EQ(t.err, 0);
	b.key = origin.key;
	talk(&t, &a, &b);
	CHECK_EQ(t.err, WEIR_EPROTO);
	CHECK_EQ(t.why, REASON_unauthorized);
}

TEST(a_peer_with_another_key_is_refused_and_gets_no_proof)
{
	struct handshake_self stranger = edge;
	struct talk t;

	stranger.key = SPAN_LIT("secreT");
	talk(&t, &stranger, &origin);
	CHECK_EQ(t.err, WEIR_EPROTO);
	CHECK_EQ(t.why, REASON_unauthorized);
	CHECK(strstr(t.detail, "key"));
	CHECK_EQ(t.listener.stage, HANDSHAKE_PROOF);
	CHECK_EQ(t.last.type, RECORD_PROOF); /* the stranger's own */
}

TEST(peers_that_do_not_fit_are_refused_with_the_reason)
{
	struct handshake_self other;
	struct talk t;

	other = edge;
	snprintf(other.cluster, sizeof(other.cluster), "c2");
	talk(&t, &other, &origin);
	CHECK_EQ(t.why, REASON_unauthorized);
	CHECK(strstr(t.detail, "cluster"));
	other = edge;
	other.identity = 1;
	talk(&t, &other, &origin);
	CHECK_EQ(t.why, REASON_unsupported);
	CHECK(strstr(t.detail, "stream_identity"));
	talk(&t, &origin, &origin);
	CHECK_EQ(t.why, REASON_protocol_error);
	CHECK(strstr(t.detail, "itself"));
}

TEST(only_the_major_part_of_the_version_must_agree)
{
	struct talk t;

	talk_begin(&t, &edge, &origin);
	t.last.version = BUS_VERSION + 5;
	CHECK(step(&t, &t.listener));
	talk_begin(&t, &edge, &origin);
	t.last.version = BUS_VERSION + 0x100;
	CHECK(!step(&t, &t.listener));
	CHECK_EQ(t.why, REASON_unsupported);
}

TEST(the_dialer_refuses_a_node_that_it_did_not_dial)
{
	struct talk t;

	talk_begin(&t, &edge, &origin);
	snprintf(t.dialer.expected, sizeof(t.dialer.expected), "origin-2");
	CHECK(step(&t, &t.listener));
	CHECK(!step(&t, &t.dialer));
	CHECK(strstr(t.detail, "another node"));
}

TEST(the_dialer_refuses_an_answer_for_the_other_connection)
{
	struct talk t;

	talk_begin(&t, &edge, &origin);
	CHECK(step(&t, &t.listener));
	t.last.connection = CONNECTION_MEDIA;
	CHECK(!step(&t, &t.dialer));
}

TEST(records_out_of_order_are_refused)
{
	const struct record ping = {.type = RECORD_PING};
	struct talk t;

	talk_begin(&t, &edge, &origin);
	t.last = ping;
	CHECK(!step(&t, &t.listener));
	CHECK_EQ(t.why, REASON_protocol_error);
	talk_begin(&t, &edge, &origin);
	CHECK(step(&t, &t.listener));
	handshake_begin(&t.dialer, &t.last);
	CHECK(!step(&t, &t.listener));
	CHECK_EQ(t.why, REASON_protocol_error);
}

TEST(a_proof_holds_for_its_end_connection_and_challenge_alone)
{
	struct record proof;
	struct talk t;

	/* The listener's own words are no proof of the dialer. */
	talk_begin(&t, &edge, &origin);
	CHECK(step(&t, &t.listener) && step(&t, &t.dialer));
	proof = t.last;
	CHECK(step(&t, &t.listener));
	CHECK_EQ(t.last.type, RECORD_PROOF);
	CHECK(memcmp(t.last.nonce, proof.nonce, 32) != 0);
	/* Yesterday's proof does not answer today's challenge. */
	talk_begin(&t, &edge, &origin);
	t.listener.nonce[0] ^= 1;
	CHECK(step(&t, &t.listener) && step(&t, &t.dialer));
	t.last = proof;
	CHECK(!step(&t, &t.listener));
	/* Nor does that of the control connection for media. */
	talk_begin(&t, &edge, &origin);
	t.dialer.connection = CONNECTION_MEDIA;
	handshake_begin(&t.dialer, &t.last);
	CHECK(step(&t, &t.listener) && step(&t, &t.dialer));
	t.last = proof;
	CHECK(!step(&t, &t.listener));
}
