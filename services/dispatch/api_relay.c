/* services/dispatch/api_relay.c - relay pulls by lal's calls; lists of pulls and
 * pushes. */
#include <stdio.h>

#include "common/access/ruleset.h"
#include "common/conf/json.h"
#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"
#include "services/dispatch/relay.h"

/* ---- start ---- */

static const char *why_not(const struct relay_answer *a)
{
	switch (a->verdict) {
	case RELAY_EXISTS:
		return "lal.logic: in stream already exist at group";
	case RELAY_UNWANTED:
		return "should auto stop pull";
	case RELAY_REGISTRY:
		return *a->detail ? a->detail : "the registry does not answer";
	default:
		if (*a->detail)
			return a->detail;
		return a->verdict == RELAY_NO_INGEST
			       ? "no ingest is reached"
			       : "the ingest does not answer";
	}
}

static void on_started(void *ctx, const struct relay_answer *a)
{
	struct api_call *call = ctx;
	struct json_object *o;

	if (a->verdict != RELAY_DONE) {
		api_say(&call, LAL_NO_PULL, why_not(a), NULL);
		return;
	}
	o = json_object_new_object();
	json_add_text(o, "stream_name", api_text(call, "stream_name"));
	json_add_text(o, "session_id", a->session_id);
	api_say(&call, LAL_OK, "succ", o);
}

/* What is behind the last '/' of an address, without its query and a suffix that
 * says how it is wrapped. */
static struct span last_item(const char *url)
{
	struct span path = span_of(url, strcspn(url, "?#"));
	size_t at = path.len;

	while (at > 0 && path.data[at - 1] != '/')
		at--;
	path = span_from(path, at);
	if (path.len > 4 && !memcmp(path.data + path.len - 4, ".flv", 4))
		path.len -= 4;
	return path;
}

/* As asked for, or lal's default. The name that lal would have is kept. */
static enum key_fault name_stream(struct api_call *call, struct stream_key *key)
{
	const char *given = api_text(call, "stream_name");
	struct span name = given && *given ? span_str(given)
					   : last_item(api_text(call, "url"));

	json_object_object_add(call->in, "stream_name",
			       json_object_new_string_len(
				       (const char *)name.data, (int)name.len));
	return stream_key_from_path(
		key, span_str(api_text(call, "stream_name")), IDENTITY_PATH);
}

void api_start_relay_pull(struct api_call *call)
{
	struct relay_pull p = {
		.url = api_text(call, "url"),
		.pull_timeout_ms = api_int(call, "pull_timeout_ms"),
		.retry_num = api_int(call, "pull_retry_num"),
		.auto_stop_ms = api_int(call, "auto_stop_pull_after_no_out_ms"),
		.request_id = call->request_id,
	};
	enum key_fault fault = name_stream(call, &p.key);

	if (fault != KEY_OK)
		api_say(&call, LAL_NO_PULL, stream_key_why(fault), NULL);
	else if (relay_start_pull(call->dispatch, &p, on_started, call))
		api_refuse(&call, 503, NULL, "out of memory");
}

/* ---- stop ---- */

static void on_stopped(void *ctx, const struct relay_answer *a)
{
	struct api_call *call = ctx;
	struct json_object *o;

	if (a->verdict == RELAY_DONE) {
		o = json_object_new_object();
		json_add_text(o, "session_id", a->session_id);
		api_say(&call, LAL_OK, "succ", o);
	} else if (a->verdict == RELAY_NOT_FOUND) {
		api_say(&call, LAL_NO_SESSION, "session not found", NULL);
	} else {
		api_refuse(&call, 504, NULL, why_not(a));
	}
}

/* Those that no ingest may have at this moment. */
static void add_kept(struct dispatch *d, struct json_object *streams)
{
	const struct ruleset *rules = member_rules(d->member);
	const struct rule *r;

	for (size_t i = 0; (r = ruleset_at(rules, RULE_PULL, i, NULL)); i++)
		if (r->pull.is_once &&
		    !json_object_object_get_ex(streams, r->pull.streams.text,
					       NULL))
			json_object_object_add(streams, r->pull.streams.text,
					       NULL);
}

/* Also of a stream that is pulled, but not here yet: then only the pull knows
 * it. */
static void on_known(struct api_call *call, const struct gathered *g)
{
	const char *name = api_text(call, "stream_name");
	struct json_object *streams = api_by_stream(call, g);
	struct stream_key key;
	const char *known;

	for (size_t i = 0; i < json_object_array_length(g->pulls); i++) {
		const char *pulled = member_json_text(
			json_object_array_get_idx(g->pulls, i), "stream");

		if (pulled && !json_object_object_get_ex(streams, pulled, NULL))
			json_object_object_add(streams, pulled, NULL);
	}
	add_kept(call->dispatch, streams);
	known = lal_resolve(streams, name);
	/* Whoever repeats it may have stopped it already. */
	if (!known && *call->request_id && strchr(name, '/'))
		known = name;
	if (!known)
		api_say(&call, LAL_NO_GROUP, "group not found", NULL);
	else if (stream_key_from_text(&key, span_str(known)) != KEY_OK)
		api_say(&call, LAL_NO_SESSION, "session not found", NULL);
	else if (relay_stop_pull(call->dispatch, &key, call->request_id,
				 on_stopped, call))
		api_refuse(&call, 503, NULL, "out of memory");
	json_object_put(streams);
}

void api_stop_relay_pull(struct api_call *call)
{
	api_gather(call, GATHER_SESSIONS | GATHER_PULLS, NULL, on_known);
}

/* ---- lists ---- */

static void answer_list(struct api_call *call, const char *name,
			struct json_object *list, const struct gathered *g)
{
	struct json_object *o = json_object_new_object();
	const char *stream = api_text(call, "stream");
	struct json_object *shown = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *of = member_json_text(item, "stream");

		if (!stream || (of && !strcmp(of, stream)))
			json_object_array_add(shown, json_object_get(item));
	}
	json_object_object_add(o, name, shown);
	json_object_object_add(o, "silent",
			       json_object_new_int64(g->silent_count));
	api_answer(&call, o);
}

static void on_pulls(struct api_call *call, const struct gathered *g)
{
	answer_list(call, "pulls", g->pulls, g);
}

void api_pulls(struct api_call *call)
{
	api_gather(call, GATHER_PULLS, api_args(call, "stream"), on_pulls);
}

static void on_pushes(struct api_call *call, const struct gathered *g)
{
	answer_list(call, "pushes", g->pushes, g);
}

void api_pushes(struct api_call *call)
{
	api_gather(call, GATHER_PUSHES, api_args(call, "stream"), on_pushes);
}
