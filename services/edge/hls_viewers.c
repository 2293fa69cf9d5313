/* services/edge/hls_viewers.c - the HLS viewers of an edge, as sessions. */
#include "services/edge/hls_viewers.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/io/clock.h"

#define LOOKED_AT_MAX 256 /* of a list, for one that may go */

/* Kicked at that time: whoever fits, and was invited before. */
struct kick {
	struct list link;
	struct rule *ban;
	int64_t utc_ms;
};

/* ---- who is who ---- */

/* The number alone would do; with the address, two that share a token are two.
 */
struct viewer_name {
	uint64_t number;
	struct ip_addr ip;
};

static struct viewer_name name_of(const struct hls_token *t,
				  const struct ip_addr *ip)
{
	struct viewer_name name = {.number = t->number};

	if (ip)
		name.ip = *ip;
	return name;
}

static struct hls_viewer *viewer_at(struct list *it)
{
	return list_entry(it, struct hls_viewer, link);
}

static struct hls_viewer *find(const struct hls_viewers *vs,
			       const struct hls_token *t,
			       const struct ip_addr *ip)
{
	struct viewer_name name = name_of(t, ip);

	return map_get(&vs->by_token, span_of(&name, sizeof(name)));
}

static void drop(struct hls_viewer *v)
{
	struct viewer_name name = name_of(&v->token, &v->ip);

	map_remove(&v->all->by_token, span_of(&name, sizeof(name)));
	list_remove(&v->link);
	list_remove(&v->claim);
	gate_leave(&v->pass);
	session_fini(&v->session);
	free(v);
}

static void let_go(struct hls_viewer *v, enum reason why, const char *detail)
{
	v->all->start.ops->on_out(v->all->start.ctx, v, why, detail);
	BUG_ON(!list_is_empty(&v->requests));
	drop(v);
}

/* ---- life ---- */

void hls_viewers_init(struct hls_viewers *vs,
		      const struct hls_viewers_start *start)
{
	*vs = (struct hls_viewers){.start = *start};
	map_init(&vs->by_token, start->seed);
	list_init(&vs->probing);
	list_init(&vs->going);
	list_init(&vs->passing);
	list_init(&vs->claims);
	list_init(&vs->kicks);
}

static void kick_free(struct hls_viewers *vs, struct kick *k)
{
	list_remove(&k->link);
	rule_unref(&k->ban);
	free(k);
	vs->kick_count--;
}

void hls_viewers_fini(struct hls_viewers *vs)
{
	list_each_safe (it, &vs->probing)
		drop(viewer_at(it));
	list_each_safe (it, &vs->going)
		drop(viewer_at(it));
	list_each_safe (it, &vs->passing)
		drop(viewer_at(it));
	list_each_safe (it, &vs->kicks)
		kick_free(vs, list_entry(it, struct kick, link));
	map_fini(&vs->by_token);
}

size_t hls_viewers_count(const struct hls_viewers *vs)
{
	return vs->by_token.count;
}

/* ---- kicks ---- */

void hls_viewers_kicked(struct hls_viewers *vs, const struct gate_match *who,
			int64_t utc_ms)
{
	struct kick *k = calloc(1, sizeof(*k));

	if (!k)
		return;
	k->ban = gate_ban_of(who);
	if (!k->ban) {
		free(k);
		return;
	}
	k->utc_ms = utc_ms;
	if (vs->kick_count == HLS_KICKS_MAX)
		kick_free(vs, list_entry(vs->kicks.next, struct kick, link));
	list_init(&k->link);
	list_append(&vs->kicks, &k->link);
	vs->kick_count++;
}

static bool was_kicked(const struct hls_viewers *vs, const struct hls_token *t,
		       const struct rule_subject *who)
{
	list_each (it, &vs->kicks) {
		const struct kick *k = list_entry(it, struct kick, link);

		/* A session comes but once, whatever clocks say. */
		if ((k->ban->ban.has_session || t->start_ms <= k->utc_ms) &&
		    rule_ban_fits(&k->ban->ban, who))
			return true;
	}
	return false;
}

static bool viewer_was_kicked(const struct hls_viewer *v, const char *user)
{
	const struct rule_subject who = {
		.op = ACCESS_PLAY,
		.session = v->session.id,
		.key = &v->key,
		.ip = &v->ip,
		.user = user,
	};

	return was_kicked(v->all, &v->token, &who);
}

/* ---- coming ---- */

static struct hls_token_use use_of(const struct hls_viewers *vs,
				   const struct hls_asked *a)
{
	return (struct hls_token_use){vs->start.secret, a->rq->key, a->rq->ip};
}

static enum hls_word refuse(struct gate_answer *out, enum reason why)
{
	*out = (struct gate_answer){.why = why};
	return HLS_NO;
}

static struct list *list_of(struct hls_viewer *v)
{
	if (v->state == HLS_VIEWER_PASSING)
		return &v->all->passing;
	return v->asked_count > 1 ? &v->all->going : &v->all->probing;
}

/* The lists are in the order of the last requests. */
static void renew(struct hls_viewer *v, int64_t now_ms)
{
	v->asked_ms = now_ms;
	list_remove(&v->link);
	list_append(list_of(v), &v->link);
}

static void note_asked(struct hls_viewer *v, int64_t now_ms)
{
	v->asked_count = (uint8_t)WEIR_MIN(v->asked_count + 1, 2);
	renew(v, now_ms);
}

static int put(struct hls_viewers *vs, struct hls_viewer *v)
{
	struct viewer_name name = name_of(&v->token, &v->ip);

	return map_put(&vs->by_token, span_of(&name, sizeof(name)), v);
}

/* One that was not here. */
static struct hls_viewer *viewer_new(struct hls_viewers *vs,
				     const struct hls_token *t,
				     const struct hls_asked *a)
{
	struct hls_viewer *v = vs->by_token.count < vs->start.max
				       ? calloc(1, sizeof(*v))
				       : NULL;

	if (!v)
		return NULL;
	v->all = vs;
	v->token = *t;
	snprintf(v->text, sizeof(v->text), "%.*s", (int)a->token.len,
		 (const char *)a->token.data);
	v->since_ms = a->rq->since_ms;
	v->key = *a->rq->key;
	v->peer = *a->peer;
	if (a->rq->ip)
		v->ip = *a->rq->ip;
	if (put(vs, v)) {
		free(v);
		return NULL;
	}
	list_init(&v->requests);
	list_init(&v->link);
	list_init(&v->claim);
	session_init(&v->session, "HLSSUB", "HLS", "SUB", &v->key, &v->peer,
		     a->rq->query, (uint64_t)a->now_ms);
	snprintf(v->session.id, sizeof(v->session.id), "HLSSUB%llu",
		 (unsigned long long)t->number);
	v->session.start_us = t->start_ms * 1000;
	return v;
}

/* An edge has let it in, and has given it that token. */
static void judge_as_of(const struct hls_viewers *vs, struct hls_asked *a,
			const struct hls_token *t, enum hls_token_word word)
{
	int64_t age_ms = a->utc_ms - t->start_ms;

	bool is_proof = word == HLS_TOKEN_OWN && age_ms < HLS_TOKEN_LIFE &&
			!vs->start.is_guessable;

	a->rq->since_ms = is_proof ? t->start_ms : 0;
}

/* Whose is it? HLS_YES: *out, or NULL: of nobody here, and its token is right;
 * HLS_NO, HLS_UNKNOWN. */
static enum hls_word look(struct hls_viewers *vs, struct hls_viewer **out,
			  struct hls_token *t, struct hls_asked *a)
{
	const struct hls_token_use use = use_of(vs, a);
	enum hls_token_word word;

	if (!hls_token_read(t, a->token))
		return HLS_UNKNOWN;
	*out = find(vs, t, a->rq->ip);
	if (*out) /* its token was right when it came */
		return hls_token_is((*out)->text, a->token) &&
				       !strcmp(a->rq->key->text,
					       (*out)->key.text)
			       ? HLS_YES
			       : HLS_UNKNOWN;
	word = hls_token_check(t, a->token, &use);
	judge_as_of(vs, a, t, word);
	return word == HLS_TOKEN_BAD ? HLS_UNKNOWN : HLS_YES;
}

/* ---- the gate ---- */

static void on_word(void *ctx, const struct gate_answer *a);

static void on_end(void *ctx, enum reason why, const char *detail)
{
	let_go(ctx, why, detail);
}

static const struct gate_owner owner = {on_word, on_end};

static void claim(struct hls_viewer *v)
{
	list_remove(&v->claim);
	list_append(&v->all->claims, &v->claim);
}

/* Its user is known only now. */
static enum reason admit(struct hls_viewer *v)
{
	const char *user = gate_user(&v->pass);

	if (viewer_was_kicked(v, user))
		return REASON_kicked;
	session_set_user(&v->session, user);
	v->state = HLS_VIEWER_IN;
	if (v->asked_count) /* with a token that it had */
		claim(v);
	v->all->start.ops->on_in(v->all->start.ctx, v);
	return REASON_none;
}

static void on_word(void *ctx, const struct gate_answer *a)
{
	struct hls_viewer *v = ctx;
	enum reason why = a->why ? a->why : admit(v);

	if (why)
		let_go(v, why, a->why ? a->detail : "");
}

/* Players that look at a playlist first and then open it anew (mpv) have been
 * here a moment ago, and will not come again as who they were. */
static struct hls_viewer *probe_of(struct hls_viewers *vs,
				   const struct hls_viewer *v)
{
	unsigned looked_at = 0;

	list_each (it, &vs->probing) {
		struct hls_viewer *p = viewer_at(it);

		if (++looked_at > LOOKED_AT_MAX)
			break;
		if (p != v && p->state == HLS_VIEWER_IN &&
		    list_is_empty(&p->requests) &&
		    !memcmp(&p->ip, &v->ip, sizeof(p->ip)) &&
		    !strcmp(p->key.text, v->key.text))
			return p;
	}
	return NULL;
}

static enum gate_word ask_once(struct hls_viewer *v, struct gate_answer *why,
			       const struct hls_asked *a)
{
	return gate_ask(v->all->start.gate, &v->pass, why, a->rq, &v->session,
			&v->peer, &owner, v);
}

static enum gate_word ask(struct hls_viewer *v, struct gate_answer *why,
			  const struct hls_asked *a)
{
	enum gate_word word = ask_once(v, why, a);
	struct hls_viewer *probe =
		word == GATE_NO && why->why == REASON_too_many
			? probe_of(v->all, v)
			: NULL;

	if (!probe)
		return word;
	let_go(probe, REASON_peer_left, "");
	return ask_once(v, why, a);
}

static enum hls_word enter(struct hls_viewer *v, struct gate_answer *why,
			   struct hls_asked *a)
{
	enum reason kicked;

	a->rq->session_id = v->session.id;
	a->rq->since_ms = v->since_ms;
	gate_leave(&v->pass); /* as one of segments only */
	v->state = HLS_VIEWER_ASKING;
	renew(v, a->now_ms);
	switch (ask(v, why, a)) {
	case GATE_YES:
		kicked = admit(v);
		return kicked ? refuse(why, kicked) : HLS_YES;
	case GATE_NO:
		return HLS_NO;
	default:
		return HLS_WAITS;
	}
}

/* Its requests wait for segments, if it has any. */
static void turn_away(struct hls_viewer *v, const struct gate_answer *why)
{
	let_go(v, why->why, why->detail);
}

/* One that is not counted goes: whoever can have a token for the asking must not
 * keep others out by it. */
static void make_room(struct hls_viewers *vs)
{
	unsigned looked_at = 0;

	list_each (it, &vs->passing) {
		if (++looked_at > LOOKED_AT_MAX)
			return;
		if (list_is_empty(&viewer_at(it)->requests)) {
			let_go(viewer_at(it), REASON_peer_left, "");
			return;
		}
	}
}

static struct hls_viewer *take_in(struct hls_viewers *vs,
				  const struct hls_token *t,
				  const struct hls_asked *a)
{
	if (!vs->start.ops->has_room(vs->start.ctx))
		return NULL;
	if (vs->by_token.count >= vs->start.max)
		make_room(vs);
	return viewer_new(vs, t, a);
}

static enum hls_word let_in(struct hls_viewer **out, struct hls_viewer *v,
			    struct gate_answer *why, struct hls_asked *a)
{
	enum hls_word word = enter(v, why, a);

	if (word == HLS_NO)
		turn_away(v, why);
	else
		*out = v;
	return word;
}

enum hls_word hls_viewers_begin(struct hls_viewers *vs, struct hls_viewer **out,
				struct gate_answer *why,
				const struct hls_asked *asked)
{
	const struct hls_token_use use = use_of(vs, asked);
	struct hls_asked a = *asked;
	struct hls_token t = {.start_ms = a.utc_ms};
	char text[HLS_TOKEN_SIZE];
	struct hls_viewer *v;

	io_random(&t.number, sizeof(t.number));
	t.number >>= 16;
	if (hls_token_write(text, &t, &use))
		return refuse(why, REASON_no_resources);
	a.token = span_str(text);
	v = take_in(vs, &t, &a);
	if (!v)
		return refuse(why, REASON_no_resources);
	return let_in(out, v, why, &a);
}

enum hls_word hls_viewers_playlist(struct hls_viewers *vs,
				   struct hls_viewer **out,
				   struct gate_answer *why,
				   const struct hls_asked *asked)
{
	struct hls_asked a = *asked;
	struct hls_viewer *v = NULL;
	struct hls_token t;
	enum hls_word word = look(vs, &v, &t, &a);

	if (word != HLS_YES)
		return word;
	if (!v)
		v = take_in(vs, &t, &a);
	if (!v)
		return refuse(why, REASON_no_resources);
	note_asked(v, a.now_ms);
	v->listed_ms = a.now_ms;
	if (v->state == HLS_VIEWER_PASSING && a.now_ms >= v->elsewhere_ms)
		return let_in(out, v, why, &a);
	*out = v;
	return v->state == HLS_VIEWER_ASKING ? HLS_WAITS : HLS_YES;
}

/* ---- segments ---- */

static enum reason may_pass(struct hls_viewers *vs, const struct hls_token *t,
			    struct hls_asked *a)
{
	char id[SESSION_ID_SIZE];
	const struct rule_subject who = {
		.op = ACCESS_PLAY,
		.session = id,
		.key = a->rq->key,
		.ip = a->rq->ip,
		.user = "",
	};
	enum reason why;

	snprintf(id, sizeof(id), "HLSSUB%llu", (unsigned long long)t->number);
	a->rq->session_id = id;
	why = was_kicked(vs, t, &who) ? REASON_kicked
				      : gate_lists(vs->start.gate, a->rq);
	a->rq->session_id = NULL;
	return why;
}

/* It asks for playlists elsewhere, and is counted there. */
static struct hls_viewer *let_pass(struct hls_viewers *vs,
				   const struct hls_token *t,
				   const struct hls_asked *a)
{
	static const struct gate_names nobody = {"", "", ""};
	struct hls_viewer *v = viewer_new(vs, t, a);

	if (v && gate_adopt(vs->start.gate, &v->pass, ACCESS_PLAY, &v->session,
			    &v->peer, &nobody, &owner, v)) {
		drop(v);
		return NULL;
	}
	if (v)
		v->asked_count = 1; /* before, elsewhere */
	return v;
}

enum hls_word hls_viewers_segment(struct hls_viewers *vs,
				  struct hls_viewer **out,
				  struct gate_answer *why,
				  const struct hls_asked *asked)
{
	struct hls_asked a = *asked;
	struct hls_viewer *v = NULL;
	struct hls_token t;
	enum hls_word word = look(vs, &v, &t, &a);
	enum reason why_not;

	if (word != HLS_YES)
		return word;
	if (!v) {
		why_not = may_pass(vs, &t, &a);
		if (why_not)
			return refuse(why, why_not);
		v = let_pass(vs, &t, &a);
	}
	if (v)
		note_asked(v, a.now_ms);
	*out = v;
	return HLS_YES;
}

/* ---- those that move ---- */

bool hls_viewers_claim(struct hls_viewers *vs, char out[HLS_CLAIM_SIZE])
{
	const struct hls_viewer *v;
	char ip[CIDR_TEXT_SIZE];

	if (list_is_empty(&vs->claims))
		return false;
	v = list_entry(vs->claims.next, struct hls_viewer, claim);
	list_remove(vs->claims.next);
	snprintf(out, HLS_CLAIM_SIZE, "%llu/%s",
		 (unsigned long long)v->token.number, ip_addr_text(ip, &v->ip));
	return true;
}

static struct hls_viewer *claimed(const struct hls_viewers *vs,
				  struct span text)
{
	struct hls_token t = {0};
	struct ip_addr ip;
	size_t i = 0;

	for (; i < text.len && i < 16 && text.data[i] >= '0' &&
	       text.data[i] <= '9';
	     i++)
		t.number = t.number * 10 + text.data[i] - '0';
	if (i == text.len || text.data[i] != '/' ||
	    ip_addr_parse(&ip, span_from(text, i + 1)))
		return NULL;
	return find(vs, &t, &ip);
}

/* It stays, and is not counted any more. */
static void yield(struct hls_viewer *v, int64_t now_ms)
{
	struct gate_names names;
	char user[SIGN_USER_MAX + 1], kid[SIGN_KID_MAX + 1];

	gate_names_of(&v->pass, &names);
	snprintf(user, sizeof(user), "%s", names.user);
	snprintf(kid, sizeof(kid), "%s", names.kid);
	names = (struct gate_names){user, "", kid};
	v->all->start.ops->on_elsewhere(v->all->start.ctx, v);
	v->state = HLS_VIEWER_PASSING;
	renew(v, now_ms);
	v->since_ms = v->token.start_ms;
	list_remove(&v->claim);
	gate_leave(&v->pass);
	if (gate_adopt(v->all->start.gate, &v->pass, ACCESS_PLAY, &v->session,
		       &v->peer, &names, &owner, v))
		let_go(v, REASON_no_resources, "");
}

void hls_viewers_moved(struct hls_viewers *vs, struct span text,
		       const char *node, int64_t now_ms)
{
	struct hls_viewer *v = claimed(vs, text);
	int64_t half_ms = vs->start.timeout_ms / 2;
	bool is_here;

	if (!v || v->state == HLS_VIEWER_ASKING)
		return;
	is_here = v->listed_ms && now_ms - v->listed_ms < half_ms &&
		  strcmp(vs->start.node, node) < 0;
	if (is_here) {
		if (v->state == HLS_VIEWER_IN)
			claim(v);
		return;
	}
	v->elsewhere_ms = now_ms + half_ms;
	if (v->state == HLS_VIEWER_IN)
		yield(v, now_ms);
}

/* ---- going ---- */

void hls_viewers_give_up(struct hls_viewer *v)
{
	if (v->asked_count)
		return;
	v->asked_ms = INT64_MIN;
	list_remove(&v->link);
	list_prepend(&v->all->probing, &v->link);
}

static void expire(struct list *list, int64_t before_ms, int64_t now_ms)
{
	list_each_safe (it, list) {
		struct hls_viewer *v = viewer_at(it);

		if (v->asked_ms > before_ms)
			break;
		if (list_is_empty(&v->requests))
			let_go(v, REASON_peer_left, "");
		else
			renew(v, now_ms);
	}
}

void hls_viewers_tick(struct hls_viewers *vs, int64_t now_ms, int64_t utc_ms)
{
	int64_t timeout_ms = vs->start.timeout_ms;

	expire(&vs->probing, now_ms - WEIR_MIN(timeout_ms, HLS_PROBE_MS),
	       now_ms);
	expire(&vs->going, now_ms - timeout_ms, now_ms);
	expire(&vs->passing, now_ms - timeout_ms, now_ms);
	list_each_safe (it, &vs->kicks) {
		struct kick *k = list_entry(it, struct kick, link);

		if (utc_ms - k->utc_ms < HLS_TOKEN_LIFE)
			break;
		kick_free(vs, k);
	}
}

static void each_of(struct list *list, const char *stream,
		    void (*fn)(void *ctx, struct session *s), void *ctx)
{
	list_each (it, list) {
		struct hls_viewer *v = viewer_at(it);

		if (v->state != HLS_VIEWER_ASKING &&
		    (!stream || !strcmp(stream, v->key.text)))
			fn(ctx, &v->session);
	}
}

void hls_viewers_each(struct hls_viewers *vs, const char *stream,
		      void (*fn)(void *ctx, struct session *s), void *ctx)
{
	each_of(&vs->probing, stream, fn, ctx);
	each_of(&vs->going, stream, fn, ctx);
	each_of(&vs->passing, stream, fn, ctx);
}
