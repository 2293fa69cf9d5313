/* tests/sim/readers.c - who knows which rules of the cluster: nodes and dispatches. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/access/ruleset.h"
#include "common/registry/rulebook.h"
#include "tests/sim/rules.h"

#define CLUSTER   "sim"
#define READERS   (NODES_MAX + DISPATCHES)
#define REREAD_MS 2000
#define KEPT_MS   1000 /* until the disk has what is known */
#define WAIT_MS   1000 /* a change, until its dispatch knows it, too */
#define WORDS_MAX 128

enum step { STEP_NONE, STEP_SINCE, STEP_WHOLE, STEP_CLOSE, STEP_SETTLE };

struct reader {
	struct sim *sim;
	struct sim_node *node; /* NULL: a dispatch */
	size_t index;
	bool is_there, is_known, is_read, is_wanted;
	enum step step;
	uint32_t connection; /* 0: none; grows */
	uint32_t last_connection;
	uint64_t run_id;
	int64_t looked_us, kept_us;
	struct rulebook book;
	struct rule_version begun; /* when all were begun to be read */
	struct ruleset *rules;
	struct buf disk;
	bool is_changed; /* and the disk has not got it */
	/* A dispatch's change that is done, and not known here yet. */
	size_t action;
	uint64_t action_number; /* 0: none */
	int64_t action_us;
};

struct readers {
	struct reader reader[READERS];
	uint64_t random;
	uint64_t top;    /* the highest version that there was */
	bool has_forked; /* one was made from an older one */
};

uint64_t readers_random(struct sim *s, uint64_t below)
{
	uint64_t z = (s->readers->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % below;
}

static int64_t delay_us(struct sim *s)
{
	bool is_slow = s->now_us < s->registry.slow_until_us;

	return is_slow ? (50 + (int64_t)readers_random(s, 650)) * MS
		       : (int64_t)readers_random(s, 3000);
}

bool readers_have_forked(const struct sim *s)
{
	return s->readers->has_forked;
}

/* ---- what is known, as rules ---- */

struct gathering {
	struct rule *rule[WORDS_MAX];
	size_t count;
};

static void gather(void *ctx, const char *name, const char *text)
{
	struct gathering *g = ctx;
	struct rule_fault fault;

	(void)name;
	BUG_ON(g->count == WORDS_MAX);
	BUG_ON(rule_read(&g->rule[g->count++], span_str(text), &fault));
}

static void put_in_force(struct reader *r)
{
	struct gathering g = {.count = 0};

	rulebook_each(&r->book, gather, &g);
	BUG_ON(ruleset_replace(r->rules, RULES_REGISTRY,
			       (const struct rule *const *)g.rule, g.count));
	for (size_t i = 0; i < g.count; i++)
		rule_unref(&g.rule[i]);
	if (r->node && r->node->gate)
		guests_on_rules(r->node);
}

const struct ruleset *readers_of(const struct sim_node *n)
{
	return n->sim->readers->reader[n->index].rules;
}

bool readers_are_known(const struct sim_node *n)
{
	return n->sim->readers->reader[n->index].is_known;
}

/* ---- the disk ---- */

static void keep(struct reader *r)
{
	const void *at = NULL;

	buf_clear(&r->disk);
	while (!rulebook_write(&r->book, &r->disk, &at))
		;
	BUG_ON(buf_error(&r->disk));
	r->is_changed = false;
	r->kept_us = r->sim->now_us;
}

static void load(struct reader *r)
{
	rulebook_fini(&r->book);
	rulebook_init(&r->book, 1);
	r->is_known = r->disk.len > 0;
	if (r->is_known)
		BUG_ON(rulebook_read(&r->book, buf_span(&r->disk)));
	put_in_force(r);
}

/* ---- asking the registry ---- */

struct query {
	struct job job; /* at the registry; then the reply, at who asked */
	struct reader *from;
	uint32_t connection;
	enum step what;
	struct rule_version known;
	struct buf lines; /* settling; of a reply: name and text, each a line */
	bool is_whole;
};

static void query_drop(struct job *j)
{
	buf_fini(&((struct query *)j)->lines);
}

static struct query *query_new(struct reader *r, struct sim_node *node,
			       void (*run)(struct sim *s, struct job *j))
{
	struct query *q = sim_job(r->sim, sizeof(*q), node, run);

	q->job.drop = query_drop;
	q->from = r;
	q->connection = r->connection;
	return q;
}

static void on_reply(struct sim *s, struct job *j);

static void add_line(struct buf *out, struct span text)
{
	buf_put(out, text);
	buf_put_u8(out, '\n');
}

static void read_all(struct sim *s, struct query *out)
{
	struct span word[WORDS_MAX];
	char root[REGISTRY_ROOT_SIZE], key[REGISTRY_ROOT_SIZE + 16];
	size_t count;

	registry_root(root, CLUSTER);
	snprintf(key, sizeof(key), "%s" REGISTRY_RULES, root);
	count = keyspace_hash(s->registry.data, key, s->now_us / 1000, word,
			      WORDS_MAX);
	BUG_ON(count == WORDS_MAX);
	for (size_t i = 0; i + 1 < count; i += 2) {
		if (!word[i].len || word[i].data[0] == '#')
			continue;
		add_line(&out->lines, word[i]);
		add_line(&out->lines, word[i + 1]);
	}
}

static void ask_since(struct sim *s, struct query *out,
		      const struct rule_version *known)
{
	static struct script_words words;
	static struct script_reply reply;

	BUG_ON(rules_since_encode(&words, CLUSTER, known));
	redis_run(s, &words, &reply);
	if (s->violation[0])
		return;
	BUG_ON(reply.count < RULES_SINCE_WORDS);
	BUG_ON(rules_since_decode(&out->known, &out->is_whole, reply.word));
	for (size_t i = RULES_SINCE_WORDS; i < reply.count; i++)
		add_line(&out->lines, reply.word[i]);
}

static void settle(struct sim *s, const struct query *q)
{
	static struct script_words words;
	static struct script_reply reply;

	BUG_ON(rules_settle_encode(&words, CLUSTER, q->known.number,
				   q->known.tag, buf_span(&q->lines)));
	redis_run(s, &words, &reply);
}

static void run_query(struct sim *s, struct query *q)
{
	struct query *back = query_new(q->from, q->from->node, on_reply);

	back->what = q->what;
	if (q->what == STEP_WHOLE)
		read_all(s, back);
	else if (q->what == STEP_SETTLE)
		settle(s, q);
	else
		ask_since(s, back, &q->known);
	sim_at(s, &back->job, s->now_us + delay_us(s));
}

static int64_t cut_off_us(const struct sim *s, const struct reader *r)
{
	return r->node ? s->cut_off_us[r->node->index] : 0;
}

static int64_t until_it_reads(struct sim *s, const struct job *j)
{
	const struct query *q = (const struct query *)j;

	return WEIR_MAX(s->registry.frozen_until_us, cut_off_us(s, q->from));
}

static void on_query(struct sim *s, struct job *j)
{
	struct query *q = (struct query *)j;

	/* What an old connection brought is run, too; nobody hears of it. */
	if (s->registry.is_up)
		run_query(s, q);
}

static void ask(struct reader *r, enum step what)
{
	struct query *q = query_new(r, NULL, on_query);

	q->job.held_until_us = until_it_reads;
	q->what = r->step = what;
	q->known = what == STEP_CLOSE ? r->begun : r->book.version;
	if (what == STEP_SETTLE)
		rulebook_lines(&r->book, &q->lines);
	sim_at(r->sim, &q->job, r->sim->now_us + delay_us(r->sim));
}

static void look(struct reader *r)
{
	if (!r->connection)
		return;
	r->is_wanted = r->step != STEP_NONE;
	if (!r->is_wanted)
		ask(r, STEP_SINCE);
}

/* ---- replies ---- */

static bool next_line(struct span *rest, struct span *line)
{
	const uint8_t *end =
		rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

	if (!end)
		return false;
	*line = span_first(*rest, (size_t)(end - rest->data));
	*rest = span_from(*rest, line->len + 1);
	return true;
}

static void take_lines(struct reader *r, struct span lines)
{
	struct span name, text;

	while (next_line(&lines, &name) && next_line(&lines, &text)) {
		bool is_other;

		if (text.len)
			BUG_ON(rulebook_put(&r->book, name, text, &is_other));
		else
			rulebook_remove(&r->book, name);
	}
}

static void drop_unmarked(struct reader *r)
{
	struct span name[WORDS_MAX];
	size_t count = rulebook_unmarked(&r->book, name, WORDS_MAX);

	for (size_t i = 0; i < count; i++) {
		char own[RULEBOOK_NAME_MAX + 1];

		snprintf(own, sizeof(own), "%.*s", (int)name[i].len,
			 (const char *)name[i].data);
		rulebook_remove(&r->book, span_str(own));
	}
}

static void serve_action(struct reader *r)
{
	bool is_late = r->sim->now_us - r->action_us > WAIT_MS * MS;

	if (!r->action_number ||
	    (r->book.version.number < r->action_number && !is_late))
		return;
	r->action_number = 0;
	business_answer(r->sim, r->action, true);
}

static void be_current(struct reader *r, const struct rule_version *head)
{
	if (!rule_version_eq(&r->book.version, head))
		r->is_changed = true;
	r->book.version = *head;
	r->is_read = r->is_known = true;
	r->step = STEP_NONE;
	put_in_force(r);
	serve_action(r);
	if (r->is_wanted)
		look(r);
}

static void take_since(struct reader *r, const struct query *q)
{
	if (!q->is_whole) {
		take_lines(r, buf_span(&q->lines));
		if (q->what == STEP_CLOSE)
			drop_unmarked(r);
		be_current(r, &q->known);
	} else if (q->known.number < r->book.version.number &&
		   r->sim->options.mutant != SIM_RULES_UNSETTLED) {
		ask(r, STEP_SETTLE);
	} else {
		r->begun = q->known;
		rulebook_mark(&r->book);
		ask(r, STEP_WHOLE);
	}
}

static void on_reply(struct sim *s, struct job *j)
{
	struct query *q = (struct query *)j;
	struct reader *r = q->from;

	(void)s;
	if (!r->is_there || q->connection != r->connection)
		return;
	switch (q->what) {
	case STEP_WHOLE:
		take_lines(r, buf_span(&q->lines));
		ask(r, STEP_CLOSE);
		break;
	case STEP_SETTLE:
		ask(r, STEP_SINCE);
		break;
	default:
		take_since(r, q);
	}
}

/* ---- connections ---- */

static bool can_talk(const struct reader *r)
{
	const struct sim *s = r->sim;

	if (!r->node)
		return s->registry.is_up &&
		       s->now_us >= s->registry.frozen_until_us &&
		       s->now_us >= s->dispatch_until_us[r->index];
	return redis_reaches(s, r->node);
}

static void disconnect(struct reader *r)
{
	r->connection = 0;
	r->is_read = r->is_wanted = false;
	r->step = STEP_NONE;
	r->action_number = 0;
}

static void tick(struct reader *r)
{
	struct sim *s = r->sim;

	if (r->is_changed && s->now_us - r->kept_us > KEPT_MS * MS)
		keep(r);
	if (r->connection && (!can_talk(r) || r->run_id != s->registry.run_id))
		disconnect(r);
	if (!can_talk(r))
		return;
	if (!r->connection) {
		r->connection = ++r->last_connection;
		r->run_id = s->registry.run_id;
		r->looked_us = s->now_us;
		look(r);
	}
	serve_action(r);
	if (s->options.mutant == SIM_RULES_DEAF ||
	    s->now_us - r->looked_us < REREAD_MS * MS)
		return;
	r->looked_us = s->now_us;
	look(r);
}

void readers_timer(struct sim *s, struct sim_node *n)
{
	tick(&s->readers->reader[n->index]);
}

static void on_dispatch_timer(struct sim *s, struct job *j)
{
	(void)j;
	for (size_t i = NODES_MAX; i < READERS; i++)
		tick(&s->readers->reader[i]);
	sim_at(s, sim_job(s, sizeof(struct job), NULL, on_dispatch_timer),
	       s->now_us + 100 * MS);
}

/* ---- notices ---- */

struct notice {
	struct job job;
	struct reader *to;
};

static void on_notice(struct sim *s, struct job *j)
{
	struct reader *r = ((struct notice *)j)->to;

	(void)s;
	if (r->is_there && can_talk(r))
		look(r);
}

void readers_noticed(struct sim *s)
{
	for (size_t i = 0; i < READERS; i++) {
		struct reader *r = &s->readers->reader[i];
		struct notice *n;

		if (!r->is_there || !r->connection ||
		    (s->options.mutant == SIM_RULES_DEAF && r->node))
			continue;
		n = sim_job(s, sizeof(*n), r->node, on_notice);
		n->to = r;
		sim_at(s, &n->job,
		       s->now_us + 1000 + (int64_t)readers_random(s, 5000));
	}
}

/* ---- changes, by a dispatch ---- */

struct change {
	struct job job;
	struct reader *by;
	uint32_t connection;
	size_t action;
	uint64_t known;
	struct rule_reply reply;
};

static void on_changed(struct sim *s, struct job *j)
{
	struct change *c = (struct change *)j;
	struct reader *r = c->by;

	if (c->connection != r->connection || r->action_number)
		return; /* nobody knows; it is asked again */
	if (c->reply.err == WEIR_EAGAIN)
		look(r);
	if (c->reply.err) {
		business_answer(s, c->action, c->reply.err == WEIR_ENOENT);
		return;
	}
	r->action = c->action;
	r->action_number = c->reply.number;
	r->action_us = s->now_us;
	serve_action(r);
	if (r->action_number)
		look(r);
}

static void note_version(struct sim *s, uint64_t number)
{
	struct readers *rs = s->readers;

	rs->has_forked |= number <= rs->top;
	rs->top = WEIR_MAX(rs->top, number);
}

static void on_change(struct sim *s, struct job *j)
{
	static struct script_words words;
	static struct script_reply reply;
	struct change *c = (struct change *)j, *back;
	const struct action *a = business_action(s, c->action);
	char tag[RULEBOOK_TAG_SIZE];
	struct rule_change change = {
		.op = a->is_put ? RULE_PUT : RULE_DELETE,
		.name = a->name,
		.text = span_str(a->text),
		.request = a->request,
		.tag = tag,
		.known = c->known,
	};

	if (!s->registry.is_up)
		return;
	snprintf(tag, sizeof(tag), "%016" PRIx64,
		 readers_random(s, UINT64_MAX));
	BUG_ON(rule_encode(&words, CLUSTER, &change));
	redis_run(s, &words, &reply);
	if (s->violation[0])
		return;
	back = sim_job(s, sizeof(*back), NULL, on_changed);
	back->by = c->by;
	back->connection = c->connection;
	back->action = c->action;
	BUG_ON(rule_decode(&back->reply, reply.word, reply.count));
	if (!back->reply.err && !back->reply.is_repeat)
		note_version(s, back->reply.number);
	sim_at(s, &back->job, s->now_us + delay_us(s));
}

static int64_t change_until_it_reads(struct sim *s, const struct job *j)
{
	(void)j;
	return s->registry.frozen_until_us;
}

void readers_change(struct sim *s, size_t dispatch, size_t action)
{
	struct reader *r = &s->readers->reader[NODES_MAX + dispatch];
	struct change *c;

	if (!can_talk(r))
		return; /* it is down, or waits for an answer itself */
	if (!r->is_read) {
		business_answer(s, action, false);
		return;
	}
	c = sim_job(s, sizeof(*c), NULL, on_change);
	c->job.held_until_us = change_until_it_reads;
	c->by = r;
	c->connection = r->connection;
	c->action = action;
	if (s->options.mutant != SIM_RULES_BEHIND)
		c->known = r->book.version.number;
	sim_at(s, &c->job, s->now_us + delay_us(s));
}

/* ---- life ---- */

static void reader_init(struct sim *s, size_t i)
{
	struct reader *r = &s->readers->reader[i];
	struct rule_fault fault;

	r->sim = s;
	r->index = i >= NODES_MAX ? i - NODES_MAX : i;
	r->is_there = i >= NODES_MAX;
	rulebook_init(&r->book, 1);
	BUG_ON(ruleset_new(&r->rules, 1));
	BUG_ON(ruleset_load(r->rules, RULES_SETTINGS,
			    SPAN_LIT("[{\"kind\":\"key\",\"id\":\"k\","
				     "\"secret\":\"" READERS_SECRET "\"}]"),
			    &fault));
}

void readers_init(struct sim *s)
{
	s->readers = sim_need(calloc(1, sizeof(*s->readers)));
	s->readers->random = s->options.seed;
	for (size_t i = 0; i < READERS; i++)
		reader_init(s, i);
	sim_at(s, sim_job(s, sizeof(struct job), NULL, on_dispatch_timer), 0);
}

void readers_fini(struct sim *s)
{
	for (size_t i = 0; i < READERS; i++) {
		struct reader *r = &s->readers->reader[i];

		rulebook_fini(&r->book);
		ruleset_free(&r->rules);
		buf_fini(&r->disk);
	}
	free(s->readers);
	s->readers = NULL;
}

void readers_node_up(struct sim *s, struct sim_node *n)
{
	struct reader *r = &s->readers->reader[n->index];

	r->node = n;
	r->is_there = true;
	r->is_changed = false;
	disconnect(r);
	load(r);
}

void readers_node_died(struct sim *s, struct sim_node *n)
{
	struct reader *r = &s->readers->reader[n->index];

	r->is_there = false;
	disconnect(r);
}

/* ---- what must hold ---- */

bool readers_could_know(const struct sim *s, const struct sim_node *n,
			int64_t since_us)
{
	const struct registry *g = &s->registry;

	return redis_reaches(s, n) && n->registry_since_us < since_us &&
	       n->woke_us < since_us && g->slow_until_us <= since_us &&
	       g->frozen_until_us <= since_us && g->cleared_us < since_us &&
	       s->cut_off_us[n->index] <= since_us && !s->readers->has_forked &&
	       s->readers->reader[n->index].run_id == g->run_id;
}

struct comparison {
	struct sim *sim;
	const struct reader *other;
	const char *where;
};

static void compare(void *ctx, const char *name, const char *text)
{
	const struct comparison *c = ctx;
	const char *there = rulebook_text(&c->other->book, span_str(name));

	if (!there || strcmp(there, text) != 0)
		sim_violation(c->sim, "%s does not know \"%s\"", c->where,
			      name);
}

static void check_same(struct sim *s, const struct reader *a,
		       const struct reader *b)
{
	struct comparison there = {s, b, b->node ? b->node->id : "dispatch"};
	struct comparison here = {s, a, a->node ? a->node->id : "dispatch"};

	rulebook_each(&a->book, compare, &there);
	rulebook_each(&b->book, compare, &here);
}

/* Of two actions on one name the later one counts, once both are done. */
static bool is_last(struct sim *s, size_t i)
{
	const struct action *a = business_action(s, i);

	for (size_t k = 0; k < business_count(s); k++) {
		const struct action *b = business_action(s, k);

		if (k != i && !strcmp(a->name, b->name) &&
		    b->begun_us > a->begun_us)
			return false;
	}
	return true;
}

static void check_action(struct sim *s, size_t i)
{
	const struct action *a = business_action(s, i);
	const struct reader *r = &s->readers->reader[NODES_MAX];
	const char *text = rulebook_text(&r->book, span_str(a->name));

	if (a->acked_us == INT64_MAX)
		sim_violation(s, "\"%s\" was never changed", a->name);
	else if (!s->readers->has_forked && is_last(s, i) &&
		 !!text != a->is_put)
		sim_violation(s, "\"%s\" is %s, though that was confirmed",
			      a->name, a->is_put ? "not there" : "still there");
}

void readers_check_end(struct sim *s)
{
	const struct reader *first = &s->readers->reader[NODES_MAX];

	for (size_t i = 0; i < READERS; i++)
		if (s->readers->reader[i].is_there)
			check_same(s, first, &s->readers->reader[i]);
	for (size_t i = 0; i < business_count(s); i++)
		check_action(s, i);
}
