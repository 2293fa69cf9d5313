/* common/registry/copy.c - the local copy of the registry. */
#include "common/registry/copy.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "common/base/map.h"

#define COPY_NODES_DEFAULT   1024
#define COPY_STREAMS_DEFAULT 100000
#define NODES_JSON_DEPTH     10
#define NODES_JSON_MAX       ((size_t)8 << 20)

struct node_slot {
	struct node node;
	uint64_t seen; /* copy.reading when it was put last */
};

struct stream_slot {
	struct stream_entry entry;
	uint64_t seen;
};

struct copy {
	struct copy_limits limits;
	struct copy_events events;
	void *ctx;
	struct map nodes;   /* id → node_slot */
	struct map streams; /* key → stream_slot */
	uint64_t reading;   /* counts copy_read_begin, of both parts */
	uint64_t nodes_from, streams_from; /* reading at the last begin */
};

int copy_new(struct copy **out, const struct copy_limits *limits,
	     const struct copy_events *events, void *ctx, uint64_t seed)
{
	struct copy *c = calloc(1, sizeof(*c));

	if (!c)
		return WEIR_ENOMEM;
	if (limits)
		c->limits = *limits;
	if (!c->limits.nodes_max)
		c->limits.nodes_max = COPY_NODES_DEFAULT;
	if (!c->limits.streams_max)
		c->limits.streams_max = COPY_STREAMS_DEFAULT;
	if (events)
		c->events = *events;
	c->ctx = ctx;
	map_init(&c->nodes, seed);
	map_init(&c->streams, ~seed);
	*out = c;
	return 0;
}

static void map_free_all(struct map *m)
{
	map_each (slot, m)
		free(slot->value);
	map_fini(m);
}

void copy_free(struct copy **c)
{
	if (!*c)
		return;
	map_free_all(&(*c)->nodes);
	map_free_all(&(*c)->streams);
	free(*c);
	*c = NULL;
}

static void say_node(const struct copy *c, const struct node *n,
		     enum copy_change change)
{
	if (c->events.on_node)
		c->events.on_node(c->ctx, n, change);
}

static void say_stream(const struct copy *c, const struct stream_entry *e,
		       enum copy_change change)
{
	if (c->events.on_stream)
		c->events.on_stream(c->ctx, e, change);
}

/* ---- reading ---- */

const struct node *copy_node(const struct copy *c, const char *id)
{
	struct node_slot *s = map_get(&c->nodes, span_str(id));

	return s ? &s->node : NULL;
}

static bool has_lease(const struct copy *c, const struct stream_entry *e)
{
	const struct node *n = copy_node(c, e->writer_node);

	return n && uuid_eq(&n->ref.instance, &e->writer_instance);
}

const struct stream_entry *copy_stream(struct copy *c,
				       const struct stream_key *key)
{
	struct stream_slot *s = map_get(&c->streams, span_str(key->text));

	if (!s)
		return NULL;
	s->entry.writer_has_lease = has_lease(c, &s->entry);
	return &s->entry;
}

void copy_each_node(const struct copy *c, const char *role,
		    void (*fn)(void *ctx, const struct node *n), void *ctx)
{
	map_each (slot, &c->nodes) {
		const struct node_slot *s = slot->value;

		if (!role || !strcmp(role, s->node.ref.role))
			fn(ctx, &s->node);
	}
}

void copy_each_stream(struct copy *c,
		      void (*fn)(void *ctx, const struct stream_entry *e),
		      void *ctx)
{
	map_each (slot, &c->streams) {
		struct stream_slot *s = slot->value;

		s->entry.writer_has_lease = has_lease(c, &s->entry);
		fn(ctx, &s->entry);
	}
}

size_t copy_node_count(const struct copy *c)
{
	return c->nodes.count;
}

size_t copy_stream_count(const struct copy *c)
{
	return c->streams.count;
}

/* ---- changing ---- */

static int add_node(struct copy *c, const struct node *n)
{
	struct node_slot *s;
	int err;

	if (c->nodes.count >= c->limits.nodes_max)
		return WEIR_ELIMIT;
	s = malloc(sizeof(*s));
	if (!s)
		return WEIR_ENOMEM;
	s->node = *n;
	s->node.ref.link = 0;
	s->seen = c->reading;
	err = map_put(&c->nodes, span_str(n->ref.id), s);
	if (err) {
		free(s);
		return err;
	}
	say_node(c, &s->node, COPY_CAME);
	return 0;
}

int copy_put_node(struct copy *c, const struct node *n)
{
	struct node_slot *s = map_get(&c->nodes, span_str(n->ref.id));
	bool is_restarted, is_same;

	if (!s)
		return add_node(c, n);
	is_restarted = !uuid_eq(&s->node.ref.instance, &n->ref.instance);
	is_same = node_eq(&s->node, n);
	s->node = *n;
	s->node.ref.link = 0;
	s->seen = c->reading;
	if (is_restarted)
		say_node(c, &s->node, COPY_RESTARTED);
	else if (!is_same)
		say_node(c, &s->node, COPY_CHANGED);
	return 0;
}

static bool same_home(const struct stream_entry *a,
		      const struct stream_entry *b)
{
	return !strcmp(a->home_node, b->home_node) &&
	       uuid_eq(&a->home_instance, &b->home_instance) &&
	       !strcmp(a->home_url, b->home_url) && term_eq(&a->term, &b->term);
}

static bool same_writer(const struct stream_entry *a,
			const struct stream_entry *b)
{
	return !strcmp(a->writer_node, b->writer_node) &&
	       uuid_eq(&a->writer_instance, &b->writer_instance) &&
	       epoch_eq(&a->epoch, &b->epoch) && !strcmp(a->kind, b->kind);
}

static bool entry_eq(const struct stream_entry *a, const struct stream_entry *b)
{
	return same_home(a, b) && same_writer(a, b) &&
	       a->is_live == b->is_live && a->is_ended == b->is_ended &&
	       a->is_local == b->is_local && a->start_us == b->start_us &&
	       a->birth_ms == b->birth_ms &&
	       a->lost_until_ms == b->lost_until_ms;
}

static int add_stream(struct copy *c, const struct stream_entry *e)
{
	struct stream_slot *s;
	int err;

	if (c->streams.count >= c->limits.streams_max)
		return WEIR_ELIMIT;
	s = malloc(sizeof(*s));
	if (!s)
		return WEIR_ENOMEM;
	s->entry = *e;
	s->seen = c->reading;
	err = map_put(&c->streams, span_str(e->key.text), s);
	if (err) {
		free(s);
		return err;
	}
	say_stream(c, &s->entry, COPY_CAME);
	return 0;
}

int copy_put_stream(struct copy *c, const struct stream_entry *e)
{
	struct stream_slot *s = map_get(&c->streams, span_str(e->key.text));
	bool is_same;

	if (!s)
		return add_stream(c, e);
	is_same = entry_eq(&s->entry, e);
	s->entry = *e;
	s->seen = c->reading;
	if (!is_same)
		say_stream(c, &s->entry, COPY_CHANGED);
	return 0;
}

void copy_drop_node(struct copy *c, const char *id)
{
	struct node_slot *s = map_remove(&c->nodes, span_str(id));

	if (!s)
		return;
	say_node(c, &s->node, COPY_WENT);
	free(s);
}

void copy_drop_stream(struct copy *c, const struct stream_key *key)
{
	struct stream_slot *s = map_remove(&c->streams, span_str(key->text));

	if (!s)
		return;
	say_stream(c, &s->entry, COPY_WENT);
	free(s);
}

void copy_read_begin(struct copy *c, enum copy_part part)
{
	c->reading++;
	if (part == COPY_NODES)
		c->nodes_from = c->reading;
	else
		c->streams_from = c->reading;
}

static struct node_slot *unseen_node(const struct copy *c, struct map_slot **at)
{
	for (*at = map_next(&c->nodes, *at); *at;
	     *at = map_next(&c->nodes, *at)) {
		struct node_slot *s = (*at)->value;

		if (s->seen < c->nodes_from)
			return s;
	}
	return NULL;
}

static struct stream_slot *unseen_stream(const struct copy *c,
					 struct map_slot **at)
{
	for (*at = map_next(&c->streams, *at); *at;
	     *at = map_next(&c->streams, *at)) {
		struct stream_slot *s = (*at)->value;

		if (s->seen < c->streams_from)
			return s;
	}
	return NULL;
}

/* A slot may not be removed while the map is walked at it: the walk is always
 * one unseen slot ahead of the removal. */
static void sweep_nodes(struct copy *c)
{
	struct map_slot *at = NULL;
	struct node_slot *s = unseen_node(c, &at);

	while (s) {
		struct node_slot *next = unseen_node(c, &at);

		copy_drop_node(c, s->node.ref.id);
		s = next;
	}
}

static void sweep_streams(struct copy *c)
{
	struct map_slot *at = NULL;
	struct stream_slot *s = unseen_stream(c, &at);

	while (s) {
		struct stream_slot *next = unseen_stream(c, &at);

		copy_drop_stream(c, &s->entry.key);
		s = next;
	}
}

void copy_read_end(struct copy *c, enum copy_part part)
{
	if (part == COPY_NODES)
		sweep_nodes(c);
	else
		sweep_streams(c);
}

/* ---- the node list as a text ---- */

void copy_nodes_write(const struct copy *c, struct buf *out)
{
	const char *before = "[\n";

	map_each (slot, &c->nodes) {
		const struct node_slot *s = slot->value;

		buf_put(out, span_str(before));
		node_write(out, &s->node);
		before = ",\n";
	}
	buf_put(out, span_str(c->nodes.count ? "\n]\n" : "[]\n"));
}

static int put_remembered(struct copy *c, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	struct node n;
	int err;

	if (!text)
		return WEIR_ENOMEM;
	err = node_read(&n, span_str(text));
	if (err == WEIR_EPROTO || err == WEIR_ELIMIT)
		return 0; /* of another version, or damaged: not needed */
	if (err || copy_node(c, n.ref.id))
		return err;
	return copy_put_node(c, &n);
}

int copy_nodes_read(struct copy *c, struct span text)
{
	struct json_tokener *tok;
	struct json_object *list = NULL;
	int err = WEIR_EPROTO;

	if (text.len > NODES_JSON_MAX)
		return WEIR_ELIMIT;
	tok = json_tokener_new_ex(NODES_JSON_DEPTH);
	if (!tok)
		return WEIR_ENOMEM;
	list = json_tokener_parse_ex(tok, (const char *)text.data,
				     (int)text.len);
	if (list && json_object_is_type(list, json_type_array)) {
		size_t count = json_object_array_length(list);

		err = 0;
		for (size_t i = 0; i < count && !err; i++)
			err = put_remembered(
				c, json_object_array_get_idx(list, i));
	}
	json_object_put(list);
	json_tokener_free(tok);
	return err;
}
