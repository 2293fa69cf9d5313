/* common/registry/copy_test.c - the local copy and what it says of changes. */
#include "common/registry/copy.h"

#include <stdio.h>

#include "common/test/check.h"

/* What the copy said, as a line: "+n:a" came, "*" changed, "!" restarted, "-"
 * went; n a node, s a stream. */
struct heard {
	char text[256];
	size_t len;
};

static void hear(struct heard *h, char kind, const char *name,
		 enum copy_change change)
{
	static const char sign[] = "+*!-";
	int n = snprintf(h->text + h->len, sizeof(h->text) - h->len,
			 "%s%c%c:%s", h->len ? " " : "", sign[change], kind,
			 name);

	h->len += (size_t)n;
}

static void on_node(void *ctx, const struct node *n, enum copy_change change)
{
	hear(ctx, 'n', n->ref.id, change);
}

static void on_stream(void *ctx, const struct stream_entry *e,
		      enum copy_change change)
{
	hear(ctx, 's', e->key.text, change);
}

static void check_heard(struct heard *h, const char *want)
{
	CHECK_STR(h->text, want);
	*h = (struct heard){0};
}

static struct copy *make(struct heard *h, const struct copy_limits *limits)
{
	static const struct copy_events events = {on_node, on_stream};
	struct copy *c = NULL;

	CHECK_EQ(copy_new(&c, limits, &events, h, 7), 0);
	return c;
}

static struct node node_of(const char *id, uint8_t instance)
{
	struct node n = {.ref = {.role = "edge", .instance = {{instance}}}};

	snprintf(n.ref.id, sizeof(n.ref.id), "%s", id);
	return n;
}

static struct stream_entry entry_of(const char *key, uint64_t counter)
{
	struct stream_entry e = {.kind = "publish",
				 .is_live = true,
				 .epoch = {.counter = counter},
				 .writer_node = "a",
				 .writer_instance = {{1}}};

	snprintf(e.key.text, sizeof(e.key.text), "%s", key);
	return e;
}

TEST(nodes_come_change_restart_and_go)
{
	struct heard h = {0};
	struct copy *c = make(&h, NULL);
	struct node n = node_of("a", 1);
	int err = copy_put_node(c, &n);

	n.load.viewers = 9; /* load alone is not told */
	if (!err)
		err = copy_put_node(c, &n);
	n.is_draining = true;
	if (!err)
		err = copy_put_node(c, &n);
	n = node_of("a", 2);
	if (!err)
		err = copy_put_node(c, &n);
	copy_drop_node(c, "a");
	copy_drop_node(c, "a");
	CHECK_EQ(copy_node_count(c), 0);
	copy_free(&c);
	CHECK_EQ(err, 0);
	check_heard(&h, "+n:a *n:a !n:a -n:a");
}

TEST(streams_tell_only_real_changes)
{
	struct heard h = {0};
	struct copy *c = make(&h, NULL);
	struct stream_entry e = entry_of("live/x", 1);
	int err = copy_put_stream(c, &e);

	e.writer_has_lease = true; /* of the moment: no change */
	if (!err)
		err = copy_put_stream(c, &e);
	e.lost_until_ms = 5;
	if (!err)
		err = copy_put_stream(c, &e);
	copy_drop_stream(c, &e.key);
	copy_free(&c);
	CHECK_EQ(err, 0);
	check_heard(&h, "+s:live/x *s:live/x -s:live/x");
}

TEST(the_newest_load_is_shown)
{
	struct heard h = {0};
	struct copy *c = make(&h, NULL);
	struct node n = node_of("a", 1);
	int err = copy_put_node(c, &n);

	n.load.viewers = 9;
	if (!err)
		err = copy_put_node(c, &n);
	if (!err)
		CHECK_EQ(copy_node(c, "a")->load.viewers, 9);
	copy_free(&c);
	CHECK_EQ(err, 0);
}

TEST(a_whole_reading_drops_what_it_did_not_see)
{
	struct heard h = {0};
	struct copy *c = make(&h, NULL);
	struct node a = node_of("a", 1), b = node_of("b", 1);
	struct stream_entry x = entry_of("live/x", 1);
	int err = copy_put_node(c, &a) | copy_put_node(c, &b) |
		  copy_put_stream(c, &x);

	copy_read_begin(c, COPY_NODES);
	err |= copy_put_node(c, &b);
	copy_read_end(c, COPY_NODES);
	CHECK(!copy_node(c, "a"));
	CHECK_EQ(copy_stream_count(c), 1); /* the other part is untouched */
	copy_read_begin(c, COPY_STREAMS);
	copy_read_end(c, COPY_STREAMS);
	CHECK_EQ(copy_stream_count(c), 0);
	copy_free(&c);
	CHECK_EQ(err, 0);
	check_heard(&h, "+n:a +n:b +s:live/x -n:a -s:live/x");
}

TEST(a_reading_that_was_not_finished_drops_nothing)
{
	struct heard h = {0};
	struct copy *c = make(&h, NULL);
	struct node a = node_of("a", 1);
	int err = copy_put_node(c, &a);

	copy_read_begin(c, COPY_NODES);
	copy_read_begin(c, COPY_NODES);
	err |= copy_put_node(c, &a);
	copy_read_end(c, COPY_NODES);
	copy_free(&c);
	CHECK_EQ(err, 0);
	check_heard(&h, "+n:a");
}

TEST(what_was_put_during_a_reading_stays)
{
	struct heard h = {0};
	struct copy *c = make(&h, NULL);
	struct stream_entry x = entry_of("live/x", 1);
	int err;

	copy_read_begin(c, COPY_STREAMS);
	err = copy_put_stream(c, &x);   /* a change message */
	copy_read_begin(c, COPY_NODES); /* the parts overlap */
	copy_read_end(c, COPY_NODES);
	copy_read_end(c, COPY_STREAMS);
	copy_free(&c);
	CHECK_EQ(err, 0);
	check_heard(&h, "+s:live/x");
}

TEST(a_writer_has_its_lease_while_its_instance_is_known)
{
	struct heard h = {0};
	struct copy *c = make(&h, NULL);
	struct stream_entry x = entry_of("live/x", 1);
	struct node a = node_of("a", 1);
	int err = copy_put_stream(c, &x) | copy_put_node(c, &a);

	if (!err) {
		CHECK(copy_stream(c, &x.key)->writer_has_lease);
		a.ref.instance.byte[0] = 2;
		err = copy_put_node(c, &a);
		CHECK(!copy_stream(c, &x.key)->writer_has_lease);
		copy_drop_node(c, "a");
		CHECK(!copy_stream(c, &x.key)->writer_has_lease);
	}
	copy_free(&c);
	CHECK_EQ(err, 0);
}

TEST(the_copy_is_bounded)
{
	const struct copy_limits limits = {1, 1};
	struct heard h = {0};
	struct copy *c = make(&h, &limits);
	struct node a = node_of("a", 1), b = node_of("b", 1);
	struct stream_entry x = entry_of("live/x", 1),
			    y = entry_of("live/y", 1);
	int err = copy_put_node(c, &a) | copy_put_stream(c, &x);

	if (!err) {
		CHECK_EQ(copy_put_node(c, &b), WEIR_ELIMIT);
		CHECK_EQ(copy_put_stream(c, &y), WEIR_ELIMIT);
		CHECK_EQ(copy_put_node(c, &a), 0);
	}
	copy_free(&c);
	CHECK_EQ(err, 0);
	check_heard(&h, "+n:a +s:live/x");
}

TEST(many_streams_are_swept_at_once)
{
	struct copy *c = NULL;
	int err = copy_new(&c, NULL, NULL, NULL, 3);

	for (int i = 0; i < 500 && !err; i++) {
		char key[32];
		struct stream_entry e;

		snprintf(key, sizeof(key), "live/%d", i);
		e = entry_of(key, 1);
		if (i == 250)
			copy_read_begin(c, COPY_STREAMS);
		err = copy_put_stream(c, &e);
	}
	if (!err) {
		copy_read_end(c, COPY_STREAMS);
		CHECK_EQ(copy_stream_count(c), 250);
	}
	copy_free(&c);
	CHECK_EQ(err, 0);
}

TEST(the_node_list_comes_back_from_its_text)
{
	struct heard h = {0}, h2 = {0};
	struct copy *c = make(&h, NULL), *back = make(&h2, NULL);
	struct node a = node_of("a", 1), newer = node_of("a", 9);
	struct node b = node_of("b", 2);
	struct buf text = {0};
	int err = copy_put_node(c, &a) | copy_put_node(c, &b);

	copy_nodes_write(c, &text);
	err |= buf_error(&text);
	if (!err)
		err = copy_put_node(back, &newer);
	if (!err)
		err = copy_nodes_read(back, buf_span(&text));
	if (!err) { /* what is known already is newer than a file */
		CHECK_EQ(copy_node(back, "a")->ref.instance.byte[0], 9);
		CHECK_EQ(copy_node(back, "b")->ref.instance.byte[0], 2);
	}
	buf_fini(&text);
	copy_free(&c);
	copy_free(&back);
	CHECK_EQ(err, 0);
}

TEST(a_damaged_node_list_gives_what_can_be_read)
{
	static const char good[] =
		"[{\"id\":\"a\"},7,null,{\"id\":\"b\",\"role\":\"edge\","
		"\"instance\":\"00112233445566778899aabbccddeeff\"}]";
	struct heard h = {0};
	struct copy *c = make(&h, NULL);
	int err = copy_nodes_read(c, SPAN_LIT(good));

	CHECK_EQ(copy_nodes_read(c, SPAN_LIT("[{\"id\":")), WEIR_EPROTO);
	CHECK_EQ(copy_nodes_read(c, SPAN_LIT("")), WEIR_EPROTO);
	CHECK_EQ(copy_nodes_read(c, SPAN_LIT("{}")), WEIR_EPROTO);
	copy_free(&c);
	CHECK_EQ(err, 0);
	check_heard(&h, "+n:b");
}
