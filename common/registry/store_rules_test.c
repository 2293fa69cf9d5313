/* common/registry/store_rules_test.c - the cluster's rules against a real
 * redis-server. Not repeated with failing allocations: each repetition would
 * start a server of its own.
 */
#include "common/registry/store.h"

#include "common/registry/store_scene_test.h"

struct member {
	struct loop *loop;
	struct store *store;
	unsigned ups, downs, told;
	unsigned answers;
	struct rule_reply last;
};

static void on_up(void *ctx, bool is_other)
{
	(void)is_other;
	((struct member *)ctx)->ups++;
}

static void on_down(void *ctx)
{
	((struct member *)ctx)->downs++;
}

static void on_rules(void *ctx)
{
	((struct member *)ctx)->told++;
}

static void on_answer(void *ctx, const struct rule_reply *r)
{
	struct member *m = ctx;

	m->answers++;
	m->last = *r;
}

static void join(struct member *m, struct scene *sc, const char *id,
		 uint32_t reread_ms, const char *file)
{
	static const struct store_events events = {
		.on_up = on_up,
		.on_down = on_down,
		.on_rules = on_rules,
	};
	char url[64];
	struct store_options o = {
		.url = url,
		.cluster = "test",
		.registry_ms = 500,
		.lease_ms = 100,
		.lease_ttl_ms = 400,
		.reread_ms = reread_ms,
		.settle_ms = 300,
		.rules_file = file,
		.self = {.ref = {.role = "edge", .instance = {{1}}}},
	};

	*m = (struct member){.loop = sc->loop};
	o.self.ref.instance.byte[1] = (uint8_t)id[0];
	snprintf(o.self.ref.id, sizeof(o.self.ref.id), "%s", id);
	snprintf(url, sizeof(url), "127.0.0.1:%u", sc->s.port);
	CHECK_EQ(store_new(&m->store, sc->loop, &o, &events, m, NULL), 0);
}

/* One change, and its answer. */
static struct rule_reply change(struct member *m, enum rule_op op,
				const char *name, const char *text,
				const char *request)
{
	const struct rule_change c = {
		.op = op,
		.name = name,
		.text = span_str(text),
		.request = request,
	};
	unsigned before = m->answers;

	store_rule(m->store, &c, on_answer, m);
	CHECK_EQ(m->answers, before); /* never from inside */
	SERVE_UNTIL(m->loop, m->answers > before);
	CHECK_EQ(m->answers, before + 1);
	return m->last;
}

static const char *rule_of(const struct member *m, const char *name)
{
	const char *text =
		map_get(&store_rules(m->store)->texts, span_str(name));

	return text ? text : "";
}

static bool has(const struct member *m, const char *name, const char *text)
{
	return !strcmp(rule_of(m, name), text);
}

TEST_NO_OOM(a_rule_is_in_force_at_once_where_it_was_put_and_soon_everywhere)
{
	struct member a, b;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, &sc, "a", 60000, NULL);
	join(&b, &sc, "b", 60000, NULL);
	SERVE_UNTIL(sc.loop, store_rules_are_known(a.store));
	SERVE_UNTIL(sc.loop, store_rules_are_known(b.store));
	CHECK_EQ(
		change(&a, RULE_PUT, "ban bob", "{\"user\":\"bob\"}", NULL).err,
		0);
	CHECK(has(&a, "ban bob", "{\"user\":\"bob\"}"));
	SERVE_UNTIL(sc.loop, has(&b, "ban bob", "{\"user\":\"bob\"}"));
	CHECK_EQ(change(&b, RULE_DELETE, "ban bob", "", NULL).err, 0);
	CHECK(has(&b, "ban bob", ""));
	SERVE_UNTIL(sc.loop, has(&a, "ban bob", ""));
	CHECK_EQ(change(&a, RULE_DELETE, "ban bob", "", NULL).err, WEIR_ENOENT);
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_change_before_the_first_reading_waits_for_it)
{
	struct member m;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&m, &sc, "a", 60000, NULL);
	SERVE_UNTIL(sc.loop, m.ups == 1);
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{}", NULL).err, 0);
	CHECK(has(&m, "ban x", "{}"));
	store_free(&m.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_repeat_with_the_same_request_id_does_nothing_twice)
{
	struct rule_reply r;
	struct member a, b;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, &sc, "a", 60000, NULL);
	join(&b, &sc, "b", 60000, NULL);
	SERVE_UNTIL(sc.loop, a.ups && b.ups);
	CHECK_EQ(change(&a, RULE_PUT, "ban x", "{\"n\":1}", "r-1").err, 0);
	CHECK_EQ(change(&a, RULE_DELETE, "ban x", "", "r-2").err, 0);
	r = change(&b, RULE_PUT, "ban x", "{\"n\":1}", "r-1");
	CHECK_EQ(r.err, 0);
	CHECK(r.is_repeat);
	CHECK(has(&b, "ban x", "")); /* it was deleted since */
	r = change(&b, RULE_DELETE, "ban x", "", "r-2");
	CHECK_EQ(r.err, 0);
	CHECK(r.is_repeat);
	CHECK_EQ(change(&b, RULE_PUT, "ban y", "{}", "r-2").err, WEIR_EEXIST);
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_purge_spares_a_rule_that_is_another_one_now)
{
	struct member m;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&m, &sc, "a", 60000, NULL);
	SERVE_UNTIL(sc.loop, m.ups == 1);
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{\"n\":2}", NULL).err, 0);
	CHECK_EQ(change(&m, RULE_PURGE, "ban x", "{\"n\":1}", NULL).err,
		 WEIR_ENOENT);
	CHECK(has(&m, "ban x", "{\"n\":2}"));
	CHECK_EQ(change(&m, RULE_PURGE, "ban x", "{\"n\":2}", NULL).err, 0);
	CHECK(has(&m, "ban x", ""));
	store_free(&m.store);
	close_scene(&sc);
}

TEST_NO_OOM(what_is_no_rule_is_refused)
{
	char request[STORE_REQUEST_MAX + 2];
	struct member m;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	memset(request, 'r', sizeof(request));
	request[sizeof(request) - 1] = '\0';
	join(&m, &sc, "a", 60000, NULL);
	SERVE_UNTIL(sc.loop, m.ups == 1);
	CHECK_EQ(change(&m, RULE_PUT, "nonsense", "{}", NULL).err, WEIR_EINVAL);
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{\n}", NULL).err, WEIR_EINVAL);
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{}", request).err, WEIR_EINVAL);
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{}", request + 1).err, 0);
	store_free(&m.store);
	close_scene(&sc);
}

TEST_NO_OOM(changes_without_a_registry_are_answered_and_rules_stay)
{
	struct member m;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&m, &sc, "a", 60000, NULL);
	SERVE_UNTIL(sc.loop, m.ups == 1);
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{}", NULL).err, 0);
	server_stop(&sc.s);
	SERVE_UNTIL(sc.loop, m.downs == 1);
	CHECK_EQ(change(&m, RULE_PUT, "ban y", "{}", NULL).err, WEIR_ETIMEOUT);
	CHECK(has(&m, "ban x", "{}"));
	store_free(&m.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_registry_that_lost_the_rules_gets_them_again)
{
	struct member a, b;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, &sc, "a", 100, NULL);
	SERVE_UNTIL(sc.loop, a.ups == 1);
	CHECK_EQ(change(&a, RULE_PUT, "ban x", "{}", NULL).err, 0);
	CHECK_EQ(change(&a, RULE_PUT, "later kind", "{\"k\":1}", NULL).err, 0);
	server_stop(&sc.s); /* it keeps nothing on disk */
	SERVE_UNTIL(sc.loop, a.downs == 1);
	CHECK(server_start(&sc.s));
	SERVE_UNTIL(sc.loop, a.ups == 2);
	join(&b, &sc, "b", 100, NULL);
	SERVE_UNTIL(sc.loop, has(&b, "ban x", "{}"));
	CHECK(has(&b, "later kind", "{\"k\":1}"));
	CHECK_EQ(change(&b, RULE_DELETE, "ban x", "", NULL).err, 0);
	SERVE_UNTIL(sc.loop, has(&a, "ban x", ""));
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

TEST_NO_OOM(a_registry_emptied_under_way_gets_them_again)
{
	struct member a, b;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, &sc, "a", 100, NULL);
	SERVE_UNTIL(sc.loop, a.ups == 1);
	CHECK_EQ(change(&a, RULE_PUT, "ban x", "{}", NULL).err, 0);
	server_command(&sc.s, "FLUSHALL");
	join(&b, &sc, "b", 100, NULL);
	SERVE_UNTIL(sc.loop, has(&b, "ban x", "{}"));
	store_free(&a.store);
	store_free(&b.store);
	close_scene(&sc);
}

static bool is_on_disk(const char *file, const char *text)
{
	char all[512] = "";
	FILE *f = fopen(file, "r");
	size_t len = f ? fread(all, 1, sizeof(all) - 1, f) : 0;

	all[len] = '\0';
	if (f)
		fclose(f);
	return strstr(all, text) != NULL;
}

/* A file that others may read, as a copy by hand would be. */
static void leave_open_file(const char *file)
{
	FILE *f = fopen(file, "w");

	CHECK(f);
	CHECK_EQ(fchmod(fileno(f), 0644), 0);
	fclose(f);
}

static bool is_ours_alone(const char *file)
{
	struct stat st;

	return !stat(file, &st) && (st.st_mode & 0777) == 0600;
}

TEST_NO_OOM(rules_outlive_the_process_without_a_registry)
{
	char file[128], beside[sizeof(file) + 4];
	struct member m;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	snprintf(file, sizeof(file), "%s/a.rules", sc.s.dir);
	snprintf(beside, sizeof(beside), "%s.new", file);
	leave_open_file(beside);
	join(&m, &sc, "a", 60000, file);
	CHECK(!store_rules_are_known(m.store)); /* there is no file yet */
	SERVE_UNTIL(sc.loop, m.ups == 1);
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{\"n\":1}", NULL).err, 0);
	SERVE_UNTIL(sc.loop, is_on_disk(file, "ban x\n{\"n\":1}\n"));
	CHECK(is_ours_alone(file)); /* there are secrets in it */
	store_free(&m.store);
	server_stop(&sc.s);
	join(&m, &sc, "a", 60000, file);
	CHECK(store_rules_are_known(m.store));
	CHECK(has(&m, "ban x", "{\"n\":1}"));
	CHECK(server_start(&sc.s)); /* it has nothing */
	SERVE_UNTIL(sc.loop, m.ups == 1);
	CHECK_EQ(change(&m, RULE_PUT, "ban y", "{}", NULL).err, 0);
	CHECK(has(&m, "ban x", "{\"n\":1}"));
	store_free(&m.store);
	close_scene(&sc);
}

TEST_NO_OOM(something_else_under_the_rules_key_ends_nothing)
{
	struct member m;
	struct scene sc;
	struct store_stats stats;

	if (!open_scene(&sc))
		return;
	server_command(&sc.s, "SET weir:{test}:rules nonsense");
	join(&m, &sc, "a", 100, NULL);
	SERVE_UNTIL(sc.loop, m.ups == 1);
	do {
		loop_run_once(sc.loop);
		store_get_stats(m.store, &stats);
	} while (stats.bad_entries < 2);
	CHECK_EQ(m.downs, 0);
	CHECK(!store_rules_are_known(m.store));
	server_command(&sc.s, "DEL weir:{test}:rules");
	SERVE_UNTIL(sc.loop, store_rules_are_known(m.store));
	store_free(&m.store);
	close_scene(&sc);
}
