/* common/registry/store_rules_test.c - the cluster's rules against a real
 * redis-server. Not repeated with failing allocations: each repetition would
 * start a server of its own.
 */
#include "common/registry/store.h"

#include <inttypes.h>

#include "common/registry/store_scene_test.h"

struct member {
	struct loop *loop;
	struct store *store;
	unsigned ups, downs, told;
	unsigned answers;
	struct rule_reply last;
	unsigned changes;       /* on_rule */
	struct rulebook mirror; /* what it said */
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

static void on_rule(void *ctx, const char *name, const char *text)
{
	struct member *m = ctx;
	bool is_other = true;

	m->changes++;
	if (text)
		CHECK_EQ(rulebook_put(&m->mirror, span_str(name),
				      span_str(text), &is_other),
			 0);
	else
		CHECK(rulebook_remove(&m->mirror, span_str(name)));
	CHECK(is_other); /* nothing is said twice */
}

static void on_answer(void *ctx, const struct rule_reply *r)
{
	struct member *m = ctx;

	m->answers++;
	m->last = *r;
}

static void mirror_one(void *ctx, const char *name, const char *text)
{
	struct member *m = ctx;
	bool is_other;

	CHECK_EQ(rulebook_put(&m->mirror, span_str(name), span_str(text),
			      &is_other),
		 0);
}

static void join(struct member *m, struct scene *sc, const char *id,
		 uint32_t reread_ms, const char *file)
{
	static const struct store_events events = {
		.on_up = on_up,
		.on_down = on_down,
		.on_rule = on_rule,
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
	rulebook_init(&m->mirror, 1);
	o.self.ref.instance.byte[1] = (uint8_t)id[0];
	snprintf(o.self.ref.id, sizeof(o.self.ref.id), "%s", id);
	snprintf(url, sizeof(url), "127.0.0.1:%u", sc->s.port);
	CHECK_EQ(store_new(&m->store, sc->loop, &o, &events, m, NULL), 0);
	rulebook_each(store_rules(m->store), mirror_one, m);
}

static void part(struct member *m)
{
	store_free(&m->store);
	rulebook_fini(&m->mirror);
}

/* One that has read the rules; false: there is no server here. */
static bool open_alone(struct scene *sc, struct member *m, uint32_t reread_ms)
{
	if (!open_scene(sc))
		return false;
	join(m, sc, "a", reread_ms, NULL);
	SERVE_UNTIL(sc->loop, store_rules_are_known(m->store));
	return true;
}

static void close_alone(struct scene *sc, struct member *m)
{
	part(m);
	close_scene(sc);
}

/* Two of them. */
static bool open_pair(struct scene *sc, struct member *a, struct member *b,
		      uint32_t reread_ms)
{
	if (!open_alone(sc, a, reread_ms))
		return false;
	join(b, sc, "b", reread_ms, NULL);
	SERVE_UNTIL(sc->loop, store_rules_are_known(b->store));
	return true;
}

static void close_pair(struct scene *sc, struct member *a, struct member *b)
{
	part(a);
	close_alone(sc, b);
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
	const char *text = rulebook_text(store_rules(m->store), span_str(name));

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

	if (!open_pair(&sc, &a, &b, 60000))
		return;
	CHECK_EQ(
		change(&a, RULE_PUT, "ban bob", "{\"user\":\"bob\"}", NULL).err,
		0);
	CHECK(has(&a, "ban bob", "{\"user\":\"bob\"}"));
	SERVE_UNTIL(sc.loop, has(&b, "ban bob", "{\"user\":\"bob\"}"));
	CHECK_EQ(change(&b, RULE_DELETE, "ban bob", "", NULL).err, 0);
	CHECK(has(&b, "ban bob", ""));
	SERVE_UNTIL(sc.loop, has(&a, "ban bob", ""));
	CHECK_EQ(change(&a, RULE_DELETE, "ban bob", "", NULL).err, WEIR_ENOENT);
	close_pair(&sc, &a, &b);
}

TEST_NO_OOM(a_change_before_the_first_reading_waits_for_it)
{
	struct member m;
	struct scene sc;

	if (!open_alone(&sc, &m, 60000))
		return;
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{}", NULL).err, 0);
	CHECK(has(&m, "ban x", "{}"));
	close_alone(&sc, &m);
}

TEST_NO_OOM(a_repeat_with_the_same_request_id_does_nothing_twice)
{
	struct rule_reply r;
	struct member a, b;
	struct scene sc;

	if (!open_pair(&sc, &a, &b, 60000))
		return;
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
	close_pair(&sc, &a, &b);
}

TEST_NO_OOM(a_purge_spares_a_rule_that_is_another_one_now)
{
	struct member m;
	struct scene sc;

	if (!open_alone(&sc, &m, 60000))
		return;
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{\"n\":2}", NULL).err, 0);
	CHECK_EQ(change(&m, RULE_PURGE, "ban x", "{\"n\":1}", NULL).err,
		 WEIR_ENOENT);
	CHECK(has(&m, "ban x", "{\"n\":2}"));
	CHECK_EQ(change(&m, RULE_PURGE, "ban x", "{\"n\":2}", NULL).err, 0);
	CHECK(has(&m, "ban x", ""));
	close_alone(&sc, &m);
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
	part(&m);
	close_scene(&sc);
}

TEST_NO_OOM(changes_without_a_registry_are_answered_and_rules_stay)
{
	struct member m;
	struct scene sc;

	if (!open_alone(&sc, &m, 60000))
		return;
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{}", NULL).err, 0);
	server_stop(&sc.s);
	SERVE_UNTIL(sc.loop, m.downs == 1);
	CHECK_EQ(change(&m, RULE_PUT, "ban y", "{}", NULL).err, WEIR_ETIMEOUT);
	CHECK(has(&m, "ban x", "{}"));
	close_alone(&sc, &m);
}

/* Asks for what cannot be, when it is answered the first time. */
static void on_first_answer(void *ctx, const struct rule_reply *r)
{
	static const struct rule_change bad = {
		.op = RULE_PUT, .name = "nonsense", .text = {0}};
	struct member *m = ctx;

	m->last = *r;
	store_rule(m->store, &bad, on_answer, m);
}

TEST_NO_OOM(
	a_change_that_cannot_be_is_answered_at_once_also_while_another_one_waits)
{
	const struct rule_change good = {
		.op = RULE_PUT, .name = "ban x", .text = SPAN_LIT("{}")};
	const struct rule_change bad = {
		.op = RULE_PUT, .name = "nonsense", .text = {0}};
	struct member m, other;
	struct scene sc;

	if (!open_alone(&sc, &m, 60000))
		return;
	kill(sc.s.pid, SIGSTOP); /* what is sent is not answered */
	other = m;
	store_rule(m.store, &good, on_answer, &other);
	store_rule(m.store, &bad, on_first_answer, &m);
	SERVE_UNTIL(sc.loop, m.answers > 0);
	CHECK_EQ(m.last.err, WEIR_EINVAL);
	CHECK_EQ(other.answers, 0);
	kill(sc.s.pid, SIGCONT);
	close_alone(&sc, &m);
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
	close_pair(&sc, &a, &b);
}

TEST_NO_OOM(eight_megabytes_of_rules_are_written_again_too)
{
	static char text[16001];
	struct member m, b;
	struct scene sc;
	char name[32];

	if (!open_scene(&sc))
		return;
	memset(text, 'x', sizeof(text) - 1);
	join(&m, &sc, "a", 100, NULL);
	SERVE_UNTIL(sc.loop, m.ups == 1);
	for (unsigned i = 0; i < 499; i++) {
		snprintf(name, sizeof(name), "ban long%u", i);
		CHECK_EQ(change(&m, RULE_PUT, name, text, NULL).err, 0);
	}
	server_command(&sc.s, "FLUSHALL");
	join(&b, &sc, "b", 100, NULL);
	SERVE_UNTIL(sc.loop, has(&b, "ban long498", text));
	SERVE_UNTIL(sc.loop, rulebook_count(store_rules(b.store)) == 499);
	part(&m);
	part(&b);
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
	close_pair(&sc, &a, &b);
}

/* A change would make a version of nothing, which all would take for old. */
TEST_NO_OOM(a_change_comes_behind_what_the_registry_has_lost)
{
	struct member m;
	struct scene sc;

	if (!open_alone(&sc, &m, 60000))
		return;
	CHECK_EQ(change(&m, RULE_PUT, "ban x", "{}", NULL).err, 0);
	CHECK_EQ(change(&m, RULE_PUT, "ban y", "{}", NULL).err, 0);
	server_command(&sc.s, "FLUSHALL");
	CHECK_EQ(change(&m, RULE_DELETE, "ban x", "", NULL).err, 0);
	server_command(&sc.s, "FLUSHALL");
	CHECK_EQ(change(&m, RULE_PUT, "ban z", "{}", NULL).err, 0);
	CHECK(has(&m, "ban x", "") && has(&m, "ban y", "{}"));
	CHECK(has(&m, "ban z", "{}"));
	CHECK_EQ(change(&m, RULE_DELETE, "ban y", "", NULL).err, 0);
	close_alone(&sc, &m);
}

/* ---- what has changed, and nothing else ---- */

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

static uint64_t scans_of(const struct member *m)
{
	struct store_stats stats;

	store_get_stats(m->store, &stats);
	return stats.rule_scans;
}

static void put_many(struct member *m, unsigned count)
{
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "ban r%u", i);
		CHECK_EQ(change(m, RULE_PUT, name, "{}", NULL).err, 0);
	}
}

static void compare(void *ctx, const char *name, const char *text)
{
	const char *other = rulebook_text(ctx, span_str(name));

	CHECK(other && !strcmp(other, text));
}

/* Has it the same rules and the same version; and has it told them all? */
static bool is_as(const struct member *m, const struct member *other)
{
	const struct rulebook *a = store_rules(m->store);
	struct rulebook *b = (struct rulebook *)store_rules(other->store);

	if (!rule_version_eq(&a->version, &b->version))
		return false;
	CHECK_EQ(rulebook_count(a), rulebook_count(b));
	rulebook_each(a, compare, b);
	CHECK_EQ(rulebook_count(a), rulebook_count(&m->mirror));
	rulebook_each(a, compare, (void *)&m->mirror);
	return true;
}

TEST_NO_OOM(a_change_costs_its_own_size)
{
	struct member a, b;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join(&a, &sc, "a", 60000, NULL);
	SERVE_UNTIL(sc.loop, a.ups == 1);
	put_many(&a, 300);
	join(&b, &sc, "b", 60000, NULL);
	SERVE_UNTIL(sc.loop, store_rules_are_known(b.store));
	CHECK_EQ(scans_of(&b), 1); /* it came too late for changes alone */
	CHECK_EQ(b.changes, 300);
	CHECK_EQ(change(&a, RULE_PUT, "ban r7", "{\"n\":1}", NULL).err, 0);
	CHECK_EQ(change(&a, RULE_DELETE, "ban r8", "", NULL).err, 0);
	SERVE_UNTIL(sc.loop, has(&b, "ban r8", ""));
	CHECK(has(&b, "ban r7", "{\"n\":1}"));
	CHECK_EQ(b.changes, 302);
	CHECK_EQ(scans_of(&b), 1);
	CHECK_EQ(scans_of(&a), 0);
	CHECK(is_as(&b, &a));
	close_pair(&sc, &a, &b);
}

static void join_known(struct member *m, struct scene *sc, const char *id,
		       const char *file)
{
	join(m, sc, id, 60000, file);
	SERVE_UNTIL(sc->loop, m->ups == 1);
	put_many(m, 1); /* answered when the rules have been read */
}

/* Leave when all that is known is on disk. */
static void part_kept(struct member *m, const char *file)
{
	char head[64];

	snprintf(head, sizeof(head), RULEBOOK_PREFIX "%" PRIu64 " %s\n",
		 store_rules(m->store)->version.number,
		 store_rules(m->store)->version.tag);
	SERVE_UNTIL(m->loop, is_on_disk(file, head));
	part(m);
}

/* What b does that comes back with its file, when a has made so many changes. */
static void come_back(unsigned changes, uint64_t scans)
{
	struct member a, b;
	struct scene sc;
	char file[128];

	if (!open_scene(&sc))
		return;
	snprintf(file, sizeof(file), "%s/b.rules", sc.s.dir);
	join_known(&a, &sc, "a", NULL);
	CHECK_EQ(change(&a, RULE_PUT, "ban old", "{}", NULL).err, 0);
	join_known(&b, &sc, "b", file);
	part_kept(&b, file);
	CHECK_EQ(change(&a, RULE_DELETE, "ban old", "", NULL).err, 0);
	put_many(&a, changes);
	join(&b, &sc, "b", 60000, file);
	CHECK(has(&b, "ban old", "{}"));
	SERVE_UNTIL(sc.loop, rule_version_eq(&store_rules(a.store)->version,
					     &store_rules(b.store)->version));
	CHECK(has(&b, "ban old", ""));
	CHECK_EQ(rulebook_count(store_rules(b.store)), changes);
	CHECK_EQ(scans_of(&b), scans);
	close_pair(&sc, &a, &b);
}

TEST_NO_OOM(who_was_away_reads_what_it_has_missed)
{
	come_back(100, 0);
}

TEST_NO_OOM(who_was_away_for_too_long_reads_all)
{
	come_back(REGISTRY_RULES_LOG + 50, 1);
}

TEST_NO_OOM(a_change_that_is_not_in_the_log_makes_others_read_all)
{
	struct member a;
	struct scene sc;

	if (!open_scene(&sc))
		return;
	join_known(&a, &sc, "a", NULL);
	/* As a version of before would do it. */
	server_command(&sc.s,
		       "EVAL redis.call('HSET',KEYS[1],'ban\\32x','{}',"
		       "'#version','2','#tag','x') 1 weir:{test}:rules");
	server_command(&sc.s, "PUBLISH weir:{test}:changes rules");
	SERVE_UNTIL(sc.loop, has(&a, "ban x", "{}"));
	CHECK_EQ(scans_of(&a), 1);
	part(&a);
	close_scene(&sc);
}

/* A number below `below`; the same ones each time. */
static unsigned pick(uint64_t *state, unsigned below)
{
	*state = *state * UINT64_C(6364136223846793005) + 1;
	return (unsigned)((*state >> 33) % below);
}

static void change_any(struct member *m, uint64_t *state)
{
	char name[32], text[32];
	enum rule_op op = pick(state, 3) ? RULE_PUT : RULE_DELETE;
	int err;

	snprintf(name, sizeof(name), "ban r%u", pick(state, 400));
	snprintf(text, sizeof(text), "{\"n\":%u}", pick(state, 1000));
	err = change(m, op, name, text, NULL).err;
	CHECK(!err || err == WEIR_ENOENT);
}

/* `c` comes and goes, reads all of them or what it has missed, and is killed on
 * the way; the others go on changing. */
TEST_NO_OOM(no_change_is_lost_whatever_else_happens)
{
	struct member a, b, c;
	struct scene sc;
	char file[128];
	uint64_t state = 11;

	if (!open_scene(&sc))
		return;
	snprintf(file, sizeof(file), "%s/c.rules", sc.s.dir);
	join_known(&a, &sc, "a", NULL);
	join_known(&b, &sc, "b", NULL);
	put_many(&a, 400);
	for (unsigned round = 0; round < 30; round++) {
		unsigned away = pick(&state, 4) ? 5 : REGISTRY_RULES_LOG;

		for (unsigned i = 0; i < away; i++)
			change_any(&b, &state);
		join(&c, &sc, "c", 60000, pick(&state, 4) ? file : NULL);
		for (unsigned i = pick(&state, 40); i; i--)
			change_any(pick(&state, 2) ? &a : &b, &state);
		if (!pick(&state, 3)) {
			part(&c); /* wherever it is */
			continue;
		}
		SERVE_UNTIL(sc.loop, store_rules_are_known(c.store) &&
					     is_as(&c, &a) && is_as(&b, &a));
		part(&c);
	}
	close_pair(&sc, &a, &b);
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
	part(&m);
	server_stop(&sc.s);
	join(&m, &sc, "a", 60000, file);
	CHECK(store_rules_are_known(m.store));
	CHECK(has(&m, "ban x", "{\"n\":1}"));
	CHECK(server_start(&sc.s)); /* it has nothing */
	SERVE_UNTIL(sc.loop, m.ups == 1);
	CHECK_EQ(change(&m, RULE_PUT, "ban y", "{}", NULL).err, 0);
	CHECK(has(&m, "ban x", "{\"n\":1}"));
	part(&m);
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
	part(&m);
	close_scene(&sc);
}
