/* tests/sim/redis_named_test.c - the important decisions of the registry's scripts,
 * one by one: right, and the same in a real redis-server and in the simulator.
 */
#include "tests/sim/redis_pair_test.h"

struct act {
	uint8_t kind, writer;    /* MOVE: who moves */
	uint64_t counter;        /* its epoch; MOVE: its term */
	uint64_t expected;       /* CLAIM: an epoch; MOVE: a term */
	uint8_t expected_writer; /* as well */
	int64_t start_us;        /* SETTLE, whose term is 1 */
	int err;                 /* the answer, */
	uint64_t stands;         /* and the epoch in force, */
	uint8_t stands_writer;   /* its writer, */
	uint64_t term;           /* and the number of its term */
};

#define CLAIM  SCRIPT_CLAIM
#define MOVE   SCRIPT_MOVE
#define LOST   SCRIPT_LOST
#define END    SCRIPT_END
#define VERIFY SCRIPT_VERIFY
#define SETTLE SCRIPT_SETTLE
#define BUSY   WEIR_EBUSY
#define STALE  WEIR_ESTALE
#define GONE   WEIR_ENOENT

/* clang-format off */
static const struct {
	const char *name;
	struct act act[3];
} named[] = {
	/* kind, writer, counter, expected, by, start, answer, stands, by, term */
	{"a free stream is given", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1}}},
	{"a busy one is not", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{CLAIM, 2, 0, 0, 0, 0, BUSY, 1, 1, 1}}},
	{"the same writer may claim again", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1}}},
	{"who expects the epoch displaces it", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{CLAIM, 2, 0, 1, 1, 0, 0, 2, 2, 2}}},
	{"who expects the one before does not", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{CLAIM, 2, 0, 1, 1, 0, 0, 2, 2, 2},
		{CLAIM, 3, 0, 1, 1, 0, BUSY, 2, 2, 2}}},
	{"who expects the counter of another writer does not", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{CLAIM, 2, 0, 1, 3, 0, BUSY, 1, 1, 1}}},
	{"a move from the term in force", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{MOVE, 7, 2, 1, 1, 0, 0, 1, 1, 2}}},
	{"a move from a stale term", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{MOVE, 7, 2, 1, 1, 0, 0, 1, 1, 2},
		{MOVE, 8, 2, 1, 1, 0, STALE, 1, 1, 2}}},
	{"a move that was made already", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{MOVE, 7, 2, 1, 1, 0, 0, 1, 1, 2},
		{MOVE, 7, 2, 1, 1, 0, 0, 1, 1, 2}}},
	{"a move of nothing", {
		{MOVE, 7, 2, 1, 1, 0, GONE, 0, 0, 0}}},
	{"a lost stream is free", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{LOST, 1, 1, 0, 0, 0, 0, 1, 1, 1},
		{CLAIM, 2, 0, 0, 0, 0, 0, 2, 2, 2}}},
	{"another epoch is not lost", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{LOST, 1, 2, 0, 0, 0, STALE, 1, 1, 1}}},
	{"counters outlive the end", {
		{CLAIM, 1, 0, 0, 0, 0, 0, 1, 1, 1},
		{END, 1, 1, 0, 0, 0, 0, 1, 1, 1},
		{CLAIM, 2, 0, 0, 0, 0, 0, 2, 2, 2}}},
	{"nothing is there to verify", {
		{VERIFY, 1, 1, 0, 0, 0, GONE, 0, 0, 0}}},
	{"who settles where nothing stands is taken at its word", {
		{SETTLE, 1, 5, 0, 0, 9, 0, 5, 1, 1}}},
	{"the higher counter settles", {
		{SETTLE, 1, 9, 0, 0, 5, 0, 9, 1, 1},
		{SETTLE, 2, 10, 0, 0, 5, 0, 10, 2, 2}}},
	{"the lower counter does not", {
		{SETTLE, 1, 10, 0, 0, 5, 0, 10, 1, 1},
		{SETTLE, 2, 9, 0, 0, 5, STALE, 10, 1, 1}}},
	{"the earlier start settles", {
		{SETTLE, 1, 5, 0, 0, 10, 0, 5, 1, 1},
		{SETTLE, 2, 5, 0, 0, 9, 0, 5, 2, 2}}},
	{"the later start does not", {
		{SETTLE, 1, 5, 0, 0, 9, 0, 5, 1, 1},
		{SETTLE, 2, 5, 0, 0, 10, STALE, 5, 1, 1}}},
	{"the smaller uuid settles", {
		{SETTLE, 0xa0, 5, 0, 0, 9, 0, 5, 0xa0, 1},
		{SETTLE, 0x9f, 5, 0, 0, 9, 0, 5, 0x9f, 2}}},
	{"the greater uuid does not", {
		{SETTLE, 0x9f, 5, 0, 0, 9, 0, 5, 0x9f, 1},
		{SETTLE, 0xa0, 5, 0, 0, 9, STALE, 5, 0x9f, 1}}},
};
/* clang-format on */

static struct script_call call_of(const struct act *a, size_t at)
{
	struct script_call c = {
		.kind = a->kind,
		.entry = {.kind = "publish",
			  .epoch = {.counter = a->counter},
			  .term = {.number = a->kind == MOVE ? a->counter : 1},
			  .start_us = a->start_us,
			  .writer_node = "ingest-1",
			  .home_node = "origin-1"},
		.expected = {.counter = a->expected},
		.expected_term = {.number = a->expected},
	};

	snprintf(c.entry.key.text, sizeof(c.entry.key.text), "named/%zu", at);
	c.entry.epoch.writer.byte[0] = c.entry.term.by.byte[0] = a->writer;
	c.expected.writer.byte[0] = a->expected_writer;
	c.expected_term.by.byte[0] = a->expected_writer;
	return c;
}

static void check_act(struct pair *p, const struct act *a, size_t at)
{
	struct script_call c = call_of(a, at);
	struct script_words w;
	struct script_result r;

	CHECK_EQ(script_encode(&w, CLUSTER, &c, 1000000), 0);
	call_both(p, &w);
	CHECK_STR(p->why, "");
	CHECK_EQ(script_decode(&r, &c.entry.key, p->reply.word, p->reply.count),
		 0);
	CHECK_EQ(r.err, a->err);
	CHECK_EQ(r.entry.epoch.counter, a->stands);
	CHECK_EQ(r.entry.epoch.writer.byte[0], a->stands_writer);
	CHECK_EQ(r.entry.term.number, a->term);
}

TEST_NO_OOM(the_important_calls_are_answered_alike_and_rightly)
{
	struct pair p;

	if (!open_pair(&p))
		return;
	for (size_t i = 0; i < WEIR_ARRAY_LEN(named); i++) {
		printf("%s\n", named[i].name);
		for (size_t j = 0; j < 3 && named[i].act[j].kind; j++)
			check_act(&p, &named[i].act[j], i);
	}
	check_keys(&p);
	close_pair(&p);
}
