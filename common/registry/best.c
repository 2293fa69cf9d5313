/* common/registry/best.c - which nodes should get what is new. */
#include "common/registry/best.h"

#include "common/base/hash.h"

#define FULL 100
#define BUSY 8 /* tenths: who is wished for is no more from here on */

int load_band(const struct node_load *l)
{
	uint32_t busy = WEIR_MAX(l->busy_permille, l->cpu_permille);

	return l->is_full ? FULL : (int)WEIR_MIN(busy / 100, 10u);
}

static uint64_t sessions(const struct node_load *l)
{
	return (uint64_t)l->viewers + l->publishers + l->streams;
}

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

int load_order(const struct node_load *a, const struct node_load *b)
{
	int by_band = load_band(a) - load_band(b);
	int by_count = order(sessions(a), sessions(b));

	if (by_band)
		return by_band;
	return by_count ? by_count : order(a->out_bps, b->out_bps);
}

/* ---- the list ---- */

struct listing {
	const struct best_wish *wish;
	const struct node *node[BEST_MAX];
	size_t count;
};

static void take(void *ctx, const struct node *n)
{
	struct listing *l = ctx;
	const struct best_wish *w = l->wish;

	if (n->is_draining || (w->is_free && n->load.is_full) ||
	    (w->address && !node_address(n, w->address)) ||
	    (w->without && !strcmp(n->ref.id, w->without)) ||
	    l->count == BEST_MAX)
		return;
	l->node[l->count++] = n;
}

static bool is_first(const struct best_wish *w, const struct node *n)
{
	for (size_t i = 0; i < w->first_count; i++)
		if (!strcmp(w->first[i], n->ref.id))
			return load_band(&n->load) < BUSY;
	return false;
}

/* Less is better: who has room before who is near, then who is wished for, and
 * then who is idle. */
static int rank(const struct best_wish *w, const struct node *n)
{
	int far = w->zone && *w->zone && strcmp(n->zone, w->zone) != 0;

	return (n->load.is_full ? 1000 : 0) + far * 100 +
	       (is_first(w, n) ? 0 : 20) +
	       (n->load.is_full ? 0 : load_band(&n->load));
}

static void swap(struct listing *l, size_t a, size_t b)
{
	const struct node *n = l->node[a];

	l->node[a] = l->node[b];
	l->node[b] = n;
}

/* The best rank to the front of [from, count); returns its end. */
static size_t gather_best(struct listing *l, size_t from)
{
	int best = rank(l->wish, l->node[from]);
	size_t end = from;

	for (size_t i = from; i < l->count; i++)
		best = WEIR_MIN(best, rank(l->wish, l->node[i]));
	for (size_t i = from; i < l->count; i++)
		if (rank(l->wish, l->node[i]) == best)
			swap(l, end++, i);
	return end;
}

/* By lot: of two the one with less to do. */
static void draw(struct listing *l, size_t from, size_t end, uint64_t *seed)
{
	for (; from + 1 < end; from++) {
		size_t n = end - from, a, b;

		*seed = hash_bytes(*seed, span_of(&n, sizeof(n)));
		a = from + *seed % n;
		b = from + (*seed >> 32) % n;
		if (load_order(&l->node[b]->load, &l->node[a]->load) < 0)
			a = b;
		swap(l, from, a);
	}
}

size_t best_nodes(const struct copy *c, const struct best_wish *wish,
		  const struct node **out, size_t max)
{
	struct listing l = {.wish = wish};
	uint64_t seed = wish->seed;
	size_t at = 0, end;

	copy_each_node(c, wish->role, take, &l);
	while (at < l.count && at < max) {
		end = gather_best(&l, at);
		draw(&l, at, end, &seed);
		at = end;
	}
	max = WEIR_MIN(max, l.count);
	for (size_t i = 0; i < max; i++)
		out[i] = l.node[i];
	return max;
}

/* ---- addresses ---- */

static bool is_any(struct span host)
{
	return span_eq_str(host, "0.0.0.0") || span_eq_str(host, "[::]") ||
	       !host.len;
}

static bool is_loopback(struct span host)
{
	return span_eq_str(host, "localhost") || span_eq_str(host, "[::1]") ||
	       (host.len > 4 && !memcmp(host.data, "127.", 4));
}

/* It comes from a peer, and goes into an address. */
static bool is_host(struct span host)
{
	static const char marks[] = ".-_:[]";

	for (size_t i = 0; i < host.len; i++) {
		uint8_t c = host.data[i], low = c | 0x20;

		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') &&
		    (!c || !strchr(marks, c)))
			return false;
	}
	return host.len > 0;
}

bool node_put_public(struct buf *out, const struct node *n, const char *name,
		     struct span came_by)
{
	const char *addr = node_address(n, name);
	const char *told = node_address(n, "host");
	const char *port = addr ? strrchr(addr, ':') : NULL;
	struct span host;

	if (!port)
		return false;
	host = span_of(addr, (size_t)(port - addr));
	if (told)
		host = span_str(told);
	else if ((is_any(host) || is_loopback(host)) && is_host(came_by))
		host = came_by;
	if (is_any(host))
		return false;
	buf_put(out, host);
	buf_put(out, span_str(port));
	return true;
}
