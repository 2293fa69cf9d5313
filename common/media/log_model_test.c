/* common/media/log_model_test.c - a log against a model too simple to be wrong.
 *
 * The model never forgets: an array of every frame that was taken, with what
 * was in force before it. Random steps go to both; then all that the log can be
 * asked is compared. The seed is printed when it fails; WEIR_TEST_SEED=n runs
 * that one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/media/log.h"
#include "common/media/testing.h"
#include "common/media/track.h"

#define STEPS      6000
#define TRACK_IDS  5
#define SKIP_MS    3000
#define STEP_MS    100
#define STATE_SLOT 6 /* FRAME_EPOCH to FRAME_CUT */

/* In force: by kind, and CONFIG by track behind them. */
struct in_force {
	struct frame *frame[STATE_SLOT + TRACK_IDS];
};

struct entry {
	struct frame *frame;
	int64_t clock_ms;
	struct in_force before;
};

struct model {
	uint64_t random;
	struct log_limits limits;
	struct log *log;
	struct entry entry[STEPS + 1]; /* by ordinal */
	struct frame *set[STEPS + 1];  /* frames that were sent again */
	size_t set_count;
	uint64_t next;
	uint64_t tail;
	uint64_t bytes;
	uint64_t evicted_past_join;
	int64_t newest_join; /* ordinal; -1: none yet */
	struct in_force now;
	uint64_t counter;   /* of the newest epoch */
	uint64_t sequence;  /* of the next frame in it */
	int64_t clock_ms;   /* the time that passed in media */
	int64_t offset_ms;  /* dts - clock, another in each epoch */
	int64_t skipped_ms; /* passes at the next media frame */
	bool is_fresh;      /* no media in this epoch yet */
	bool has_video;
};

static uint64_t below(struct model *m, uint64_t limit)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random % limit;
}

/* ---- the model's own rules ---- */

static struct frame **slot_of(struct in_force *s, const struct frame *f)
{
	if (f->kind == FRAME_CONFIG)
		return &s->frame[STATE_SLOT + f->track];
	return &s->frame[f->kind - FRAME_EPOCH];
}

static void put_in_force(struct in_force *s, struct frame *f)
{
	struct tracks t;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(s->frame); i++)
		if (f->kind == FRAME_EPOCH && s->frame[i] &&
		    !epoch_eq(&s->frame[i]->position.epoch, &f->position.epoch))
			s->frame[i] = NULL;
	if (f->kind == FRAME_TRACKS && !tracks_read(&t, f->payload))
		for (uint16_t id = 0; id < TRACK_IDS; id++)
			if (!tracks_find(&t, id))
				s->frame[STATE_SLOT + id] = NULL;
	*slot_of(s, f) = f;
}

static bool is_join(const struct frame *f)
{
	return !frame_is_state(f) && f->flags & FRAME_JOIN;
}

static uint64_t cost(const struct frame *f)
{
	return f->payload.len + LOG_FRAME_COST;
}

static void model_retain(struct model *m)
{
	while (m->next - m->tail > 1) {
		struct entry *e = &m->entry[m->tail];
		bool is_past = m->newest_join >= 0 &&
			       m->tail >= (uint64_t)m->newest_join;

		if (m->clock_ms - e->clock_ms <= m->limits.retain_ms &&
		    m->bytes <= m->limits.retain_bytes)
			return;
		if (is_past && m->bytes <= m->limits.gop_max_bytes)
			return;
		m->evicted_past_join += is_past;
		m->bytes -= cost(e->frame);
		m->tail++;
	}
}

/* The model takes over the reference. */
static void model_take(struct model *m, struct frame *f)
{
	m->entry[m->next] = (struct entry){f, m->clock_ms, m->now};
	if (is_join(f))
		m->newest_join = (int64_t)m->next;
	if (frame_is_state(f))
		put_in_force(&m->now, f);
	m->next++;
	m->bytes += cost(f);
	model_retain(m);
}

/* ---- random steps ---- */

static struct frame *random_state(struct model *m)
{
	uint8_t kind = (uint8_t)(FRAME_TRACKS + below(m, 5));
	struct frame head = HEAD(kind, m->counter, m->sequence);
	struct tracks t = {0};
	struct buf b = {0};
	struct frame *f;

	if (kind == FRAME_CONFIG)
		head.track = (uint16_t)(1 + below(m, TRACK_IDS - 1));
	for (uint16_t id = 1; kind == FRAME_TRACKS && id < TRACK_IDS; id++)
		if (below(m, 3))
			t.track[t.count++] =
				(struct track){.id = id, .kind = FRAME_AUDIO};
	tracks_write(&b, &t);
	f = frame_of(head, buf_span(&b));
	buf_fini(&b);
	return f;
}

/* Which kind comes next: sound always, pictures in some epochs. */
static uint8_t random_kind(struct model *m)
{
	if (!below(m, 6))
		return FRAME_DATA;
	return m->has_video && below(m, 2) ? FRAME_VIDEO : FRAME_AUDIO;
}

static struct frame *random_media(struct model *m)
{
	uint8_t kind = random_kind(m);
	struct frame head = HEAD(kind, m->counter, m->sequence, .track = kind);

	if (!m->is_fresh)
		m->clock_ms += m->skipped_ms + (int64_t)below(m, STEP_MS);
	m->skipped_ms = 0;
	m->is_fresh = false;
	head.dts_ns = (m->clock_ms + m->offset_ms) * NS_PER_MS;
	if (kind == FRAME_VIDEO && !below(m, 20))
		head.flags = FRAME_JOIN;
	if (kind == FRAME_AUDIO && !m->has_video)
		head.flags = FRAME_JOIN;
	return frame_of_size(head, below(m, 300));
}

static void begin_epoch(struct model *m)
{
	m->counter += 1 + below(m, 3);
	m->sequence = 0;
	m->offset_ms = (int64_t)below(m, 20000000) - 10000000;
	m->is_fresh = true;
	m->has_video = below(m, 3);
}

static void take_next(struct model *m, bool is_gap)
{
	struct frame *f;

	if (!m->sequence && !is_gap)
		f = frame_of(HEAD(FRAME_EPOCH, m->counter, 0), SPAN_LIT("e"));
	else
		f = below(m, 12) ? random_media(m) : random_state(m);
	CHECK(f);
	CHECK_EQ((is_gap ? log_append_gap : log_append)(m->log, f), 0);
	m->sequence++;
	model_take(m, f);
}

static void skip_some(struct model *m)
{
	m->sequence += 1 + below(m, 50);
	m->skipped_ms = (int64_t)below(m, SKIP_MS);
	take_next(m, true);
}

/* A frame at a place where none may come. */
static void try_wrong(struct model *m, uint64_t counter, uint64_t sequence,
		      int want)
{
	struct frame *f = frame_of_size(
		HEAD(FRAME_AUDIO, counter, sequence, .dts_ns = INT64_MAX), 1);

	CHECK(f);
	CHECK_EQ(log_append(m->log, f), want);
	CHECK_EQ(f->refs, 1);
	frame_unref(&f);
}

static void try_something_wrong(struct model *m)
{
	if (!m->sequence)
		return; /* no frame of the newest epoch yet */
	switch (below(m, 4)) {
	case 0:
		try_wrong(m, m->counter, below(m, m->sequence), WEIR_EDUP);
		break;
	case 1:
		try_wrong(m, m->counter, m->sequence + 1 + below(m, 9),
			  WEIR_EGAP);
		break;
	case 2:
		if (m->counter > 1)
			try_wrong(m, 1 + below(m, m->counter - 1), below(m, 9),
				  WEIR_ESTALE);
		break;
	default:
		try_wrong(m, m->counter + 1, below(m, 2), WEIR_EPROTO);
	}
}

static void send_state_again(struct model *m)
{
	struct frame *f = random_state(m);

	CHECK(f);
	CHECK_EQ(log_set_state(m->log, f), 0);
	put_in_force(&m->now, f);
	m->set[m->set_count++] = f;
}

static void step(struct model *m)
{
	uint64_t what = below(m, 1000);

	if (what < 900 || !m->next)
		take_next(m, false);
	else if (what < 920)
		skip_some(m);
	else if (what < 980)
		try_something_wrong(m);
	else if (what < 990)
		send_state_again(m);
	else if (m->sequence)
		begin_epoch(m);
}

/* ---- comparing ---- */

static void check_frames(struct model *m)
{
	struct position p;

	CHECK_EQ(log_next(m->log), m->next);
	CHECK_EQ(log_tail(m->log), m->tail);
	for (uint64_t o = m->tail; o < m->next; o++)
		CHECK(log_at(m->log, o) == m->entry[o].frame);
	CHECK(!log_at(m->log, m->next));
	CHECK(!m->tail || !log_at(m->log, m->tail - 1));
	CHECK(log_last_position(m->log, &p));
	CHECK(!memcmp(&p, &m->entry[m->next - 1].frame->position, sizeof(p)));
}

static void check_state(struct model *m, uint64_t ordinal)
{
	const struct stateset *s = log_state_before(m->log, ordinal);
	struct in_force *want =
		ordinal == m->next ? &m->now : &m->entry[ordinal].before;
	uint32_t count = 0;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(want->frame); i++) {
		struct frame *f = want->frame[i];

		if (!f)
			continue;
		CHECK(stateset_get(s, f->kind, f->track) == f);
		count++;
	}
	CHECK_EQ(s ? s->count : 0, count);
}

static void check_stats(struct model *m)
{
	int64_t last_ns = 0, first_ns = 0;
	struct log_stats s;
	bool has_first = false, has_last = false;

	log_stats(m->log, &s);
	CHECK_EQ(s.bytes, m->bytes);
	CHECK_EQ(s.frames, m->next - m->tail);
	CHECK_EQ(s.evicted_past_join, m->evicted_past_join);
	for (uint64_t o = 0; o < m->next; o++) {
		const struct frame *f = m->entry[o].frame;

		if (frame_is_state(f))
			continue;
		if (!has_last || f->dts_ns > last_ns)
			last_ns = f->dts_ns;
		has_last = true;
		if (!has_first && o >= m->tail)
			first_ns = f->dts_ns;
		has_first |= o >= m->tail;
	}
	CHECK_EQ(s.last_dts_ns, last_ns);
	CHECK_EQ(s.first_dts_ns, first_ns);
	CHECK(s.end_dts_ns >= last_ns);
}

/* One join that the log remembers, and the one before it. */
static void check_join(struct model *m, const struct log_join *j,
		       const struct log_join *before)
{
	const struct frame *f;
	int64_t spacing_ns = m->limits.join_spacing_ms * NS_PER_MS;

	CHECK(j->ordinal >= m->tail && j->ordinal < m->next);
	f = m->entry[j->ordinal].frame;
	CHECK(is_join(f));
	CHECK_EQ(j->dts_ns, f->dts_ns);
	CHECK(j->state == log_state_before(m->log, j->ordinal));
	if (before && f->kind == FRAME_AUDIO &&
	    (int64_t)j->ordinal != m->newest_join &&
	    j->dts_ns >= before->dts_ns)
		CHECK(j->dts_ns - before->dts_ns >= spacing_ns);
	/* none between the two was worth more */
	for (uint64_t o = before ? before->ordinal + 1 : m->tail;
	     o < j->ordinal; o++) {
		const struct frame *left_out = m->entry[o].frame;

		if (!is_join(left_out))
			continue;
		CHECK(left_out->kind == FRAME_AUDIO && spacing_ns > 0);
		CHECK(!before ||
		      left_out->dts_ns - before->dts_ns < spacing_ns);
	}
}

static void check_joins(struct model *m)
{
	struct log_join j, before = {0}, newest;
	uint64_t from = m->tail, count = 0;
	struct log_stats s;

	while (!log_join_from(m->log, &j, from)) {
		check_join(m, &j, count ? &before : NULL);
		before = j;
		from = j.ordinal + 1;
		count++;
	}
	log_stats(m->log, &s);
	CHECK_EQ(s.joins, count);
	if (m->newest_join < (int64_t)m->tail) {
		CHECK_EQ(log_newest_join(m->log, &newest), WEIR_ENOENT);
		CHECK_EQ(count, 0);
		return;
	}
	CHECK_EQ(log_newest_join(m->log, &newest), 0);
	CHECK_EQ(newest.ordinal, m->newest_join);
	CHECK_EQ(before.ordinal, m->newest_join);
}

static void check_join_at_dts(struct model *m)
{
	int64_t dts_ns =
		m->entry[m->tail + below(m, m->next - m->tail)].frame->dts_ns +
		(int64_t)below(m, 3) - 1;
	struct log_join j, got;
	int64_t want = -1;
	uint64_t from = m->tail;

	while (!log_join_from(m->log, &j, from)) {
		if (j.dts_ns <= dts_ns)
			want = (int64_t)j.ordinal;
		from = j.ordinal + 1;
	}
	if (log_join_at_dts(m->log, &got, dts_ns))
		CHECK_EQ(want, -1);
	else
		CHECK_EQ(got.ordinal, want);
}

/* What log_find_after should say: an ordinal or an error. */
static int64_t model_find_after(const struct model *m, const struct position *p)
{
	const struct frame *f = NULL;
	uint64_t o = m->next;

	/* the newest frame that is not behind p in p's epoch */
	while (o-- > 0) {
		f = m->entry[o].frame;
		if (epoch_eq(&f->position.epoch, &p->epoch) &&
		    f->position.sequence <= p->sequence)
			break;
		f = NULL;
	}
	if (!f) {
		for (o = 0; o < m->next; o++)
			if (epoch_eq(&m->entry[o].frame->position.epoch,
				     &p->epoch))
				break;
		if (o == m->next)
			return WEIR_ENOENT;
		if (m->entry[o].frame->position.sequence != p->sequence + 1)
			return WEIR_EGONE;
		return o < m->tail ? WEIR_EGONE : (int64_t)o;
	}
	if (o + 1 == m->next)
		return f->position.sequence == p->sequence ? (int64_t)m->next
							   : WEIR_ENOENT;
	f = m->entry[o + 1].frame;
	if (epoch_eq(&f->position.epoch, &p->epoch)
		    ? f->position.sequence != p->sequence + 1
		    : f->position.sequence != 0)
		return WEIR_EGONE;
	return o + 1 < m->tail ? WEIR_EGONE : (int64_t)(o + 1);
}

/* How many runs, before that of the tail, came after `epoch`. */
static unsigned runs_left_since(const struct model *m,
				const struct epoch *epoch)
{
	unsigned runs = 0;

	for (uint64_t o = m->tail; o > 0; o--) {
		const struct position *p = &m->entry[o].frame->position;
		const struct position *q = &m->entry[o - 1].frame->position;

		if (epoch_eq(&q->epoch, epoch))
			break;
		runs += !epoch_eq(&p->epoch, &q->epoch) ||
			p->sequence != q->sequence + 1;
	}
	return runs;
}

static void check_find(struct model *m)
{
	uint64_t back = below(m, below(m, 2) ? m->next : m->next - m->tail);
	struct position p = m->entry[m->next - 1 - back].frame->position;
	uint64_t ordinal = 0;
	int64_t want;
	int err;

	p.sequence += below(m, 5) - 2;
	if (!below(m, 20))
		p.epoch = epoch_of(1 + below(m, m->counter + 2));
	want = model_find_after(m, &p);
	if (p.sequence > UINT64_MAX / 2) /* it was below 0 */
		return;
	err = log_find_after(m->log, &ordinal, &p);
	if (err == WEIR_ENOENT && want == WEIR_EGONE)
		CHECK(runs_left_since(m, &p.epoch) >= 16); /* forgotten */
	else
		CHECK_EQ(err ? err : (int64_t)ordinal, want);
}

static void compare(struct model *m)
{
	check_frames(m);
	for (uint64_t o = m->tail; o <= m->next; o++)
		check_state(m, o);
	check_stats(m);
	check_joins(m);
	for (int i = 0; i < 20; i++) {
		check_join_at_dts(m);
		check_find(m);
	}
}

static struct model *model_new(uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));

	CHECK(m);
	m->random = seed * 0x9e3779b97f4a7c15 + 1;
	m->newest_join = -1;
	m->limits.retain_ms = (uint32_t)(500 + below(m, 8000));
	m->limits.retain_bytes = 5000 + below(m, 60000);
	m->limits.gop_max_bytes = below(m, 2 * m->limits.retain_bytes);
	m->limits.join_spacing_ms = (uint32_t)(below(m, 2) * below(m, 1000));
	CHECK_EQ(log_new(&m->log, &m->limits), 0);
	begin_epoch(m);
	return m;
}

static void model_free(struct model *m)
{
	log_free(&m->log);
	for (uint64_t o = 0; o < m->next; o++) {
		CHECK_EQ(m->entry[o].frame->refs, 1);
		frame_unref(&m->entry[o].frame);
	}
	for (size_t i = 0; i < m->set_count; i++)
		frame_unref(&m->set[i]);
	free(m);
}

static void run(uint64_t seed)
{
	struct model *m = model_new(seed);

	fprintf(stderr, "seed %" PRIu64 "\n", seed);
	for (int i = 0; i < STEPS; i++) {
		step(m);
		CHECK_EQ(log_tail(m->log), m->tail);
		if (m->next && i % 40 == 0)
			compare(m);
	}
	compare(m);
	model_free(m);
}

TEST_NO_OOM(a_log_does_as_its_model) /* the model cannot go without memory */
{
	const char *only = getenv("WEIR_TEST_SEED");

	if (only)
		run(strtoull(only, NULL, 10));
	for (uint64_t seed = 1; !only && seed <= 40; seed++)
		run(seed);
}
