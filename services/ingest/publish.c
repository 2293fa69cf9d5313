/* services/ingest/publish.c - one publisher's stream, whatever it speaks. */
#include "services/ingest/publish_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/fetch.h"
#include "common/conf/json.h"
#include "common/member/events.h"

/* From here on nobody is told, and it is no publisher any more. */
static void forget_door(struct publish *p)
{
	giving_free(&p->giving);
	gate_leave(&p->pass);
	p->in->stats.publishers -= p->door != NULL;
	p->door = NULL;
}

void publish_free(struct publish *p)
{
	forget_door(p);
	list_remove(&p->link);
	session_fini(&p->session);
	writer_free(&p->writer);
	maker_free(&p->maker);
	log_free(&p->log);
	free(p);
}

static void count(struct publish *p)
{
	struct ingest_stats *s = &p->in->stats;
	struct maker_stats now;

	maker_get_stats(p->maker, &now);
	s->in_frames += now.frames - p->counted.frames;
	s->dropped += now.dropped - p->counted.dropped;
	s->corrupt += now.corrupt - p->counted.corrupt;
	s->clamped += now.clamped - p->counted.clamped;
	s->jumps += now.jumps - p->counted.jumps;
	s->unsupported += now.unsupported - p->counted.unsupported;
	p->counted = now;
}

/* ---- the maker's frames ---- */

static int on_frame(void *ctx, struct frame *f)
{
	struct publish *p = ctx;
	int err = log_append(p->log, f);

	if (!err)
		writer_appended(p->writer, member_now_ms(p->in->member));
	return err;
}

static void on_notice(void *ctx, enum reason why, const char *detail)
{
	struct publish *p = ctx;

	member_event(p->in->member, &p->key, "notice", why, detail);
}

const struct maker_events publish_maker_events = {on_frame, on_notice};

/* ---- the writer's decisions ---- */

void publish_log_end(struct publish *p, enum reason why, const char *detail)
{
	int64_t long_ms = (io_utc_us() - p->session.start_us) / 1000;

	if (p->is_pull)
		return;
	logger_event(
		p->in->log, &ingest_publish_end, kv_str("stream", p->key.text),
		kv_str("session", p->session.id),
		kv_str("reason", reason_name(why)), kv_str("detail", detail),
		kv_uint("bytes", p->session.read_bytes),
		kv_uint("frames", p->counted.frames),
		kv_uint("dropped", p->counted.dropped), kv_int("ms", long_ms));
}

void publish_visit(struct ingest *in, const struct stream_key *key,
		   const char *protocol, const struct net_addr *peer,
		   enum reason why, const char *detail)
{
	char ip[NET_ADDR_TEXT_SIZE];
	const struct event_visit visit = {
		.kind = EVENT_PUBLISH_REFUSED,
		.reason = (int)why,
		.protocol = protocol,
		.address = net_addr_ip_text(ip, peer),
		.detail = detail,
	};

	member_visit(in->member, key, &visit);
}

/* It has not begun. */
static void note_refusal(struct publish *p, enum reason why, const char *detail)
{
	p->in->stats.refused++;
	if (!p->is_pull && why != REASON_peer_left && why != REASON_peer_end)
		publish_visit(p->in, &p->key, p->session.protocol, &p->peer,
			      why, detail);
}

void publish_end(struct publish *p, enum reason why, const char *detail)
{
	const struct publish_door *door = p->door;
	void *ctx = p->ctx;

	forget_door(p);
	if (door) {
		if (!p->maker)
			note_refusal(p, why, detail);
		publish_log_end(p, why, detail);
		door->on_end(ctx, why, detail);
	}
	publish_free(p);
}

/* What it wrote is delivered, and the home knows. on_end of the writer comes
 * then. */
void publish_close(struct publish *p, enum reason why, const char *detail)
{
	const struct publish_door *door = p->door;
	struct ingest *in = p->in;

	if (!p->writer) {
		publish_end(p, why, detail);
		return;
	}
	if (!p->maker)
		note_refusal(p, why, detail);
	publish_log_end(p, why, detail);
	forget_door(p);
	door->on_end(p->ctx, why, detail);
	writer_leave(p->writer, why, member_now_ms(in->member));
	member_wake(in->member);
}

struct maker_limits publish_maker_limits(const struct ingest *in)
{
	return (struct maker_limits){
		.tracks_settle_ms = (uint32_t)in->settings->tracks_settle_ms,
		.join_wait_max_ms = (uint32_t)in->settings->join_wait_max_ms,
		.hold_bytes = (uint32_t)in->settings->gop_max_bytes,
		.fragment_ms = (uint32_t)in->rules->fragment_duration_ms,
		.max_fragment_ms = (uint32_t)in->rules->max_fragment_ms,
	};
}

void publish_log_start(const struct publish *p)
{
	if (p->is_pull)
		return;
	logger_event(
		p->in->log, &ingest_publish_start,
		kv_str("stream", p->key.text), kv_str("session", p->session.id),
		kv_addr("peer", &p->peer), kv_str("proto", p->door->protocol));
}

static void on_granted(void *ctx, struct writer *w,
		       const struct writer_start *start)
{
	struct publish *p = ctx;
	struct ingest *in = p->in;
	const struct maker_limits limits = publish_maker_limits(in);
	const struct maker_start from = {
		.epoch = start->epoch,
		.open = start->open,
		.previous = start->previous,
		.target_ms = start->target_ms,
	};

	(void)w;
	if (!p->door)
		return; /* it left before it was granted */
	if (maker_new(&p->maker, &limits, &from, &publish_maker_events, p)) {
		publish_close(p, REASON_no_resources, "");
		return;
	}
	in->stats.accepted++;
	publish_log_start(p);
	p->door->on_accept(p->ctx);
}

static void on_end(void *ctx, struct writer *w, enum reason why,
		   const char *detail)
{
	(void)w;
	if (!publish_hold(ctx, why))
		publish_end(ctx, why, detail);
}

/* What is saved for another ingest says what was. */
static void on_term(void *ctx, struct writer *w)
{
	struct publish *p = ctx;

	(void)w;
	giving_take_back(p);
}

static void on_wanted(void *ctx, struct writer *w, bool is_wanted)
{
	struct publish *p = ctx;

	(void)w;
	if (p->door && p->door->on_wanted)
		p->door->on_wanted(p->ctx, is_wanted);
}

const struct writer_events publish_writer_events = {
	.on_granted = on_granted,
	.on_end = on_end,
	.on_wanted = on_wanted,
	.on_term = on_term,
};

/* ---- the door's side ---- */

static int open_log(struct publish *p)
{
	const struct ingest_settings *s = p->in->settings;
	const struct log_limits limits = {
		.retain_ms = (uint32_t)s->retain_ms,
		.retain_bytes = (uint64_t)s->retain_bytes,
		.gop_max_bytes = (uint64_t)s->gop_max_bytes,
		.join_spacing_ms = 100,
	};

	return log_new(&p->log, &limits);
}

int publish_claim(struct publish *p)
{
	struct writer_request rq = {
		.key = p->key,
		.session = io_uuid(),
		.start_us = p->session.start_us,
		.log = p->log,
	};
	int err;

	snprintf(rq.kind, sizeof(rq.kind), "%s",
		 p->is_pull ? "pull" : "publish");
	snprintf(rq.credential, sizeof(rq.credential), "%s",
		 gate_credential(&p->pass));
	err = writer_new(&p->writer, p->in->writers, &rq,
			 &publish_writer_events, p,
			 member_now_ms(p->in->member));
	member_wake(p->in->member);
	return err;
}

int publish_make(struct publish **out, struct ingest *in,
		 const struct publish_request *request,
		 const struct publish_door *door, void *ctx)
{
	struct publish *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return WEIR_ENOMEM;
	p->in = in;
	p->door = door;
	p->ctx = ctx;
	p->key = request->key;
	p->peer = request->peer;
	p->is_pull = request->is_pull;
	list_init(&p->link);
	list_append(&in->publishes, &p->link);
	in->stats.publishers++;
	session_init(&p->session, door->id_prefix, door->protocol,
		     p->is_pull ? "PULL" : "PUB", &p->key, &p->peer,
		     request->url_param, loop_now_ms(in->loop));
	if (request->id)
		snprintf(p->session.id, sizeof(p->session.id), "%s",
			 request->id);
	err = open_log(p);
	if (err)
		publish_free(p);
	else
		*out = p;
	return err;
}

int publish_new(struct publish **out, struct ingest *in,
		const struct publish_request *request,
		const struct publish_door *door, void *ctx)
{
	struct publish *p;
	int err = publish_make(&p, in, request, door, ctx);

	if (err)
		return err;
	err = publish_ask(p, request->url_param);
	if (err)
		publish_free(p);
	else
		*out = p;
	return err;
}

void publish_ahead(const struct publish *p, unsigned step)
{
	if (step == 0) {
		fetch_bytes(p, offsetof(struct publish, session));
		fetch(&p->session.read_bytes);
		fetch_bytes(p->second, sizeof(p->second[0]));
		fetch(&p->frames_before);
		return;
	}
	if (step == 1 && p->maker)
		maker_ahead(p->maker);
	if (step == 1 && p->writer)
		writer_ahead(p->writer);
	if (p->log)
		log_ahead(p->log, step - 1);
}

int publish_tag(struct publish *p, uint8_t type, uint32_t timestamp_ms,
		struct span body)
{
	struct flv_unit unit;
	int err;

	flv_body_parse(&unit, type, body);
	err = maker_put(p->maker, &unit, timestamp_ms, loop_utc_us(p->in->loop),
			member_now_ms(p->in->member));
	count(p);
	if (maker_due_ms(p->maker) != INT64_MAX)
		member_wake(p->in->member);
	return err;
}

void publish_input(struct publish *p, uint64_t total_bytes)
{
	uint64_t read = total_bytes - p->before_bytes;

	/* What an earlier publish of the connection sent is not this one's. */
	if (!p->has_input) {
		p->before_bytes = total_bytes;
		read = 0;
	}
	p->has_input = true;
	p->in->stats.in_bytes += read - p->session.read_bytes;
	p->session.read_bytes = read;
	if (p->writer) /* else it is refused, or its word is awaited */
		writer_input(p->writer, member_now_ms(p->in->member));
}

const char *publish_query_of(const struct ingest *in, const char *stream)
{
	list_each (it, &in->publishes) {
		const struct publish *p = list_entry(it, struct publish, link);

		if (p->maker && !strcmp(p->key.text, stream))
			return p->session.url_param ? p->session.url_param : "";
	}
	return NULL;
}

const struct session *publish_session(const struct publish *p)
{
	return &p->session;
}

void publish_set_source(struct publish *p, const char *protocol,
			const char *addr)
{
	p->session.protocol = protocol;
	snprintf(p->session.remote_addr, sizeof(p->session.remote_addr), "%s",
		 addr);
}

void publish_leave(struct publish **pp, enum reason why)
{
	struct publish *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	publish_log_end(p, why, "");
	forget_door(p);
	if (p->writer)
		writer_leave(p->writer, why, member_now_ms(p->in->member));
	else
		publish_free(p);
}

/* ---- all of them ---- */

static struct publish *publish_of(struct list *it)
{
	return list_entry(it, struct publish, link);
}

int64_t publish_tick_all(struct ingest *in, int64_t now_ms)
{
	int64_t due = INT64_MAX;

	list_each_safe (it, &in->publishes) {
		struct publish *p = publish_of(it);

		if (p->door && !p->maker) {
			int64_t ask_ms = publish_ask_tick(p, now_ms);

			due = WEIR_MIN(due, ask_ms);
			continue;
		}
		if (!p->maker || !p->door)
			continue;
		if (maker_due_ms(p->maker) <= now_ms &&
		    maker_tick(p->maker, now_ms)) {
			publish_close(p, REASON_no_resources, "");
			continue;
		}
		due = WEIR_MIN(due, maker_due_ms(p->maker));
	}
	return due;
}

void publish_give_some(struct ingest *in, size_t count)
{
	list_each_safe (it, &in->publishes) {
		struct publish *p = publish_of(it);

		if (!count)
			return;
		if (p->was_offered || p->is_retiring || !publish_can_pass(p))
			continue;
		giving_start(p);
		count--;
	}
}

size_t publish_open_count(const struct ingest *in)
{
	size_t count = 0;

	list_each (it, &in->publishes)
		count += publish_of(it)->door != NULL;
	return count;
}

void publish_end_some(struct ingest *in, size_t count, enum reason why)
{
	list_each_safe (it, &in->publishes) {
		struct publish *p = publish_of(it);

		if (!count)
			return;
		if (!p->door || p->giving || p->is_retiring)
			continue;
		p->is_retiring = true;
		if (p->maker)
			p->door->on_retire(p->ctx, why);
		else
			publish_close(p, why, "");
		count--;
	}
}

/* Called each second: what the second that is over had. */
static void count_second(struct publish *p, int64_t unix_s)
{
	size_t keep = WEIR_MIN(p->second_count, (size_t)SECONDS - 1);
	uint64_t frames = p->counted.video_frames;

	memmove(&p->second[1], &p->second[0], keep * sizeof(p->second[0]));
	p->second[0].unix_s = unix_s;
	p->second[0].count = (uint32_t)(frames - p->frames_before);
	p->second_count = keep + 1;
	p->frames_before = frames;
}

void publish_on_second(struct ingest *in)
{
	int64_t unix_s = io_utc_us() / 1000000 - 1;

	list_each (it, &in->publishes) {
		struct publish *p = publish_of(it);

		if (!p->door || !p->maker)
			continue;
		count_second(p, unix_s);
		if (unix_s % (SESSION_SAMPLE_MS / 1000) == 0)
			session_sample(&p->session, loop_now_ms(in->loop));
	}
}

static struct json_object *one_session(struct publish *p)
{
	return session_json(&p->session);
}

/* One object for each publisher that has been let in. */
static void fill(const struct ingest *in, const char *stream,
		 struct member_page *page,
		 struct json_object *(*make)(struct publish *p))
{
	list_each (it, &in->publishes) {
		struct publish *p = publish_of(it);

		if (!p->door || !p->maker ||
		    (stream && strcmp(stream, p->key.text)))
			continue;
		if (member_page_takes(page))
			json_object_array_add(page->list, make(p));
	}
}

void publish_sessions_json(const struct ingest *in, const char *stream,
			   struct member_page *page)
{
	fill(in, stream, page, one_session);
}

void publish_each_session(const struct ingest *in,
			  void (*fn)(void *ctx, struct session *s), void *ctx)
{
	list_each (it, &in->publishes) {
		struct publish *p = publish_of(it);

		if (p->door && p->maker)
			fn(ctx, &p->session);
	}
}

void publish_free_all(struct ingest *in)
{
	list_each_safe (it, &in->publishes)
		publish_free(publish_of(it));
}

static struct json_object *track_json(const struct track *t,
				      const struct maker_stats *s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "codec",
			       json_object_new_string(codec_name(t->codec)));
	json_object_object_add(
		o, "api_codec",
		json_object_new_string(codec_api_name(t->codec)));
	if (t->kind == FRAME_VIDEO) {
		json_add_int(o, "width", t->width);
		json_add_int(o, "height", t->height);
		json_object_object_add(
			o, "fps",
			json_object_new_double(
				(s->fps_x100 ? s->fps_x100 : t->fps_x100) /
				100.0));
	} else {
		json_add_int(o, "rate", t->rate);
		json_add_int(o, "channels", t->channels);
	}
	return o;
}

static struct json_object *seconds_json(const struct publish *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->second_count; i++) {
		struct json_object *o = json_object_new_object();

		json_add_int(o, "unix_sec", p->second[i].unix_s);
		json_add_int(o, "v", p->second[i].count);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *stream_json(struct publish *p)
{
	struct json_object *o = json_object_new_object();
	const struct tracks *t = maker_tracks(p->maker);
	const struct track *video = tracks_first(t, FRAME_VIDEO);
	const struct track *audio = tracks_first(t, FRAME_AUDIO);
	struct maker_stats s;

	maker_get_stats(p->maker, &s);
	json_object_object_add(o, "stream",
			       json_object_new_string(p->key.text));
	json_object_object_add(o, "session_id",
			       json_object_new_string(p->session.id));
	json_object_object_add(
		o, "settled",
		json_object_new_boolean(maker_is_settled(p->maker)));
	if (video)
		json_object_object_add(o, "video", track_json(video, &s));
	if (audio)
		json_object_object_add(o, "audio", track_json(audio, &s));
	json_add_int(o, "gop_ms", s.gop_ms);
	json_add_int(o, "frames", (int64_t)s.frames);
	json_add_int(o, "video_frames", (int64_t)s.video_frames);
	json_add_int(o, "dropped", (int64_t)s.dropped);
	json_add_int(o, "clamped", (int64_t)s.clamped);
	json_object_object_add(o, "in_frame_per_sec", seconds_json(p));
	return o;
}

void publish_streams_json(const struct ingest *in, struct member_page *page)
{
	fill(in, NULL, page, stream_json);
}
