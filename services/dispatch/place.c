/* services/dispatch/place.c - which origin gets a stream, and which ingest a pull. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/media/reason.h"
#include "common/registry/best.h"
#include "services/dispatch/internal.h"

#define PLACE_NODES_MAX 256
#define RECENT_MAX      1024
#define RECENT_MS       3000 /* then the registry's copy has it */

/* A choice that the registry does not show yet. */
struct recent {
	char node[NODE_ID_SIZE];
	struct stream_key key;
	int64_t until_ms;
};

struct placer {
	struct dispatch *dispatch;
	enum place_what what;
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
	enum place_what what;
	struct candidate *candidate;
	size_t count;
	const struct stream_key *key; /* itself is not counted */
};

int placer_new(struct placer **out, struct dispatch *d, enum place_what what)
{
	struct placer *p = calloc(1, sizeof(*p));

	if (!p)
		return WEIR_ENOMEM;
	p->dispatch = d;
	p->what = what;
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

static const char *node_of(enum place_what what, const struct stream_entry *e)
{
	return what == PLACE_HOMES ? e->home_node : e->writer_node;
}

static void count_entry(void *ctx, const struct stream_entry *e)
{
	struct counting *c = ctx;
	struct candidate *x = find(c, node_of(c->what, e));

	if (x && !e->is_ended && strcmp(e->key.text, c->key->text) != 0)
		x->streams++;
}

static void count_recent(struct placer *p, struct copy *copy,
			 struct counting *c, int64_t now_ms)
{
	for (size_t i = 0; i < RECENT_MAX; i++) {
		const struct recent *r = &p->recent[i];
		struct candidate *x = find(c, r->node);
		const struct stream_entry *e;

		if (!x || r->until_ms <= now_ms ||
		    !strcmp(r->key.text, c->key->text))
			continue;
		e = copy_stream(copy, &r->key);
		if (!e || strcmp(node_of(c->what, e), r->node) != 0)
			x->streams++;
	}
}

static size_t candidates(struct copy *copy, const struct node_ref *node,
			 size_t count, const struct question *q,
			 struct candidate *out)
{
	size_t used = 0;

	for (size_t i = 0; i < count && used < PLACE_NODES_MAX; i++) {
		const struct node *n = copy_node(copy, node[i].id);

		if (!strcmp(node[i].id, q->avoid) || (n && n->is_draining))
			continue;
		out[used++] = (struct candidate){
			.ref = node[i],
			.load = n ? n->load : (struct node_load){0},
			.weight = hash_rendezvous(span_str(q->key.text),
						  span_str(node[i].id)),
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
		   const struct node_ref *node, size_t count,
		   const struct question *q, struct answer *out, int64_t now_ms)
{
	struct candidate list[PLACE_NODES_MAX];
	struct counting c = {p->what, list,
			     candidates(copy, node, count, q, list), &q->key};
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
	struct node_ref origin[PLACE_NODES_MAX];
	size_t count =
		bus_nodes(member_bus(m), "origin", origin, PLACE_NODES_MAX);

	placer_choose(p, store_copy(member_store(m)), origin, count, q, out,
		      now_ms);
	if (!out->err)
		member_event(m, &q->key, "placed", REASON_none, out->node);
}
