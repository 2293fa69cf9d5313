/* common/member/calls.c - questions and calls on the control connections, and
 * scripts of the registry, as the machines know them: by tag.
 *
 * A request is either a question of a machine (bus/question.h) or a call by
 * name: {"call":"sessions","args":{…}}.
 */
#include "common/member/internal.h"

#include <errno.h>
#include <stdlib.h>

#include "common/bus/question.h"

#define PENDING_LINK 0x80000000u /* numbers of nodes that are being dialed */
#define DISPATCH_MAX 16

struct member_call {
	struct member *m;
	struct bus_request *rq;
	char node[NODE_ID_SIZE]; /* whose it is */
	/* Of a call with a request id; else "". */
	char name[ONCE_CALL_MAX + 1];
	char request_id[ONCE_ID_MAX + 1];
};

/* ---- asking ---- */

struct deferred {
	struct list link;
	uint64_t tag;
	struct answer answer;
};

/* One question under way: to one node, or to the dispatches in turn. */
struct asking {
	struct list link; /* in a dial's waiting list, or in member.asked */
	struct member *m;
	uint64_t tag;
	struct buf json;
	uint32_t deadline_ms;
	bool is_dispatch;
	char asked[NODE_ID_SIZE]; /* the last dispatch that was asked */
	unsigned tries;
	struct timer *timer; /* while it waits for a dial */
};

/* An ingest that is dialed because somebody had to be asked there; from then on
 * the bus keeps the link. */
struct dial {
	struct list link;
	link_id number;
	char node[NODE_ID_SIZE];
	struct list waiting;
};

static void give(struct member *m, uint64_t tag, const struct answer *a)
{
	if (m->events->on_answer)
		m->events->on_answer(m->ctx, tag, a, member_now_ms(m));
	member_wake(m);
}

/* Those that were there: who asks again upon an answer gets its own in the next
 * pass, so that a question that fails at once never holds the loop. */
static void give_deferred(struct member *m)
{
	struct list now;

	list_init(&now);
	while (!list_is_empty(&m->deferred)) {
		struct list *first = m->deferred.next;

		list_remove(first);
		list_append(&now, first);
	}
	list_each_safe (it, &now) {
		struct deferred *d = list_entry(it, struct deferred, link);

		list_remove(&d->link);
		give(m, d->tag, &d->answer);
		free(d);
	}
}

static void give_one_owed(struct member *m, const struct owed *o)
{
	/* as of a registry that does not answer */
	const struct script_result r = {.err = WEIR_ETIMEOUT};
	const struct answer a = {.err = WEIR_ENOMEM};

	if (!o->is_script)
		give(m, o->tag, &a);
	else if (m->events->on_script)
		m->events->on_script(m->ctx, o->tag, &r, member_now_ms(m));
	member_wake(m);
}

static void give_owed(struct member *m)
{
	struct owed now[OWED_MAX];
	size_t count = m->owed_count;

	memcpy(now, m->owed, sizeof(now));
	m->owed_count = 0;
	for (size_t i = 0; i < count; i++)
		give_one_owed(m, &now[i]);
}

void calls_owe(struct member *m, uint64_t tag, bool is_script)
{
	if (m->owed_count == OWED_MAX)
		return;
	m->owed[m->owed_count++] = (struct owed){tag, is_script};
	loop_at_pass_end(m->loop, &m->owed_task, give_owed, m);
}

void calls_answer_later(struct member *m, uint64_t tag, const struct answer *a)
{
	struct deferred *d = malloc(sizeof(*d));

	if (!d) {
		calls_owe(m, tag, false);
		return;
	}
	d->tag = tag;
	d->answer = *a;
	list_append(&m->deferred, &d->link);
	loop_at_pass_end(m->loop, &m->deferred_task, give_deferred, m);
}

/* ---- scripts ---- */

struct script_wait {
	struct list link; /* in member.scripts */
	struct member *m;
	uint64_t tag;
};

static void on_script(void *ctx, const struct script_result *result)
{
	struct script_wait *w = ctx;
	struct member *m = w->m;

	if (m->events->on_script)
		m->events->on_script(m->ctx, w->tag, result, member_now_ms(m));
	list_remove(&w->link);
	free(w);
	member_wake(m);
}

void calls_script(struct member *m, uint64_t tag, const struct script_call *c)
{
	struct script_wait *w = calloc(1, sizeof(*w));

	if (!w) {
		calls_owe(m, tag, true);
		return;
	}
	w->m = m;
	w->tag = tag;
	list_init(&w->link);
	list_append(&m->scripts, &w->link);
	store_script(m->store, c, on_script, w);
}

/* ---- asking nodes ---- */

static void asking_free(struct asking *k)
{
	list_remove(&k->link);
	timer_free(&k->timer);
	buf_fini(&k->json);
	free(k);
}

static void finish(struct asking *k, int err, struct span json)
{
	struct answer a = {0};

	if (!err)
		err = answer_read(&a, json);
	if (err)
		a = (struct answer){.err = err};
	give(k->m, k->tag, &a);
	asking_free(k);
}

/* The next dispatch by id behind the one asked last; 0: none. */
static link_id next_dispatch(struct asking *k)
{
	struct node_ref node[DISPATCH_MAX];
	size_t count = bus_nodes(k->m->bus, "dispatch", node, DISPATCH_MAX);
	const struct node_ref *best = NULL;

	for (size_t i = 0; i < count; i++)
		if (strcmp(node[i].id, k->asked) > 0 &&
		    (!best || strcmp(node[i].id, best->id) < 0))
			best = &node[i];
	if (!best || k->tries > count)
		return 0;
	snprintf(k->asked, sizeof(k->asked), "%s", best->id);
	return best->link;
}

static void on_asked(void *ctx, int err, struct span json);

/* Half of what is left for each try, so that there is time for another. */
static int try_dispatch(struct asking *k)
{
	for (;;) {
		link_id link = next_dispatch(k);
		uint32_t ms = WEIR_MAX(k->deadline_ms / 2, 1u);

		if (!link)
			return WEIR_ECLOSED;
		k->tries++;
		k->deadline_ms -= WEIR_MIN(ms, k->deadline_ms);
		if (bus_ask(k->m->bus, link, buf_span(&k->json), ms, on_asked,
			    k) == 0)
			return 0;
	}
}

static void on_asked(void *ctx, int err, struct span json)
{
	struct asking *k = ctx;

	if (err && k->is_dispatch && try_dispatch(k) == 0)
		return;
	finish(k, err, json);
}

static struct asking *asking_new(struct member *m, uint64_t tag,
				 const struct question *q, uint32_t deadline_ms)
{
	struct asking *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	list_init(&k->link);
	list_append(&m->asked, &k->link);
	k->m = m;
	k->tag = tag;
	k->deadline_ms = deadline_ms;
	if (question_write(&k->json, q)) {
		asking_free(k);
		return NULL;
	}
	return k;
}

static void fail_later(struct member *m, uint64_t tag, int err)
{
	const struct answer a = {.err = err};

	calls_answer_later(m, tag, &a);
}

void calls_ask_dispatch(struct member *m, uint64_t tag,
			const struct question *q, uint32_t deadline_ms)
{
	struct asking *k = asking_new(m, tag, q, deadline_ms);

	if (!k) {
		fail_later(m, tag, WEIR_ENOMEM);
		return;
	}
	k->is_dispatch = true;
	if (try_dispatch(k)) {
		asking_free(k);
		fail_later(m, tag, WEIR_ECLOSED);
	}
}

/* ---- nodes that are dialed to be asked ---- */

static struct dial *find_dial(struct member *m, link_id number,
			      const char *node)
{
	list_each (it, &m->dials) {
		struct dial *d = list_entry(it, struct dial, link);

		if (node ? !strcmp(d->node, node) : d->number == number)
			return d;
	}
	return NULL;
}

link_id calls_link_to(struct member *m, const char *node)
{
	link_id link = bus_link_to(m->bus, node);
	const struct node *n = copy_node(store_copy(m->store), node);
	struct dial *d = find_dial(m, 0, node);

	if (link)
		return link;
	if (d)
		return d->number;
	if (!n || strcmp(n->ref.role, "ingest") || !n->ref.url[0])
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d || bus_dial(m->bus, node, n->ref.url)) {
		free(d);
		return 0;
	}
	d->number = PENDING_LINK | ++m->last_dial;
	snprintf(d->node, sizeof(d->node), "%s", node);
	list_init(&d->waiting);
	list_append(&m->dials, &d->link);
	return d->number;
}

static void on_dial_late(struct asking *k)
{
	finish(k, WEIR_ETIMEOUT, (struct span){0});
}

static void wait_for_dial(struct asking *k, struct dial *d)
{
	if (!d || timer_new(&k->timer, k->m->loop, on_dial_late, k)) {
		fail_later(k->m, k->tag, WEIR_ECLOSED);
		asking_free(k);
		return;
	}
	timer_start(k->timer, k->deadline_ms);
	list_remove(&k->link);
	list_append(&d->waiting, &k->link);
}

void calls_ask(struct member *m, link_id link, uint64_t tag,
	       const struct question *q, uint32_t deadline_ms)
{
	struct asking *k = asking_new(m, tag, q, deadline_ms);

	if (!k) {
		fail_later(m, tag, WEIR_ENOMEM);
		return;
	}
	if (link & PENDING_LINK) {
		wait_for_dial(k, find_dial(m, link, NULL));
		return;
	}
	if (bus_ask(m->bus, link, buf_span(&k->json), deadline_ms, on_asked,
		    k)) {
		asking_free(k);
		fail_later(m, tag, WEIR_ECLOSED);
	}
}

void calls_on_up(struct member *m, const struct node_ref *node)
{
	struct dial *d = find_dial(m, 0, node->id);

	if (!d)
		return;
	list_each_safe (it, &d->waiting) {
		struct asking *k = list_entry(it, struct asking, link);

		list_remove(&k->link);
		list_append(&m->asked, &k->link);
		timer_free(&k->timer);
		if (bus_ask(m->bus, node->link, buf_span(&k->json),
			    k->deadline_ms, on_asked, k))
			finish(k, WEIR_ECLOSED, (struct span){0});
	}
}

bool calls_must_dial(struct member *m, const struct node *n)
{
	return n->ref.url[0] && find_dial(m, 0, n->ref.id);
}

static void fail_waiting(struct member *m, struct dial *d, int err)
{
	list_each_safe (it, &d->waiting) {
		struct asking *k = list_entry(it, struct asking, link);

		fail_later(m, k->tag, err);
		asking_free(k);
	}
}

void calls_on_went(struct member *m, const char *node)
{
	struct dial *d = find_dial(m, 0, node);

	if (!d)
		return;
	fail_waiting(m, d, WEIR_ECLOSED);
	list_remove(&d->link);
	free(d);
}

void calls_on_absent(struct member *m, const char *node)
{
	struct dial *d = find_dial(m, 0, node);

	if (d)
		fail_waiting(m, d, -ECONNREFUSED);
}

/* ---- calls by name ---- */

struct naming {
	struct list link;      /* in member.named */
	struct pass_task task; /* for an answer of our own */
	member_answer_fn *fn;
	void *ctx;
};

static void naming_end(struct naming *n, int err, struct json_object *json)
{
	list_remove(&n->link);
	n->fn(n->ctx, err, json);
	free(n);
}

static void on_named(void *ctx, int err, struct span json)
{
	struct naming *n = ctx;
	struct json_object *obj = NULL;
	struct json_tokener *t = NULL;

	if (!err)
		t = json_tokener_new();
	if (t)
		obj = json_tokener_parse_ex(t, (const char *)json.data,
					    (int)json.len);
	if (!err && !obj)
		err = WEIR_EPROTO;
	naming_end(n, err, obj);
	json_object_put(obj);
	if (t)
		json_tokener_free(t);
}

static void on_late(struct naming *n)
{
	naming_end(n, WEIR_ECLOSED, NULL);
}

static int ask_by_name(struct member *m, link_id link, const char *name,
		       struct json_object *args, uint32_t deadline_ms,
		       struct naming *n)
{
	struct json_object *o = json_object_new_object();
	const char *text;
	int err;

	if (!o)
		return WEIR_ENOMEM;
	json_object_object_add(o, "call", json_object_new_string(name));
	if (args)
		json_object_object_add(o, "args", json_object_get(args));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	err = text ? bus_ask(m->bus, link, span_str(text), deadline_ms,
			     on_named, n)
		   : WEIR_ENOMEM;
	json_object_put(o);
	return err;
}

int member_ask(struct member *m, link_id link, const char *name,
	       struct json_object *args, uint32_t deadline_ms,
	       member_answer_fn *fn, void *ctx)
{
	struct naming *n = calloc(1, sizeof(*n));

	if (!n)
		return WEIR_ENOMEM;
	n->fn = fn;
	n->ctx = ctx;
	list_init(&n->link);
	list_append(&m->named, &n->link);
	if (ask_by_name(m, link, name, args, deadline_ms, n))
		loop_at_pass_end(m->loop, &n->task, on_late, n);
	return 0;
}

void member_answer(struct member_call **pcall, struct json_object *json)
{
	struct member_call *call = *pcall;
	const char *text = json ? json_object_to_json_string_ext(
					  json, JSON_C_TO_STRING_PLAIN)
				: "{}";

	*pcall = NULL;
	if (*call->request_id && text)
		once_keep(call->m->once, call->name, call->request_id, text,
			  member_now_ms(call->m));
	bus_answer(&call->rq, text ? span_str(text) : SPAN_LIT("{}"));
	json_object_put(json);
	free(call);
}

const char *member_call_node(const struct member_call *call)
{
	return call->node;
}

const char *member_json_text(struct json_object *obj, const char *name)
{
	struct json_object *v;

	if (!json_object_object_get_ex(obj, name, &v) ||
	    !json_object_is_type(v, json_type_string))
		return NULL;
	return json_object_get_string(v);
}

int64_t member_json_int(struct json_object *obj, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(obj, name, &v)
		       ? json_object_get_int64(v)
		       : 0;
}

bool member_page_takes(struct member_page *p)
{
	int64_t i = p->count++;

	return i >= p->from && i - p->from < MEMBER_PAGE;
}

void member_page_end(const struct member_page *p, struct json_object *answer)
{
	if (p->from < p->count && p->count - p->from > MEMBER_PAGE)
		json_object_object_add(
			answer, "next",
			json_object_new_int64(p->from + MEMBER_PAGE));
}

struct json_object *member_events_of(const struct member *m, const char *stream)
{
	struct json_object *o = json_object_new_object();

	if (o)
		json_object_object_add(
			o, "events",
			event_book_json(m->book, stream, m->self.ref.id));
	return o;
}

/* What every node answers. */
static bool common_call(struct member *m, struct member_call *call,
			const char *name, struct json_object *args)
{
	const char *stream = args ? member_json_text(args, "stream") : NULL;

	if (!strcmp(name, "drain")) { /* as by SIGTERM */
		member_answer(&call, NULL);
		svc_stop(m->svc);
		return true;
	}
	if (!strcmp(name, "alive")) {
		member_answer(&call, NULL);
		return true;
	}
	if (strcmp(name, "events") || !stream)
		return false;
	member_answer(&call, member_events_of(m, stream));
	return true;
}

/* A call that was answered under its request id gets that answer again. */
static bool is_repeat(struct member_call *call, const char *name,
		      struct json_object *args)
{
	const char *id = args ? member_json_text(args, "request_id") : NULL;
	const char *answer;

	if (!id || !*id || strlen(id) > ONCE_ID_MAX ||
	    strlen(name) > ONCE_CALL_MAX)
		return false;
	answer = once_find(call->m->once, name, id, member_now_ms(call->m));
	if (answer) {
		bus_answer(&call->rq, span_str(answer));
		free(call);
		return true;
	}
	memcpy(call->name, name, strlen(name) + 1);
	memcpy(call->request_id, id, strlen(id) + 1);
	return false;
}

static void serve_call(struct member *m, const struct node_ref *from,
		       struct bus_request *rq, struct span json)
{
	struct json_tokener *t = json_tokener_new_ex(8);
	struct json_object *o = NULL, *args = NULL;
	struct member_call *call = calloc(1, sizeof(*call));
	const char *name = NULL;

	if (t && call)
		o = json_tokener_parse_ex(t, (const char *)json.data,
					  (int)json.len);
	if (o && json_object_is_type(o, json_type_object)) {
		name = member_json_text(o, "call");
		json_object_object_get_ex(o, "args", &args);
	}
	if (!call || !name) {
		bus_answer(&rq, SPAN_LIT("{\"error\":\"no such call\"}"));
		free(call);
	} else {
		*call = (struct member_call){.m = m, .rq = rq};
		snprintf(call->node, sizeof(call->node), "%s", from->id);
		if (!is_repeat(call, name, args) &&
		    !common_call(m, call, name, args) &&
		    (!m->events->on_call ||
		     !m->events->on_call(m->ctx, call, name, args)))
			member_answer(&call, NULL);
	}
	json_object_put(o);
	if (t)
		json_tokener_free(t);
}

void calls_on_request(void *ctx, const struct node_ref *from,
		      struct bus_request *rq, struct span json)
{
	struct member *m = ctx;
	struct question q;
	struct answer a = {.err = WEIR_ENOENT};
	struct buf out = {0};

	if (question_read(&q, json)) {
		serve_call(m, from, rq, json);
		return;
	}
	if (m->events->on_question)
		m->events->on_question(m->ctx, &q, &a, member_now_ms(m));
	member_wake(m);
	if (answer_write(&out, &a))
		buf_clear(&out);
	bus_answer(&rq, out.len ? buf_span(&out) : SPAN_LIT("{}"));
	buf_fini(&out);
}

void calls_fini(struct member *m)
{
	pass_task_cancel(&m->owed_task);
	list_each_safe (it, &m->scripts) { /* the store is gone */
		list_remove(it);
		free(list_entry(it, struct script_wait, link));
	}
	list_each_safe (it, &m->dials) {
		struct dial *d = list_entry(it, struct dial, link);

		list_each_safe (w, &d->waiting)
			asking_free(list_entry(w, struct asking, link));
		list_remove(it);
		free(d);
	}
	list_each_safe (it, &m->asked)
		asking_free(list_entry(it, struct asking, link));
	list_each_safe (it, &m->deferred) {
		list_remove(it);
		free(list_entry(it, struct deferred, link));
	}
	list_each_safe (it, &m->named) {
		struct naming *n = list_entry(it, struct naming, link);

		pass_task_cancel(&n->task);
		naming_end(n, WEIR_ECLOSED, NULL);
	}
}
