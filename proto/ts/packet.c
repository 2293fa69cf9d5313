/* proto/ts/packet.c - cutting bytes into packets (2.4.3.2 to 2.4.3.5). */
#include "proto/ts/mux_priv.h"

#define CONTROL_PAYLOAD    0x10
#define CONTROL_ADAPTATION 0x20

enum adaptation_flags {
	ADAPTATION_PCR = 0x10,
	ADAPTATION_RANDOM_ACCESS = 0x40,
	ADAPTATION_DISCONTINUITY = 0x80,
};

static uint16_t pid_of(uint8_t index)
{
	switch (index) {
	case INDEX_PAT:
		return TS_PID_PAT;
	case INDEX_PMT:
		return TS_PID_PMT;
	default:
		return (uint16_t)(TS_PID_VIDEO + index - INDEX_MEDIA);
	}
}

static bool is_first(const struct ts_counters *c, uint8_t index)
{
	return !(c->used >> index & 1);
}

/* The room is reserved, so this never fails. */
static uint8_t *packet_new(struct buf *out)
{
	uint8_t *at = out->data + out->len;

	BUG_ON(out->cap - out->len < TS_PACKET_BYTES);
	out->len += TS_PACKET_BYTES;
	return at;
}

static void put_head(uint8_t *at, struct ts_counters *c, uint8_t index,
		     uint8_t control, bool is_start)
{
	uint16_t pid = pid_of(index);

	if (is_first(c, index))
		c->counter[index] = 15;
	c->used |= UINT32_C(1) << index;
	/* "shall not be incremented when … '00' or '10'": without payload */
	if (control & CONTROL_PAYLOAD)
		c->counter[index] = (c->counter[index] + 1) & 15;
	at[0] = TS_SYNC;
	at[1] = (uint8_t)(is_start << 6 | pid >> 8);
	at[2] = (uint8_t)pid;
	at[3] = control | c->counter[index];
}

static void put_pcr(uint8_t *at, uint64_t pcr_27m)
{
	uint64_t base = pcr_27m / 300;
	uint32_t extension = (uint32_t)(pcr_27m % 300);

	at[0] = (uint8_t)(base >> 25);
	at[1] = (uint8_t)(base >> 17);
	at[2] = (uint8_t)(base >> 9);
	at[3] = (uint8_t)(base >> 1);
	at[4] = (uint8_t)((base & 1) << 7 | 0x7e | extension >> 8);
	at[5] = (uint8_t)extension;
}

static size_t mark_bytes(const struct ts_mark *mark)
{
	if (mark->has_pcr)
		return ADAPTATION_HEAD_PCR;
	return mark->is_discontinuity || mark->is_random_access
		       ? ADAPTATION_HEAD
		       : 0;
}

/* `bytes` in all, at least mark_bytes. */
static void put_adaptation(uint8_t *at, size_t bytes,
			   const struct ts_mark *mark)
{
	size_t used = ADAPTATION_HEAD;

	at[0] = (uint8_t)(bytes - 1);
	if (bytes == 1)
		return;
	at[1] = (uint8_t)((mark->is_discontinuity ? ADAPTATION_DISCONTINUITY
						  : 0) |
			  (mark->is_random_access ? ADAPTATION_RANDOM_ACCESS
						  : 0) |
			  (mark->has_pcr ? ADAPTATION_PCR : 0));
	if (mark->has_pcr) {
		put_pcr(at + used, mark->pcr_27m);
		used = ADAPTATION_HEAD_PCR;
	}
	memset(at + used, 0xff, bytes - used);
}

void packets_begin(struct packets *p, struct buf *out, struct ts_counters *c,
		   uint8_t index, const struct ts_mark *mark, size_t bytes)
{
	*p = (struct packets){.out = out,
			      .counters = c,
			      .index = index,
			      .mark = *mark,
			      .left = bytes};
	if (is_first(c, index))
		p->mark.is_discontinuity = true;
}

static void open_packet(struct packets *p)
{
	uint8_t *at = packet_new(p->out);
	size_t adaptation = mark_bytes(&p->mark);
	uint8_t control = CONTROL_PAYLOAD;

	if (p->left < PACKET_ROOM - adaptation)
		adaptation = PACKET_ROOM - p->left;
	if (adaptation) {
		control |= CONTROL_ADAPTATION;
		put_adaptation(at + 4, adaptation, &p->mark);
	}
	put_head(at, p->counters, p->index, control, !p->is_begun);
	p->is_begun = true;
	p->mark = (struct ts_mark){0};
	p->at = at + 4 + adaptation;
	p->room = PACKET_ROOM - adaptation;
	p->left -= p->room;
}

void packets_put(struct packets *p, struct span s)
{
	while (s.len) {
		size_t len;

		if (!p->room)
			open_packet(p);
		len = WEIR_MIN(s.len, p->room);
		memcpy(p->at, s.data, len);
		p->at += len;
		p->room -= len;
		s = span_from(s, len);
	}
}

void packet_write_mark(struct buf *out, struct ts_counters *c, uint8_t index,
		       const struct ts_mark *mark)
{
	uint8_t *at = packet_new(out);
	struct ts_mark all = *mark;

	if (is_first(c, index))
		all.is_discontinuity = true;
	put_adaptation(at + 4, PACKET_ROOM, &all);
	put_head(at, c, index, CONTROL_ADAPTATION, false);
}

void packets_write_section(struct buf *out, struct ts_counters *c,
			   uint8_t index, struct span section)
{
	static const uint8_t zero[1] = {0};
	static const uint8_t fill[PACKET_ROOM] = {[0 ... PACKET_ROOM - 1] =
							  0xff};
	struct packets p;
	size_t bytes = is_first(c, index) ? ADAPTATION_HEAD : 0;
	size_t rest;

	bytes += 1 + section.len;
	rest = (PACKET_ROOM - bytes % PACKET_ROOM) % PACKET_ROOM;
	packets_begin(&p, out, c, index, &(struct ts_mark){0},
		      1 + section.len + rest);
	packets_put(&p, SPAN(zero));
	packets_put(&p, section);
	packets_put(&p, span_of(fill, rest));
}
