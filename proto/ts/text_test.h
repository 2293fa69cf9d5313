/* proto/ts/text_test.h - what the reader yields as text, and streams checked by
 * the rules that every stream of ours keeps; for the tests of this room.
 */
#ifndef WEIR_TS_TEXT_TEST_H
#define WEIR_TS_TEXT_TEST_H

#include "common/base/hash.h"
#include "common/test/check.h"
#include "proto/ts/reader.h"

static inline int text_pmt(void *ctx, const struct ts_program *p, bool is_new,
			   uint64_t offset)
{
	(void)offset;
	if (!is_new)
		return 0;
	buf_printf(ctx, "program %u pmt=%x pcr=%x version=%u\n", p->number,
		   p->pmt_pid, p->pcr_pid, p->version);
	for (uint8_t i = 0; i < p->count; i++)
		buf_printf(ctx, "stream %x type=%02x %s channels=%u\n",
			   p->stream[i].pid, p->stream[i].stream_type,
			   codec_name(p->stream[i].codec),
			   p->stream[i].channels);
	return buf_error(ctx);
}

static inline int text_pes(void *ctx, const struct ts_pes *p)
{
	buf_printf(ctx, "%x", p->stream->pid);
	if (p->has_pts)
		buf_printf(ctx, " pts=%" PRIu64, p->pts_90k);
	if (p->has_dts)
		buf_printf(ctx, " dts=%" PRIu64, p->dts_90k);
	if (p->is_random_access)
		buf_printf(ctx, " random");
	if (p->is_discontinuity)
		buf_printf(ctx, " discontinuity");
	buf_printf(ctx, " %zu %016" PRIx64 "\n", p->payload.len,
		   hash_bytes(0, p->payload));
	return buf_error(ctx);
}

static inline int text_mistake(void *ctx, const struct ts_mistake_event *e)
{
	buf_printf(ctx, "mistake %x: %s\n", e->pid, e->text);
	return buf_error(ctx);
}

/* The text of a whole stream. Returns what the reader does. */
static inline int text_of(struct buf *out, struct span in)
{
	const struct ts_reader_events events = {.on_pmt = text_pmt,
						.on_pes = text_pes,
						.on_mistake = text_mistake};
	struct ts_reader *rd = NULL;
	int err = ts_reader_new(&rd, NULL, &events, out);

	if (!err)
		err = ts_reader_feed(rd, in);
	if (!err)
		err = ts_reader_end(rd);
	ts_reader_free(&rd);
	return err;
}

/* ---- Rules ---- */

struct rules {
	bool has_pcr;
	bool has_tables;
	uint64_t pcr_27m;
	uint64_t tables_27m; /* the PCR before the last PMT */
	uint64_t pcr_gap_27m;
	uint64_t tables_gap_27m;
	uint64_t pcr_count;
	uint64_t pmt_count;
	uint64_t pes_count;
	uint64_t new_bases;
};

static inline int rules_pcr(void *ctx, const struct ts_pcr *pcr)
{
	struct rules *r = ctx;

	r->pcr_count++;
	if (r->has_pcr && !pcr->is_discontinuity)
		r->pcr_gap_27m =
			WEIR_MAX(r->pcr_gap_27m, pcr->pcr_27m - r->pcr_27m);
	if (pcr->is_discontinuity) {
		r->new_bases++;
		r->has_tables = false;
	}
	r->has_pcr = true;
	r->pcr_27m = pcr->pcr_27m;
	/* The time up to the next PCR counts: it could come that late. */
	if (r->has_tables)
		r->tables_gap_27m =
			WEIR_MAX(r->tables_gap_27m, r->pcr_27m - r->tables_27m);
	return 0;
}

static inline int rules_pmt(void *ctx, const struct ts_program *p, bool is_new,
			    uint64_t offset)
{
	struct rules *r = ctx;

	(void)p;
	(void)is_new;
	(void)offset;
	r->pmt_count++;
	r->has_tables = r->has_pcr;
	r->tables_27m = r->pcr_27m;
	return 0;
}

static inline int rules_pes(void *ctx, const struct ts_pes *pes)
{
	struct rules *r = ctx;

	(void)pes;
	r->pes_count++;
	return 0;
}

/* Say what is wrong, and fail. */
static inline int rules_mistake(void *ctx, const struct ts_mistake_event *e)
{
	(void)ctx;
	CHECK_STR(e->text, "");
	return 0;
}

/* No mistake in it, PCRs and tables often enough. */
static inline struct rules check_rules(struct span in)
{
	const struct ts_reader_events events = {.on_pmt = rules_pmt,
						.on_pes = rules_pes,
						.on_pcr = rules_pcr,
						.on_mistake = rules_mistake};
	struct ts_reader *rd = NULL;
	struct rules r = {0};

	CHECK_EQ(ts_reader_new(&rd, NULL, &events, &r), 0);
	CHECK_EQ(ts_reader_feed(rd, in), 0);
	CHECK_EQ(ts_reader_end(rd), 0);
	ts_reader_free(&rd);
	CHECK(r.pcr_gap_27m <= TS_CLOCK_27M * 40 / 1000);
	CHECK(r.tables_gap_27m <= TS_CLOCK_27M / 2);
	return r;
}

#endif
