/* tests/sim/people.c - publishers that come back, and viewers that stay. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#define FRAME_MS      100
#define GOP           10
#define INPUT_DEAD_MS 10000 /* an ingest gives a silent publisher up */

static const struct log_limits writer_log = {10000, 16 << 20, 8 << 20, 500};

/* ---- sessions ---- */

void session_free(struct sim_session *se)
{
	pass_free(&se->passing);
	guests_leave(&se->guest);
	list_remove(&se->link);
	if (se->publisher)
		se->publisher->session = NULL;
	for (size_t i = 0; i < se->sim->published_count; i++)
		if (se->sim->published[i].by == se)
			se->sim->published[i].by = NULL;
	writer_free(&se->writer);
	log_free(&se->log);
	free(se);
}

static void append(struct sim_session *se, uint8_t kind, uint8_t flags,
		   struct span payload)
{
	struct sim *s = se->sim;
	int64_t dts_ns =
		se->base_ns + (int64_t)se->media * FRAME_MS * NS_PER_MS;
	struct frame head = {
		.kind = kind,
		.flags = flags,
		.track = 1,
		.position = {se->epoch, se->sequence++},
		.dts_ns = dts_ns,
		.pts_ns = dts_ns,
		.arrival_us = SIM_START_US + s->now_us,
	};
	struct frame *f = NULL;
	int err;

	BUG_ON(frame_new(&f, &head, payload));
	check_appended(s, se, f);
	err = log_append(se->log, f);
	if (err)
		sim_violation(s, "the ingest's own log refuses a frame: %s",
			      weir_strerror(err));
	frame_unref(&f);
	writer_appended(se->writer, sim_now_ms(s));
}

static void append_cut(struct sim_session *se)
{
	struct cut_state cut = {.segment = se->segment++, .target_ms = 1000};
	struct buf b = {0};

	cut_state_write(&b, &cut);
	append(se, FRAME_CUT, 0, buf_span(&b));
	buf_fini(&b);
}

static void append_media(struct sim_session *se)
{
	uint64_t noise[2] = {se->media, se->epoch.counter};
	bool is_join = se->media % GOP == 0;

	if (is_join)
		append_cut(se);
	append(se, FRAME_VIDEO, is_join ? FRAME_JOIN : 0, SPAN(noise));
	se->media++;
}

static void on_granted(void *ctx, struct writer *w,
		       const struct writer_start *start)
{
	struct sim_session *se = ctx;
	struct buf b = {0};

	se->is_granted = true;
	se->epoch = start->epoch;
	se->base_ns = start->open.dts_base_ns;
	se->segment = start->open.segment;
	check_granted(se->sim, se, writer_entry(w));
	epoch_state_write(&b, &start->open);
	append(se, FRAME_EPOCH, 0, buf_span(&b));
	buf_fini(&b);
	append(se, FRAME_META, 0, SPAN_LIT("meta"));
	append(se, FRAME_CONFIG, 0, SPAN(se->epoch.writer.byte));
	append_media(se);
}

static void on_end(void *ctx, struct writer *w, enum reason why,
		   const char *detail)
{
	struct sim_session *se = ctx;
	struct publisher *p = se->publisher;
	struct sim *s = se->sim;

	(void)w;
	sim_trace(s, "%s: session of %s ends: %s, %s", se->node->id,
		  s->key[se->key].text, reason_name(why), detail);
	if (!se->is_granted)
		check_refused(s, se, why);
	else
		check_ended(s, se, why, detail);
	if (p)
		p->next_us = s->now_us + sim_between_us(s, 200, 1500);
	session_free(se);
}

static void on_wanted(void *ctx, struct writer *w, bool is_wanted)
{
	(void)ctx;
	(void)w;
	(void)is_wanted;
}

/* What is saved for another ingest is old. */
static void on_term(void *ctx, struct writer *w)
{
	struct sim_session *se = ctx;

	(void)w;
	if (se->passing)
		se->passing->is_old = true;
}

const struct writer_events session_events = {on_granted, on_end, on_wanted,
					     on_term, NULL};

void session_claim(struct sim_session *se)
{
	struct sim *s = se->sim;
	struct writer_request request = {
		.key = s->key[se->key],
		.session = sim_uuid(s),
		.start_us = SIM_START_US + s->now_us,
		.log = se->log,
	};

	snprintf(request.kind, sizeof(request.kind), "%s",
		 se->is_pull ? "pull" : "publish");
	if (s->options.mutant != SIM_GATE_NAMELESS)
		snprintf(request.credential, sizeof(request.credential), "%s",
			 guests_credential(se->guest));
	BUG_ON(writer_new(&se->writer, se->node->writers, &request,
			  &session_events, se, sim_now_ms(s)));
}

void session_put_out(struct sim_session *se, enum reason why)
{
	struct sim *s = se->sim;
	struct publisher *p = se->publisher;

	sim_trace(s, "%s: %s is put out: %s", se->node->id,
		  s->key[se->key].text, reason_name(why));
	pass_free(&se->passing);
	guests_leave(&se->guest);
	if (p) {
		p->next_us = s->now_us + sim_between_us(s, 200, 1500);
		p->session = NULL;
	}
	se->publisher = NULL;
	session_leave(se, why);
}

static void connect(struct sim *s, struct publisher *p, struct sim_node *n)
{
	struct sim_session *se = sim_need(calloc(1, sizeof(*se)));

	BUG_ON(log_new(&se->log, &writer_log));
	se->sim = s;
	se->node = n;
	se->life = n->life;
	se->publisher = p;
	se->key = p->key;
	se->is_pull = p->is_pull;
	se->input_us = se->began_us = se->lively_us = s->now_us;
	list_append(&s->sessions, &se->link);
	p->session = se;
	p->next_us = s->now_us + FRAME_MS * MS;
	s->claims++;
	sim_trace(s, "publisher %zu: publishes %s at %s", p->index,
		  s->key[p->key].text, n->id);
	guests_ask(se);
}

/* ---- what a publisher sends ---- */

enum input { INPUT_CONNECT, INPUT_MEDIA, INPUT_FIN };

struct input_job {
	struct job job;
	enum input what;
	size_t publisher;
	struct sim_session *session; /* may be gone: compared only */
	uint64_t session_began;
};

static struct sim_session *find_session(struct sim *s,
					const struct input_job *i)
{
	list_each (l, &s->sessions) {
		struct sim_session *se =
			list_entry(l, struct sim_session, link);

		if (se == i->session &&
		    (uint64_t)se->began_us == i->session_began)
			return se;
	}
	return NULL;
}

void session_leave(struct sim_session *se, enum reason why)
{
	if (se->is_left)
		return;
	if (!se->writer) { /* it has not claimed anything */
		session_free(se);
		return;
	}
	se->is_left = true;
	writer_leave(se->writer, why, sim_now_ms(se->sim));
}

void session_input(struct sim_session *se, uint32_t count)
{
	struct sim *s = se->sim;

	if (s->now_us - se->input_us > 2000 * MS)
		se->lively_us = s->now_us;
	se->input_us = s->now_us;
	if (se->passing) { /* nobody reads it now */
		se->passing->inputs += count;
		return;
	}
	for (; count && se->writer; count--) {
		writer_input(se->writer, sim_now_ms(s));
		if (se->is_granted)
			append_media(se);
	}
}

static void on_fin(struct sim_session *se)
{
	if (se->passing)
		se->passing->has_fin = true;
	else
		session_leave(se, REASON_peer_left);
}

static void on_input(struct sim *s, struct job *j)
{
	struct input_job *i = (struct input_job *)j;
	struct sim_session *se;

	if (i->what == INPUT_CONNECT) {
		struct publisher *p = &s->publisher[i->publisher];

		if (!p->session && !p->passing && !j->node->is_draining &&
		    s->now_us >= p->off_until_us)
			connect(s, p, j->node);
		return;
	}
	se = find_session(s, i);
	if (!se || se->is_left)
		return;
	if (i->what == INPUT_FIN)
		on_fin(se);
	else
		session_input(se, 1);
}

static void input_at(struct sim *s, struct sim_node *n, struct publisher *p,
		     enum input what)
{
	struct input_job *i = sim_job(s, sizeof(*i), n, on_input);

	i->what = what;
	i->publisher = p->index;
	i->session = p->session;
	if (p->session)
		i->session_began = (uint64_t)p->session->began_us;
	sim_at(s, &i->job, s->now_us + 100);
}

void publisher_drop(struct sim *s, struct publisher *p, bool with_fin,
		    int64_t off_us)
{
	struct sim_session *se = p->session;

	sim_trace(s, "publisher %zu: %s", p->index,
		  with_fin ? "leaves" : "loses its network");
	p->off_until_us = p->next_us = s->now_us + off_us;
	if (p->passing) {
		p->passing->has_fin = with_fin;
		p->passing->publisher = NULL;
		p->passing = NULL;
	}
	if (!se)
		return;
	if (with_fin)
		input_at(s, se->node, p, INPUT_FIN);
	se->publisher = NULL;
	p->session = NULL;
}

static struct sim_node *random_ingest(struct sim *s)
{
	struct sim_node *awake[NODES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < s->node_count; i++)
		if (s->node[i].kind == NODE_INGEST && s->node[i].is_alive &&
		    !s->node[i].is_paused && !s->node[i].is_draining)
			awake[count++] = &s->node[i];
	return count ? awake[sim_below(s, count)] : NULL;
}

static void send_media(struct sim *s, struct publisher *p)
{
	if (s->now_us < p->silent_until_us)
		return;
	if (p->passing)
		p->passing->inputs++;
	else
		input_at(s, p->session->node, p, INPUT_MEDIA);
}

static void publisher_timer(struct sim *s, struct publisher *p)
{
	struct sim_node *n;

	if (s->now_us < p->next_us)
		return;
	if (p->session || p->passing) {
		p->next_us += FRAME_MS * MS;
		send_media(s, p);
		return;
	}
	p->next_us = s->now_us + 300 * MS;
	n = random_ingest(s);
	if (n && s->now_us >= p->off_until_us)
		input_at(s, n, p, INPUT_CONNECT);
}

static void on_give_up(struct sim *s, struct job *j)
{
	struct sim_session *se = find_session(s, (struct input_job *)j);

	if (se)
		session_leave(se, REASON_timeout);
}

/* The ingest's own rule for connections on which nothing comes. */
static void watch_input(struct sim *s, struct sim_session *se)
{
	struct input_job *i;

	if (se->is_left || se->passing ||
	    s->now_us - se->input_us < INPUT_DEAD_MS * MS)
		return;
	i = sim_job(s, sizeof(*i), se->node, on_give_up);
	i->session = se;
	i->session_began = (uint64_t)se->began_us;
	sim_at(s, &i->job, s->now_us);
}

void people_timer(struct sim *s)
{
	for (size_t i = 0; i < s->publisher_count; i++)
		publisher_timer(s, &s->publisher[i]);
	list_each (l, &s->sessions)
		watch_input(s, list_entry(l, struct sim_session, link));
}

/* ---- viewers ---- */

static void on_frame(void *ctx, struct log *log, uint64_t ordinal)
{
	struct viewer *v = ctx;

	check_viewer_frame(v->sim, v, log_at(log, ordinal));
}

/* A new life has a new log. */
static void watch_log(struct viewer *v)
{
	struct log *log = follower_log(v->follower);

	if (v->log == log && !list_is_empty(&v->watch.link))
		return;
	v->log = log;
	v->has_last = v->may_gap = false;
	list_init(&v->watch.link);
	log_watch_add(log, &v->watch);
}

static void on_state(void *ctx, struct follower *f,
		     const struct follower_info *info)
{
	static const char *const name[] = {"searching", "live", "lost",
					   "ended"};
	struct viewer *v = ctx;

	(void)f;
	sim_trace(v->sim, "%s: viewer of %s is %s (%s)", v->node->id,
		  v->sim->key[v->key].text, name[info->state],
		  reason_name(info->why));
	if (info->state == FOLLOWER_ENDED && sim_is_lossless(v->sim))
		sim_violation(v->sim, "%s: a viewer's stream ended",
			      v->node->id);
	watch_log(v);
}

static void on_gap(void *ctx, struct follower *f, uint64_t frames,
		   enum reason why)
{
	struct viewer *v = ctx;

	(void)f;
	check_viewer_gap(v->sim, v, frames, why);
}

void people_edge_up(struct sim *s, struct sim_node *n)
{
	static const struct follower_events events = {on_state, on_gap};

	for (size_t i = 0; i < s->viewer_count; i++) {
		struct viewer *v = &s->viewer[i];
		enum follower_mode mode =
			v->is_exact ? FOLLOW_EXACT : FOLLOW_WANTING;

		if (v->node != n)
			continue;
		v->watch = (struct log_watch){.on_append = on_frame, .ctx = v};
		list_init(&v->watch.link);
		BUG_ON(follower_new(&v->follower, n->followers, &s->key[v->key],
				    mode, &events, v, sim_now_ms(s)));
		watch_log(v);
	}
}

void people_node_died(struct sim *s, struct sim_node *n)
{
	list_each_safe (l, &s->sessions) {
		struct sim_session *se =
			list_entry(l, struct sim_session, link);

		if (se->node != n)
			continue;
		if (se->publisher)
			se->publisher->next_us =
				s->now_us + sim_between_us(s, 50, 1500);
		session_free(se);
	}
	for (size_t i = 0; i < s->viewer_count; i++)
		if (s->viewer[i].node == n)
			follower_free(&s->viewer[i].follower);
}

/* ---- who is there ---- */

static void add_publisher(struct sim *s, size_t key, bool is_rival)
{
	struct publisher *p = &s->publisher[s->publisher_count];

	p->index = s->publisher_count++;
	p->key = key;
	p->is_rival = is_rival;
	p->is_pull = !is_rival && !sim_is_lossless(s) && sim_chance(s, 25);
	p->next_us = sim_between_us(s, 200, 1500);
	if (is_rival)
		p->off_until_us = sim_between_us(s, 3000, 15000);
}

void people_init(struct sim *s)
{
	for (size_t key = 0; key < s->key_count; key++) {
		add_publisher(s, key, false);
		if (!sim_is_lossless(s) && sim_chance(s, 50))
			add_publisher(s, key, true);
		for (size_t i = 0; i < s->node_count; i++)
			if (s->node[i].kind == NODE_EDGE)
				s->viewer[s->viewer_count++] = (struct viewer){
					.sim = s,
					.node = &s->node[i],
					.key = key,
					.is_exact = sim_chance(s, 25),
				};
	}
	for (size_t i = 0; i < s->node_count; i++)
		if (s->node[i].kind == NODE_EDGE)
			people_edge_up(s, &s->node[i]);
}

void people_fini(struct sim *s)
{
	while (!list_is_empty(&s->sessions))
		/* It is out of the list, which the analyser does not see. */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		session_free(
			list_entry(s->sessions.next, struct sim_session, link));
	for (size_t i = 0; i < s->viewer_count; i++)
		follower_free(&s->viewer[i].follower);
}
