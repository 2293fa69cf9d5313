/* common/member/gate_tell.c - what is counted here is told to every dispatch, and
 * each says how many the others have.
 */
#include "common/member/gate_counts.h"

#define LINKS_MAX 16
#define GOLDEN    0x9e3779b97f4a7c15u

static bool has_limits(const struct gate_counts *c)
{
	for (size_t k = 0; k < COUNTS_KINDS; k++)
		if (c->limit[k])
			return true;
	return false;
}

/* ---- when ---- */

static int64_t due_of(const struct gate_counts *c, const struct counts_peer *p)
{
	if (p->state == COUNTS_GONE)
		return p->gone_ms + COUNTS_KEEP_MS;
	if (p->state == COUNTS_CLEARING)
		return p->gone_ms;
	if (p->state == COUNTS_FREE || p->is_asked)
		return INT64_MAX;
	if (p->has_more || p->was_cut)
		return p->asked_ms + COUNTS_MORE_MS;
	if (p->next || c->full_count)
		return p->asked_ms + COUNTS_GAP_MS;
	return p->asked_ms + COUNTS_EACH_MS;
}

/* One that has just come should know soon. */
static int64_t look_due(const struct gate_counts *c)
{
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		if (c->peer[i].state == COUNTS_TALKING)
			return c->looked_ms + COUNTS_EACH_MS;
	return c->looked_ms + COUNTS_GAP_MS;
}

static int64_t next_due(const struct gate_counts *c)
{
	int64_t due_ms = look_due(c);

	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		due_ms = WEIR_MIN(due_ms, due_of(c, &c->peer[i]));
	return due_ms;
}

void gate_counts_wake(struct gate_counts *c)
{
	if (c->world)
		c->world->wake_at(c->world->ctx, next_due(c));
}

/* ---- who ---- */

static void begin(struct gate_counts *c, struct counts_peer *p, link_id link,
		  int64_t now_ms)
{
	*p = (struct counts_peer){
		.state = COUNTS_TALKING,
		.link = link,
		.session = (int64_t)((c->seed + ++c->sessions * GOLDEN) >> 1),
		.next = gate_counts_first(c),
		.asked_ms = now_ms - COUNTS_EACH_MS,
		.all_ms = INT64_MAX,
	};
}

/* Begin to forget all that it said. */
static void begin_clearing(const struct gate_counts *c, struct counts_peer *p,
			   int64_t now_ms)
{
	p->state = COUNTS_CLEARING;
	p->gone_ms = now_ms;
	p->left = c->names.count;
}

static void lose(const struct gate_counts *c, struct counts_peer *p,
		 int64_t now_ms)
{
	p->next = NULL;
	p->is_asked = false;
	p->state = COUNTS_GONE;
	p->gone_ms = now_ms;
	if (!p->was_answered)
		begin_clearing(c, p, now_ms);
}

static bool has_link(const link_id *link, size_t count, link_id wanted)
{
	for (size_t i = 0; i < count; i++)
		if (link[i] == wanted)
			return true;
	return false;
}

static bool is_talking_on(const struct gate_counts *c, link_id link)
{
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		if (c->peer[i].state == COUNTS_TALKING &&
		    c->peer[i].link == link)
			return true;
	return false;
}

/* NULL: there are enough, or the one that is gone for the longest time has to be
 * cleared first. */
static struct counts_peer *choose(struct gate_counts *c, int64_t now_ms)
{
	struct counts_peer *oldest = NULL;

	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++) {
		struct counts_peer *p = &c->peer[i];

		if (p->state == COUNTS_FREE)
			return p;
		if (p->state == COUNTS_GONE &&
		    (!oldest || p->gone_ms < oldest->gone_ms))
			oldest = p;
	}
	if (oldest)
		begin_clearing(c, oldest, now_ms);
	return NULL;
}

static void look(struct gate_counts *c, int64_t now_ms)
{
	link_id link[LINKS_MAX];
	size_t count = c->world->dispatches(c->world->ctx, link, LINKS_MAX);

	c->looked_ms = now_ms;
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		if (c->peer[i].state == COUNTS_TALKING &&
		    !has_link(link, count, c->peer[i].link))
			lose(c, &c->peer[i], now_ms);
	for (size_t i = 0; i < count; i++) {
		struct counts_peer *p =
			is_talking_on(c, link[i]) ? NULL : choose(c, now_ms);

		if (p)
			begin(c, p, link[i], now_ms);
	}
}

static bool is_settled(const struct gate_counts *c, int64_t now_ms)
{
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		if (c->peer[i].state == COUNTS_TALKING &&
		    c->peer[i].all_ms <= now_ms - COUNTS_SETTLE_MS)
			return true;
	return false;
}

static void clear_some(struct gate_counts *c, struct counts_peer *p,
		       int64_t now_ms)
{
	size_t count = WEIR_MIN(p->left, (size_t)COUNTS_CLEAR_NAMES);

	gate_counts_unhear(c, (unsigned)(p - c->peer), count);
	p->left -= count;
	p->gone_ms = now_ms + COUNTS_MORE_MS;
	if (!p->left)
		*p = (struct counts_peer){.state = COUNTS_FREE};
}

/* One that talks has heard of all that the gone one knew, or it was long ago. */
static void forget_gone(struct gate_counts *c, int64_t now_ms)
{
	bool may_forget = is_settled(c, now_ms);

	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++) {
		struct counts_peer *p = &c->peer[i];

		if (p->state == COUNTS_GONE &&
		    (may_forget || due_of(c, p) <= now_ms))
			begin_clearing(c, p, now_ms);
		if (p->state == COUNTS_CLEARING && due_of(c, p) <= now_ms)
			clear_some(c, p, now_ms);
	}
}

/* ---- what ---- */

/* As much as a page takes; *end is the first that is not on it. */
static struct json_object *write_report(const struct gate_counts *c,
					const struct counts_peer *p,
					struct gate_name **end, bool *is_cut)
{
	struct counts_report head = {.session = p->session, .seq = p->seq};
	struct gate_name *n = p->next;
	struct counts_page page;
	int err = counts_page_begin(&page);

	if (err)
		return NULL;
	if (!p->seq)
		memcpy(head.limit, c->limit, sizeof(head.limit));
	for (; n; n = gate_counts_next(c, n)) {
		err = counts_page_put(&page, (enum counts_kind)n->kind,
				      span_of(n->text, n->len), n->own);
		if (err)
			break;
	}
	*end = n;
	*is_cut = err == WEIR_ELIMIT;
	if (!err || *is_cut)
		return counts_page_report(&page, &head);
	counts_page_drop(&page);
	return NULL;
}

static void pass(struct gate_counts *c, struct counts_peer *p,
		 struct gate_name *end)
{
	struct gate_name *n = p->next;

	p->next = end;
	while (n != end) {
		struct gate_name *next = gate_counts_next(c, n);

		gate_counts_passed(c, n);
		n = next;
	}
}

/* Without memory it is tried again. */
static void tell(struct gate_counts *c, struct counts_peer *p, int64_t now_ms)
{
	struct gate_name *end;
	bool is_cut;
	struct json_object *args = write_report(c, p, &end, &is_cut);

	p->asked_ms = now_ms;
	if (!args)
		return;
	if (c->world->ask(c->world->ctx, p->link, (uint64_t)p->session, args,
			  COUNTS_ANSWER_MS) == 0) {
		p->is_asked = true;
		p->was_cut = is_cut;
		pass(c, p, end);
	}
	json_object_put(args);
}

void gate_counts_start(struct gate_counts *c, const struct counts_world *world)
{
	c->world = world;
	c->looked_ms = -COUNTS_EACH_MS;
	if (has_limits(c))
		gate_counts_wake(c);
}

void gate_counts_stop(struct gate_counts *c)
{
	c->world = NULL;
}

int64_t gate_counts_tick(struct gate_counts *c, int64_t now_ms)
{
	if (!c->world || !has_limits(c))
		return INT64_MAX;
	if (look_due(c) <= now_ms)
		look(c, now_ms);
	forget_gone(c, now_ms);
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		if (c->peer[i].state == COUNTS_TALKING &&
		    due_of(c, &c->peer[i]) <= now_ms)
			tell(c, &c->peer[i], now_ms);
	return next_due(c);
}

/* ---- answers ---- */

struct hearing {
	struct gate_counts *c;
	unsigned peer;
};

static int hear(void *ctx, enum counts_kind kind, struct span name,
		uint32_t count)
{
	struct hearing *h = ctx;

	return gate_counts_hear(h->c, h->peer, kind, name, count);
}

/* An answer to another question, or none: this talk is over. */
static int take(struct gate_counts *c, unsigned peer, struct json_object *json)
{
	struct counts_peer *p = &c->peer[peer];
	struct hearing h = {c, peer};
	struct counts_answer a;
	int err = counts_answer_read(&a, json);

	if (err)
		return err;
	if (a.is_again || a.seq != p->seq)
		return WEIR_EPROTO;
	p->seq++;
	p->was_answered = true;
	p->has_more = a.has_more;
	return counts_each(json, hear, &h);
}

static struct counts_peer *peer_of(struct gate_counts *c, uint64_t tag)
{
	for (size_t i = 0; i < COUNTS_PEERS_MAX; i++)
		if (c->peer[i].is_asked && (uint64_t)c->peer[i].session == tag)
			return &c->peer[i];
	return NULL;
}

void gate_counts_answer(struct gate_counts *c, uint64_t tag, int err,
			struct json_object *json, int64_t now_ms)
{
	struct counts_peer *p = peer_of(c, tag);

	if (!p)
		return;
	p->is_asked = false;
	if (!err)
		err = take(c, (unsigned)(p - c->peer), json);
	if (err) {
		c->failed++;
		lose(c, p, now_ms);
	} else if (p->all_ms == INT64_MAX && !p->has_more && !p->was_cut) {
		p->all_ms = now_ms;
	}
	gate_counts_wake(c);
}
