/* services/dispatch/place.c - which origin gets a stream. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/media/reason.h"
#include "common/registry/best.h"
#include "services/dispatch/internal.h"

#define ORIGINS_MAX 256
#define RECENT_MAX  1024
#define RECENT_MS   3000 /* then the registry's copy has it */

/* A choice that the registry does not show yet. */
struct recent {
	char node[NODE_ID_SIZE];
	struct stream_key key;
	int64_t until_ms;
};

struct placer {
	struct dispatch *dispatch;
	struct recent recent[RECENT_MAX];
	size_t next;
};

struct candidate {
	struct node_ref ref;
	struct node_load load;
	uint64_t streams;
	uint64_t weight;
};

struct counting {
	struct candidate *candidate;
	size_t count;
	const struct stream_key *key; /* itself is not counted */
};

int placer_new(struct placer **out, struct dispatch *d)
{
	struct placer *p = calloc(1, sizeof(*p));

	if (!p)
		return WEIR_ENOMEM;
	p->dispatch = d;
	*out = p;
	return 0;
}

void placer_free(struct placer **p)
{
	free(*p);
	*p = NULL;
}

static struct candidate *find(struct counting *c, const char *node)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->candidate[i].ref.id, node))
			return &c->candidate[i];
	return NULL;
}

static void count_entry(void *ctx, const struct stream_entry *e)
{
	struct counting *c = ctx;
	struct candidate *home = find(c, e->home_node);

	if (home && !e->is_ended && strcmp(e->key.text, c->key->text) != 0)
		home->streams++;
}

static void count_recent(struct placer *p, struct copy *copy,
			 struct counting *c, int64_t now_ms)
{
	for (size_t i = 0; i < RECENT_MAX; i++) {
		const struct recent *r = &p->recent[i];
		struct candidate *home = find(c, r->node);
		const struct stream_entry *e;

		if (!home || r->until_ms <= now_ms ||
		    !strcmp(r->key.text, c->key->text))
			continue;
		e = copy_stream(copy, &r->key);
		if (!e || strcmp(e->home_node, r->node) != 0)
			home->streams++;
	}
}

static size_t candidates(struct copy *copy, const struct node_ref *origin,
			 size_t count, const struct question *q,
			 struct candidate *out)
{
	size_t used = 0;

	for (size_t i = 0; i < count && used < ORIGINS_MAX; i++) {
		const struct node *n = copy_node(copy, origin[i].id);

		if (!strcmp(origin[i].id, q->avoid) || (n && n->is_draining))
			continue;
		out[used++] = (struct candidate){
			.ref = origin[i],
			.load = n ? n->load : (struct node_load){0},
			.weight = hash_rendezvous(span_str(q->key.text),
						  span_str(origin[i].id)),
		};
	}
	return used;
}

static struct recent *find_recent(struct placer *p,
				  const struct stream_key *key, int64_t now_ms)
{
	for (size_t i = 0; i < RECENT_MAX; i++) {
		struct recent *r = &p->recent[i];

		if (r->until_ms > now_ms && !strcmp(r->key.text, key->text))
			return r;
	}
	return NULL;
}

/* Has `a` less to do? What the cluster says of streams is newer than what the
 * nodes say of themselves. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
	int band = load_band(&a->load) - load_band(&b->load);

	if (band)
		return band < 0;
	if (a->streams != b->streams)
		return a->streams < b->streams;
	return a->weight > b->weight;
}

/* The heaviest, full ones behind all others; not `but`. */
static const struct candidate *heaviest(const struct counting *c,
					const struct candidate *but)
{
	const struct candidate *best = NULL;

	for (size_t i = 0; i < c->count; i++) {
		const struct candidate *x = &c->candidate[i];
		bool is_lighter = best && (x->load.is_full != best->load.is_full
						   ? x->load.is_full
						   : x->weight < best->weight);

		if (x != but && !is_lighter)
			best = x;
	}
	return best;
}

/* Power of two choices: of the two that hashing names for the stream the one with
 * less to do. Both dispatches find the same two. */
static const struct candidate *choose(const struct counting *c,
				      const struct recent *before)
{
	const struct candidate *one, *two;

	for (size_t i = 0; before && i < c->count; i++)
		if (!strcmp(c->candidate[i].ref.id, before->node))
			return &c->candidate[i];
	one = heaviest(c, NULL);
	two = heaviest(c, one);
	return two && is_better(two, one) ? two : one;
}

void placer_choose(struct placer *p, struct copy *copy,
		   const struct node_ref *origin, size_t count,
		   const struct question *q, struct answer *out, int64_t now_ms)
{
	struct candidate list[ORIGINS_MAX];
	struct counting c = {list, candidates(copy, origin, count, q, list),
			     &q->key};
	struct recent *r = find_recent(p, &q->key, now_ms);
	const struct candidate *best;

	copy_each_stream(copy, count_entry, &c);
	count_recent(p, copy, &c, now_ms);
	best = choose(&c, r);
	if (!best) {
		out->err = WEIR_ENOENT;
		return;
	}
	if (!r)
		r = &p->recent[p->next++ % RECENT_MAX];
	r->key = q->key;
	r->until_ms = now_ms + RECENT_MS;
	snprintf(r->node, sizeof(r->node), "%s", best->ref.id);
	out->err = 0;
	out->instance = best->ref.instance;
	snprintf(out->node, sizeof(out->node), "%s", best->ref.id);
	snprintf(out->url, sizeof(out->url), "%s", best->ref.url);
}

void placer_place(struct placer *p, const struct question *q,
		  struct answer *out, int64_t now_ms)
{
	struct member *m = p->dispatch->member;
	struct node_ref origin[ORIGINS_MAX];
	size_t count = bus_nodes(member_bus(m), "origin", origin, ORIGINS_MAX);

	placer_choose(p, store_copy(member_store(m)), origin, count, q, out,
		      now_ms);
	if (!out->err)
		member_event(m, &q->key, "placed", REASON_none, out->node);
}
