/* services/dispatch/route.c - where a client should publish or play. */
#include "services/dispatch/route.h"

#include <stdio.h>

static const struct route_way ways[] = {
	{"rtmp", "rtmp", "rtmp", "", true},
	{"rtmps", "rtmps", "rtmps", "", false},
	{"flv", "http", "http", ".flv", false},
	{"ts", "http", "http", ".ts", false},
	{"hls", "http", "http", ".m3u8", false},
	{"ws-flv", "http", "ws", ".flv", false},
	{"ws-ts", "http", "ws", ".ts", false},
	{"https-flv", "https", "https", ".flv", false},
	{"https-ts", "https", "https", ".ts", false},
	{"wss-flv", "https", "wss", ".flv", false},
	{"wss-ts", "https", "wss", ".ts", false},
};

const struct route_way *route_way_of(const char *name)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(ways); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	return NULL;
}

/* ---- addresses ---- */

struct finding {
	const struct route_wish *wish;
	struct route_answer *out;
	size_t count;
	const struct node *ingest; /* for whose machine edges are looked for */
};

static bool is_carrier(const struct route_wish *w, const struct node *n)
{
	for (size_t i = 0; i < w->carrier_count; i++)
		if (!strcmp(w->carrier[i], n->ref.id))
			return true;
	return false;
}

static void add(struct finding *f, const struct node *n,
		const struct node_load *load)
{
	struct route_answer *a = &f->out[f->count];
	struct buf text = {0};

	for (size_t i = 0; i < f->count; i++)
		if (f->out[i].node == n)
			return;
	if (f->count == ROUTE_MAX ||
	    !node_put_public(&text, n, f->wish->way->address,
			     f->wish->came_by)) {
		buf_fini(&text);
		return;
	}
	if (!buf_error(&text) && text.len < sizeof(a->addr)) {
		snprintf(a->addr, sizeof(a->addr), "%s", buf_text(&text));
		a->node = n;
		a->load = load;
		a->is_carrier = is_carrier(f->wish, n);
		f->count++;
	}
	buf_fini(&text);
}

static void add_edge(void *ctx, const struct node *edge)
{
	struct finding *f = ctx;

	if (!edge->is_draining && uuid_eq(&edge->machine, &f->ingest->machine))
		add(f, edge, &f->ingest->load);
}

static void find_publish(const struct copy *c, struct finding *f)
{
	const struct best_wish wish = {
		.role = "ingest",
		.zone = f->wish->zone,
		.seed = f->wish->seed,
	};
	const struct node *ingest[BEST_MAX];
	size_t count = best_nodes(c, &wish, ingest, BEST_MAX);

	for (size_t i = 0; i < count && f->count < ROUTE_MAX; i++) {
		f->ingest = ingest[i];
		if (ingest[i]->handover[0] &&
		    !uuid_is_zero(&ingest[i]->machine))
			copy_each_node(c, "edge", add_edge, f);
	}
	for (size_t i = 0; i < count && f->count < ROUTE_MAX; i++)
		add(f, ingest[i], &ingest[i]->load);
}

static void find_play(const struct copy *c, struct finding *f)
{
	const struct best_wish wish = {
		.role = "edge",
		.address = f->wish->way->address,
		.zone = f->wish->zone,
		.first = f->wish->carrier,
		.first_count = f->wish->carrier_count,
		.seed = f->wish->seed,
	};
	const struct node *edge[ROUTE_MAX];
	size_t count = best_nodes(c, &wish, edge, ROUTE_MAX);

	for (size_t i = 0; i < count; i++)
		add(f, edge[i], &edge[i]->load);
}

size_t route_find(const struct copy *c, const struct route_wish *wish,
		  struct route_answer *out)
{
	struct finding f = {.wish = wish, .out = out};

	if (wish->is_publish)
		find_publish(c, &f);
	else
		find_play(c, &f);
	return f.count;
}

static bool is_plain(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || strchr("/-._~!$&'()*+,;=:@", c);
}

void route_put_url(struct buf *out, const struct route_way *way,
		   const char *addr, const struct stream_key *key)
{
	buf_printf(out, "%s://%s/", way->scheme, addr);
	for (const char *at = key->text; *at; at++)
		if (is_plain((uint8_t)*at))
			buf_put_u8(out, (uint8_t)*at);
		else
			buf_printf(out, "%%%02X", (uint8_t)*at);
	buf_put(out, span_str(way->suffix));
}

/* ---- zones ---- */

int route_zone_read(struct cidr *block, const char **zone, const char *text)
{
	const char *at = strchr(text, '=');
	struct node n = {0};

	if (!at || !at[1] || node_set_zone(&n, at + 1))
		return WEIR_EINVAL;
	*zone = at + 1;
	return cidr_parse(block, span_of(text, (size_t)(at - text)));
}

const char *route_zone_of(const char *const *list, size_t count,
			  const struct ip_addr *ip)
{
	const char *best = NULL;
	unsigned bits = 0;

	for (size_t i = 0; i < count; i++) {
		struct cidr block;
		const char *zone;

		if (route_zone_read(&block, &zone, list[i]) ||
		    !cidr_contains(&block, ip) || (best && block.bits < bits))
			continue;
		best = zone;
		bits = block.bits;
	}
	return best;
}
