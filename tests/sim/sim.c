/* tests/sim/sim.c - the clock, the jobs, one schedule from its seed. */
#include "tests/sim/rules.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *sim_need(void *p)
{
	BUG_ON(!p);
	return p;
}

/* ---- randomness: xorshift64*, the same everywhere ---- */

uint64_t sim_random(struct sim *s)
{
	uint64_t x = s->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	s->random = x;
	return x * UINT64_C(2685821657736338717);
}

uint64_t sim_below(struct sim *s, uint64_t limit)
{
	return (sim_random(s) >> 11) % limit;
}

bool sim_chance(struct sim *s, unsigned percent)
{
	return sim_below(s, 100) < percent;
}

int64_t sim_between_us(struct sim *s, int64_t from_ms, int64_t to_ms)
{
	uint64_t range_us = (uint64_t)(to_ms - from_ms) * 1000 + 1;

	return from_ms * MS + (int64_t)sim_below(s, range_us);
}

struct uuid sim_uuid(struct sim *s)
{
	uint64_t v[2];
	struct uuid u;

	v[0] = sim_random(s); /* one after the other: every compiler's order */
	v[1] = sim_random(s);

	memcpy(u.byte, v, sizeof(u.byte));
	return u;
}

int64_t sim_now_ms(const struct sim *s)
{
	return s->now_us / MS;
}

/* ---- words ---- */

const char *sim_mutant_name(enum sim_mutant m)
{
	static const char *const name[] = {
		[SIM_SOUND] = "none",
		[SIM_NO_FENCE] = "no-fence",
		[SIM_NO_REVALIDATION] = "no-revalidation",
		[SIM_TRUST_LEASE] = "trust-lease",
		[SIM_NO_VALIDATION] = "no-validation",
		[SIM_WRONG_REPLAY] = "wrong-replay",
		[SIM_REUSE_COUNTER] = "reuse-counter",
		[SIM_NO_SETTLE] = "no-settle",
		[SIM_COPY_SERVES] = "copy-serves",
		[SIM_COPY_DELIVERS] = "copy-delivers",
		[SIM_COPY_UNUSED] = "copy-unused",
		[SIM_WRONG_COPY] = "wrong-copy",
		[SIM_GIVER_STAYS] = "giver-stays",
		[SIM_GIVER_WRITES] = "giver-writes",
		[SIM_SAME_TERM] = "same-term",
		[SIM_OLD_GOODS] = "old-goods",
		[SIM_NO_DRAIN] = "no-drain",
		[SIM_DRAIN_TAKES] = "drain-takes",
		[SIM_RULES_DEAF] = "rules-deaf",
		[SIM_RULES_UNSETTLED] = "rules-unsettled",
		[SIM_GATE_FORGETS] = "gate-forgets",
		[SIM_GATE_LOSES] = "gate-loses",
		[SIM_RULES_BEHIND] = "rules-behind",
		[SIM_GATE_NAMELESS] = "gate-nameless",
	};

	return m < SIM_MUTANTS ? name[m] : "?";
}

/* `text` with each `what` replaced; the caller's. */
static char *replaced(const char *text, const char *what, const char *by)
{
	struct buf b = {0};
	const char *at;
	char *out;

	while ((at = strstr(text, what))) {
		buf_put(&b, span_of(text, (size_t)(at - text)));
		buf_put(&b, span_str(by));
		text = at + strlen(what);
	}
	buf_put(&b, span_str(text));
	out = sim_need(strdup(buf_text(&b)));
	buf_fini(&b);
	return out;
}

void sim_set_scripts(struct scripts *scripts, enum sim_mutant m)
{
	static const struct {
		enum sim_mutant mutant;
		const char *what, *by;
	} change[] = {
		{SIM_REUSE_COUNTER, "digits(top + 1)",
		 "digits(math.max(top, 1))"},
	};

	scripts_replace(scripts, script_claim_lua, NULL);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(change); i++) {
		char *text;

		if (change[i].mutant != m)
			continue;
		text = replaced(script_claim_lua, change[i].what, change[i].by);
		BUG_ON(!strcmp(text, script_claim_lua));
		scripts_replace(scripts, script_claim_lua, text);
		free(text);
	}
}

const char *sim_class_name(enum sim_class c)
{
	static const char *const name[] = {"calm",     "origin",  "planned",
					   "registry", "network", "all"};

	return c < CLASS_COUNT ? name[c] : "?";
}

bool sim_is_lossless(const struct sim *s)
{
	return s->class == CLASS_ORIGIN || s->class == CLASS_PLANNED;
}

void sim_trace(const struct sim *s, const char *fmt, ...)
{
	va_list args;

	if (!s->options.is_verbose)
		return;
	printf("%3" PRId64 ".%06" PRId64 "  ", s->now_us / 1000000,
	       s->now_us % 1000000);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

void sim_violation(struct sim *s, const char *fmt, ...)
{
	va_list args;

	if (s->violation[0])
		return; /* the first one counts */
	va_start(args, fmt);
	vsnprintf(s->violation, sizeof(s->violation), fmt, args);
	va_end(args);
	sim_trace(s, "VIOLATION %s", s->violation);
}

/* ---- jobs: a binary heap by time, then by number ---- */

static bool is_before(const struct job *a, const struct job *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us
				    : a->number < b->number;
}

static void heap_push(struct sim *s, struct job *j)
{
	size_t i = s->heap_count++;

	if (s->heap_count > s->heap_room) {
		s->heap_room = s->heap_room ? s->heap_room * 2 : 1024;
		s->heap = sim_need(
			realloc(s->heap, s->heap_room * sizeof(*s->heap)));
	}
	while (i && is_before(j, s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = j;
}

static struct job *heap_pop(struct sim *s)
{
	struct job *top = s->heap[0];
	struct job *last = s->heap[--s->heap_count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->heap_count)
			break;
		if (child + 1 < s->heap_count &&
		    is_before(s->heap[child + 1], s->heap[child]))
			child++;
		if (is_before(last, s->heap[child]))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return top;
}

void *sim_job(struct sim *s, size_t size, struct sim_node *node,
	      void (*run)(struct sim *s, struct job *j))
{
	struct job *j = sim_need(calloc(1, size));

	(void)s;
	list_init(&j->link);
	j->node = node;
	j->life = node ? node->life : 0;
	j->run = run;
	return j;
}

void sim_at(struct sim *s, struct job *j, int64_t at_us)
{
	j->at_us = at_us > s->now_us ? at_us : s->now_us;
	j->number = ++s->jobs;
	heap_push(s, j);
}

/* With its number: in order with others that are held up as long. */
void sim_requeue(struct sim *s, struct job *j, int64_t at_us)
{
	j->at_us = at_us;
	heap_push(s, j);
}

static void job_end(struct job *j)
{
	if (j->drop)
		j->drop(j);
	free(j);
}

static void do_job(struct sim *s, struct job *j)
{
	struct sim_node *n = j->node;
	int64_t held_us = j->held_until_us ? j->held_until_us(s, j) : 0;

	if (held_us > s->now_us) {
		sim_requeue(s, j, held_us);
		return;
	}
	if (!n) {
		j->run(s, j);
	} else if (n->life == j->life && n->is_paused) {
		list_append(&n->inbox, &j->link);
		return;
	} else if (n->life == j->life && n->is_alive) {
		node_run(s, n, j);
	}
	job_end(j);
}

/* ---- one schedule ---- */

static void on_timer(struct sim *s, struct job *j)
{
	(void)j;
	people_timer(s);
	guests_check(s);
	sim_at(s, sim_job(s, sizeof(struct job), NULL, on_timer),
	       s->now_us + 20 * MS);
}

static void choose_class(struct sim *s)
{
	static const uint8_t weight[CLASS_COUNT] = {10, 15, 15, 10, 15, 35};
	uint64_t at = sim_below(s, 100);
	int c = 0;

	while (at >= weight[c])
		at -= weight[c++];
	s->class = s->options.forced_class >= 0
			   ? (enum sim_class)s->options.forced_class
			   : (enum sim_class)c;
}

static void add_node(struct sim *s, enum node_kind kind, const char *role,
		     size_t number)
{
	struct sim_node *n = &s->node[s->node_count];

	n->sim = s;
	n->index = s->node_count++;
	n->kind = kind;
	snprintf(n->id, sizeof(n->id), "%s-%zu", role, number);
	snprintf(n->world.self.role, sizeof(n->world.self.role), "%s", role);
	list_init(&n->inbox);
	list_init(&n->pending);
}

static void build(struct sim *s)
{
	size_t ingests = 2 + sim_below(s, 2), origins = 2 + sim_below(s, 2);

	list_init(&s->wires);
	list_init(&s->sessions);
	s->replicas = s->options.seed % 2 ? 2 : 1;
	s->takeover = !sim_is_lossless(s) && sim_chance(s, 10);
	for (size_t i = 1; i <= origins; i++)
		add_node(s, NODE_ORIGIN, "origin", i);
	for (size_t i = 1; i <= ingests; i++)
		add_node(s, NODE_INGEST, "ingest", i);
	for (size_t i = 1; i <= 2; i++)
		add_node(s, NODE_EDGE, "edge", i);
	s->is_one_user = !sim_is_lossless(s) && s->options.seed % 5 == 0;
	s->key_count = 1 + sim_below(s, KEYS_MAX);
	for (size_t i = 0; i < s->key_count; i++)
		snprintf(s->key[i].text, sizeof(s->key[i].text), "live/cam%zu",
			 i + 1);
	redis_init(s);
	readers_init(s);
	for (size_t i = 0; i < s->node_count; i++)
		node_start(s, &s->node[i]);
	people_init(s);
	fault_plan(s);
	business_init(s);
	sim_at(s, sim_job(s, sizeof(struct job), NULL, on_timer), 0);
}

static void tear_down(struct sim *s)
{
	people_fini(s);
	node_free_all(s);
	while (s->heap_count)
		job_end(heap_pop(s));
	net_close_all(s);
	business_fini(s);
	readers_fini(s);
	redis_fini(s);
	for (size_t i = 0; i < s->published_count; i++) {
		struct published *p = &s->published[i];

		for (size_t k = 0; k < p->count; k++)
			frame_unref(&p->frame[k]);
		free(p->frame);
		free(p->at_us);
	}
	free(s->heap);
}

void sim_run(const struct sim_options *options, struct sim_result *out)
{
	struct sim *s = sim_need(calloc(1, sizeof(*s)));

	s->options = *options;
	s->scripts = options->scripts;
	s->random = options->seed * UINT64_C(0x9e3779b97f4a7c15) +
		    88172645463325252ULL;
	for (int i = 0; i < 8; i++)
		sim_random(s);
	choose_class(s);
	build(s);
	while (s->heap_count && !s->violation[0]) {
		struct job *j = heap_pop(s);

		s->now_us = j->at_us;
		if (s->now_us >= s->end_us) {
			job_end(j);
			break;
		}
		do_job(s, j);
	}
	if (!s->violation[0])
		check_end(s);
	if (!s->violation[0])
		readers_check_end(s);
	*out = (struct sim_result){
		.class = s->class,
		.frames_published = s->frames_published,
		.frames_seen = s->frames_seen,
		.claims = s->claims,
		.refusals = s->refusals,
		.moves = s->moves,
		.passes = s->passes,
		.age_us = s->age_us,
		.jobs = s->jobs,
	};
	memcpy(out->violation, s->violation, sizeof(out->violation));
	tear_down(s);
	free(s);
}
