/* proto/hls/watch_segment.c - what is in segments against what is said. */
#include <inttypes.h>

#include "proto/hls/watch_priv.h"

#define US_PER_S 1000000
/* What may lie between two segments on a track that is not the one measured
 * on: sound comes in large pieces, and may be missing for a while. */
#define STEP_MAX_90K 45000
/* Where a publisher returns, time goes on at a multiple of that. */
#define GRID_US 40000

static int64_t us_of(int64_t ticks_90k)
{
	return ticks_90k * 100 / 9;
}

/* From a to b, where both have 33 bits. */
static int64_t distance_90k(int64_t a, int64_t b)
{
	int64_t d = (b - a) % TS_WRAP_90K;

	if (d < 0)
		d += TS_WRAP_90K;
	return d < TS_WRAP_90K / 2 ? d : d - TS_WRAP_90K;
}

static int64_t magnitude(int64_t n)
{
	return n < 0 ? -n : n;
}

#define COMPLAIN(rule, ...)                                                    \
	watch_complain(w, replica, HLS_RULE_##rule, __VA_ARGS__)

/* ---- One segment ---- */

static int64_t end_90k(const struct hls_track_facts *t)
{
	return t->last_dts_90k + t->max_step_90k;
}

/* How far other tracks go beyond the one measured on. The last segment of a
 * publisher lasts until the next one begins: behind the longest of them. */
static int64_t tail_us(const struct hls_facts *f,
		       const struct hls_track_facts *lead)
{
	int64_t tail = 0;

	for (uint8_t i = 0; i < f->track_count; i++)
		if (f->track[i].pes_count)
			tail = WEIR_MAX(tail,
					end_90k(&f->track[i]) - end_90k(lead));
	return us_of(tail) + GRID_US;
}

static void check_length(struct hls_watch *w, unsigned replica,
			 const struct watch_segment *s,
			 const struct hls_track_facts *lead)
{
	int64_t content_us = hls_track_duration_us(lead);
	int64_t most_us = us_of(lead->max_step_90k) + 1000;
	int64_t over_us = s->duration_us - content_us;

	if (content_us && (-over_us > most_us ||
			   over_us > most_us + tail_us(&s->facts, lead)))
		COMPLAIN(DURATION,
			 "%.*s: EXTINF is %.3f s, the content lasts "
			 "%.3f s",
			 WATCH_NAME(watch_uri(s)),
			 (double)s->duration_us / US_PER_S,
			 (double)content_us / US_PER_S);
}

static void check_content(struct hls_watch *w, unsigned replica,
			  const struct watch_segment *s)
{
	const struct hls_facts *f = &s->facts;
	const struct hls_track_facts *lead = hls_facts_lead(f);

	if (f->words[0])
		COMPLAIN(TS, "%.*s: %s", WATCH_NAME(watch_uri(s)), f->words);
	if (!f->begins_with_tables)
		COMPLAIN(TABLES, "%.*s does not begin with PAT and PMT",
			 WATCH_NAME(watch_uri(s)));
	if (!f->is_readable || !lead)
		return;
	if (lead->is_video && !lead->begins_with_key &&
	    w->replica[replica].is_independent)
		COMPLAIN(KEY, "%.*s does not begin with a key frame",
			 WATCH_NAME(watch_uri(s)));
	check_length(w, replica, s, lead);
}

/* ---- Two that follow each other ---- */

static const struct hls_track_facts *same_track(const struct hls_facts *f,
						const struct hls_track_facts *t)
{
	for (uint8_t i = 0; i < f->track_count; i++)
		if (f->track[i].pid == t->pid &&
		    f->track[i].stream_type == t->stream_type)
			return &f->track[i];
	return NULL;
}

static bool have_same_tracks(const struct hls_facts *a,
			     const struct hls_facts *b)
{
	for (uint8_t i = 0; i < b->track_count; i++)
		if (!same_track(a, &b->track[i]))
			return false;
	return a->track_count == b->track_count;
}

static void check_step(struct hls_watch *w, unsigned replica,
		       const struct watch_segment *b,
		       const struct hls_track_facts *x,
		       const struct hls_track_facts *y)
{
	int64_t step = distance_90k(x->last_dts_90k, y->first_dts_90k);
	int64_t most = 2 * WEIR_MAX(x->max_step_90k, y->max_step_90k);

	if (!x->pes_count || !y->pes_count)
		return;
	if (step <= 0)
		COMPLAIN(TIMES, "%.*s: times of PID %u go back by %.3f s",
			 WATCH_NAME(watch_uri(b)), y->pid,
			 (double)-step / TS_CLOCK_90K);
	else if (step > WEIR_MAX(most, STEP_MAX_90K))
		COMPLAIN(TIMES,
			 "%.*s: times of PID %u jump by %.3f s without "
			 "EXT-X-DISCONTINUITY",
			 WATCH_NAME(watch_uri(b)), y->pid,
			 (double)step / TS_CLOCK_90K);
}

/* The next one begins where EXTINF says that this one ends. */
static void check_place(struct hls_watch *w, unsigned replica,
			const struct watch_segment *a,
			const struct watch_segment *b)
{
	const struct hls_track_facts *x = hls_facts_lead(&a->facts);
	const struct hls_track_facts *y = hls_facts_lead(&b->facts);
	int64_t off_us;

	if (!x || !y || !x->pes_count || !y->pes_count)
		return;
	off_us = us_of(distance_90k(x->first_dts_90k, y->first_dts_90k)) -
		 a->duration_us;
	if (magnitude(off_us) > us_of(x->max_step_90k) + 1000)
		COMPLAIN(DURATION,
			 "%.*s begins %+.3f s beside the end that EXTINF gives "
			 "%.*s",
			 WATCH_NAME(watch_uri(b)), (double)off_us / US_PER_S,
			 WATCH_NAME(watch_uri(a)));
}

static void check_pair(struct hls_watch *w, unsigned replica,
		       const struct watch_segment *a,
		       const struct watch_segment *b)
{
	if (!a || !b || !a->has_facts || !b->has_facts || b->is_discontinuity ||
	    b->sequence != a->sequence + 1 || !a->facts.is_readable ||
	    !b->facts.is_readable)
		return;
	if (!have_same_tracks(&a->facts, &b->facts)) {
		COMPLAIN(TRACKS,
			 "%.*s has other tracks than the one before, without "
			 "EXT-X-DISCONTINUITY",
			 WATCH_NAME(watch_uri(b)));
		return;
	}
	for (uint8_t i = 0; i < b->facts.track_count; i++)
		check_step(w, replica, b,
			   same_track(&a->facts, &b->facts.track[i]),
			   &b->facts.track[i]);
	check_place(w, replica, a, b);
}

/* ---- Answers ---- */

static void take_refusal(struct hls_watch *w, unsigned replica,
			 struct watch_segment *s, const struct hls_answer *a)
{
	struct watch_here *h = &s->here[replica];

	if (a->status == 404)
		watch_check_cache(w, replica, a, "no-store",
				  "the 404 for a segment");
	if (watch_is_absence(w, replica, a->status, false)) {
		h->is_asked = h->is_fetched; /* once more, when it is back */
		return;
	}
	if (a->asked_ms > watch_kept_until_ms(s, replica))
		return;
	if (h->is_listed)
		COMPLAIN(ANSWER, "%.*s is listed and answered with %u",
			 WATCH_NAME(watch_uri(s)), a->status);
	else
		COMPLAIN(GONE,
			 "%.*s was removed from the playlist and is answered "
			 "with %u %.1f s too early",
			 WATCH_NAME(watch_uri(s)), a->status,
			 (double)(watch_kept_until_ms(s, replica) -
				  a->asked_ms) /
				 1000);
}

static void compare(struct hls_watch *w, unsigned replica,
		    const struct watch_segment *s, const struct hls_facts *f)
{
	struct watch_replica *r = &w->replica[replica];

	if (memcmp(s->facts.sha256, f->sha256, HLS_HASH_BYTES) == 0) {
		r->stats.compared +=
			s->facts_of != replica && !s->here[replica].is_fetched;
		return;
	}
	if (s->facts_of == replica)
		COMPLAIN(BYTES, "%.*s has other bytes than before",
			 WATCH_NAME(watch_uri(s)));
	else
		COMPLAIN(BYTES,
			 "%.*s has %" PRIu64 " bytes here, and other %" PRIu64
			 " bytes on replica %u",
			 WATCH_NAME(watch_uri(s)), f->bytes, s->facts.bytes,
			 s->facts_of + 1);
}

int hls_watch_segment(struct hls_watch *w, unsigned replica, int64_t now_ms,
		      struct span uri, const struct hls_answer *a)
{
	struct watch_segment *s = watch_find(w, uri);
	struct watch_replica *r = &w->replica[replica];
	struct hls_facts f;
	int err;

	w->now_ms = now_ms;
	if (!s)
		return 0;
	if (a->status != 200) {
		take_refusal(w, replica, s, a);
		return 0;
	}
	err = hls_facts_read(&f, a->body);
	if (err)
		return err;
	watch_check_type(w, replica, a, HLS_SEGMENT_TYPE, "a segment");
	/* What is for one viewer is nobody else's. */
	watch_check_cache(w, replica, a,
			  watch_is_private(a)
				  ? "private, max-age=3600, immutable"
				  : "public, max-age=3600, immutable",
			  "a segment");
	r->stats.bytes += f.bytes;
	if (s->has_facts) {
		compare(w, replica, s, &f);
	} else {
		s->facts = f;
		s->has_facts = true;
		s->facts_of = replica;
		check_content(w, replica, s);
		check_pair(w, replica, s->before, s);
		check_pair(w, replica, s, s->after);
	}
	if (s->here[replica].is_fetched)
		r->stats.removed_fetched++;
	else
		r->stats.fetched += f.is_readable;
	s->here[replica].is_fetched = true;
	return 0;
}
