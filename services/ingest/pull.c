/* services/ingest/pull.c - streams that this ingest fetches from elsewhere: claim,
 * dial, run, try again, stop.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/media/via_meta.h"
#include "proto/flv/flv.h"
#include "services/ingest/pull_priv.h"

#define SWEEP_MS     100
#define PROBE_MAX_MS 10000

const struct log_event ingest_pull_start = {
	"pull.start", LOG_INFO, "stream session rule url auto_stop_ms",
	"A stream is to be pulled from elsewhere."};
const struct log_event ingest_pull_run = {
	"pull.run", LOG_INFO, "stream session url peer cluster ms",
	"Media comes; ms since it was dialed."};
const struct log_event ingest_pull_fail = {
	"pull.fail", LOG_INFO, "stream session url reason detail next_ms",
	"What is pulled does not come, or no more; the next attempt is made "
	"in next_ms."};
const struct log_event ingest_pull_end = {
	"pull.end", LOG_INFO, "stream session reason detail bytes attempts ms",
	"A pull is over."};

const struct log_event ingest_pull_fault = {"pull.fault", LOG_ERROR, "what why",
					    "Nothing can be pulled."};

static uint64_t now_of(const struct pull *p)
{
	return loop_now_ms(p->owner->in->loop);
}

static const char *url_of(const struct pull *p)
{
	return p->order.url[p->course.url_at];
}

void pull_url_shown(char out[PULL_URL_SHOWN], const struct pull *p)
{
	const char *url = url_of(p), *host = strstr(url, "//") + 2;
	const char *at = memrchr(host, '@', strcspn(host, "/?"));
	const char *rest = at ? at + 1 : host;

	snprintf(out, PULL_URL_SHOWN, "%.*s%.*s", (int)(host - url), url,
		 (int)strcspn(rest, "?"), rest);
}

static void note(struct pull *p, const char *what, enum reason why,
		 const char *detail)
{
	member_event(p->owner->in->member, &p->order.key, what, why, detail);
}

/* ---- the end ---- */

void pull_order_fini(struct pull_order *o)
{
	for (unsigned i = 0; i < o->url_count; i++)
		free(o->url[i]);
	o->url_count = 0;
}

void pull_answer(struct member_call **call, const char *verdict,
		 const char *session_id, const char *detail)
{
	struct json_object *o;

	if (!*call)
		return;
	o = json_object_new_object();
	json_object_object_add(o, "verdict", json_object_new_string(verdict));
	json_object_object_add(o, "session_id",
			       json_object_new_string(session_id));
	json_object_object_add(o, "detail", json_object_new_string(detail));
	member_answer(call, o);
	*call = NULL;
}

static void pull_free(struct pull *p)
{
	pull_rule_leave(p, false);
	list_remove(&p->link);
	map_remove(&p->owner->by_key, span_str(p->order.key.text));
	pass_task_cancel(&p->task);
	pull_source_free(&p->source);
	pull_source_free(&p->probe);
	buf_fini(&p->meta);
	pull_order_fini(&p->order);
	free(p);
}

static uint64_t bytes_of(const struct pull *p)
{
	return p->bytes_before +
	       (p->source ? pull_source_in_bytes(p->source) : 0);
}

/* Does nobody go on with it? An ingest that goes does not end it; and who lost the
 * stream does not know to whom: that is for dispatches to see. */
static bool is_over(const struct pull *p, enum reason why)
{
	return p->is_spent || why == REASON_kicked || why == REASON_banned ||
	       why == REASON_unwanted;
}

void pull_finish(struct pull *p, enum reason why, const char *detail)
{
	struct ingest *in = p->owner->in;

	logger_event(
		in->log, &ingest_pull_end, kv_str("stream", p->order.key.text),
		kv_str("session", p->session_id),
		kv_str("reason", reason_name(why)), kv_str("detail", detail),
		kv_uint("bytes", bytes_of(p)), kv_uint("attempts", p->attempts),
		kv_uint("ms", now_of(p) - p->began_ms));
	note(p, "pull.end", why, detail);
	pull_answer(&p->call, why == REASON_busy ? "exists" : "no_ingest", "",
		    reason_text(why));
	in->stats.pulls--;
	publish_leave(&p->publish, why);
	member_wake(in->member);
	pull_rule_leave(p, is_over(p, why));
	pull_free(p);
}

/* ---- media ---- */

/* It begins, or begins again. */
static void begin_to_run(struct pull *p)
{
	struct span cluster = pull_source_cluster(p->source);
	char url[PULL_URL_SHOWN], name[64];

	p->state = PULL_RUNS;
	p->has_media = true;
	p->run_ms = p->heard_ms = now_of(p);
	p->probe_ms =
		p->run_ms + (uint64_t)p->owner->in->settings->pull_probe_ms;
	pull_url_shown(url, p);
	snprintf(name, sizeof(name), "%.*s", (int)cluster.len,
		 (const char *)cluster.data);
	publish_set_source(p->publish, pull_source_protocol(url_of(p)),
			   pull_source_addr(p->source));
	logger_event(p->owner->in->log, &ingest_pull_run,
		     kv_str("stream", p->order.key.text),
		     kv_str("session", p->session_id), kv_str("url", url),
		     kv_str("peer", pull_source_addr(p->source)),
		     kv_str("cluster", name),
		     kv_uint("ms", p->run_ms - p->attempt_ms));
	note(p, "pull.run", REASON_none, url);
}

static int on_tag(void *ctx, uint8_t type, uint32_t timestamp_ms,
		  struct span body)
{
	struct pull *p = ctx;
	int err;

	if (type == FLV_SCRIPT) {
		buf_clear(&p->meta);
		err = via_mark_metadata(&p->meta, body,
					pull_source_cluster(p->source),
					p->owner->cluster);
		if (err)
			return err;
		if (p->meta.len)
			body = buf_span(&p->meta);
	}
	if (p->state != PULL_RUNS)
		begin_to_run(p);
	publish_input(p->publish, bytes_of(p));
	return publish_tag(p->publish, type, timestamp_ms, body);
}

static void look_soon(struct pull *p);

static enum reason reason_of(int err)
{
	switch (err) {
	case WEIR_EPROTO:
		return REASON_loop;
	case WEIR_ELIMIT:
		return REASON_limit;
	default:
		return REASON_no_resources;
	}
}

static void on_source_end(void *ctx, enum reason why, int err,
			  const char *words)
{
	struct pull *p = ctx;

	p->why = err ? reason_of(err) : why;
	snprintf(p->detail, sizeof(p->detail), "%s", err ? "" : words);
	p->is_source_over = true;
	look_soon(p);
}

static const struct pull_source_events source_events = {
	.on_tag = on_tag,
	.on_end = on_source_end,
};

/* ---- is the first address well? ---- */

static int on_probe_tag(void *ctx, uint8_t type, uint32_t timestamp_ms,
			struct span body)
{
	struct pull *p = ctx;

	(void)type, (void)timestamp_ms, (void)body;
	p->is_probe_well = true;
	return WEIR_ESTOP;
}

static void on_probe_end(void *ctx, enum reason why, int err, const char *words)
{
	struct pull *p = ctx;

	(void)why, (void)err, (void)words;
	p->is_probe_over = true;
	look_soon(p);
}

static const struct pull_source_events probe_events = {
	.on_tag = on_probe_tag,
	.on_end = on_probe_end,
};

static void begin_probe(struct pull *p)
{
	p->is_probe_over = p->is_probe_well = false;
	p->probe_ms = now_of(p);
	if (pull_source_new(&p->probe, &p->owner->tools, p->order.url[0],
			    p->order.via, &probe_events, p))
		p->is_probe_over = true;
}

static void end_probe(struct pull *p)
{
	pull_source_free(&p->probe);
	p->is_probe_over = false;
	p->probe_ms =
		now_of(p) + (uint64_t)p->owner->in->settings->pull_probe_ms;
}

/* ---- attempts ---- */

static const struct publish_door rtmp_door, flv_door;

static const struct publish_door *door_of(const struct pull *p)
{
	return !strcmp(pull_source_protocol(p->order.url[0]), "RTMP")
		       ? &rtmp_door
		       : &flv_door;
}

/* Claim the stream, for an epoch. */
static int begin_publish(struct pull *p)
{
	const struct publish_request rq = {
		.key = p->order.key,
		.is_pull = true,
		.id = p->session_id[0] ? p->session_id : NULL,
	};
	int err = publish_new(&p->publish, p->owner->in, &rq, door_of(p), p);

	if (err)
		return err;
	p->state = PULL_CLAIMS;
	p->has_media = false;
	publish_set_source(p->publish, pull_source_protocol(url_of(p)), "");
	snprintf(p->session_id, sizeof(p->session_id), "%s",
		 publish_session(p->publish)->id);
	publish_input(p->publish, bytes_of(p));
	return 0;
}

static void drop_source(struct pull *p)
{
	p->bytes_before = bytes_of(p);
	pull_source_free(&p->source);
	p->is_source_over = false;
}

static void say_failed(struct pull *p, const char *url)
{
	uint64_t now_ms = now_of(p);

	logger_event(p->owner->in->log, &ingest_pull_fail,
		     kv_str("stream", p->order.key.text),
		     kv_str("session", p->session_id), kv_str("url", url),
		     kv_str("reason", reason_name(p->why)),
		     kv_str("detail", p->detail),
		     kv_uint("next_ms", p->resume_ms > now_ms
						? p->resume_ms - now_ms
						: 0));
	note(p, "pull.fail", p->why, p->detail);
	p->owner->in->stats.pull_fails++;
}

static uint64_t hash_of(const struct pulls *ps, const struct stream_key *key)
{
	return hash_bytes(ps->by_key.seed, span_str(key->text));
}

bool pull_is_spent(const struct pulls *ps, const struct stream_key *key)
{
	for (size_t i = 0; i < PULL_SPENT_MAX; i++)
		if (ps->spent[i].key_hash == hash_of(ps, key) &&
		    ps->spent[i].until_ms > loop_now_ms(ps->in->loop))
			return true;
	return false;
}

static void note_spent(struct pull *p)
{
	struct pulls *ps = p->owner;
	size_t at = ps->next_spent++ % PULL_SPENT_MAX;

	ps->spent[at].key_hash = hash_of(ps, &p->order.key);
	ps->spent[at].until_ms = now_of(p) + PULL_SPENT_MS;
}

/* Media came and ends: what comes next is another epoch. */
static void go_on_anew(struct pull *p, enum reason why)
{
	publish_leave(&p->publish, why);
	if (begin_publish(p))
		pull_finish(p, REASON_no_resources, "");
}

static void dial(struct pull *p);

static void end_spent(struct pull *p)
{
	note_spent(p);
	p->is_spent = true;
	pull_finish(p, p->why, p->detail);
}

/* What was dialed does not come, or no more: p->why says it. */
static void attempt_over(struct pull *p)
{
	bool ran = p->state == PULL_RUNS;
	char url[PULL_URL_SHOWN];
	enum pull_step step;
	uint64_t pause_ms;
	uint8_t chance;

	io_random(&chance, sizeof(chance));
	drop_source(p);
	end_probe(p);
	pull_url_shown(url, p);
	step = pull_course_failed(&p->course, ran, now_of(p) - p->run_ms,
				  chance, &pause_ms);
	p->resume_ms = now_of(p) + pause_ms;
	say_failed(p, url);
	if (step == PULL_STEP_SPENT)
		end_spent(p);
	else if (p->has_media)
		go_on_anew(p, p->why);
	else if (step == PULL_STEP_NEXT)
		dial(p);
	else
		p->state = PULL_PAUSES;
}

static void dial(struct pull *p)
{
	int err;

	p->state = PULL_DIALS;
	p->attempts++;
	p->attempt_ms = now_of(p);
	err = pull_source_new(&p->source, &p->owner->tools, url_of(p),
			      p->order.via, &source_events, p);
	if (!err)
		return;
	p->why = REASON_remote_lost;
	snprintf(p->detail, sizeof(p->detail), "%s", weir_strerror(err));
	p->is_source_over = true;
	look_soon(p);
}

/* ---- what is due ---- */

static bool is_unwanted(const struct pull *p)
{
	return p->order.auto_stop_ms >= 0 && p->unwanted_ms &&
	       now_of(p) - p->unwanted_ms >= (uint64_t)p->order.auto_stop_ms;
}

/* Did it take too long, or fall silent? */
static bool is_stuck(struct pull *p)
{
	const struct ingest_settings *s = p->owner->in->settings;
	uint64_t now_ms = now_of(p);

	if (p->state == PULL_DIALS) {
		p->why = REASON_timeout;
		return p->order.pull_timeout_ms &&
		       now_ms - p->attempt_ms >= p->order.pull_timeout_ms;
	}
	if (p->state != PULL_RUNS)
		return false;
	if (bytes_of(p) != p->heard_bytes) {
		p->heard_bytes = bytes_of(p);
		p->heard_ms = now_ms;
	}
	p->why = REASON_stall;
	return now_ms - p->heard_ms >= (uint64_t)s->publish_idle_ms;
}

static void look_at_probe(struct pull *p)
{
	uint64_t now_ms = now_of(p);

	if (p->state != PULL_RUNS || !p->course.url_at)
		return;
	if (!p->probe && !p->is_probe_over) {
		if (now_ms >= p->probe_ms)
			begin_probe(p);
		return;
	}
	if (p->is_probe_over && p->is_probe_well) {
		end_probe(p);
		drop_source(p);
		p->course.url_at = 0;
		p->resume_ms = 0;
		note(p, "pull.back", REASON_none, "the first address is well");
		go_on_anew(p, REASON_none);
	} else if (p->is_probe_over || now_ms - p->probe_ms >= PROBE_MAX_MS) {
		end_probe(p);
	}
}

/* It may be gone behind this. */
static void look(struct pull *p)
{
	if (is_unwanted(p)) {
		pull_finish(p, REASON_unwanted, "");
		return;
	}
	/* It lives, whatever the other end does. */
	publish_input(p->publish, bytes_of(p));
	if (p->is_source_over) {
		attempt_over(p);
	} else if (is_stuck(p)) {
		p->detail[0] = '\0';
		attempt_over(p);
	} else if (p->state == PULL_PAUSES && now_of(p) >= p->resume_ms) {
		dial(p);
	} else {
		look_at_probe(p);
	}
}

static void look_soon(struct pull *p)
{
	loop_at_pass_end(p->owner->in->loop, &p->task, look, p);
}

void pull_go_another_way(struct pull *p)
{
	p->resume_ms = 0;
	p->course.failures = 0;
	look_soon(p);
}

static void on_sweep(struct pulls *ps)
{
	pull_rules_tick(ps);
	list_each_safe (it, &ps->all)
		look(list_entry(it, struct pull, link));
}

/* ---- what the publish says ---- */

static void begin_at_last(struct pull *p)
{
	pull_answer(&p->call, "done", p->session_id, "");
	if (now_of(p) >= p->resume_ms)
		dial(p);
	else
		p->state = PULL_PAUSES;
}

static void on_accept(void *ctx)
{
	struct pull *p = ctx;
	bool is_new = p->order.is_new;

	p->order.is_new = false;
	if (is_new)
		pull_rule_put(p);
	else
		begin_at_last(p);
}

void pull_on_kept(struct pull *p, int err)
{
	const struct rule *r = pull_rule_of(p->owner, p->order.rule);
	const char *detail = err == WEIR_ELIMIT
				     ? "too many rules"
				     : "the registry does not answer";

	if (err) {
		pull_answer(&p->call, "registry", "", detail);
		pull_finish(p, REASON_no_resources, detail);
	} else if (!r) { /* it was stopped meanwhile */
		pull_answer(&p->call, "done", p->session_id, "");
		pull_finish(p, REASON_kicked, "its rule is gone");
	} else {
		p->order.rule_hash = pull_rule_hash(r);
		begin_at_last(p);
	}
}

static void on_retire(void *ctx, enum reason why)
{
	pull_finish(ctx, why, "");
}

static void on_publish_end(void *ctx, enum reason why, const char *detail)
{
	struct pull *p = ctx;

	p->publish = NULL;
	pull_finish(p, why, detail);
}

static void on_wanted(void *ctx, bool is_wanted)
{
	struct pull *p = ctx;

	p->unwanted_ms = is_wanted ? 0 : now_of(p);
	look_soon(p);
}

static const struct publish_door rtmp_door = {
	.protocol = "RTMP",
	.id_prefix = "RTMPPULL",
	.on_accept = on_accept,
	.on_retire = on_retire,
	.on_end = on_publish_end,
	.on_wanted = on_wanted,
};

static const struct publish_door flv_door = {
	.protocol = "FLV",
	.id_prefix = "FLVPULL",
	.on_accept = on_accept,
	.on_retire = on_retire,
	.on_end = on_publish_end,
	.on_wanted = on_wanted,
};

/* ---- the beginning ---- */

static int add(struct pull *p)
{
	struct pulls *ps = p->owner;
	int err = map_put(&ps->by_key, span_str(p->order.key.text), p);

	list_append(&ps->all, &p->link);
	if (!err && p->order.is_once)
		err = pull_rule_new(p);
	return err ? err : begin_publish(p);
}

static void say_start(struct pull *p)
{
	char url[PULL_URL_SHOWN];

	pull_url_shown(url, p);
	logger_event(p->owner->in->log, &ingest_pull_start,
		     kv_str("stream", p->order.key.text),
		     kv_str("session", p->session_id),
		     kv_str("rule", p->order.rule), kv_str("url", url),
		     kv_int("auto_stop_ms", p->order.auto_stop_ms));
	note(p, "pull.start", REASON_none, url);
}

int pull_start(struct pulls *ps, struct pull_order *order,
	       struct member_call **call)
{
	struct pull *p = NULL;
	int err = WEIR_ELIMIT;

	if (ps->by_key.count < (size_t)ps->in->settings->pulls_max) {
		p = calloc(1, sizeof(*p));
		err = WEIR_ENOMEM;
	}
	if (!p)
		return err;
	p->owner = ps;
	p->order = *order;
	p->course.url_count = order->url_count;
	p->course.retry_num = order->retry_num;
	order->url_count = 0;
	p->start_us = io_utc_us();
	p->began_ms = now_of(p);
	if (p->order.is_once)
		snprintf(p->session_id, sizeof(p->session_id), "%.*s",
			 RULE_ONCE_MAX, p->order.rule);
	list_init(&p->link);
	err = add(p);
	if (err) {
		pull_free(p);
		return err;
	}
	ps->in->stats.pulls++;
	ps->in->stats.pull_starts++;
	p->call = *call;
	*call = NULL;
	say_start(p);
	return 0;
}

static int open_tools(struct pulls *ps)
{
	struct ingest *in = ps->in;
	const struct http_client_options options = {
		.calls_max = (unsigned)in->settings->pulls_max * 2};
	const char *ca_file = in->rules->ca_file;
	char why[TLS_WHY_SIZE];
	int err;

	ps->tools.loop = in->loop;
	ps->tools.ca_file = *ca_file ? ca_file : NULL;
	err = tls_trust_new(&ps->tools.trust, ca_file, why);
	if (err)
		logger_event(in->log, &ingest_pull_fault,
			     kv_str("what", "cluster.ca_file"),
			     kv_str("why", why));
	if (!err)
		err = http_client_new(&ps->tools.http, in->loop, &options);
	return err;
}

int pulls_new(struct pulls **out, struct ingest *in)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(in->svc, &svc_cluster_conf);
	struct pulls *ps = calloc(1, sizeof(*ps));
	uint64_t seed;
	int err;

	if (!ps)
		return WEIR_ENOMEM;
	io_random(&seed, sizeof(seed));
	ps->in = in;
	ps->cluster = cluster->id;
	list_init(&ps->all);
	list_init(&ps->rules);
	map_init(&ps->by_key, seed);
	err = timer_new(&ps->sweep, in->loop, on_sweep, ps);
	if (!err)
		err = open_tools(ps);
	if (err) {
		pulls_free(&ps);
		return err;
	}
	timer_repeat(ps->sweep, SWEEP_MS);
	*out = ps;
	return 0;
}

void pulls_free(struct pulls **pps)
{
	struct pulls *ps = *pps;

	if (!ps)
		return;
	*pps = NULL;
	list_each_safe (it, &ps->all) {
		struct pull *p = list_entry(it, struct pull, link);

		publish_leave(&p->publish, REASON_draining);
		pull_answer(&p->call, "no_ingest", "", "");
		pull_free(p);
	}
	pull_rules_fini(ps);
	timer_free(&ps->sweep);
	http_client_free(&ps->tools.http);
	tls_trust_free(&ps->tools.trust);
	map_fini(&ps->by_key);
	free(ps);
}
