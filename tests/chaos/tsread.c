/* tests/chaos/tsread.c - takes a transport stream apart, as much as is needed
 * here: ISO/IEC 13818-1 section 2.4.3. */
#include "common/base/reader.h"
#include "tests/chaos/load.h"

#define LANES 4

void tsread_init(struct tsread *r, struct tracer *t)
{
	*r = (struct tsread){.tracer = t};
}

/* Segments gather sounds: ADTS frames, one behind the other. */
static void take_sounds(struct tsread *r, uint64_t pts, struct span in)
{
	for (unsigned n = 0; in.len; n++) {
		const uint8_t *p = in.data;
		size_t len = 0;

		if (in.len > 7 && p[0] == 0xff && (p[1] & 0xf0) == 0xf0)
			len = (size_t)(p[3] & 3) << 11 | (size_t)p[4] << 3 |
			      p[5] >> 5;
		if (len < 7 || len > in.len) {
			tracer_put(r->tracer, TRACE_WRONG, 0, 0, 0, 0);
			return;
		}
		tracer_unit(
			r->tracer, TRACE_AUDIO,
			(uint32_t)((pts + n * 90000ULL * 1024 / 44100) / 90),
			span_first(in, len));
		in = span_from(in, len);
	}
}

/* A PES packet is whole: its head, then a picture, or sounds. */
static void take_pes(struct tsread *r, size_t i)
{
	struct span pes = buf_span(&r->lane[i].pes);
	uint64_t pts;

	if (pes.len < 14 || pes.data[0] || pes.data[1] || pes.data[2] != 1) {
		tracer_put(r->tracer, TRACE_WRONG, 0, 0, 0, 0);
		return;
	}
	pts = (uint64_t)(pes.data[9] >> 1 & 7) << 30 |
	      (uint64_t)pes.data[10] << 22 |
	      (uint64_t)(pes.data[11] >> 1) << 15 |
	      (uint64_t)pes.data[12] << 7 | pes.data[13] >> 1;
	pes = span_from(pes, 9 + (size_t)pes.data[8]);
	if (r->lane[i].kind == TRACE_AUDIO)
		take_sounds(r, pts, pes);
	else
		tracer_unit(r->tracer, TRACE_VIDEO, (uint32_t)(pts / 90), pes);
}

static void end_pes(struct tsread *r, size_t i)
{
	if (r->lane[i].pes.len)
		take_pes(r, i);
	buf_clear(&r->lane[i].pes);
}

static size_t lane_of(struct tsread *r, uint16_t pid)
{
	for (size_t i = 0; i < LANES; i++) {
		if (r->lane[i].pid == pid)
			return i;
		if (!r->lane[i].pid) {
			r->lane[i].pid = pid;
			r->lane[i].continuity = -1;
			return i;
		}
	}
	return LANES;
}

static void begin_pes(struct tsread *r, size_t i, struct span payload)
{
	size_t len;

	end_pes(r, i);
	if (payload.len < 6)
		return;
	len = (size_t)payload.data[4] << 8 | payload.data[5];
	r->lane[i].whole = len ? len + 6 : 0;
	r->lane[i].kind = payload.data[3] >= 0xe0 ? TRACE_VIDEO : TRACE_AUDIO;
}

static void take_packet(struct tsread *r, const uint8_t *p)
{
	uint16_t pid = (uint16_t)((p[1] & 0x1f) << 8 | p[2]);
	size_t head = p[3] & 0x20 ? 5 + (size_t)p[4] : 4;
	bool is_start = p[1] & 0x40, has_payload = p[3] & 0x10;
	bool is_told = p[3] & 0x20 && p[4] && p[5] & 0x80;
	struct span payload = span_from(span_of(p, 188), head);
	size_t i;

	if (p[0] != 0x47)
		tracer_put(r->tracer, TRACE_WRONG, 0, 0, 0, 0);
	if (p[0] != 0x47 || !has_payload || pid == 0 || pid == 0x1fff)
		return;
	if (is_start && (payload.len < 4 || payload.data[0] ||
			 payload.data[1] || payload.data[2] != 1))
		return; /* a section */
	i = lane_of(r, pid);
	if (i == LANES || (!is_start && !r->lane[i].pes.len))
		return;
	if (r->lane[i].continuity >= 0 && !is_told &&
	    (p[3] & 15) != ((r->lane[i].continuity + 1) & 15))
		tracer_put(r->tracer, TRACE_WRONG, 0, 0, 0, 0);
	r->lane[i].continuity = p[3] & 15;
	if (is_start)
		begin_pes(r, i, payload);
	buf_put(&r->lane[i].pes, payload);
	if (r->lane[i].whole && r->lane[i].pes.len >= r->lane[i].whole)
		end_pes(r, i);
}

void tsread_feed(struct tsread *r, struct span in)
{
	while (in.len) {
		struct span part = span_first(in, 188 - r->have);

		memcpy(r->packet + r->have, part.data, part.len);
		r->have += part.len;
		in = span_from(in, part.len);
		if (r->have < 188)
			return;
		take_packet(r, r->packet);
		r->have = 0;
	}
}

void tsread_end(struct tsread *r)
{
	for (size_t i = 0; i < LANES; i++)
		end_pes(r, i);
}

void tsread_fini(struct tsread *r)
{
	for (size_t i = 0; i < LANES; i++)
		buf_fini(&r->lane[i].pes);
}
