/* tests/sim/redis_test.c - the scripts of the registry answer the same, publish
 * the same and leave the same keys in a real redis-server and in the simulator.
 *
 * Time plays no part: leases are long, and end when a call says so on both
 * sides. The seed is printed; WEIR_TEST_SEED=n runs that one again. Nothing
 * here is repeated with failing allocations: each repetition would start a
 * server of its own, and the simulator ends when there is no memory.
 */
#include <inttypes.h>
#include <sys/random.h>

#include "tests/sim/redis_pair_test.h"

#define CALLS     3000
#define CALLS_MAX 30000 /* until the rarest answer, one call in 600, was seen */
#define DUMP_EACH 250
#define LEASE_MS  3600000

/* ---- random calls ---- */

enum { KEYS = 6, NODES = 4 };
enum {
	OP_NODE = SCRIPT_SETTLE + 1,
	OP_EXPIRE, /* a lease, or a stream of which nothing is remembered */
	OP_RULE,
	OP_RULES_SETTLE,
	OP_RULES_SINCE,
	OP_RULES_LOSS, /* of the rules, or of what is known of a request */
	OPS,
};
static const char *const status[] = {"OK",    "BUSY",  "STALE", "GONE",
				     "TAKEN", "NEW",   "1",     "0",
				     "FULL",  "OTHER", "WHOLE", "LOST"};
enum { STATUS_COUNT = WEIR_ARRAY_LEN(status) };

struct random {
	struct pair *p;
	uint64_t state;
	int64_t utc_us;
	struct stream_entry seen[KEYS], older[KEYS]; /* as last answered */
	uint64_t rules_number;
	unsigned tally[OPS][STATUS_COUNT];
};

static uint64_t pick(struct random *m, uint64_t below)
{
	uint64_t z = (m->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % below;
}

/* One of few, so that calls meet; their texts begin with digits and letters. */
static struct uuid pick_uuid(struct random *m)
{
	static const uint8_t first[] = {0x01, 0x1f, 0x9a, 0xa9, 0xf0, 0xff};

	return (struct uuid){{first[pick(m, sizeof(first))]}};
}

static struct uuid pick_instance(struct random *m, uint64_t node)
{
	return (struct uuid){{(uint8_t)(node + 1), pick(m, 4) == 0}};
}

static struct epoch pick_epoch(struct random *m, size_t k)
{
	struct epoch e = m->seen[k].epoch;

	switch (pick(m, 8)) {
	case 0:
		return m->older[k].epoch;
	case 1:
		e.writer = pick_uuid(m);
		break;
	case 2:
		e.counter += pick(m, 3);
		break;
	default:
		break;
	}
	return e;
}

static struct term pick_term(struct random *m, size_t k)
{
	struct term t = m->seen[k].term;

	switch (pick(m, 6)) {
	case 0:
		return m->older[k].term;
	case 1:
		t.by = pick_uuid(m);
		break;
	case 2:
		t.number += pick(m, 3);
		break;
	default:
		break;
	}
	return t;
}

static void pick_key(struct stream_key *out, size_t k)
{
	static const char *const name[KEYS] = {
		"live/a", "live/b", "live/c", "app/d e", "live/\xc3\xa4", "x"};

	snprintf(out->text, sizeof(out->text), "%s", name[k]);
}

static void pick_entry(struct random *m, size_t k, struct stream_entry *e)
{
	static const int64_t start_us[] = {9, 10, 11, 100};
	uint64_t node = pick(m, NODES), home = pick(m, 3);

	*e = (struct stream_entry){
		.epoch = pick_epoch(m, k),
		.term = pick_term(m, k),
		.start_us = start_us[pick(m, 4)],
		.birth_ms = (int64_t)pick(m, 3) * (m->utc_us / 2000),
		.lost_until_ms = m->utc_us / 1000 + (int64_t)pick(m, 9999),
		.is_live = pick(m, 2),
		.is_ended = pick(m, 2),
		.is_local = pick(m, 2),
		.writer_instance = pick_instance(m, node),
		.home_instance = pick_instance(m, home),
	};
	pick_key(&e->key, k);
	snprintf(e->kind, sizeof(e->kind), pick(m, 4) ? "publish" : "pull");
	snprintf(e->writer_node, sizeof(e->writer_node), "ingest-%" PRIu64,
		 node);
	if (home) /* else none yet */
		snprintf(e->home_node, sizeof(e->home_node), "origin-%" PRIu64,
			 home);
	snprintf(e->home_url, sizeof(e->home_url), "tcp://127.0.0.1:%" PRIu64,
		 home);
}

static void pick_claim(struct random *m, size_t k, struct script_call *c)
{
	c->entry.epoch.writer = pick_uuid(m);
	c->expected = pick_epoch(m, k);
	c->told_counter = pick(m, 4) ? 0 : pick(m, 120);
	c->told_term = pick(m, 4) ? 0 : pick(m, 120);
	if (!pick(m, 100))
		c->told_counter = (UINT64_C(1) << 52) + pick(m, 1000);
}

static void pick_move(struct random *m, size_t k, struct script_call *c)
{
	c->expected_term = pick_term(m, k);
	if (!pick(m, 6)) { /* the same again */
		c->entry = m->seen[k];
		pick_key(&c->entry.key, k);
		return;
	}
	c->entry.term.number = m->seen[k].term.number + 1;
	c->entry.term.by = pick_uuid(m);
}

static void pick_settle(struct random *m, size_t k, struct script_call *c)
{
	if (!pick(m, 4)) { /* what it says stands already */
		c->entry = m->seen[k];
		pick_key(&c->entry.key, k);
		return;
	}
	if (!pick(m, 3) && c->entry.epoch.counter)
		c->entry.epoch.counter--;
	if (!pick(m, 3) && c->entry.term.number)
		c->entry.term.number--;
}

static void pick_call(struct random *m, uint8_t kind, struct script_words *w)
{
	size_t k = pick(m, KEYS);
	struct script_call c = {.kind = kind, .only_without_lease = pick(m, 2)};

	pick_entry(m, k, &c.entry);
	if (kind == SCRIPT_CLAIM)
		pick_claim(m, k, &c);
	else if (kind == SCRIPT_MOVE)
		pick_move(m, k, &c);
	else if (kind == SCRIPT_SETTLE)
		pick_settle(m, k, &c);
	CHECK_EQ(script_encode(w, CLUSTER, &c, m->utc_us), 0);
}

static void pick_node_call(struct random *m, struct script_words *w)
{
	static const char *const info[] = {"{}", "{\"load\":1}",
					   "\"\xc3\xa9\""};
	uint64_t node = pick(m, NODES), op = pick(m, 7);
	struct node_ref ref = {.role = "ingest",
			       .instance = pick_instance(m, node)};

	snprintf(ref.id, sizeof(ref.id), "ingest-%" PRIu64, node);
	CHECK_EQ(node_encode(w, CLUSTER,
			     op < 2   ? NODE_REGISTER
			     : op < 6 ? NODE_RENEW
				      : NODE_LEAVE,
			     &ref, span_str(info[pick(m, 3)]), LEASE_MS),
		 0);
}

static void pick_expiry(struct random *m, struct script_words *w)
{
	static const char *const text[] = {
		"return {tostring(redis.call('PEXPIRE', KEYS[1], '0'))}",
		"local was = redis.call('EXISTS', KEYS[1])\n"
		"return {tostring(was * redis.call('DEL', KEYS[1]))}",
	};
	char root[REGISTRY_ROOT_SIZE];
	struct stream_key key = {0};
	int len;

	registry_root(root, CLUSTER);
	pick_key(&key, pick(m, KEYS));
	len = pick(m, 3) ? snprintf(w->storage, sizeof(w->storage),
				    "%s" REGISTRY_NODE "ingest-%" PRIu64, root,
				    pick(m, NODES))
			 : snprintf(w->storage, sizeof(w->storage),
				    "%s" REGISTRY_STREAM "%s", root, key.text);
	w->text = text[pick(m, 2)];
	w->key_count = w->count = 1;
	w->word[0] = span_of(w->storage, (size_t)len);
}

/* Few names, texts and requests, so that calls meet. */
static void pick_rule(struct random *m, struct script_words *w)
{
	static const char *const name[] = {"ban a", "ban b b", "deny 10.0.0.0",
					   "key \xc3\xa4"};
	static const char *const text[] = {"{}", "{\"cidr\":\"10.0.0.0/8\"}",
					   "{\"user\":\"\xc3\xa9\"}"};
	static const char *const request[] = {"", "", "", "r1", "r2", "r3"};
	const struct rule_change change = {
		.op = (enum rule_op)(pick(m, 3) * pick(m, 2)),
		.name = name[pick(m, WEIR_ARRAY_LEN(name))],
		.text = span_str(text[pick(m, WEIR_ARRAY_LEN(text))]),
		.request = request[pick(m, WEIR_ARRAY_LEN(request))],
		.tag = pick(m, 2) ? "dispatch-1" : "dispatch-2",
		.known = m->rules_number * pick(m, 2),
	};

	CHECK_EQ(rule_encode(w, CLUSTER, &change), 0);
	if (!pick(m, 8)) /* as if there were room for three only */
		w->word[w->count - 4] = SPAN_LIT("3");
	if (!pick(m, 8))
		w->word[w->count - 3] = SPAN_LIT("60");
}

static void pick_rules_settle(struct random *m, struct script_words *w)
{
	static const char *const lines[] = {
		"", "ban a\n{}\n", "ban a\n{}\nkey k\n{\"secret\":\"x\"}\n"};

	CHECK_EQ(rules_settle_encode(w, CLUSTER, pick(m, 60), "edge-1",
				     span_str(lines[pick(m, 3)])),
		 0);
}

static void pick_rules_since(struct random *m, struct script_words *w)
{
	static const char *const tag[] = {"dispatch-1", "dispatch-2", "edge-1",
					  ""};
	struct rule_version known = {.number = m->rules_number};

	known.number -= WEIR_MIN(known.number, pick(m, 4));
	snprintf(known.tag, sizeof(known.tag), "%s", tag[pick(m, 4)]);
	CHECK_EQ(rules_since_encode(w, CLUSTER, &known), 0);
}

/* The registry's version, from the answer about a change or a version. */
static void learn_rules(struct random *m)
{
	uint64_t n = 0;

	for (size_t i = 0; i < m->p->reply.word[1].len; i++)
		n = n * 10 + (uint64_t)(m->p->reply.word[1].data[i] - '0');
	m->rules_number = n;
}

static void pick_loss(struct random *m, struct script_words *w)
{
	static const char *const key[] = {REGISTRY_RULES,
					  REGISTRY_REQUEST "r1"};
	char root[REGISTRY_ROOT_SIZE];
	int len;

	registry_root(root, CLUSTER);
	len = snprintf(w->storage, sizeof(w->storage), "%s%s", root,
		       key[pick(m, 2)]);
	w->text = "return {tostring(redis.call('DEL', KEYS[1]))}";
	w->key_count = w->count = 1;
	w->word[0] = span_of(w->storage, (size_t)len);
}

static void pick_rule_call(struct random *m, uint8_t op, struct script_words *w)
{
	if (op == OP_RULES_LOSS)
		pick_loss(m, w);
	else if (op == OP_RULE)
		pick_rule(m, w);
	else if (op == OP_RULES_SINCE)
		pick_rules_since(m, w);
	else
		pick_rules_settle(m, w);
}

static void learn(struct random *m, const struct script_words *w)
{
	struct script_result r;
	struct stream_key key = {0};

	for (size_t k = 0; k < KEYS; k++) {
		pick_key(&key, k);
		if (!span_eq_str(w->word[4], key.text))
			continue;
		CHECK_EQ(script_decode(&r, &key, m->p->reply.word,
				       m->p->reply.count),
			 0);
		if (!uuid_eq(&r.entry.epoch.writer, &m->seen[k].epoch.writer) ||
		    r.entry.term.number != m->seen[k].term.number)
			m->older[k] = m->seen[k];
		m->seen[k] = r.entry;
		return;
	}
	CHECK(!"a key of ours");
}

static bool call_random(struct random *m)
{
	static const uint8_t deck[] = {
		SCRIPT_CLAIM,   SCRIPT_CLAIM,   SCRIPT_CLAIM,  SCRIPT_CLAIM,
		SCRIPT_MOVE,    SCRIPT_MOVE,    SCRIPT_MOVE,   SCRIPT_LOST,
		SCRIPT_LOST,    SCRIPT_END,     SCRIPT_END,    SCRIPT_VERIFY,
		SCRIPT_SETTLE,  SCRIPT_SETTLE,  SCRIPT_SETTLE, OP_NODE,
		OP_NODE,        OP_NODE,        OP_NODE,       OP_EXPIRE,
		OP_RULE,        OP_RULE,        OP_RULE,       OP_RULES_SETTLE,
		OP_RULES_SINCE, OP_RULES_SINCE, OP_RULES_LOSS,
	};
	uint8_t op = deck[pick(m, sizeof(deck))];
	struct script_words w;

	m->utc_us += (int64_t)pick(m, 5000000);
	if (op == OP_NODE)
		pick_node_call(m, &w);
	else if (op == OP_EXPIRE)
		pick_expiry(m, &w);
	else if (op > OP_EXPIRE)
		pick_rule_call(m, op, &w);
	else
		pick_call(m, op, &w);
	if (!call_both(m->p, &w))
		return false;
	for (size_t i = 0; i < STATUS_COUNT; i++)
		m->tally[op][i] += span_eq_str(m->p->reply.word[0], status[i]);
	if (op <= SCRIPT_SETTLE)
		learn(m, &w);
	if (op >= OP_RULE && op <= OP_RULES_SINCE)
		learn_rules(m);
	return true;
}

static uint64_t choose_seed(void)
{
	const char *only = getenv("WEIR_TEST_SEED");
	uint64_t seed = 0;

	if (only)
		return strtoull(only, NULL, 10);
	CHECK_EQ(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	return seed;
}

static void random_init(struct random *m, struct pair *p)
{
	*m = (struct random){.p = p,
			     .state = choose_seed(),
			     .utc_us = INT64_C(1700000000000000)};
	printf("seed %" PRIu64 "\n", m->state);
	fflush(stdout);
}

/* What each script can answer, in the order of status[]. */
static const char answers[OPS][STATUS_COUNT + 1] = {
	[SCRIPT_CLAIM] = "xx..........",   [SCRIPT_MOVE] = "x.xx........",
	[SCRIPT_LOST] = "xxxx........",    [SCRIPT_END] = "xxxx........",
	[SCRIPT_VERIFY] = "x..x........",  [SCRIPT_SETTLE] = "x.x.........",
	[OP_NODE] = "x...xx......",        [OP_EXPIRE] = "......xx....",
	[OP_RULE] = "x..x....xx.x",        [OP_RULES_SETTLE] = "x.x.........",
	[OP_RULES_SINCE] = "x.........x.", [OP_RULES_LOSS] = "......xx....",
};

/* Each script has given each answer that it has, or nothing was compared. */
static bool has_seen_all(const struct random *m)
{
	for (size_t op = SCRIPT_CLAIM; op < OPS; op++)
		for (size_t i = 0; i < STATUS_COUNT; i++)
			if (answers[op][i] == 'x' && !m->tally[op][i])
				return false;
	return true;
}

static void check_tally(const struct random *m)
{
	for (size_t op = SCRIPT_CLAIM; op < OPS; op++)
		for (size_t i = 0; i < STATUS_COUNT; i++)
			CHECK_EQ(m->tally[op][i] > 0, answers[op][i] == 'x');
}

TEST_NO_OOM(random_calls_are_answered_alike)
{
	struct random m;
	struct pair p;

	if (!open_pair(&p))
		return;
	random_init(&m, &p);
	for (unsigned i = 1;
	     i <= CALLS || (!has_seen_all(&m) && i <= CALLS_MAX); i++) {
		if (!call_random(&m))
			printf("call %u: %s\n", i, p.why);
		CHECK_STR(p.why, "");
		if (i % DUMP_EACH == 0)
			check_keys(&p);
	}
	check_tally(&m);
	close_pair(&p);
}

/* What is compared shall be able to differ. */
TEST_NO_OOM(an_emulation_that_answers_otherwise_is_noticed)
{
	static const char *const text[] = {
		script_claim_lua,       script_move_lua,
		script_lost_lua,        script_end_lua,
		script_settle_lua,      script_node_lua,
		script_rule_lua,        script_rules_settle_lua,
		script_rules_since_lua,
	};
	struct pair p;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(text); i++) {
		struct random m;
		unsigned calls = 1;

		if (!open_pair(&p))
			return;
		random_init(&m, &p);
		scripts_replace(p.scripts, text[i], script_verify_lua);
		while (calls < CALLS && call_random(&m))
			calls++;
		CHECK(calls < CALLS);
		CHECK(p.why[0]);
		close_pair(&p);
	}
}
