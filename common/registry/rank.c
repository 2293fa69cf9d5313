/* common/registry/rank.c - which nodes serve a stream, in which order. */
#include "common/registry/rank.h"

#include "common/base/hash.h"

struct ranking {
	const struct stream_key *key;
	const struct node **out;
	uint64_t weight[RANK_MAX];
	size_t count, max;
};

static uint64_t weight_of(const struct stream_key *key, const char *id)
{
	return hash_rendezvous(span_str(key->text), span_str(id));
}

/* Keep the heaviest, in order. */
static void take(void *ctx, const struct node *n)
{
	struct ranking *r = ctx;
	uint64_t weight = weight_of(r->key, n->ref.id);
	size_t at = r->count;

	if (n->is_draining)
		return;
	if (at == r->max) {
		if (!at || r->weight[at - 1] >= weight)
			return;
		at--;
	} else {
		r->count++;
	}
	for (; at && r->weight[at - 1] < weight; at--) {
		r->weight[at] = r->weight[at - 1];
		r->out[at] = r->out[at - 1];
	}
	r->weight[at] = weight;
	r->out[at] = n;
}

size_t rank_nodes(const struct copy *c, const char *role,
		  const struct stream_key *key, const struct node **out,
		  size_t max)
{
	struct ranking r = {
		.key = key,
		.out = out,
		.max = WEIR_MIN(max, (size_t)RANK_MAX),
	};

	copy_each_node(c, role, take, &r);
	return r.count;
}

struct before {
	const struct stream_key *key;
	const char *id;
	uint64_t weight;
	size_t count;
};

static void count_before(void *ctx, const struct node *n)
{
	struct before *b = ctx;

	if (!n->is_draining && strcmp(n->ref.id, b->id) != 0)
		b->count += weight_of(b->key, n->ref.id) > b->weight;
}

size_t rank_before(const struct copy *c, const char *role,
		   const struct stream_key *key, const char *id)
{
	struct before b = {key, id, weight_of(key, id), 0};

	copy_each_node(c, role, count_before, &b);
	return b.count;
}

const struct node_ref *rank_best(const struct node_ref *node, size_t count,
				 const struct stream_key *key, rank_may_fn *may,
				 const void *ctx)
{
	const struct node_ref *best = NULL;
	uint64_t best_weight = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t weight = weight_of(key, node[i].id);

		if ((best && weight <= best_weight) ||
		    (may && !may(ctx, &node[i])))
			continue;
		best = &node[i];
		best_weight = weight;
	}
	return best;
}
