/* tests/sim/redis.c - the registry, and each node's connection and copy. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/rules.h"

#define CLUSTER     "sim"
#define LEASE_MS    REGISTRY_LEASE_MS
#define NOTICE_MS   1000 /* until a node sees that Redis is gone */
#define REREAD_MS   2000
#define SNAPSHOT_MS 700
#define LATE_US     20000

/* ---- the data ---- */

void redis_init(struct sim *s)
{
	s->registry = (struct registry){
		.data = keyspace_new(),
		.is_up = true,
		.run_id = 1,
		.old_us = 0,
	};
}

void redis_fini(struct sim *s)
{
	keyspace_free(&s->registry.data);
	keyspace_free(&s->registry.old);
}

static int64_t utc_ms(const struct sim *s)
{
	return (SIM_START_US + s->now_us) / 1000;
}

bool redis_entry(struct sim *s, size_t key, struct stream_entry *out)
{
	struct span word[2 * ENTRY_FIELDS];
	char name[REGISTRY_ROOT_SIZE + STREAM_KEY_MAX + 16];
	char root[REGISTRY_ROOT_SIZE];
	size_t count;

	registry_root(root, CLUSTER);
	snprintf(name, sizeof(name), "%s" REGISTRY_STREAM "%s", root,
		 s->key[key].text);
	count = keyspace_hash(s->registry.data, name, utc_ms(s), word,
			      WEIR_ARRAY_LEN(word));
	return !entry_read_pairs(out, &s->key[key], word, count);
}

/* ---- what nodes hear ---- */

struct notice {
	struct job job;
	size_t key;
	bool is_late;
};

bool redis_reaches(const struct sim *s, const struct sim_node *n)
{
	return s->registry.is_up && s->now_us >= s->registry.frozen_until_us &&
	       s->now_us >= s->registry.slow_until_us &&
	       s->now_us >= s->cut_off_us[n->index] && n->is_registered;
}

static void read_entry(struct sim *s, struct sim_node *n, size_t key)
{
	struct stream_entry e;

	if (!redis_entry(s, key, &e))
		return;
	n->copy[key] = e;
	n->has_copy[key] = true;
	node_on_entry(n, &e);
}

static void on_notice(struct sim *s, struct job *j)
{
	if (s->now_us - j->at_us > LATE_US && !((struct notice *)j)->is_late) {
		struct notice *later =
			sim_job(s, sizeof(*later), j->node, on_notice);

		/* It slept: other sockets may be read before this one. */
		later->key = ((struct notice *)j)->key;
		later->is_late = true;
		sim_at(s, &later->job, s->now_us + sim_between_us(s, 0, 300));
		return;
	}
	if (redis_reaches(s, j->node))
		read_entry(s, j->node, ((struct notice *)j)->key);
}

static void on_publish(void *ctx, struct span message)
{
	struct sim *s = ctx;
	char text[STREAM_KEY_MAX + 16];
	size_t key;

	snprintf(text, sizeof(text), "%.*s", (int)message.len,
		 (const char *)message.data);
	if (!strcmp(text, "rules"))
		readers_noticed(s);
	if (strncmp(text, "stream ", 7) != 0)
		return;
	key = check_key(s, text + 7);
	for (size_t i = 0; i < s->node_count; i++) {
		struct sim_node *n = &s->node[i];
		struct notice *note;

		if (!n->is_alive || !n->is_registered)
			continue;
		note = sim_job(s, sizeof(*note), n, on_notice);
		note->key = key;
		sim_at(s, &note->job, s->now_us + sim_between_us(s, 1, 6));
	}
}

const struct stream_entry *redis_known(void *ctx, const struct stream_key *key)
{
	struct sim_node *n = ctx;
	size_t i = check_key(n->sim, key->text);

	return n->has_copy[i] ? &n->copy[i] : NULL;
}

/* ---- scripts ---- */

/* Keep what the data were a moment ago, for a fail-over. */
static void keep_old(struct sim *s)
{
	struct registry *r = &s->registry;

	if (s->class < CLASS_REGISTRY ||
	    s->now_us - r->old_us < SNAPSHOT_MS * MS)
		return;
	keyspace_free(&r->old);
	r->old = keyspace_copy(r->data);
	r->old_us = s->now_us;
}

void redis_run(struct sim *s, const struct script_words *words,
	       struct script_reply *reply)
{
	keep_old(s);
	if (scripts_run(s->scripts, s->registry.data, words, utc_ms(s),
			on_publish, s, reply))
		sim_violation(s, "a script failed: %.*s",
			      (int)reply->word[0].len,
			      (const char *)reply->word[0].data);
}

struct script_job {
	struct job job; /* outside of all nodes until the reply */
	struct sim_node *from;
	uint32_t life;
	uint64_t tag;
	struct script_call call;
	struct script_result result;
};

static void on_reply(struct sim *s, struct job *j)
{
	struct script_job *r = (struct script_job *)j;
	size_t key = check_key(s, r->call.entry.key.text);

	if (!net_take_pending(j->node, r->tag))
		return; /* late */
	if (r->result.entry.epoch.counter) {
		j->node->copy[key] = r->result.entry;
		j->node->has_copy[key] = true;
	}
	node_on_script(j->node, r->tag, &r->result);
}

static int64_t delay_us(struct sim *s)
{
	if (s->now_us < s->registry.slow_until_us)
		return sim_between_us(s, 50, 700);
	return sim_between_us(s, 0, 3);
}

static void reply_to(struct sim *s, const struct script_job *j,
		     const struct script_reply *reply)
{
	struct script_job *back;
	int64_t at_us = s->now_us + delay_us(s);

	if (!j->from->is_alive || j->from->life != j->life)
		return;
	back = sim_job(s, sizeof(*back), j->from, on_reply);
	back->tag = j->tag;
	back->call = j->call;
	BUG_ON(script_decode(&back->result, &j->call.entry.key, reply->word,
			     reply->count));
	at_us = WEIR_MAX(at_us, s->cut_off_us[j->from->index]);
	sim_at(s, &back->job, at_us);
}

/* Mutants that live in the registry. */
static bool is_distorted(struct sim *s, const struct script_job *j,
			 struct script_reply *reply)
{
	enum sim_mutant m = s->options.mutant;

	if ((m == SIM_NO_VALIDATION && j->from->kind == NODE_ORIGIN &&
	     j->call.kind == SCRIPT_VERIFY)) {
		reply->count = 1;
		reply->word[0] = SPAN_LIT("GONE");
		return true;
	}
	return false;
}

static void note_claim(struct sim *s, const struct script_call *c,
		       const struct script_reply *reply)
{
	struct script_result r;

	if (c->kind == SCRIPT_CLAIM && !s->violation[0] &&
	    !script_decode(&r, &c->entry.key, reply->word, reply->count))
		check_claimed(s, c, &r);
}

static void on_script(struct sim *s, struct job *j)
{
	struct script_job *c = (struct script_job *)j;
	static struct script_words words;
	static struct script_reply reply;
	int64_t later = s->registry.frozen_until_us;

	later = WEIR_MAX(later, s->cut_off_us[c->from->index]);
	if (!s->registry.is_up)
		return;
	if (s->now_us < later) { /* it reads it when it wakes up */
		struct script_job *again =
			sim_job(s, sizeof(*again), NULL, on_script);
		struct job head = again->job;

		*again = *c;
		again->job = head;
		sim_at(s, &again->job, later);
		return;
	}
	sim_trace(s, "  registry: %s asks %u of %s: epoch %lu term %lu at %s",
		  c->from->id, c->call.kind, c->call.entry.key.text,
		  (unsigned long)c->call.entry.epoch.counter,
		  (unsigned long)c->call.entry.term.number,
		  c->call.entry.home_node);
	if (!is_distorted(s, c, &reply)) {
		BUG_ON(script_encode(&words, CLUSTER, &c->call,
				     SIM_START_US + s->now_us));
		redis_run(s, &words, &reply);
		note_claim(s, &c->call, &reply);
		check_entry_written(s, check_key(s, c->call.entry.key.text));
	}
	if (!s->violation[0])
		reply_to(s, c, &reply);
}

void redis_script(void *ctx, uint64_t tag, const struct script_call *call)
{
	struct sim_node *n = ctx;
	struct sim *s = n->sim;
	struct script_job *j;

	net_wait(s, n, tag, 0, true, n->world.registry_ms);
	check_verified(s, call);
	if (!n->is_registered || !s->registry.is_up)
		return;
	if (s->options.mutant == SIM_NO_SETTLE && call->kind == SCRIPT_SETTLE)
		return;
	j = sim_job(s, sizeof(*j), NULL, on_script);
	j->from = n;
	j->life = n->life;
	j->tag = tag;
	j->call = *call;
	sim_at(s, &j->job, s->now_us + delay_us(s));
}

/* ---- connections and leases ---- */

static bool can_talk(const struct sim *s, const struct sim_node *n)
{
	return s->registry.is_up && s->now_us >= s->registry.frozen_until_us &&
	       s->now_us >= s->cut_off_us[n->index];
}

/* Renew the lease; false: it was gone although it cannot have run out. */
static bool renew(struct sim *s, struct sim_node *n, enum node_op op)
{
	static struct script_words words;
	static struct script_reply reply;

	BUG_ON(node_encode(&words, CLUSTER, op, &n->world.self, SPAN_LIT("{}"),
			   LEASE_MS));
	redis_run(s, &words, &reply);
	return !(reply.count && span_eq_str(reply.word[0], "NEW"));
}

static void lose_connection(struct sim *s, struct sim_node *n)
{
	(void)s;
	n->is_registered = false;
	node_on_registry(n, false, false);
}

static void connect(struct sim *s, struct sim_node *n)
{
	bool is_other = n->run_id && n->run_id != s->registry.run_id;

	if (!renew(s, n, NODE_REGISTER))
		return;
	n->is_registered = true;
	n->run_id = s->registry.run_id;
	n->registry_since_us = n->registry_try_us = s->now_us;
	sim_trace(s, "%s: registry up%s", n->id, is_other ? ", another" : "");
	node_on_registry(n, true, is_other);
	for (size_t i = 0; i < s->key_count; i++)
		read_entry(s, n, i);
}

/* Each second: the lease; each two: everything is read again. */
void redis_timer(struct sim *s, struct sim_node *n)
{
	bool is_fresh;

	if (!can_talk(s, n)) {
		if (n->is_registered &&
		    (!s->registry.is_up ||
		     s->now_us - n->registry_try_us > NOTICE_MS * MS))
			lose_connection(s, n);
		return;
	}
	if (!n->is_registered) {
		if (s->now_us >= n->registry_try_us)
			connect(s, n);
		return;
	}
	if (n->run_id != s->registry.run_id) {
		lose_connection(s, n);
		n->registry_try_us = s->now_us + sim_between_us(s, 50, 1000);
		return;
	}
	if (s->now_us - n->registry_try_us < REGISTRY_LEASE_EACH_MS * MS)
		return;
	is_fresh = s->now_us - n->registry_try_us < LEASE_MS * MS;
	n->registry_try_us = s->now_us;
	if (!renew(s, n, NODE_RENEW) && is_fresh) {
		sim_trace(s, "%s: the registry was emptied", n->id);
		node_on_registry(n, false, false);
		node_on_registry(n, true, true);
	}
	if ((s->now_us / (REREAD_MS * MS)) % 2)
		for (size_t i = 0; i < s->key_count; i++)
			read_entry(s, n, i);
}

/* ---- faults ---- */

static void on_started(struct sim *s, struct job *j)
{
	(void)j;
	s->registry.is_up = true;
	s->fault_us = s->now_us;
	sim_trace(s, "registry: started");
}

static void forget_tops(struct sim *s)
{
	s->registry.cleared_us = s->now_us;
	memset(s->registry.top, 0, sizeof(s->registry.top));
}

void redis_restart(struct sim *s, bool is_emptied, int64_t down_us)
{
	sim_trace(s, "registry: restarted%s", is_emptied ? ", empty" : "");
	s->registry.is_up = false;
	s->registry.run_id++;
	if (is_emptied) {
		keyspace_clear(s->registry.data);
		forget_tops(s);
	}
	sim_at(s, sim_job(s, sizeof(struct job), NULL, on_started),
	       s->now_us + down_us);
}

void redis_flush(struct sim *s)
{
	sim_trace(s, "registry: flushed");
	keyspace_clear(s->registry.data);
	forget_tops(s);
}

/* Another server takes over, which has not got the last writes. */
void redis_fail_over(struct sim *s)
{
	struct registry *r = &s->registry;

	if (!r->old)
		return;
	sim_trace(s, "registry: failed over, %ld ms are lost",
		  (long)((s->now_us - r->old_us) / MS));
	keyspace_free(&r->data);
	r->data = r->old;
	r->old = NULL;
	r->run_id++;
	forget_tops(s);
}
