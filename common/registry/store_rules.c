/* common/registry/store_rules.c - changes of the cluster's rules, by a script.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/registry/store_priv.h"

#define CALLS_MAX 256 /* changes under way */

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
 * nothing. Callbacks may make calls: they stand at the end of the list, or, when
 * they have failed, before those that are not due. */
static void on_deadline(struct store *st)
{
	static const struct rule_reply late = {.err = WEIR_ETIMEOUT};
	uint64_t now = loop_now_ms(st->loop);

	list_each_safe (it, &st->rule_calls) {
		struct rule_call *c = call_at(it);

		if (c->deadline_ms > now) {
			bool is_first = st->rule_calls.next == it;

			timer_start(st->rule_timer,
				    is_first ? c->deadline_ms - now : 0);
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

/* ---- when the rules have been read ---- */

void store_rules_serve(struct store *st)
{
	list_each_safe (it, &st->rule_calls) {
		struct rule_call *c = call_at(it);

		if (!c->is_sent && !c->is_answered)
			send_call(c, false);
		else if (c->is_answered &&
			 c->reply.number <= st->rules.version.number)
			make_due(c);
	}
}

void store_rules_lost(struct store *st)
{
	store_rules_read_lost(st);
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
	if (r.err ==
	    WEIR_EAGAIN) { /* once it is written again, it is sent again */
		c->is_sent = false;
		store_rules_check(st);
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
		.known = c->st->rules.version.number,
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

/* Returns 0 or WEIR_ENOMEM. */
static int copy_change(struct rule_call *c, const struct rule_change *change)
{
	c->op = change->op;
	snprintf(c->name, sizeof(c->name), "%s", change->name);
	snprintf(c->request, sizeof(c->request), "%s",
		 change->request ? change->request : "");
	store_rules_tag(c->tag);
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

/* ---- life ---- */

int store_rules_init(struct store *st, const char *rules_file)
{
	int err = timer_new(&st->rule_timer, st->loop, on_deadline, st);

	return err ? err : store_rules_read_init(st, rules_file);
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
	store_rules_read_fini(st);
}
