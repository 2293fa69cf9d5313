/* proto/ts/reader.c - packets and PES packets, taken apart and checked. */
#include "proto/ts/reader.h"

#include <stdlib.h>

#include "common/base/reader.h"
#include "proto/ts/reader_priv.h"

#define DEFAULT_PES_BYTES (FRAME_PAYLOAD_MAX + 64 * 1024)
#define SI_PIDS_END       0x20 /* below: tables of DVB and others, passed over */

/* ---- Telling ---- */

int reader_mistake(struct ts_reader *rd, enum ts_mistake what, uint16_t pid,
		   const char *text)
{
	struct ts_mistake_event e = {what, pid, rd->offset, text};

	rd->stats.mistakes++;
	return rd->events.on_mistake ? rd->events.on_mistake(rd->ctx, &e) : 0;
}

static int fault(struct ts_reader *rd, int err, const char *text)
{
	rd->fault = text;
	return err;
}

/* ---- PES ---- */

static bool read_stamp(struct reader *r, uint64_t *out)
{
	uint64_t v = read_uint(r, 5);

	*out = (v >> 33 & 7) << 30 | (v >> 17 & 0x7fff) << 15 |
	       (v >> 1 & 0x7fff);
	return (v >> 32 & 1) && (v >> 16 & 1) && (v & 1);
}

/* Stream ids whose PES packets have no header behind the length (2.4.3.7). */
static bool is_bare(uint8_t stream_id)
{
	static const uint8_t bare[] = {0xbc, 0xbe, 0xbf, 0xf0,
				       0xf1, 0xf2, 0xf8, 0xff};

	return memchr(bare, stream_id, sizeof(bare)) != NULL;
}

/* Returns what is wrong with it, or NULL. */
static const char *parse_pes(struct ts_pes *pes, struct span in)
{
	struct reader r = reader_of(in);
	uint32_t prefix = read_u24(&r);
	struct reader head;
	bool is_marked = true;
	uint8_t first;
	uint8_t flags;

	pes->stream_id = read_u8(&r);
	(void)read_u16(&r); /* length: seen to where it was put together */
	if (reader_failed(&r) || prefix != 1)
		return "no PES start code";
	if (is_bare(pes->stream_id)) {
		pes->payload = read_rest(&r);
		return NULL;
	}
	first = read_u8(&r);
	flags = read_u8(&r);
	head = reader_of(read_span(&r, read_u8(&r)));
	if (reader_failed(&r) || (first & 0xc0) != 0x80)
		return "broken PES header";
	if ((flags & 0xc0) == 0x40)
		return "PES with a DTS but no PTS";
	pes->is_aligned = first & 4;
	pes->has_pts = flags & 0x80;
	pes->has_dts = flags & 0x40;
	if (pes->has_pts)
		is_marked = read_stamp(&head, &pes->pts_90k);
	pes->dts_90k = pes->pts_90k;
	if (pes->has_dts)
		is_marked = read_stamp(&head, &pes->dts_90k) && is_marked;
	if (reader_failed(&head) || !is_marked)
		return "broken time stamp in a PES header";
	pes->payload = read_rest(&r);
	return NULL;
}

/* The value nearest to `near` that has these 33 bits. */
static int64_t unwrap(int64_t near, uint64_t v)
{
	int64_t delta =
		(int64_t)((v - (uint64_t)near) & (uint64_t)(TS_WRAP_90K - 1));

	return near + (delta >= TS_WRAP_90K / 2 ? delta - TS_WRAP_90K : delta);
}

static void unwrap_pes(struct ts_reader *rd, struct ts_pes *pes)
{
	if (!pes->has_pts)
		return;
	if (!rd->has_long)
		rd->long_90k = (int64_t)pes->dts_90k;
	rd->has_long = true;
	rd->long_90k = unwrap(rd->long_90k, pes->dts_90k);
	pes->dts_long_90k = rd->long_90k;
	pes->pts_long_90k = unwrap(rd->long_90k, pes->pts_90k);
}

static int check_order(struct ts_reader *rd, struct reader_es *es,
		       const struct ts_pes *pes)
{
	bool is_back = es->has_dts && !pes->is_discontinuity &&
		       pes->dts_long_90k <= es->dts_90k;
	int err = 0;

	if (is_back)
		err = reader_mistake(rd, TS_MISTAKE_ORDER, es->stream.pid,
				     "the DTS of a stream does not grow");
	if (!err && pes->pts_long_90k < pes->dts_long_90k)
		err = reader_mistake(rd, TS_MISTAKE_ORDER, es->stream.pid,
				     "a PTS lies before its DTS");
	if (!err && pes->has_pcr &&
	    unwrap((int64_t)(pes->pcr_27m / 300), pes->dts_90k) <
		    (int64_t)(pes->pcr_27m / 300))
		err = reader_mistake(rd, TS_MISTAKE_LATE, es->stream.pid,
				     "a DTS lies before the PCR");
	es->has_dts = true;
	es->dts_90k = pes->dts_long_90k;
	return err;
}

static int tell_pes(struct ts_reader *rd, struct reader_es *es)
{
	struct ts_pes pes = es->pes;
	const char *wrong = parse_pes(&pes, buf_span(&es->data));
	int err = 0;

	if (wrong)
		return reader_mistake(rd, TS_MISTAKE_PES, es->stream.pid,
				      wrong);
	pes.stream = &es->stream;
	unwrap_pes(rd, &pes);
	if (pes.has_pts)
		err = check_order(rd, es, &pes);
	rd->stats.pes++;
	if (err || !rd->events.on_pes)
		return err;
	return rd->events.on_pes(rd->ctx, &pes);
}

/* What PES_packet_length promises for the whole; 0: nothing yet, or no end. */
static size_t promised_bytes(const struct buf *data)
{
	struct span length = span_first(span_from(buf_span(data), 4), 2);

	if (length.len < 2 || !(length.data[0] | length.data[1]))
		return 0;
	return 6 + (size_t)(length.data[0] << 8 | length.data[1]);
}

static void drop_pes(struct ts_reader *rd, struct reader_es *es)
{
	rd->held_bytes -= es->data.len;
	buf_clear(&es->data);
	es->is_open = false;
}

int reader_close_es(struct ts_reader *rd, struct reader_es *es)
{
	size_t promised = promised_bytes(&es->data);
	int err = 0;

	if (!es->is_open)
		return 0;
	if (promised && promised != es->data.len)
		err = reader_mistake(rd, TS_MISTAKE_LENGTH, es->stream.pid,
				     "a PES is not as long as it says");
	if (!err)
		err = tell_pes(rd, es);
	drop_pes(rd, es);
	return err;
}

static int add_pes(struct ts_reader *rd, struct reader_es *es, struct span s)
{
	if (es->data.len + s.len > rd->limits.pes_bytes)
		return fault(rd, WEIR_ELIMIT, "a PES packet is too long");
	if (rd->held_bytes + s.len > rd->limits.total_bytes)
		return fault(rd, WEIR_ELIMIT, "too much is waiting for an end");
	buf_put(&es->data, s);
	if (buf_error(&es->data))
		return fault(rd, WEIR_ENOMEM, "out of memory");
	rd->held_bytes += s.len;
	return 0;
}

static void open_pes(struct ts_reader *rd, struct reader_es *es,
		     const struct ts_packet *p)
{
	es->is_open = true;
	es->pes = (struct ts_pes){
		.is_random_access = p->is_random_access,
		.is_discontinuity = p->is_discontinuity || es->is_discontinuity,
		.offset = rd->offset,
		.pcr_27m = rd->pcr_27m,
		.has_pcr = rd->has_pcr,
	};
	es->is_discontinuity = false;
}

static int take_media(struct ts_reader *rd, struct reader_es *es,
		      const struct ts_packet *p)
{
	size_t promised;
	int err = 0;

	if (p->is_start) {
		err = reader_close_es(rd, es);
		if (err)
			return err;
		open_pes(rd, es, p);
		es->is_skipping = false;
	}
	if (!es->is_open) /* its beginning was lost, or not seen */
		return es->is_skipping || !p->payload.len
			       ? 0
			       : reader_mistake(rd, TS_MISTAKE_LENGTH, p->pid,
						"payload behind the end of a "
						"PES");
	err = add_pes(rd, es, p->payload);
	promised = promised_bytes(&es->data);
	/* Told at once: the next one may be long in coming. */
	if (!err && promised && es->data.len >= promised)
		err = reader_close_es(rd, es);
	return err;
}

/* ---- Counters and PCR ---- */

/* Where counters of this PID are kept; NULL: no table names it. */
static struct reader_pid *find_pid(struct ts_reader *rd, uint16_t pid,
				   struct reader_es *es)
{
	if (es)
		return &es->pid;
	if (pid == TS_PID_PAT)
		return &rd->pat.pid;
	if (rd->has_pat && pid == rd->program.pmt_pid)
		return &rd->pmt.pid;
	if (rd->has_program && pid == rd->program.pcr_pid)
		return &rd->pcr_pid;
	return NULL;
}

/* Does the packet follow the one before? A packet without payload has the
 * counter of the last one. */
static bool is_next(struct reader_pid *c, const struct ts_packet *p)
{
	uint8_t want = p->has_payload ? (c->counter + 1) & 15 : c->counter;
	bool is_right = !c->is_seen || p->counter == want;

	c->is_seen = true;
	c->counter = p->counter;
	return is_right;
}

static int take_pcr(struct ts_reader *rd, const struct ts_packet *p)
{
	struct ts_pcr pcr = {p->pid, p->pcr_27m, p->is_discontinuity,
			     p->is_random_access, rd->offset};
	uint64_t wrap = (uint64_t)TS_WRAP_90K * 300;
	uint64_t step = (p->pcr_27m + wrap - rd->pcr_27m) % wrap;
	int err = 0;

	pcr.is_discontinuity |= rd->is_pcr_free;
	if (rd->has_pcr && !pcr.is_discontinuity && step > wrap / 2)
		err = reader_mistake(rd, TS_MISTAKE_ORDER, p->pid,
				     "the PCR goes back");
	rd->has_pcr = true;
	rd->is_pcr_free = false;
	rd->pcr_27m = p->pcr_27m;
	if (err || !rd->events.on_pcr)
		return err;
	return rd->events.on_pcr(rd->ctx, &pcr);
}

/* ---- Packets ---- */

/* Returns what is wrong with the adaptation field, or NULL. */
static const char *parse_adaptation(struct ts_packet *p, struct span in)
{
	struct reader r = reader_of(in);
	uint8_t flags;
	uint64_t v;

	if (!in.len)
		return NULL;
	flags = read_u8(&r);
	p->is_discontinuity = flags & 0x80;
	p->is_random_access = flags & 0x40;
	p->has_pcr = flags & 0x10;
	if (!p->has_pcr)
		return NULL;
	v = read_uint(&r, 6);
	if (reader_failed(&r) || (v & 0x1ff) > 299) {
		p->has_pcr = false;
		return "a PCR that cannot be read";
	}
	p->pcr_27m = (v >> 15) * 300 + (v & 0x1ff);
	return NULL;
}

/* Returns what is wrong with it, or NULL. */
static const char *parse_packet(struct ts_packet *out, const uint8_t *at)
{
	struct reader r = reader_of(span_of(at + 1, TS_PACKET_BYTES - 1));
	struct ts_packet p = {0};
	uint16_t head = read_u16(&r);
	uint8_t control = read_u8(&r);
	const char *wrong = NULL;

	p.pid = head & 0x1fff;
	p.is_start = head & 0x4000;
	p.is_unreadable = head & 0x8000 || control & 0xc0;
	p.counter = control & 15;
	p.has_payload = control & 0x10;
	if (control & 0x20) {
		uint8_t len = read_u8(&r);

		if (len > (p.has_payload ? 182 : 183))
			wrong = "an adaptation field past its packet";
		else
			wrong = parse_adaptation(&p, read_span(&r, len));
	} else if (!p.has_payload) {
		wrong = "a packet without payload and adaptation field";
	}
	p.payload = p.has_payload ? read_rest(&r) : (struct span){0};
	*out = p;
	return wrong;
}

/* What was begun, and `p` does not go on with it. Where the stream says so
 * itself, and no payload was in the way, it was whole. */
static int end_before_hole(struct ts_reader *rd, struct reader_es *es,
			   const struct ts_packet *p)
{
	if (p->is_discontinuity && (p->is_start || !p->has_payload))
		return reader_close_es(rd, es);
	drop_pes(rd, es);
	es->is_skipping = true;
	return 0;
}

/* Packets are missing before `p`. */
static int take_hole(struct ts_reader *rd, struct reader_es *es,
		     const struct ts_packet *p)
{
	if (es && es->is_open) {
		int err = end_before_hole(rd, es, p);

		if (err)
			return err;
	}
	if (p->is_discontinuity)
		return 0;
	return reader_mistake(rd, TS_MISTAKE_CONTINUITY, p->pid,
			      "continuity_counter does not go on");
}

static void note_discontinuity(struct ts_reader *rd, struct reader_es *es,
			       uint16_t pid)
{
	rd->stats.discontinuities++;
	if (es)
		es->is_discontinuity = true;
	if (rd->has_program && pid == rd->program.pcr_pid)
		rd->is_pcr_free = true;
}

static int take_stray(struct ts_reader *rd, uint16_t pid)
{
	if (!rd->has_program || pid < SI_PIDS_END)
		return 0;
	return reader_mistake(rd, TS_MISTAKE_STRAY, pid,
			      "a PID that no table names");
}

static struct reader_es *find_es(struct ts_reader *rd, uint16_t pid)
{
	for (uint8_t i = 0; rd->has_program && i < rd->program.count; i++)
		if (rd->es[i].stream.pid == pid)
			return &rd->es[i];
	return NULL;
}

static int take_readable(struct ts_reader *rd, const struct ts_packet *p)
{
	struct reader_es *es = find_es(rd, p->pid);
	struct reader_pid *pid = find_pid(rd, p->pid, es);
	int err = 0;

	if (!pid)
		return take_stray(rd, p->pid);
	if (p->is_discontinuity)
		note_discontinuity(rd, es, p->pid);
	if (!is_next(pid, p))
		err = take_hole(rd, es, p);
	if (!err && p->has_pcr && p->pid == rd->program.pcr_pid)
		err = take_pcr(rd, p);
	if (err || !p->has_payload)
		return err;
	if (es)
		return take_media(rd, es, p);
	if (pid == &rd->pat.pid || pid == &rd->pmt.pid)
		return reader_take_section(rd, p);
	return 0;
}

static int take_packet(struct ts_reader *rd, const uint8_t *at)
{
	struct ts_packet p;
	const char *wrong;

	if (at[0] != TS_SYNC)
		return fault(rd, WEIR_EPROTO, "no sync byte");
	wrong = parse_packet(&p, at);
	rd->stats.packets++;
	if (p.pid == TS_PID_NULL)
		return 0;
	if (p.is_unreadable)
		return reader_mistake(rd, TS_MISTAKE_ERROR_BIT, p.pid,
				      "a packet with an error or scrambled");
	if (wrong)
		return reader_mistake(rd, TS_MISTAKE_ADAPTATION, p.pid, wrong);
	return take_readable(rd, &p);
}

/* ---- The contract ---- */

static uint32_t limit_of(uint32_t set, uint32_t standard)
{
	return set ? set : standard;
}

int ts_reader_new(struct ts_reader **out, const struct ts_reader_limits *limits,
		  const struct ts_reader_events *events, void *ctx)
{
	struct ts_reader *rd = calloc(1, sizeof(*rd));

	if (!rd)
		return WEIR_ENOMEM;
	if (limits)
		rd->limits = *limits;
	rd->limits.pes_bytes =
		limit_of(rd->limits.pes_bytes, DEFAULT_PES_BYTES);
	rd->limits.total_bytes =
		limit_of(rd->limits.total_bytes,
			 WEIR_MIN(rd->limits.pes_bytes, UINT32_MAX / 2) * 2);
	rd->events = *events;
	rd->ctx = ctx;
	rd->fault = "";
	*out = rd;
	return 0;
}

void ts_reader_free(struct ts_reader **rd)
{
	if (!*rd)
		return;
	for (uint8_t i = 0; i < TS_READER_STREAMS_MAX; i++)
		buf_fini(&(*rd)->es[i].data);
	free(*rd);
	*rd = NULL;
}

/* Fill up the packet that is begun; false while it is not whole. */
static bool complete_part(struct ts_reader *rd, struct span *in)
{
	size_t len = WEIR_MIN(in->len, TS_PACKET_BYTES - rd->part_len);

	if (len)
		memcpy(rd->part + rd->part_len, in->data, len);
	rd->part_len += len;
	*in = span_from(*in, len);
	return rd->part_len == TS_PACKET_BYTES;
}

static int feed(struct ts_reader *rd, struct span in)
{
	int err = 0;

	if (rd->part_len) {
		if (!complete_part(rd, &in))
			return 0;
		err = take_packet(rd, rd->part);
		rd->part_len = 0;
		rd->offset += TS_PACKET_BYTES;
	}
	while (!err && in.len >= TS_PACKET_BYTES) {
		err = take_packet(rd, in.data);
		in = span_from(in, TS_PACKET_BYTES);
		rd->offset += TS_PACKET_BYTES;
	}
	if (!err)
		(void)complete_part(rd, &in);
	return err;
}

int ts_reader_feed(struct ts_reader *rd, struct span in)
{
	int err = feed(rd, in);

	if (err && !rd->fault[0])
		rd->fault = "the feed was stopped";
	return err;
}

int ts_reader_end(struct ts_reader *rd)
{
	int err = 0;

	for (uint8_t i = 0; !err && i < rd->program.count; i++)
		err = reader_close_es(rd, &rd->es[i]);
	if (err)
		return err;
	if (rd->part_len)
		return fault(rd, WEIR_EPROTO, "half a packet at the end");
	return 0;
}

const char *ts_reader_fault(const struct ts_reader *rd)
{
	return rd->fault;
}

void ts_reader_get_stats(const struct ts_reader *rd,
			 struct ts_reader_stats *out)
{
	*out = rd->stats;
}
