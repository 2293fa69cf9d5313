/* proto/ts/mux.c - what the mux writes, and when. */
#include "proto/ts/mux.h"

#include "proto/ts/mux_priv.h"

/* Tables are repeated at the last occasion before the gap would be too long.
 * Occasions are at most TS_PCR_GAP_NS apart, and what stands between two PCRs
 * counts as early as the first and as late as the second. */
#define TABLES_DUE_NS (TS_TABLES_GAP_NS - 2 * TS_PCR_GAP_NS)
/* An AU whose time differs more from what those before it in the PES tell gets
 * a PES of its own. */
#define GATHER_SLACK_NS NS_PER_MS
/* PCRs never stand still, however many frames have one time. */
#define PCR_STEP_NS 1000

/* ---- Room ---- */

/* Packets for so many bytes of elementary stream in one PES, at most. */
static size_t packets_for(size_t bytes)
{
	return (bytes + PES_HEAD_MAX + ADAPTATION_HEAD_PCR) / PACKET_ROOM + 2;
}

static size_t pending_packets(const struct ts_mux *m)
{
	size_t count = 0;

	for (uint8_t i = 0; i < m->es_count; i++)
		if (m->es[i].pending.len)
			count += packets_for(m->es[i].pending.len);
	return count;
}

#define TABLES_PACKETS 4 /* PAT 1, PMT up to 2, and one to spare */

static int reserve(struct buf *out, size_t packets)
{
	return buf_reserve(out, packets * TS_PACKET_BYTES);
}

/* ---- Clock ---- */

static uint64_t pcr_of(int64_t ns)
{
	uint64_t wrap = (uint64_t)TS_WRAP_90K * 300;
	int64_t ticks = ns_to_ticks(ns, TS_CLOCK_27M) % (int64_t)wrap;

	return ticks < 0 ? (uint64_t)ticks + wrap : (uint64_t)ticks;
}

/* The mark of a packet of the PCR's PID that is written now. */
static struct ts_mark take_pcr(struct ts_mux *m)
{
	struct ts_clock *c = &m->clock;
	struct ts_mark mark = {.has_pcr = true};

	if (c->has_pcr && c->now_ns <= c->pcr_ns)
		c->pcr_ns += PCR_STEP_NS;
	else
		c->pcr_ns = c->now_ns;
	mark.pcr_27m = pcr_of(c->pcr_ns);
	mark.is_discontinuity = c->is_new_base;
	c->has_pcr = true;
	c->is_new_base = false;
	return mark;
}

static bool is_jump(const struct ts_clock *c, int64_t dts_ns)
{
	return c->has_time && (dts_ns > c->now_ns + TS_JUMP_NS ||
			       dts_ns < c->now_ns - TS_JUMP_NS);
}

static void jump(struct ts_mux *m, int64_t dts_ns)
{
	m->clock = (struct ts_clock){
		.has_time = true, .is_new_base = true, .now_ns = dts_ns};
	m->stats.time_jumps++;
}

static bool are_tables_due(const struct ts_clock *c, int64_t at_ns)
{
	return !c->has_tables || at_ns - c->tables_ns >= TABLES_DUE_NS;
}

/* Packets that come_to() may write before a frame of that time. Without a PCR
 * yet, gathered audio may bring the first, at the time that is now. */
static size_t fill_packets(const struct ts_clock *c, int64_t dts_ns)
{
	int64_t from_ns = c->has_pcr ? c->pcr_ns : c->now_ns;
	size_t steps = 0;

	if (c->has_time && !is_jump(c, dts_ns) && dts_ns > from_ns)
		steps = (size_t)((dts_ns - from_ns) / TS_PCR_GAP_NS);
	return steps + 1 +
	       (steps / (TABLES_DUE_NS / TS_PCR_GAP_NS) + 3) * TABLES_PACKETS;
}

/* What is due on the way to now. */
static void fill_gap(struct ts_mux *m, struct buf *out)
{
	struct ts_clock *c = &m->clock;

	while (c->has_pcr && c->now_ns - c->pcr_ns > TS_PCR_GAP_NS) {
		struct ts_mark mark = {.has_pcr = true};

		c->pcr_ns += TS_PCR_GAP_NS;
		mark.pcr_27m = pcr_of(c->pcr_ns);
		packet_write_mark(out, &m->counters, m->pcr_index, &mark);
		if (are_tables_due(c, c->pcr_ns))
			mux_put_tables(m, out, c->pcr_ns);
	}
}

static void advance(struct ts_mux *m, struct buf *out, int64_t dts_ns,
		    bool is_join)
{
	struct ts_clock *c = &m->clock;

	c->now_ns = c->has_time ? WEIR_MAX(c->now_ns, dts_ns) : dts_ns;
	c->has_time = true;
	fill_gap(m, out);
	if (is_join || are_tables_due(c, c->now_ns))
		mux_put_tables(m, out, c->now_ns);
}

/* ---- PES ---- */

static void put_stamp(uint8_t *at, uint8_t prefix, uint64_t v)
{
	at[0] = (uint8_t)(prefix << 4 | (v >> 30) << 1 | 1);
	at[1] = (uint8_t)(v >> 22);
	at[2] = (uint8_t)(v >> 14 | 1);
	at[3] = (uint8_t)(v >> 7);
	at[4] = (uint8_t)(v << 1 | 1);
}

/* Returns the length of the header. `bytes` of payload follow; a length that
 * has no room in the field is 0: up to the next PES, for video only. */
static size_t make_pes_head(uint8_t *head, const struct ts_es *es,
			    uint64_t pts_90k, uint64_t dts_90k, size_t bytes)
{
	bool has_dts = pts_90k != dts_90k;
	size_t stamps = has_dts ? 10 : 5;
	size_t length = 3 + stamps + bytes;

	if (length > PES_LENGTH_MAX)
		length = 0;
	memcpy(head, (uint8_t[]){0, 0, 1, es->stream_id}, 4);
	head[4] = (uint8_t)(length >> 8);
	head[5] = (uint8_t)length;
	head[6] = 0x84; /* '10', data_alignment_indicator */
	head[7] = has_dts ? 0xc0 : 0x80;
	head[8] = (uint8_t)stamps;
	put_stamp(head + 9, has_dts ? 3 : 2, pts_90k);
	if (has_dts)
		put_stamp(head + 14, 1, dts_90k);
	return 9 + stamps;
}

static void begin_pes(struct packets *p, struct ts_mux *m, struct buf *out,
		      const struct ts_es *es, bool is_join, size_t bytes)
{
	struct ts_mark mark = {0};

	if (es->index == m->pcr_index)
		mark = take_pcr(m);
	mark.is_random_access = is_join;
	packets_begin(p, out, &m->counters, es->index, &mark, bytes);
}

/* ---- Audio ---- */

static void write_pending(struct ts_mux *m, struct buf *out, struct ts_es *es)
{
	uint8_t head[PES_HEAD_MAX];
	uint64_t pts_90k = ts_stamp_90k(es->first_pts_ns);
	struct packets p;
	size_t len;

	if (!es->pending.len)
		return;
	len = make_pes_head(head, es, pts_90k, pts_90k, es->pending.len);
	begin_pes(&p, m, out, es, es->is_random_access, len + es->pending.len);
	packets_put(&p, span_of(head, len));
	packets_put(&p, buf_span(&es->pending));
	buf_clear(&es->pending);
	es->samples = 0;
}

static void write_all_pending(struct ts_mux *m, struct buf *out)
{
	for (uint8_t i = 0; i < m->es_count; i++)
		write_pending(m, out, &m->es[i]);
}

static int64_t gather_ns(const struct ts_mux *m)
{
	return m->options.gather_ms * NS_PER_MS;
}

/* Video is there already: no audio may stay that is so much older. */
static void write_old_pending(struct ts_mux *m, struct buf *out, int64_t dts_ns)
{
	for (uint8_t i = 0; i < m->es_count; i++)
		if (dts_ns - m->es[i].first_pts_ns >= gather_ns(m))
			write_pending(m, out, &m->es[i]);
}

/* Room for a unit of so many bytes and for all that come_to() may write. */
static int reserve_unit(const struct ts_mux *m, struct buf *out, int64_t dts_ns,
			size_t bytes)
{
	return reserve(out, fill_packets(&m->clock, dts_ns) +
				    pending_packets(m) + packets_for(bytes));
}

/* Write what has to stand before a frame of that time. */
static void come_to(struct ts_mux *m, struct buf *out, const struct ts_es *es,
		    int64_t dts_ns, bool is_join)
{
	bool is_jumping = is_jump(&m->clock, dts_ns);
	struct ts_mark mark;

	if (is_join || is_jumping)
		write_all_pending(m, out);
	if (is_jumping)
		jump(m, dts_ns);
	advance(m, out, dts_ns, is_join);
	if (m->clock.has_pcr || es->index == m->pcr_index)
		return;
	mark = take_pcr(m);
	packet_write_mark(out, &m->counters, m->pcr_index, &mark);
}

/* An audio AU on its way. */
struct audio_unit {
	uint8_t head[AUDIO_HEAD_MAX];
	size_t head_bytes;
	size_t bytes; /* with the payload */
	int64_t pts_ns;
	uint32_t samples; /* 0: not known */
	uint32_t rate;
};

static int audio_unit_of(struct audio_unit *out, const struct ts_es *es,
			 const struct frame *f)
{
	size_t max = es->codec == CODEC_AAC ? 8191 - ADTS_HEAD_BYTES
					    : PES_AUDIO_MAX - AUDIO_HEAD_MAX;

	if (es->is_refused)
		return WEIR_EUNSUPPORTED;
	if (es->codec == CODEC_AAC && !es->has_config)
		return WEIR_EAGAIN;
	if (!f->payload.len)
		return WEIR_EPROTO;
	if (f->payload.len > max)
		return WEIR_ELIMIT;
	out->head_bytes = audio_unit_head(es, f->payload.len, out->head);
	out->bytes = out->head_bytes + f->payload.len;
	out->pts_ns = WEIR_MAX(f->pts_ns, f->dts_ns);
	out->rate = 0;
	out->samples = audio_unit_samples(es, f->payload, &out->rate);
	return 0;
}

/* Does it go on where what is gathered ends? */
static bool fits_pending(const struct ts_es *es, const struct audio_unit *u)
{
	int64_t late_ns = u->pts_ns - es->first_pts_ns -
			  ns_from_ticks((int64_t)es->samples, es->samples_rate);

	return u->samples && u->rate == es->samples_rate &&
	       es->pending.len + u->bytes <= PES_AUDIO_MAX &&
	       late_ns <= GATHER_SLACK_NS && late_ns >= -GATHER_SLACK_NS;
}

/* Would one more of the same length be too much? */
static bool is_pending_full(const struct ts_mux *m, const struct ts_es *es,
			    const struct audio_unit *u)
{
	int64_t samples = (int64_t)(es->samples + u->samples);

	return !u->samples || ns_from_ticks(samples, u->rate) > gather_ns(m);
}

static void gather(struct ts_mux *m, struct buf *out, struct ts_es *es,
		   const struct audio_unit *u, const struct frame *f,
		   bool is_join)
{
	if (es->pending.len && !fits_pending(es, u))
		write_pending(m, out, es);
	if (!es->pending.len) {
		es->first_pts_ns = u->pts_ns;
		es->samples_rate = u->rate;
		es->is_random_access = is_join;
	}
	buf_put(&es->pending, span_of(u->head, u->head_bytes));
	buf_put(&es->pending, f->payload);
	es->samples += u->samples;
	if (is_pending_full(m, es, u))
		write_pending(m, out, es);
}

static int reserve_pending(struct ts_es *es, size_t bytes)
{
	int err = buf_reserve(&es->pending, bytes);

	es->pending.err = 0;
	return err;
}

static bool has_video(const struct ts_mux *m)
{
	for (uint8_t i = 0; i < m->es_count; i++)
		if (m->es[i].kind == FRAME_VIDEO)
			return true;
	return false;
}

static bool is_audio_join(const struct ts_mux *m, const struct frame *f)
{
	return f->flags & FRAME_JOIN && !has_video(m) &&
	       (is_jump(&m->clock, f->dts_ns) ||
		are_tables_due(&m->clock, f->dts_ns));
}

static int write_audio(struct ts_mux *m, struct buf *out, struct ts_es *es,
		       const struct frame *f, bool *is_join)
{
	struct audio_unit u;
	int err = audio_unit_of(&u, es, f);

	if (!err)
		err = reserve_pending(es, u.bytes);
	if (!err)
		err = reserve_unit(m, out, f->dts_ns, u.bytes);
	if (err)
		return err;
	*is_join = is_audio_join(m, f);
	come_to(m, out, es, f->dts_ns, *is_join);
	gather(m, out, es, &u, f, *is_join);
	return 0;
}

/* ---- Video ---- */

static void put_video(struct ts_mux *m, struct buf *out, const struct ts_es *es,
		      const struct frame *f, const struct ts_video_unit *u)
{
	uint8_t head[PES_HEAD_MAX];
	int64_t pts_ns = WEIR_MAX(f->pts_ns, f->dts_ns);
	struct packets p;
	size_t len = make_pes_head(head, es, ts_stamp_90k(pts_ns),
				   ts_stamp_90k(f->dts_ns), u->bytes);

	begin_pes(&p, m, out, es, f->flags & FRAME_JOIN, len + u->bytes);
	packets_put(&p, span_of(head, len));
	video_unit_put(u, &p);
}

static int write_video(struct ts_mux *m, struct buf *out,
		       const struct ts_es *es, const struct frame *f,
		       bool *is_join)
{
	struct ts_video_unit u;
	int err = video_unit_scan(&u, es, f);

	if (!err)
		err = reserve_unit(m, out, f->dts_ns, u.bytes);
	if (err)
		return err;
	*is_join = f->flags & FRAME_JOIN;
	write_old_pending(m, out, f->dts_ns);
	come_to(m, out, es, f->dts_ns, *is_join);
	put_video(m, out, es, f, &u);
	return 0;
}

/* ---- The contract ---- */

static bool is_time_sane(int64_t ns)
{
	return ns <= TS_TIME_MAX_NS && ns >= -TS_TIME_MAX_NS;
}

static int find_es(struct ts_es **out, struct ts_mux *m, const struct frame *f)
{
	struct ts_es *es = mux_find(m, f->track);

	if (!is_time_sane(f->dts_ns) || !is_time_sane(f->pts_ns) ||
	    (f->kind != FRAME_VIDEO && f->kind != FRAME_AUDIO))
		return WEIR_EINVAL;
	if (!es)
		return WEIR_ENOENT;
	if (es->kind != f->kind)
		return WEIR_EINVAL;
	*out = es;
	return 0;
}

int ts_mux_write(struct ts_mux *m, struct buf *out, const struct frame *f,
		 bool *is_join)
{
	bool is_joined = false;
	struct ts_es *es;
	int err = find_es(&es, m, f);

	if (err)
		return err;
	mux_refresh_pmt(m);
	err = f->kind == FRAME_VIDEO ? write_video(m, out, es, f, &is_joined)
				     : write_audio(m, out, es, f, &is_joined);
	if (err)
		return err;
	m->stats.raised_pts += f->pts_ns < f->dts_ns;
	if (is_join)
		*is_join = is_joined;
	return 0;
}

int ts_mux_tables(struct ts_mux *m, struct buf *out)
{
	int err = reserve(out, TABLES_PACKETS);

	if (err)
		return err;
	mux_refresh_pmt(m);
	mux_put_tables(m, out, m->clock.now_ns);
	return 0;
}

int ts_mux_flush(struct ts_mux *m, struct buf *out)
{
	int err = reserve(out, pending_packets(m));

	if (err)
		return err;
	write_all_pending(m, out);
	return 0;
}

void ts_mux_reset(struct ts_mux *m)
{
	for (uint8_t i = 0; i < m->es_count; i++) {
		buf_clear(&m->es[i].pending);
		m->es[i].samples = 0;
	}
	m->counters = (struct ts_counters){0};
	m->clock = (struct ts_clock){0};
	m->has_pmt = false;
}

void ts_mux_get_stats(const struct ts_mux *m, struct ts_mux_stats *out)
{
	*out = m->stats;
}

/* ---- Resuming ---- */

void ts_mux_place(const struct ts_mux *m, struct ts_place *out)
{
	out->used = m->counters.used;
	memcpy(out->counter, m->counters.counter, sizeof(out->counter));
}

size_t ts_resume_bytes(const struct ts_place *p)
{
	return (size_t)__builtin_popcount(p->used) * TS_PACKET_BYTES;
}

void ts_resume_write(struct buf *out, const struct ts_place *p)
{
	struct ts_counters counters = {.used = p->used};

	memcpy(counters.counter, p->counter, sizeof(p->counter));
	if (buf_reserve(out, ts_resume_bytes(p)))
		return;
	for (size_t i = 0; i < TS_PIDS_MAX; i++)
		if (p->used >> i & 1)
			packet_write_mark(
				out, &counters, (uint8_t)i,
				&(struct ts_mark){.is_discontinuity = true});
}
