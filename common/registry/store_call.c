/* common/registry/store_call.c - scripts: called, timed, answered once. */
#include <stdio.h>
#include <stdlib.h>

#include "common/io/clock.h"
#include "common/registry/store_priv.h"

#define EVAL_WORDS 3 /* EVALSHA, sha, number of keys */

struct call {
	struct list link; /* in store.calls, the oldest first */
	struct store *st;
	store_script_fn *fn;
	void *ctx;
	uint64_t deadline_ms;
	struct redis_slot *slot; /* NULL: not sent */
	struct stream_key key;
	struct script_words words;
};

/* ---- EVALSHA ---- */

static const char *sha_of(const struct store *st, const char *text)
{
	for (size_t i = 0; i < SCRIPTS; i++)
		if (st->script[i].text == text && st->script[i].sha[0])
			return st->script[i].sha;
	return NULL;
}

int store_eval(struct store *st, struct redis_slot **slot,
	       const struct script_words *words, bool is_whole,
	       redis_reply_fn *fn, void *ctx)
{
	const char *sha = is_whole ? NULL : sha_of(st, words->text);
	struct redis_command c = {0};
	char keys[24];

	_Static_assert(EVAL_WORDS + SCRIPT_WORDS_MAX <= REDIS_ARGS_MAX,
		       "a call fits into a command");
	snprintf(keys, sizeof(keys), "%zu", words->key_count);
	redis_add_str(&c, sha ? "EVALSHA" : "EVAL");
	redis_add_str(&c, sha ? sha : words->text);
	redis_add_str(&c, keys);
	for (size_t i = 0; i < words->count; i++)
		redis_add(&c, words->word[i]);
	return redis_send(st->command, slot, &c, fn, ctx);
}

bool store_lacks_script(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR &&
	       !strncmp(reply->str, "NOSCRIPT", 8);
}

size_t store_reply_words(struct span *out, size_t max, const redisReply *reply)
{
	size_t count = 0;

	if (reply->type == REDIS_REPLY_STRING ||
	    reply->type == REDIS_REPLY_STATUS) {
		out[0] = span_of(reply->str, (size_t)reply->len);
		return 1;
	}
	if (reply->type != REDIS_REPLY_ARRAY)
		return 0;
	for (; count < reply->elements && count < max; count++) {
		const redisReply *e = reply->element[count];
		bool is_text = e->type == REDIS_REPLY_STRING ||
			       e->type == REDIS_REPLY_STATUS;

		out[count] = is_text ? span_of(e->str, (size_t)e->len)
				     : (struct span){0};
	}
	return count;
}

/* ---- the end of a call ---- */

static void finish(struct call *c, const struct script_result *result)
{
	store_script_fn *fn = c->fn;
	void *ctx = c->ctx;

	list_remove(&c->link);
	c->st->call_count--;
	if (c->slot)
		redis_forget(c->slot);
	free(c);
	fn(ctx, result);
}

static void finish_unanswered(struct call *c)
{
	const struct script_result result = {.err = WEIR_ETIMEOUT};

	c->st->stats.timeouts++;
	finish(c, &result);
}

/* Callbacks may make calls, which stand at an end of the list, and end none but
 * their own. */
static void on_deadline(struct store *st)
{
	uint64_t now = loop_now_ms(st->loop);

	st->is_call_due = false;
	list_each_safe (it, &st->calls) {
		struct call *c = list_entry(it, struct call, link);

		if (c->deadline_ms > now) {
			timer_start(st->deadline,
				    st->is_call_due ? 0 : c->deadline_ms - now);
			return;
		}
		finish_unanswered(c);
	}
}

/* ---- replies ---- */

static void put_result(struct store *st, const struct script_result *r)
{
	int err;

	if (r->err == WEIR_ENOENT || !r->entry.writer_node[0])
		return;
	err = copy_put_stream(st->copy, &r->entry);
	if (err)
		store_bad(st, r->entry.key.text, err);
}

static void on_reply(void *ctx, const redisReply *reply)
{
	struct call *c = ctx;
	struct store *st = c->st;
	struct span word[SCRIPT_REPLY_MAX];
	struct script_result result = {0};
	int err;

	c->slot = NULL;
	if (store_lacks_script(reply) &&
	    !store_eval(st, &c->slot, &c->words, true, on_reply, c))
		return;
	err = script_decode(
		&result, &c->key, word,
		store_reply_words(word, WEIR_ARRAY_LEN(word), reply));
	if (err) {
		store_bad(st, c->key.text, err);
		if (store_is_error(reply)) /* READONLY, OOM, LOADING, … */
			store_link_refused(st, "script", reply);
		else
			finish_unanswered(c);
		return;
	}
	put_result(st, &result);
	finish(c, &result);
}

/* ---- calling ---- */

static void on_refuse(struct store *st)
{
	const struct script_result result = {.err = WEIR_ETIMEOUT};
	struct refusal now[REFUSALS_MAX];
	size_t count = st->refusal_count;

	memcpy(now, st->refusal, sizeof(now));
	st->refusal_count = 0;
	for (size_t i = 0; i < count; i++)
		now[i].fn(now[i].ctx, &result);
}

/* No memory for the call itself: its answer is still given. */
static void refuse(struct store *st, store_script_fn *fn, void *ctx)
{
	st->stats.timeouts++;
	if (st->refusal_count == REFUSALS_MAX) {
		store_bad(st, "script", WEIR_ENOMEM);
		return;
	}
	st->refusal[st->refusal_count++] = (struct refusal){fn, ctx};
	loop_at_pass_end(st->loop, &st->refuse, on_refuse, st);
}

/* A call that cannot be sent is answered at its deadline, which is now. */
static void send_call(struct call *c, const struct script_call *call)
{
	struct store *st = c->st;
	int err = WEIR_ECLOSED;

	if (store_is_up(st) && st->call_count <= st->pending_max)
		err = script_encode(&c->words, st->cluster, call, io_utc_us());
	if (!err)
		err = store_eval(st, &c->slot, &c->words, false, on_reply, c);
	if (err == WEIR_EINVAL)
		store_bad(st, call->entry.key.text, err);
	c->deadline_ms = loop_now_ms(st->loop) + (err ? 0 : st->registry_ms);
	if (err) {
		list_prepend(&st->calls, &c->link);
		st->is_call_due = true; /* while on_deadline runs */
		timer_start(st->deadline, 0);
		return;
	}
	list_append(&st->calls, &c->link);
	if (!timer_is_running(st->deadline))
		timer_start(st->deadline, st->registry_ms);
}

void store_script(struct store *st, const struct script_call *call,
		  store_script_fn *fn, void *ctx)
{
	struct call *c = calloc(1, sizeof(*c));

	st->stats.calls++;
	if (!c) {
		refuse(st, fn, ctx);
		return;
	}
	c->st = st;
	c->fn = fn;
	c->ctx = ctx;
	c->key = call->entry.key;
	st->call_count++;
	send_call(c, call);
}

/* ---- life ---- */

int store_call_init(struct store *st)
{
	return timer_new(&st->deadline, st->loop, on_deadline, st);
}

void store_call_lost(struct store *st)
{
	list_each (it, &st->calls) {
		struct call *c = list_entry(it, struct call, link);

		c->slot = NULL; /* went with the connection */
		c->deadline_ms = 0;
	}
	if (!list_is_empty(&st->calls))
		timer_start(st->deadline, 0);
}

void store_call_fini(struct store *st)
{
	list_each_safe (it, &st->calls) {
		list_remove(it);
		free(list_entry(it, struct call, link));
	}
	pass_task_cancel(&st->refuse);
	timer_free(&st->deadline);
}
