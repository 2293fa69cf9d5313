/* common/registry/store_rules.c - the cluster's rules: read when their version is
 * another one, changed by a script, kept on disk, and written again where the
 * registry has lost them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/io/clock.h"
#include "common/registry/store_priv.h"

#define FILE_BYTES_MAX ((size_t)16 << 20)
#define CALLS_MAX      256 /* changes under way */
#define FILE_RETRY_MS  200

struct rule_call {
	struct list link; /* in store.rule_calls, the oldest first */
	struct store *st;
	store_rule_fn *fn;
	void *ctx;
	uint64_t deadline_ms;
	struct redis_slot *slot; /* NULL: not sent, or answered */
	bool is_sent, is_answered;
	struct rule_reply reply; /* once it is */
	enum rule_op op;
	char name[RULEBOOK_NAME_MAX + 1];
	char request[STORE_REQUEST_MAX + 1];
	char tag[RULEBOOK_TAG_SIZE];
	struct buf text;
};

static void send_call(struct rule_call *c, bool is_whole);

/* ---- the end of a call ---- */

static void finish(struct rule_call *c, const struct rule_reply *reply)
{
	const struct rule_reply r = *reply;
	store_rule_fn *fn = c->fn;
	void *ctx = c->ctx;

	list_remove(&c->link);
	c->st->rule_call_count--;
	if (c->slot)
		redis_forget(c->slot);
	buf_fini(&c->text);
	free(c);
	fn(ctx, &r);
}

static struct rule_call *call_at(struct list *it)
{
	return list_entry(it, struct rule_call, link);
}

/* Who has an answer waits until it is in force here, too; who is late, for
 * nothing. Callbacks may make calls, which stand at the end of the list. */
static void on_deadline(struct store *st)
{
	static const struct rule_reply late = {.err = WEIR_ETIMEOUT};
	uint64_t now = loop_now_ms(st->loop);

	list_each_safe (it, &st->rule_calls) {
		struct rule_call *c = call_at(it);

		if (c->deadline_ms > now) {
			timer_start(st->rule_timer, c->deadline_ms - now);
			return;
		}
		st->stats.timeouts += !c->is_answered;
		finish(c, c->is_answered ? &c->reply : &late);
	}
}

/* It is due now: on the loop's next pass. */
static void make_due(struct rule_call *c)
{
	c->deadline_ms = 0;
	list_remove(&c->link);
	list_prepend(&c->st->rule_calls, &c->link);
	timer_start(c->st->rule_timer, 0);
}

static void answer_call(struct rule_call *c, int err)
{
	c->is_answered = true;
	c->reply = (struct rule_reply){.err = err};
	make_due(c);
}

/* ---- reading ---- */

static void say_rules(struct store *st)
{
	if (st->events.on_rules)
		st->events.on_rules(st->ctx);
}

/* What is known is what the registry has: who waited for it is served. */
static void on_current(struct store *st)
{
	bool was_known = st->rules_are_known;

	st->rules_are_read = st->rules_are_known = true;
	list_each_safe (it, &st->rule_calls) {
		struct rule_call *c = call_at(it);

		if (!c->is_sent && !c->is_answered)
			send_call(c, false);
		else if (c->is_answered &&
			 c->reply.number <= st->rules.version.number)
			make_due(c);
	}
	if (!was_known)
		say_rules(st);
}

static void end_reading(struct store *st)
{
	bool again = st->is_rule_check_wanted;

	st->is_rule_check_open = st->is_rule_check_wanted = false;
	if (again)
		store_rules_check(st);
}

static void fail_reading(struct store *st, int err)
{
	store_bad(st, REGISTRY_RULES, err);
	end_reading(st);
}

static struct span text_of(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING ? span_of(r->str, (size_t)r->len)
					     : (struct span){0};
}

static int fill(struct store *st, struct rulebook *b, const redisReply *all)
{
	for (size_t i = 0; i + 1 < all->elements; i += 2) {
		int err = rulebook_take(b, text_of(all->element[i]),
					text_of(all->element[i + 1]));

		if (err == WEIR_EPROTO)
			store_bad(st, "a rule", err);
		else if (err)
			return err;
	}
	return 0;
}

static void on_all(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;
	struct rulebook b;
	int err;

	if (reply->type != REDIS_REPLY_ARRAY) {
		fail_reading(st, WEIR_EPROTO);
		return;
	}
	rulebook_init(&b, st->rules.texts.seed);
	err = fill(st, &b, reply);
	if (err) {
		rulebook_fini(&b);
		fail_reading(st, err);
		return;
	}
	rulebook_fini(&st->rules);
	st->rules = b;
	st->rules_are_known = true;
	store_rules_keep(st);
	say_rules(st);
	on_current(st);
	end_reading(st);
}

/* "HGETALL rules", "HMGET rules …" */
static void read_rules(struct store *st, struct redis_command *c,
		       redis_reply_fn *fn)
{
	int err = redis_send(st->command, NULL, c, fn, st);

	if (err)
		store_link_lost(st, REGISTRY_RULES, err);
}

static void rules_key(const struct store *st, char *out, size_t size)
{
	snprintf(out, size, "%s" REGISTRY_RULES, st->root);
}

static void read_all(struct store *st)
{
	char key[sizeof(st->root) + sizeof(REGISTRY_RULES)];
	struct redis_command c = {0};

	rules_key(st, key, sizeof(key));
	redis_add_str(&c, "HGETALL");
	redis_add_str(&c, key);
	read_rules(st, &c, on_all);
}

/* ---- writing again ---- */

static void settle(struct store *st, bool is_whole);

static void on_settled(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;

	if (store_lacks_script(reply))
		settle(st, true);
	else if (store_is_error(reply))
		store_link_refused(st, "rules", reply);
	else
		read_all(st);
}

static void settle(struct store *st, bool is_whole)
{
	struct script_words words;
	struct buf lines = {0};
	int err;

	rulebook_lines(&st->rules, &lines);
	err = buf_error(&lines);
	if (!err)
		err = rules_settle_encode(
			&words, st->cluster, st->rules.version.number,
			st->rules.version.tag, buf_span(&lines));
	if (!err)
		err = store_eval(st, NULL, &words, is_whole, on_settled, st);
	buf_fini(&lines);
	if (err)
		fail_reading(st, err);
}

/* ---- is there something new? ---- */

static void on_version(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;
	struct rulebook head = {0};
	struct span word[2];

	if (reply->type != REDIS_REPLY_ARRAY ||
	    store_reply_words(word, 2, reply) != 2) {
		fail_reading(st, WEIR_EPROTO);
		return;
	}
	(void)!rulebook_take(&head, SPAN_LIT("#version"), word[0]);
	(void)!rulebook_take(&head, SPAN_LIT("#tag"), word[1]);
	if (rule_version_eq(&head.version, &st->rules.version)) {
		on_current(st);
		end_reading(st);
	} else if (head.version.number < st->rules.version.number) {
		settle(st, false);
	} else {
		read_all(st);
	}
}

void store_rules_check(struct store *st)
{
	char key[sizeof(st->root) + sizeof(REGISTRY_RULES)];
	struct redis_command c = {0};

	if (!store_is_up(st))
		return;
	if (st->is_rule_check_open) {
		st->is_rule_check_wanted = true;
		return;
	}
	st->is_rule_check_open = true;
	rules_key(st, key, sizeof(key));
	redis_add_str(&c, "HMGET");
	redis_add_str(&c, key);
	redis_add_str(&c, "#version");
	redis_add_str(&c, "#tag");
	read_rules(st, &c, on_version);
}

void store_rules_lost(struct store *st)
{
	st->rules_are_read = false;
	st->is_rule_check_open = st->is_rule_check_wanted = false;
	list_each (it, &st->rule_calls) {
		struct rule_call *c = call_at(it);

		c->slot = NULL; /* went with the connection */
		c->deadline_ms = 0;
	}
	if (!list_is_empty(&st->rule_calls))
		timer_start(st->rule_timer, 0);
}

/* ---- changing ---- */

static void on_reply(void *ctx, const redisReply *reply)
{
	struct rule_call *c = ctx;
	struct store *st = c->st;
	struct span word[3];
	struct rule_reply r;

	c->slot = NULL;
	if (store_lacks_script(reply)) {
		send_call(c, true);
		return;
	}
	if (store_is_error(reply)) {
		make_due(c);
		store_link_refused(st, "rule", reply);
		return;
	}
	if (rule_decode(&r, word, store_reply_words(word, 3, reply))) {
		store_bad(st, c->name, WEIR_EPROTO);
		make_due(c);
		return;
	}
	c->is_answered = true;
	c->reply = r;
	if (r.err || r.number <= st->rules.version.number)
		make_due(c);
	else
		store_rules_check(st);
}

static void send_call(struct rule_call *c, bool is_whole)
{
	const struct rule_change change = {
		.op = c->op,
		.name = c->name,
		.text = buf_span(&c->text),
		.request = c->request,
		.tag = c->tag,
	};
	struct script_words words;
	int err = rule_encode(&words, c->st->cluster, &change);

	if (!err)
		err = store_eval(c->st, &c->slot, &words, is_whole, on_reply,
				 c);
	c->is_sent = true;
	if (err)
		answer_call(c, err == WEIR_ENOMEM ? err : WEIR_ETIMEOUT);
}

static bool is_right(const struct rule_change *change)
{
	return rulebook_is_name(span_str(change->name)) &&
	       (change->op == RULE_DELETE || rulebook_is_text(change->text)) &&
	       (!change->request ||
		strlen(change->request) <= STORE_REQUEST_MAX);
}

static void tag_at_random(char tag[RULEBOOK_TAG_SIZE])
{
	uint64_t n;

	io_random(&n, sizeof(n));
	snprintf(tag, RULEBOOK_TAG_SIZE, "%016" PRIx64, n);
}

/* Returns 0 or WEIR_ENOMEM. */
static int copy_change(struct rule_call *c, const struct rule_change *change)
{
	c->op = change->op;
	snprintf(c->name, sizeof(c->name), "%s", change->name);
	snprintf(c->request, sizeof(c->request), "%s",
		 change->request ? change->request : "");
	tag_at_random(c->tag);
	if (change->op != RULE_DELETE)
		buf_put(&c->text, change->text);
	return buf_error(&c->text);
}

static void begin(struct rule_call *c, const struct rule_change *change)
{
	struct store *st = c->st;
	int err = is_right(change) ? copy_change(c, change) : WEIR_EINVAL;

	if (!err && (st->rule_call_count > CALLS_MAX || !store_is_up(st)))
		err = WEIR_ETIMEOUT;
	c->deadline_ms = loop_now_ms(st->loop) + 2 * (uint64_t)st->registry_ms;
	list_append(&st->rule_calls, &c->link);
	if (err)
		answer_call(c, err);
	else if (st->rules_are_read)
		send_call(c, false);
	if (!timer_is_running(st->rule_timer))
		timer_start(st->rule_timer, 2 * (uint64_t)st->registry_ms);
}

static void on_refuse(struct store *st)
{
	static const struct rule_reply none = {.err = WEIR_ENOMEM};
	struct rule_refusal now[RULE_REFUSALS_MAX];
	size_t count = st->rule_refusal_count;

	memcpy(now, st->rule_refusal, sizeof(now));
	st->rule_refusal_count = 0;
	for (size_t i = 0; i < count; i++)
		now[i].fn(now[i].ctx, &none);
}

static void refuse(struct store *st, store_rule_fn *fn, void *ctx)
{
	if (st->rule_refusal_count == RULE_REFUSALS_MAX) {
		store_bad(st, "rule", WEIR_ENOMEM);
		return;
	}
	st->rule_refusal[st->rule_refusal_count++] =
		(struct rule_refusal){fn, ctx};
	loop_at_pass_end(st->loop, &st->rule_refuse, on_refuse, st);
}

void store_rule(struct store *st, const struct rule_change *change,
		store_rule_fn *fn, void *ctx)
{
	struct rule_call *c = calloc(1, sizeof(*c));

	if (!c) {
		refuse(st, fn, ctx);
		return;
	}
	c->st = st;
	c->fn = fn;
	c->ctx = ctx;
	list_init(&c->link);
	st->rule_call_count++;
	begin(c, change);
}

const struct rulebook *store_rules(const struct store *st)
{
	return &st->rules;
}

bool store_rules_are_known(const struct store *st)
{
	return st->rules_are_known;
}

/* ---- on disk ---- */

static void on_written(void *ctx, int err)
{
	struct store *st = ctx;

	if (err)
		logger_event(st->lg, &store_bad_file, kv_err("why", err));
}

static void on_disk_timer(struct store *st)
{
	struct buf text = {0};
	int err;

	rulebook_write(&st->rules, &text);
	err = buf_error(&text);
	if (!err)
		err = disk_write(st->rules_disk, &text);
	buf_fini(&text);
	if (err == WEIR_EBUSY)
		timer_start(st->rules_disk_timer, FILE_RETRY_MS);
	else if (err)
		on_written(st, err);
}

void store_rules_keep(struct store *st)
{
	if (st->rules_disk && !timer_is_running(st->rules_disk_timer))
		timer_start(st->rules_disk_timer, 0);
}

/* One that is no such file may be half of one: nothing is known then. */
static void load_file(struct store *st, const char *file)
{
	struct buf text = {0};
	int err = disk_read(&text, file, FILE_BYTES_MAX);

	if (!err)
		err = rulebook_read(&st->rules, buf_span(&text));
	buf_fini(&text);
	st->rules_are_known = !err;
	if (err && err != -ENOENT)
		logger_event(st->lg, &store_bad_file, kv_err("why", err));
}

/* ---- life ---- */

int store_rules_init(struct store *st, const char *rules_file)
{
	int err = timer_new(&st->rule_timer, st->loop, on_deadline, st);

	if (err || !rules_file)
		return err;
	load_file(st, rules_file);
	err = timer_new(&st->rules_disk_timer, st->loop, on_disk_timer, st);
	if (!err)
		err = disk_new(&st->rules_disk, st->loop, rules_file,
			       on_written, st);
	return err;
}

void store_rules_fini(struct store *st)
{
	list_each_safe (it, &st->rule_calls) {
		struct rule_call *c = call_at(it);

		list_remove(it);
		buf_fini(&c->text);
		free(c);
	}
	pass_task_cancel(&st->rule_refuse);
	timer_free(&st->rule_timer);
	timer_free(&st->rules_disk_timer);
	disk_free(&st->rules_disk);
	rulebook_fini(&st->rules);
}
