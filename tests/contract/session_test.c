/* tests/contract/session_test.c - what every registered protocol must survive.
 *
 * For each file proto/<name>/vectors/<vector>.bin, the bytes of one peer, there
 * is a <vector>.txt: the event lines that they must yield, then what the feed
 * returned, then how much was sent and its hash. CONTRACT_UPDATE=1 in the
 * environment writes the .txt files instead of comparing: read the difference.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/hash.h"
#include "common/test/check.h"
#include "proto/registry.h"

#define FLIPS_PER_VECTOR 300

struct vector {
	const struct registry_entry *entry;
	char *path; /* of the .bin */
	struct buf bytes;
};

/* One run of a session. */
struct trace {
	struct buf lines;
	struct buf sent;
	int events;
	int sends;
	int stop_at_event; /* 0: never */
	int stop_at_send;
	int err;
};

static void trace_fini(struct trace *t)
{
	buf_fini(&t->lines);
	buf_fini(&t->sent);
}

static int on_send(void *ctx, struct span bytes)
{
	struct trace *t = ctx;

	buf_put(&t->sent, bytes);
	return ++t->sends == t->stop_at_send ? WEIR_ESTOP : 0;
}

static int on_event(void *ctx, const char *line)
{
	struct trace *t = ctx;

	CHECK(!strchr(line, '\n'));
	buf_printf(&t->lines, "%s\n", line);
	return ++t->events == t->stop_at_event ? WEIR_ESTOP : 0;
}

/* A session of the vector's protocol, fed the pieces until one fails. */
static void run(const struct vector *v, struct trace *t,
		const struct span *piece, size_t count)
{
	const struct session_events events = {
		.ctx = t,
		.on_send = on_send,
		.on_event = on_event,
	};
	const struct session_ops *ops = v->entry->ops;
	void *session = NULL;

	t->err = ops->open(&session, &events, 42);
	for (size_t i = 0; i < count && !t->err; i++)
		t->err = ops->feed(session, piece[i]);
	ops->close(&session);
	CHECK(!session);
}

static void run_whole(const struct vector *v, struct trace *t)
{
	const struct span whole = buf_span(&v->bytes);

	run(v, t, &whole, 1);
}

static void read_file(struct buf *out, const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t piece[4096];
	size_t len;

	CHECK(f);
	while ((len = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_put(out, span_of(piece, len));
	fclose(f);
}

/* Call `test` with each vector of each protocol. */
static void each_vector(void (*test)(const struct vector *v))
{
	struct registry r = {0};
	size_t count = 0;

	CHECK_EQ(registry_fill(&r), 0);
	for (size_t i = 0; i < r.count; i++) {
		char pattern[256];
		glob_t found;

		snprintf(pattern, sizeof(pattern), "proto/%s/vectors/*.bin",
			 r.entry[i].ops->name);
		CHECK_EQ(glob(pattern, 0, NULL, &found), 0);
		for (size_t k = 0; k < found.gl_pathc; k++) {
			struct vector v = {.entry = &r.entry[i],
					   .path = found.gl_pathv[k]};

			read_file(&v.bytes, v.path);
			CHECK(v.bytes.len > 0);
			test(&v);
			buf_fini(&v.bytes);
			count++;
		}
		globfree(&found);
	}
	CHECK(count > 0);
}

/* "….bin" -> "….txt" */
static void golden_path(char out[512], const char *path)
{
	int len = snprintf(out, 512, "%.*s.txt", (int)strlen(path) - 4, path);

	CHECK(len > 0 && len < 512);
}

static void put_outcome(struct trace *t)
{
	buf_printf(&t->lines, "returned: %s\nsent: %zu bytes %016llx\n",
		   weir_strerror(t->err), t->sent.len,
		   (unsigned long long)hash_bytes(0, buf_span(&t->sent)));
}

static void check_golden(const struct vector *v)
{
	struct trace t = {0};
	struct buf golden = {0};
	char path[512];

	golden_path(path, v->path);
	run_whole(v, &t);
	put_outcome(&t);
	if (getenv("CONTRACT_UPDATE")) {
		FILE *f = fopen(path, "wb");

		CHECK(f);
		fwrite(t.lines.data, 1, t.lines.len, f);
		fclose(f);
	}
	read_file(&golden, path);
	CHECK_STR(buf_text(&t.lines), buf_text(&golden));
	trace_fini(&t);
	buf_fini(&golden);
}

/* Starving runs are the unit tests' business: here they would take minutes. */
TEST_NO_OOM(every_vector_gives_its_golden_events)
{
	each_vector(check_golden);
}

static void check_cuts(const struct vector *v)
{
	struct trace whole = {0};

	run_whole(v, &whole);
	for (size_t cut = 0; cut <= v->bytes.len; cut++) {
		const struct span pieces[] = {
			span_first(buf_span(&v->bytes), cut),
			span_from(buf_span(&v->bytes), cut),
		};
		struct trace t = {0};

		run(v, &t, pieces, 2);
		CHECK_EQ(t.err, whole.err);
		CHECK_SPAN(buf_span(&t.lines), buf_span(&whole.lines));
		CHECK_SPAN(buf_span(&t.sent), buf_span(&whole.sent));
		trace_fini(&t);
	}
	trace_fini(&whole);
}

TEST_NO_OOM(events_and_answers_do_not_depend_on_where_the_network_cut)
{
	each_vector(check_cuts);
}

static void check_single_bytes(const struct vector *v)
{
	struct span *piece = calloc(v->bytes.len, sizeof(*piece));
	struct trace whole = {0}, t = {0};

	CHECK(piece);
	for (size_t i = 0; i < v->bytes.len; i++)
		piece[i] = span_of(v->bytes.data + i, 1);
	run_whole(v, &whole);
	run(v, &t, piece, v->bytes.len);
	CHECK_EQ(t.err, whole.err);
	CHECK_SPAN(buf_span(&t.lines), buf_span(&whole.lines));
	CHECK_SPAN(buf_span(&t.sent), buf_span(&whole.sent));
	trace_fini(&t);
	trace_fini(&whole);
	free(piece);
}

TEST_NO_OOM(peers_may_come_byte_by_byte)
{
	each_vector(check_single_bytes);
}

static bool is_prefix(const struct buf *part, const struct buf *whole)
{
	return span_eq(buf_span(part), span_first(buf_span(whole), part->len));
}

static void check_truncations(const struct vector *v)
{
	struct trace whole = {0};

	run_whole(v, &whole);
	for (size_t len = 0; len < v->bytes.len; len++) {
		const struct span part = span_first(buf_span(&v->bytes), len);
		struct trace t = {0};

		run(v, &t, &part, 1);
		CHECK(!t.err || t.err == whole.err);
		CHECK(is_prefix(&t.lines, &whole.lines));
		CHECK(is_prefix(&t.sent, &whole.sent));
		trace_fini(&t);
	}
	trace_fini(&whole);
}

TEST_NO_OOM(a_peer_may_leave_at_any_byte)
{
	each_vector(check_truncations);
}

static void check_doubled(const struct vector *v)
{
	const struct span twice[] = {buf_span(&v->bytes), buf_span(&v->bytes)};
	struct trace whole = {0}, t = {0};

	run_whole(v, &whole);
	run(v, &t, twice, 2);
	CHECK(is_prefix(&whole.lines, &t.lines));
	CHECK(is_prefix(&whole.sent, &t.sent));
	trace_fini(&t);
	trace_fini(&whole);
}

TEST_NO_OOM(a_peer_that_says_all_twice_is_survived)
{
	each_vector(check_doubled);
}

static uint64_t next_random(uint64_t *state)
{
	*state = hash_bytes(*state, SPAN(state));
	return *state;
}

/* A few changed bytes, then any cut; and the end of it repeated. */
static void check_flips(const struct vector *v)
{
	uint64_t random = 2024;

	for (int round = 0; round < FLIPS_PER_VECTOR; round++) {
		struct buf bad = {0};
		struct trace t = {0};
		size_t flips = 1 + next_random(&random) % 8;
		size_t cut;

		buf_put(&bad, buf_span(&v->bytes));
		CHECK_EQ(buf_error(&bad), 0);
		while (flips--) {
			size_t at = next_random(&random) % bad.len;

			bad.data[at] = (uint8_t)next_random(&random);
		}
		cut = next_random(&random) % bad.len;
		const struct span pieces[] = {
			span_first(buf_span(&bad), cut),
			span_from(buf_span(&bad), cut),
			span_from(buf_span(&bad), cut),
		};
		run(v, &t, pieces, 3);
		CHECK(t.sent.len < 1024 * 1024);
		trace_fini(&t);
		buf_fini(&bad);
	}
}

TEST_NO_OOM(changed_bytes_are_survived)
{
	each_vector(check_flips);
}

/* As above, but behind whatever opens the conversation: 16 places. */
static void check_noise(const struct vector *v)
{
	uint64_t random = 7;

	for (size_t i = 0; i < 16; i++) {
		uint8_t noise[8192];
		struct trace t = {0};

		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (uint8_t)next_random(&random);
		const struct span pieces[] = {
			span_first(buf_span(&v->bytes), v->bytes.len * i / 16),
			SPAN(noise),
			SPAN(noise),
		};
		run(v, &t, pieces, 3);
		trace_fini(&t);
	}
}

TEST_NO_OOM(noise_is_survived_wherever_it_begins)
{
	each_vector(check_noise);
}

static void check_stops(const struct vector *v)
{
	struct trace whole = {0};

	run_whole(v, &whole);
	for (int at = 1; at <= whole.events; at++) {
		struct trace t = {.stop_at_event = at};

		run_whole(v, &t);
		CHECK_EQ(t.err, WEIR_ESTOP);
		CHECK_EQ(t.events, at);
		CHECK(is_prefix(&t.lines, &whole.lines));
		trace_fini(&t);
	}
	for (int at = 1; at <= whole.sends; at++) {
		struct trace t = {.stop_at_send = at};

		run_whole(v, &t);
		CHECK(t.err == WEIR_ESTOP || t.err == whole.err);
		CHECK(is_prefix(&t.lines, &whole.lines));
		trace_fini(&t);
	}
	trace_fini(&whole);
}

TEST_NO_OOM(a_callback_may_stop_the_feed_at_any_event)
{
	each_vector(check_stops);
}

static int open_nothing(void **out, const struct session_events *events,
			uint64_t seed)
{
	(void)out;
	(void)events;
	(void)seed;
	return WEIR_ENOMEM;
}

static int feed_nothing(void *session, struct span in)
{
	(void)session;
	(void)in;
	return 0;
}

static void close_nothing(void **session)
{
	(void)session;
}

static int add(struct registry *r, struct session_ops ops, uint16_t port)
{
	const struct registry_entry e = {&ops, TRANSPORT_TCP, port};

	return registry_add(r, &e);
}

TEST(registration_refuses_a_table_with_an_empty_slot)
{
	const struct session_ops good = {"x", open_nothing, feed_nothing,
					 close_nothing};
	struct registry r = {0};
	struct session_ops bad;

	bad = good, bad.name = NULL;
	CHECK_EQ(add(&r, bad, 1), WEIR_EINVAL);
	bad = good, bad.name = "";
	CHECK_EQ(add(&r, bad, 1), WEIR_EINVAL);
	bad = good, bad.open = NULL;
	CHECK_EQ(add(&r, bad, 1), WEIR_EINVAL);
	bad = good, bad.feed = NULL;
	CHECK_EQ(add(&r, bad, 1), WEIR_EINVAL);
	bad = good, bad.close = NULL;
	CHECK_EQ(add(&r, bad, 1), WEIR_EINVAL);
	CHECK_EQ(add(&r, good, 0), WEIR_EINVAL);
	CHECK_EQ(r.count, 0);
	CHECK_EQ(registry_add(&r, &(struct registry_entry){.port = 1}),
		 WEIR_EINVAL);
}

TEST(registration_refuses_a_name_twice_and_finds_by_name)
{
	struct registry r = {0};
	size_t count;

	CHECK_EQ(registry_fill(&r), 0);
	count = r.count;
	CHECK_EQ(registry_fill(&r), WEIR_EEXIST);
	CHECK_EQ(r.count, count);
	CHECK(registry_find(&r, "rtmp"));
	CHECK_EQ(registry_find(&r, "rtmp")->port, 1935);
	CHECK(!registry_find(&r, "gopher"));
}

TEST(registration_refuses_more_than_there_is_room_for)
{
	static const char *const names[] = {
		"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k",
		"l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v",
		"w", "x", "y", "z", "A", "B", "C", "D", "E", "F", "G"};
	struct session_ops ops[WEIR_ARRAY_LEN(names)];
	struct registry r = {0};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++) {
		ops[i] = (struct session_ops){names[i], open_nothing,
					      feed_nothing, close_nothing};
		CHECK_EQ(registry_add(&r,
				      &(struct registry_entry){
					      &ops[i], TRANSPORT_UDP, 1}),
			 i < REGISTRY_MAX ? 0 : WEIR_ELIMIT);
	}
}

TEST(closing_nothing_is_fine)
{
	struct registry r = {0};
	void *session = NULL;

	CHECK_EQ(registry_fill(&r), 0);
	for (size_t i = 0; i < r.count; i++)
		r.entry[i].ops->close(&session);
}
