/* common/member/gate_hook.c - the webhook: asked of any dispatch, once for all who
 * wait for the same answer, and remembered for a moment.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/access/text.h"
#include "common/member/gate_priv.h"

#define QUESTIONS_MAX 10000
#define RETRY_MS      100  /* no dispatch, or it went: the next try */
#define SLACK_MS      300  /* for dispatch to say that the webhook is late */
#define TEXT_MAX      8192 /* of a query: tokens are long */

_Static_assert(GATE_HOOK_KEY == SHA256_DIGEST_LENGTH, "a digest");

struct hook_question {
	struct list link;  /* in hook.open, then in hook.kept */
	struct list waits; /* for it */
	uint8_t key[GATE_HOOK_KEY];
	uint64_t tag;             /* of the try under way; 0: none */
	struct json_object *args; /* until it is answered */
	int64_t due_ms;   /* open: then it is late; kept: then it is old */
	int64_t retry_ms; /* without a try under way: the next */
	bool is_answered;
	struct gate_answer answer;
};

void hook_init(struct gate_hook *h, uint64_t seed)
{
	*h = (struct gate_hook){0};
	map_init(&h->questions, seed);
	list_init(&h->open);
	list_init(&h->kept);
}

static struct hook_question *question_at(struct list *it)
{
	return list_entry(it, struct hook_question, link);
}

static void question_free(struct gate_hook *h, struct hook_question *q)
{
	map_remove(&h->questions, SPAN(q->key));
	list_remove(&q->link);
	json_object_put(q->args);
	free(q);
}

void hook_fini(struct gate_hook *h)
{
	list_each_safe (it, &h->open)
		question_free(h, question_at(it));
	list_each_safe (it, &h->kept)
		question_free(h, question_at(it));
	map_fini(&h->questions);
}

/* ---- what is asked ---- */

/* A peer's text, as JSON and an HTTP server take it. */
static void add_text(struct json_object *o, const char *name, struct span text)
{
	char plain[TEXT_MAX];

	text = span_first(text, sizeof(plain));
	for (size_t i = 0; i < text.len; i++)
		plain[i] = (char)text.data[i];
	for (size_t i = 0; i < text.len; i++)
		if (plain[i] < ' ' || plain[i] == 0x7f)
			plain[i] = '?';
	json_object_object_add(
		o, name, json_object_new_string_len(plain, (int)text.len));
}

/* What we have judged ourselves is nobody else's business. */
static bool is_ours(struct span parameter)
{
	static const char *const names[] = {"lal_secret=", "weir_sig="};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++)
		if (span_eq_str(span_first(parameter, strlen(names[i])),
				names[i]))
			return true;
	return false;
}

static void add_query(struct json_object *o, struct span query)
{
	struct buf out = {0};

	while (query.len) {
		const uint8_t *end = memchr(query.data, '&', query.len);
		struct span one =
			end ? span_first(query, (size_t)(end - query.data))
			    : query;

		if (!is_ours(one)) {
			buf_put(&out, out.len ? SPAN_LIT("&") : SPAN_LIT(""));
			buf_put(&out, one);
		}
		query = span_from(query, one.len + 1);
	}
	add_text(o, "url_param", buf_span(&out));
	buf_fini(&out);
}

static const char *protocol_name(enum access_protocol p)
{
	static const char *const names[] = {
		[ACCESS_RTMP] = "RTMP",   [ACCESS_FLV] = "FLV",
		[ACCESS_TS] = "TS",       [ACCESS_HLS] = "HLS",
		[ACCESS_SEGMENT] = "HLS", [ACCESS_RTSP] = "RTSP",
	};

	return names[p];
}

static void add_stream(struct json_object *o, const struct stream_key *key)
{
	size_t app = strcspn(key->text, "/");

	add_text(o, "app_name", span_of(key->text, app));
	add_text(o, "stream_name", span_str(stream_key_name(key)));
	json_object_object_add(o, "stream", json_object_new_string(key->text));
}

/* All that the answer may depend on. */
static struct json_object *common_args(const struct gate_wait *w,
				       const char *user)
{
	struct json_object *o = json_object_new_object();
	const struct access_request *rq = &w->rq;
	char ip[CIDR_TEXT_SIZE] = "";

	if (!o)
		return NULL;
	if (rq->ip)
		ip_addr_text(ip, rq->ip);
	add_text(o, "op", span_str(access_ops_name(rq->op)));
	add_text(o, "protocol", span_str(protocol_name(rq->protocol)));
	add_text(o, "base_type",
		 span_str(rq->op == ACCESS_PUBLISH ? "PUB" : "SUB"));
	add_stream(o, &w->key);
	add_query(o, rq->query);
	add_text(o, "ip", span_str(ip));
	add_text(o, "referer", rq->referer);
	add_text(o, "user_agent", rq->user_agent);
	add_text(o, "user", span_str(user));
	return o;
}

static void digest(uint8_t out[GATE_HOOK_KEY], struct json_object *o)
{
	const char *text =
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);

	if (!text)
		text = "";
	SHA256((const uint8_t *)text, strlen(text), out);
}

/* ---- asking ---- */

static void ask(struct gate *g, struct hook_question *q, int64_t now_ms)
{
	q->tag = ++g->hook.last_tag;
	g->hook.asked++;
	g->world->ask(g->world->ctx, q->tag, q->args,
		      (uint32_t)(q->due_ms - now_ms));
}

/* What is remembered makes room for what is asked: else whoever asks for much
 * would keep others out. */
static bool make_room(struct gate_hook *h)
{
	if (h->questions.count >= QUESTIONS_MAX && !list_is_empty(&h->kept))
		question_free(h, question_at(h->kept.next));
	return h->questions.count < QUESTIONS_MAX;
}

/* Takes `args`. NULL: no memory, or too many. */
static struct hook_question *question_new(struct gate *g, struct gate_wait *w,
					  const uint8_t key[GATE_HOOK_KEY],
					  struct json_object *args)
{
	struct hook_question *q = NULL;
	int64_t now_ms = g->world->now_ms(g->world->ctx);

	if (make_room(&g->hook))
		q = calloc(1, sizeof(*q));
	if (!q) {
		json_object_put(args);
		return NULL;
	}
	memcpy(q->key, key, sizeof(q->key));
	list_init(&q->waits);
	list_init(&q->link);
	if (map_put(&g->hook.questions, SPAN(q->key), q)) {
		json_object_put(args);
		free(q);
		return NULL;
	}
	list_append(&g->hook.open, &q->link);
	add_text(args, "session_id", span_str(w->session_id));
	add_text(args, "remote_addr", span_str(w->remote_addr));
	q->args = args;
	q->due_ms = now_ms + g->settings->webhook_timeout_ms + SLACK_MS;
	ask(g, q, now_ms);
	return q;
}

static enum hook_word word_of(const struct gate_answer *a)
{
	return a->why ? HOOK_NO : HOOK_YES;
}

static enum hook_word refuse(struct gate_answer *out)
{
	*out = (struct gate_answer){.why = REASON_no_resources};
	return HOOK_NO;
}

enum hook_word hook_ask(struct gate *g, struct gate_wait *wait,
			const char *user, struct gate_answer *out)
{
	struct json_object *args = common_args(wait, user);
	uint8_t key[GATE_HOOK_KEY];
	struct hook_question *q;

	if (!args)
		return refuse(out);
	digest(key, args);
	q = map_get(&g->hook.questions, SPAN(key));
	if (q)
		json_object_put(args);
	else
		q = question_new(g, wait, key, args);
	if (!q)
		return refuse(out);
	if (q->is_answered) {
		*out = q->answer;
		return word_of(out);
	}
	wait->question = q;
	list_remove(&wait->link);
	list_append(&q->waits, &wait->link);
	g->world->wake_at(g->world->ctx, q->due_ms);
	return HOOK_WAITS;
}

void hook_leave(struct gate_wait *wait)
{
	list_remove(&wait->link); /* the answer is kept for the next */
	wait->question = NULL;
}

/* ---- answers ---- */

static void answer(struct gate *g, struct hook_question *q,
		   const struct gate_answer *a, int64_t keep_ms)
{
	q->answer = *a;
	q->is_answered = true;
	q->tag = 0;
	json_object_put(q->args);
	q->args = NULL;
	while (!list_is_empty(&q->waits)) {
		struct gate_wait *w =
			list_entry(q->waits.next, struct gate_wait, link);

		w->question = NULL;
		gate_tell(g, w, a);
	}
	q->due_ms = g->world->now_ms(g->world->ctx) + keep_ms;
	list_remove(&q->link);
	list_append(&g->hook.kept, &q->link);
	if (!keep_ms)
		question_free(&g->hook, q);
}

/* The webhook says nothing in time, or nobody can ask it. */
static void give_up(struct gate *g, struct hook_question *q)
{
	struct gate_answer a = {.why = REASON_none};

	g->hook.failed++;
	if (g->settings->webhook_on_timeout != ACCESS_TIMEOUT_ALLOW)
		a = (struct gate_answer){
			.why = REASON_unauthorized,
			.detail = "who decides did not answer in time"};
	answer(g, q, &a, 0);
}

static void copy_reason(char out[GATE_DETAIL_SIZE], struct json_object *json)
{
	const char *text = member_json_text(json, "reason");

	snprintf(out, GATE_DETAIL_SIZE, "%s", text ? text : "");
	for (char *c = out; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
}

/* Who it is, if it is somebody. */
static void copy_user(char out[SIGN_USER_MAX + 1], struct json_object *json)
{
	const char *text = member_json_text(json, "user");

	if (!text || !text_is_line(span_str(text), SIGN_USER_MAX))
		return;
	snprintf(out, SIGN_USER_MAX + 1, "%s", text);
}

static struct hook_question *find_open(struct gate_hook *h, uint64_t tag)
{
	list_each (it, &h->open)
		if (question_at(it)->tag == tag)
			return question_at(it);
	return NULL;
}

/* Once for all who asked the same: who guesses asks for something else. */
static void note_failure(struct gate *g, const struct hook_question *q)
{
	const struct gate_wait *w;

	if (list_is_empty(&q->waits))
		return;
	w = list_entry(q->waits.next, struct gate_wait, link);
	limits_failed(&g->limits, w->rq.ip, g->world->now_ms(g->world->ctx));
}

/* It has not asked the webhook: too much is under way there, or it ends. An
 * empty answer is that of a node without memory. */
static bool is_unasked(struct json_object *json)
{
	struct json_object *v;

	if (json_object_object_get_ex(json, "busy", &v))
		return json_object_get_boolean(v);
	return !json_object_object_length(json);
}

void gate_hook_answer(struct gate *g, uint64_t tag, int err,
		      struct json_object *json)
{
	struct hook_question *q = find_open(&g->hook, tag);
	struct gate_answer a = {.why = REASON_none};
	struct json_object *allow;

	if (!q)
		return;
	/* That dispatch is not there, or has no time: another one may, or it
	 * may in a moment. */
	if (err || is_unasked(json)) {
		q->tag = 0;
		q->retry_ms = g->world->now_ms(g->world->ctx) + RETRY_MS;
		g->world->wake_at(g->world->ctx, q->retry_ms);
		return;
	}
	if (!json_object_object_get_ex(json, "allow", &allow) ||
	    !json_object_is_type(allow, json_type_boolean)) {
		give_up(g, q);
		return;
	}
	if (!json_object_get_boolean(allow)) {
		a.why = REASON_unauthorized;
		copy_reason(a.detail, json);
		note_failure(g, q);
	} else {
		copy_user(a.user, json);
	}
	answer(g, q, &a, g->settings->webhook_cache_ms);
}

/* ---- time ---- */

static int64_t tick_open(struct gate *g, struct hook_question *q,
			 int64_t now_ms)
{
	if (q->due_ms <= now_ms) {
		give_up(g, q);
		return INT64_MAX;
	}
	if (q->tag)
		return q->due_ms;
	if (q->retry_ms <= now_ms)
		ask(g, q, now_ms);
	return q->tag ? q->due_ms : WEIR_MIN(q->retry_ms, q->due_ms);
}

int64_t hook_tick(struct gate *g, int64_t now_ms)
{
	int64_t due_ms = INT64_MAX;

	list_each_safe (it, &g->hook.open) {
		int64_t one_ms = tick_open(g, question_at(it), now_ms);

		due_ms = WEIR_MIN(due_ms, one_ms);
	}
	list_each_safe (it, &g->hook.kept) {
		struct hook_question *q = question_at(it);

		if (q->due_ms > now_ms)
			return WEIR_MIN(due_ms, q->due_ms);
		question_free(&g->hook, q);
	}
	return due_ms;
}
