/* common/registry/store_alone_test.c - the store without a server. */
#include "common/registry/store.h"

#include "common/test/check.h"

struct member {
	struct loop *loop;
	struct store *store;
	unsigned answers, ups;
	int last_err;
	bool has_left;
};

static void on_up(void *ctx, bool is_other)
{
	(void)is_other;
	((struct member *)ctx)->ups++;
}

static void on_result(void *ctx, const struct script_result *r)
{
	struct member *m = ctx;

	m->answers++;
	m->last_err = r->err;
}

static void on_left(void *ctx)
{
	((struct member *)ctx)->has_left = true;
}

/* Port 1 of this machine: nobody listens there. */
static const struct store_options good = {
	.url = "127.0.0.1:1",
	.self = {.ref = {.id = "a", .role = "ingest", .instance = {{1}}}},
};

/* Returns 0, or why there is no store; then nothing is left. */
static int join(struct member *m)
{
	static const struct store_events events = {.on_up = on_up};
	int err;

	*m = (struct member){0};
	err = loop_new(&m->loop);
	if (!err)
		err = store_new(&m->store, m->loop, &good, &events, m, NULL);
	if (err)
		loop_free(&m->loop);
	return err;
}

TEST(options_that_cannot_work_are_refused)
{
	struct store_options o = good;
	const char *why = "";
	struct loop *loop = NULL;
	struct store *st = NULL;
	int url, instance, id;

	CHECK_EQ(loop_new(&loop), 0);
	o.url = "127.0.0.1:nonsense";
	CHECK_EQ(store_url_check(o.url, &why), WEIR_EINVAL);
	url = store_new(&st, loop, &o, NULL, NULL, NULL);
	o = good;
	o.self.ref.instance = (struct uuid){{0}};
	instance = store_new(&st, loop, &o, NULL, NULL, NULL);
	o = good;
	o.self.ref.id[0] = '\0';
	id = store_new(&st, loop, &o, NULL, NULL, NULL);
	loop_free(&loop);
	CHECK_STR(why, "a port is not a number from 1 to 65535");
	CHECK_EQ(url, WEIR_EINVAL);
	CHECK_EQ(instance, WEIR_EINVAL);
	CHECK_EQ(id, WEIR_EINVAL);
}

TEST(every_call_is_answered_and_never_from_inside)
{
	struct script_call call = {.kind = SCRIPT_CLAIM};
	struct store_stats st;
	struct member m;
	unsigned inside;

	CHECK_EQ(join(&m), 0);
	memcpy(call.entry.key.text, "live/x", 7);
	store_script(m.store, &call, on_result, &m);
	store_script(m.store, &call, on_result, &m);
	inside = m.answers;
	while (m.answers < 2)
		loop_run_once(m.loop);
	store_get_stats(m.store, &st);
	store_free(&m.store);
	loop_free(&m.loop);
	CHECK_EQ(inside, 0);
	CHECK_EQ(m.last_err, WEIR_ETIMEOUT);
	CHECK_EQ(m.ups, 0);
	CHECK_EQ(st.calls, 2);
	CHECK_EQ(st.timeouts, 2);
}

TEST(leaving_ends_too)
{
	struct member m;

	CHECK_EQ(join(&m), 0);
	store_leave(m.store, on_left, &m);
	while (!m.has_left)
		loop_run_once(m.loop);
	store_free(&m.store);
	loop_free(&m.loop);
}
