/* services/ingest/ingest.c - the process of an ingest: wiring. */
#include "services/ingest/ingest.h"

#include <stdlib.h>

#include "common/io/batch.h"
#include "common/member/session_page.h"
#include "services/ingest/internal.h"
#include "services/ingest/pull.h"

#define GIVING_MAX  32 /* at a time */
#define REST_MAX_MS 20u

const struct log_event ingest_publish_start = {"publish.start", LOG_INFO,
					       "stream session peer proto",
					       "A publisher was let in."};
const struct log_event ingest_publish_end = {
	"publish.end", LOG_INFO,
	"stream session reason detail bytes frames dropped ms",
	"A publisher left, or was refused."};

const struct log_event *const ingest_log_events[] = {&ingest_publish_start,
						     &ingest_publish_end,
						     &ingest_peer_closed,
						     &ingest_peer_handed,
						     &ingest_handover_fault,
						     &ingest_pull_start,
						     &ingest_pull_run,
						     &ingest_pull_fail,
						     &ingest_pull_end,
						     &ingest_pull_fault,
						     NULL};

/* ---- what the cluster says ---- */

static void on_link(void *ctx, const struct node_ref *node, bool is_up,
		    int64_t now_ms)
{
	struct ingest *in = ctx;

	if (!strcmp(node->role, "origin"))
		writers_on_link(in->writers, node, is_up, now_ms);
}

static int on_record(void *ctx, link_id link, const struct record *r,
		     int64_t now_ms)
{
	struct ingest *in = ctx;

	writers_on_record(in->writers, link, r, now_ms);
	return 0;
}

static int on_frame(void *ctx, link_id link, uint16_t type, uint32_t sid,
		    uint64_t term_number, struct frame *f, int64_t now_ms)
{
	struct ingest *in = ctx;

	return writers_on_frame(in->writers, link, type, sid, term_number, f,
				now_ms);
}

static bool on_answer(void *ctx, uint64_t tag, const struct answer *a,
		      int64_t now_ms)
{
	struct ingest *in = ctx;

	return writers_on_answer(in->writers, tag, a, now_ms);
}

static bool on_script(void *ctx, uint64_t tag, const struct script_result *r,
		      int64_t now_ms)
{
	struct ingest *in = ctx;

	return writers_on_script(in->writers, tag, r, now_ms);
}

static void on_question(void *ctx, const struct question *q, struct answer *out,
			int64_t now_ms)
{
	struct ingest *in = ctx;

	writers_on_question(in->writers, q, out, now_ms);
}

static void on_registry(void *ctx, bool is_up, bool is_other, int64_t now_ms)
{
	struct ingest *in = ctx;

	writers_on_registry(in->writers, is_up, is_other, now_ms);
}

static void on_entry(void *ctx, const struct stream_entry *e, int64_t now_ms)
{
	struct ingest *in = ctx;

	writers_on_entry(in->writers, e, now_ms);
}

static void on_away(void *ctx, int64_t now_ms)
{
	struct ingest *in = ctx;

	writers_on_away(in->writers, now_ms);
}

static int64_t tick(void *ctx, int64_t now_ms)
{
	struct ingest *in = ctx;
	int64_t due = publish_tick_all(in, now_ms);

	return WEIR_MIN(due, writers_tick(in->writers, now_ms));
}

static void on_load(void *ctx, struct node_load *load)
{
	struct ingest *in = ctx;

	publish_on_second(in);
	load->publishers = (uint32_t)in->stats.publishers;
	load->streams = load->publishers;
	load->in_bps += (in->stats.in_bytes - in->in_before) * 8;
	in->in_before = in->stats.in_bytes;
	gate_on_load(in->gate, load);
	load->is_full =
		gate_is_full(in->gate, ACCESS_PUBLISH) ||
		load->publishers >= (uint64_t)in->settings->publishers_max;
}

static void on_rules(void *ctx, int64_t now_ms)
{
	struct ingest *in = ctx;

	(void)now_ms;
	gate_on_rules(in->gate);
	pulls_on_rules(in->pulls);
}

/* ---- calls of dispatch ---- */

static struct json_object *list_json(struct ingest *in, const char *name,
				     struct json_object *args)
{
	struct json_object *o = json_object_new_object();
	struct member_page page = {
		.list = json_object_new_array(),
		.from = WEIR_MAX(member_json_int(args, "from"), 0),
	};

	if (!strcmp(name, "sessions"))
		publish_sessions_json(in, member_json_text(args, "stream"),
				      &page);
	else if (!strcmp(name, "pulls"))
		pulls_json(in->pulls, &page);
	else
		publish_streams_json(in, &page);
	json_object_object_add(o, name, page.list);
	member_page_end(&page, o);
	return o;
}

static struct json_object *some_sessions_json(const struct ingest *in,
					      struct json_object *args)
{
	struct session_page page;

	if (session_page_begin(&page, args))
		return NULL;
	publish_each_session(in, session_page_offer, &page);
	return session_page_end(&page);
}

/* For the home of the stream, which pushes it on. */
static struct json_object *query_json(const struct ingest *in,
				      const char *stream)
{
	struct json_object *o = json_object_new_object();
	const char *query = stream ? publish_query_of(in, stream) : NULL;

	if (o && query)
		json_object_object_add(o, "query",
				       json_object_new_string(query));
	return o;
}

static bool on_call(void *ctx, struct member_call *call, const char *name,
		    struct json_object *args)
{
	struct ingest *in = ctx;

	if (!strcmp(name, "sessions") && session_page_is_asked(args))
		member_answer(&call, some_sessions_json(in, args));
	else if (!strcmp(name, "sessions") || !strcmp(name, "streams") ||
		 !strcmp(name, "pulls"))
		member_answer(&call, list_json(in, name, args));
	else if (!strcmp(name, "query"))
		member_answer(&call,
			      query_json(in, member_json_text(args, "stream")));
	else if (!strcmp(name, "kick"))
		member_answer(&call, gate_kick_json(in->gate, args));
	else if (!strcmp(name, "pull"))
		pulls_order(in->pulls, call, args);
	else if (!strcmp(name, "pull_stop"))
		member_answer(&call, pulls_stop_json(
					     in->pulls,
					     member_json_text(args, "stream")));
	else
		return false;
	return true;
}

static void on_frame_out(void *ctx, const struct frame *f)
{
	struct ingest *in = ctx;

	stat_age_add(&in->stats.age, f->arrival_us, loop_utc_us(in->loop));
}

static const struct member_events events = {
	.on_link = on_link,
	.on_frame_out = on_frame_out,
	.on_record = on_record,
	.on_frame = on_frame,
	.on_answer = on_answer,
	.on_script = on_script,
	.on_question = on_question,
	.on_registry = on_registry,
	.on_entry = on_entry,
	.on_away = on_away,
	.tick = tick,
	.on_call = on_call,
	.on_load = on_load,
	.on_rules = on_rules,
};

/* ---- life ---- */

static void on_left(void *ctx)
{
	struct ingest *in = ctx;

	svc_drained(in->svc);
}

/* Other ingests of this machine take what they can. */
static void give_due(struct ingest *in)
{
	if (in->giving_count < GIVING_MAX)
		publish_give_some(in, GIVING_MAX - in->giving_count);
}

/* The rest is closed in groups. */
static void end_due(struct ingest *in)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(in->svc, &svc_cluster_conf);
	uint64_t elapsed_ms = loop_now_ms(in->loop) - in->drain_ms;
	size_t due = svc_drain_due(cluster, in->drain_total, elapsed_ms);

	if (due <= in->drain_done)
		return;
	publish_end_some(in, due - in->drain_done, REASON_draining);
	in->drain_done = due;
	member_wake(in->member);
}

/* What was published is delivered before the end. */
static void on_drain_tick(struct ingest *in)
{
	give_due(in);
	if (in->giving_count) {
		in->drain_ms = loop_now_ms(in->loop);
		return;
	}
	if (!in->drain_total)
		in->drain_total = publish_open_count(in);
	end_due(in);
	if (!rtmp_door_is_empty(in->rtmp) || !list_is_empty(&in->publishes) ||
	    !bus_is_drained(member_bus(in->member)))
		return;
	timer_stop(in->drain);
	member_leave(in->member, on_left, in);
}

static void on_drain(struct ingest *in)
{
	svc_ready(in->svc, false, "draining");
	in->is_draining = true;
	member_set_draining(in->member);
	rtmp_door_close(in->rtmp);
	handed_free(&in->handed);
	in->drain_ms = loop_now_ms(in->loop);
	on_drain_tick(in);
	timer_repeat(in->drain, 20);
}

/* What is put off anyway may as well be read later; but a socket does not hold
 * what a fast publisher sends in any time. */
static unsigned rest_ms(struct ingest *in)
{
	struct bus *bus = member_bus(in->member);
	const unsigned put_off_ms = bus_put_off_ms(bus);

	if (put_off_ms <= REST_MAX_MS)
		bus_has_rested(bus);
	return WEIR_MIN(put_off_ms, REST_MAX_MS);
}

static int start(struct ingest *in)
{
	const struct member_bus_settings *bus =
		svc_settings(in->svc, &member_bus_conf);
	int err = timer_new(&in->drain, in->loop, on_drain_tick, in);

	if (!err)
		err = member_new(&in->member, in->svc, &events, in);
	if (!err)
		err = gate_new(&in->gate, in->svc, in->member);
	if (!err)
		err = writers_new(&in->writers, member_world(in->member));
	if (!err)
		writers_set_replicas(in->writers,
				     (unsigned)in->settings->replicas);
	if (!err && bus->flush_ms)
		err = batch_new(&in->batch, in->loop, rest_ms, in);
	if (!err)
		err = rtmp_door_new(&in->rtmp, in);
	if (!err)
		err = handed_new(&in->handed, in);
	if (!err)
		err = pulls_new(&in->pulls, in);
	if (!err)
		err = stat_add(svc_stats(in->svc), &ingest_stat, &in->series,
			       &in->stats, NULL);
	return err;
}

int ingest_new(struct ingest **out, struct svc *svc)
{
	struct ingest *in = calloc(1, sizeof(*in));
	int err;

	if (!in)
		return WEIR_ENOMEM;
	in->svc = svc;
	in->loop = svc_loop(svc);
	in->log = svc_log(svc);
	in->settings = svc_settings(svc, &ingest_conf);
	in->rules = svc_settings(svc, &member_cluster_conf);
	list_init(&in->publishes);
	err = start(in);
	if (err) {
		ingest_free(&in);
		return err;
	}
	svc_on_drain(svc, on_drain, in);
	svc_ready(svc, true, "");
	*out = in;
	return 0;
}

void ingest_free(struct ingest **pin)
{
	struct ingest *in = *pin;

	if (!in)
		return;
	stat_remove(&in->series);
	handed_free(&in->handed);
	rtmp_door_free(&in->rtmp);
	pulls_free(&in->pulls);
	batch_free(&in->batch);
	publish_free_all(in);
	writers_free(&in->writers);
	gate_free(&in->gate);
	member_free(&in->member);
	timer_free(&in->drain);
	free(in);
	*pin = NULL;
}
