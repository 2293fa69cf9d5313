/* services/edge/hls_rig_test.h - HLS viewers of an edge, for tests; included once
 * by each.
 */
#ifndef WEIR_EDGE_HLS_RIG_TEST_H
#define WEIR_EDGE_HLS_RIG_TEST_H

#include <stdio.h>

#include "common/member/gate_rig_test.h"
#include "services/edge/hls_viewers.h"

/* An edge with HLS viewers. `rig` is set by tests before rig_viewers. */
struct scene {
	struct gate_rig rig;
	struct hls_viewers viewers;
	unsigned ins, outs, elsewhere;
	const char *node;
	enum reason why; /* of the last one that went */
	bool is_full;
};

static const struct stream_key cam = {"live/cam"};

static inline void on_in(void *ctx, struct hls_viewer *v)
{
	struct scene *s = ctx;

	s->ins++;
	list_each_safe (it, &v->requests)
		list_remove(it);
}

static inline void on_out(void *ctx, struct hls_viewer *v, enum reason why,
			  const char *detail)
{
	struct scene *s = ctx;

	(void)detail;
	s->outs++;
	s->why = why;
	list_each_safe (it, &v->requests)
		list_remove(it);
}

static inline void on_elsewhere(void *ctx, struct hls_viewer *v)
{
	struct scene *s = ctx;

	(void)v;
	s->elsewhere++;
}

static inline bool has_room(void *ctx)
{
	return !((struct scene *)ctx)->is_full;
}

/* Returns whether there was memory for it. */
static inline bool begin(struct scene *s)
{
	static const struct hls_viewers_ops ops = {on_in, on_elsewhere, on_out,
						   has_room};
	int err = rig_begin(&s->rig);
	const struct hls_viewers_start start = {
		.gate = s->rig.gate,
		.secret = SPAN_LIT("secret"),
		.node = s->node ? s->node : "edge-1",
		.timeout_ms = 30000,
		.max = 8,
		.seed = 1,
		.ops = &ops,
		.ctx = s,
	};

	s->rig.utc_ms = INT64_C(1764000000000);
	s->rig.now_ms = 1000;
	hls_viewers_init(&s->viewers, &start);
	CHECK_EQ(err, 0);
	return !err;
}

static inline void end(struct scene *s)
{
	hls_viewers_fini(&s->viewers);
	rig_end(&s->rig);
}

/* What a player has: where it comes from, and its token. */
struct player {
	char token[HLS_TOKEN_SIZE];
	const char *addr;
	const struct stream_key *key;
	const char *query;
};

struct said {
	enum hls_word word;
	struct hls_viewer *viewer;
	struct gate_answer why;
};

typedef enum hls_word ask_fn(struct hls_viewers *vs, struct hls_viewer **out,
			     struct gate_answer *why,
			     const struct hls_asked *a);

static inline struct said ask(struct scene *s, const struct player *p,
			      ask_fn *fn)
{
	struct said said = {0};
	struct net_addr peer;
	struct ip_addr ip;
	struct access_request rq = {
		.op = ACCESS_PLAY,
		.protocol =
			fn == hls_viewers_segment ? ACCESS_SEGMENT : ACCESS_HLS,
		.key = p->key,
		.query = span_str(p->query ? p->query : ""),
	};
	const struct hls_asked a = {span_str(p->token), &rq, &peer,
				    s->rig.now_ms, s->rig.utc_ms};

	CHECK_EQ(net_addr_parse(&peer, p->addr), 0);
	rq.ip = ip_addr_of(&ip, &peer.ss) ? NULL : &ip;
	said.word = fn(&s->viewers, &said.viewer, &said.why, &a);
	return said;
}

static inline struct said playlist(struct scene *s, const struct player *p)
{
	return ask(s, p, hls_viewers_playlist);
}

static inline struct said segment(struct scene *s, const struct player *p)
{
	return ask(s, p, hls_viewers_segment);
}

/* One who comes without a token, and has one if it is let in. */
static inline struct said come(struct scene *s, struct player *p,
			       const char *addr)
{
	struct said said;

	*p = (struct player){.addr = addr, .key = &cam};
	said = ask(s, p, hls_viewers_begin);
	if (said.viewer)
		snprintf(p->token, sizeof(p->token), "%s", said.viewer->text);
	return said;
}

/* One whom another edge has let in just now. */
static inline struct player guest(struct scene *s, const char *addr)
{
	static uint64_t last;
	struct player p = {.addr = addr, .key = &cam};
	struct hls_token t = {++last, s->rig.utc_ms};
	struct hls_token_use use = {SPAN_LIT("secret"), &cam, NULL};
	struct net_addr peer;
	struct ip_addr ip;

	CHECK_EQ(net_addr_parse(&peer, addr), 0);
	use.ip = ip_addr_of(&ip, &peer.ss) ? NULL : &ip;
	CHECK_EQ(hls_token_write(p.token, &t, &use), 0);
	return p;
}

static inline void id_of(char id[SESSION_ID_SIZE], const struct player *p)
{
	snprintf(id, SESSION_ID_SIZE, "HLSSUB%.*s", (int)strcspn(p->token, "-"),
		 p->token);
}

static inline void pass(struct scene *s, int64_t ms)
{
	s->rig.now_ms += ms;
	s->rig.utc_ms += ms;
	rig_tick(&s->rig);
	hls_viewers_tick(&s->viewers, s->rig.now_ms, s->rig.utc_ms);
}

static inline void give_up(const struct said *said)
{
	if (said->viewer)
		hls_viewers_give_up(said->viewer);
}

static inline size_t kick(struct scene *s, const struct gate_match *who)
{
	hls_viewers_kicked(&s->viewers, who, s->rig.utc_ms);
	return gate_kick(s->rig.gate, who);
}

#endif
