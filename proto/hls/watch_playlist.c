/* proto/hls/watch_playlist.c - a playlist against the one before it. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "proto/hls/watch_priv.h"

#define US_PER_S 1000000

/* A new playlist, and what the segments in it are. */
struct update {
	struct hls_watch *w;
	unsigned replica;
	struct watch_replica *r; /* still as the playlist before left it */
	const struct hls_playlist *pl;
	struct watch_segment **segment; /* pl->segment_count */
	int64_t total_us;
};

#define COMPLAIN(u, rule, ...)                                                 \
	watch_complain((u)->w, (u)->replica, HLS_RULE_##rule, __VA_ARGS__)

/* ---- The head ---- */

static void check_target(const struct update *u)
{
	uint32_t now_s = u->pl->target_duration_s;
	uint32_t was_s = u->r->target_s;

	if (!u->r->has_playlist || now_s == was_s)
		return;
	if (now_s < was_s)
		COMPLAIN(u, TARGET,
			 "the target duration shrank from %" PRIu32
			 " s to %" PRIu32 " s",
			 was_s, now_s);
	else
		watch_note(u->w, u->replica, HLS_RULE_TARGET,
			   "the target duration grew from %" PRIu32
			   " s to %" PRIu32 " s",
			   was_s, now_s);
}

static void check_kind(const struct update *u)
{
	if (u->pl->is_encrypted)
		COMPLAIN(u, UNKNOWN, "the segments are encrypted");
	if (u->pl->has_map)
		COMPLAIN(u, UNKNOWN, "the segments are fragments of MP4");
	if (u->pl->has_ranges)
		COMPLAIN(u, UNKNOWN, "the segments are parts of files");
}

/* ---- Numbers ---- */

static uint64_t end_of(uint64_t first, size_t count)
{
	return first + count;
}

/* The numbers between the two playlists were in neither. */
static void check_jump(const struct update *u, uint64_t old_end)
{
	const struct watch_replica *r = u->r;
	bool is_slow = (u->w->now_ms - r->asked_ms) * 1000 > r->listed_us;

	if (u->pl->media_sequence <= old_end)
		return;
	if (is_slow)
		watch_note(u->w, u->replica, HLS_RULE_SEQUENCE,
			   "numbers %" PRIu64 " to %" PRIu64
			   " were not seen: the playlist was away too long",
			   old_end, u->pl->media_sequence - 1);
	else
		COMPLAIN(u, SEQUENCE,
			 "numbers %" PRIu64 " to %" PRIu64 " were never listed",
			 old_end, u->pl->media_sequence - 1);
}

/* What stands in both has to stand at the same number. */
static void check_overlap(const struct update *u)
{
	const struct watch_replica *r = u->r;

	for (size_t i = 0; i < r->listed_count; i++) {
		uint64_t number = r->media_sequence + i;
		struct span old = watch_uri(r->listed[i]);
		uint64_t at = number - u->pl->media_sequence;

		if (number < u->pl->media_sequence)
			continue;
		if (at >= u->pl->segment_count) {
			COMPLAIN(u, CHANGED,
				 "number %" PRIu64
				 " (%.*s) was taken from "
				 "the end of the playlist",
				 number, WATCH_NAME(old));
			return;
		}
		if (!span_eq(old, u->pl->segment[at].uri)) {
			COMPLAIN(u, CHANGED,
				 "number %" PRIu64 " was %.*s and is now %.*s",
				 number, WATCH_NAME(old),
				 WATCH_NAME(u->pl->segment[at].uri));
			return;
		}
	}
}

static void check_discontinuities(const struct update *u)
{
	const struct watch_replica *r = u->r;
	uint64_t removed = u->pl->media_sequence - r->media_sequence;
	uint64_t wanted = r->discontinuity_sequence;
	uint64_t found = u->pl->discontinuity_sequence;

	for (size_t i = 0; i < r->listed_count && i < removed; i++)
		wanted += r->listed[i]->is_discontinuity;
	if (removed > r->listed_count ? found < wanted : found != wanted)
		COMPLAIN(u, DISCONTINUITY,
			 "EXT-X-DISCONTINUITY-SEQUENCE is %" PRIu64
			 ", but with %" PRIu64
			 " segments removed it has to be %" PRIu64,
			 found, removed, wanted);
}

static void check_left(const struct update *u)
{
	int64_t least_us = 3LL * u->pl->target_duration_s * US_PER_S;

	if (u->pl->media_sequence == u->r->media_sequence || u->pl->is_ended ||
	    u->total_us >= least_us)
		return;
	COMPLAIN(u, SHORT,
		 "segments were removed, though only %.3f s are left: less "
		 "than three target durations, %" PRIu32 " s",
		 (double)u->total_us / US_PER_S, 3 * u->pl->target_duration_s);
}

static void check_numbers(const struct update *u)
{
	const struct watch_replica *r = u->r;
	uint64_t old_end = end_of(r->media_sequence, r->listed_count);

	if (!r->has_playlist)
		return;
	if (u->pl->media_sequence < r->media_sequence) {
		COMPLAIN(u, SEQUENCE,
			 "EXT-X-MEDIA-SEQUENCE went back from %" PRIu64
			 " to %" PRIu64,
			 r->media_sequence, u->pl->media_sequence);
		return;
	}
	check_jump(u, old_end);
	check_overlap(u);
	check_discontinuities(u);
	check_left(u);
}

/* ---- Segments ---- */

/* The line that differs from what was said before; NULL: none does. */
static const char *differing_line(const struct watch_segment *s,
				  const struct hls_segment *now,
				  uint64_t discontinuity)
{
	if (s->duration_us != now->duration_us)
		return "EXTINF";
	if (s->is_discontinuity != now->is_discontinuity)
		return "EXT-X-DISCONTINUITY";
	if (s->is_gap != now->is_gap)
		return "EXT-X-GAP";
	if (s->utc_ms != now->utc_ms && s->utc_ms != HLS_NO_DATE &&
	    now->utc_ms != HLS_NO_DATE)
		return "EXT-X-PROGRAM-DATE-TIME";
	if (s->discontinuity != discontinuity)
		return "the discontinuity number";
	return NULL;
}

static void check_known(const struct update *u, const struct watch_segment *s,
			size_t at, uint64_t discontinuity)
{
	const struct hls_segment *now = &u->pl->segment[at];
	uint64_t number = u->pl->media_sequence + at;
	bool is_own = s->here[u->replica].was_listed;
	const char *line = differing_line(s, now, discontinuity);

	if (s->sequence != number)
		COMPLAIN(u, SEQUENCE,
			 "%.*s had number %" PRIu64 " and has %" PRIu64 " now",
			 WATCH_NAME(now->uri), s->sequence, number);
	else if (line && is_own)
		COMPLAIN(u, CHANGED, "%.*s: %s is not what it was",
			 WATCH_NAME(now->uri), line);
	else if (line)
		COMPLAIN(u, LINES, "%.*s: %s is not what replica %u has",
			 WATCH_NAME(now->uri), line, s->told_by + 1);
}

/* Another replica lists another segment under that number. */
static void check_others(const struct update *u, size_t at)
{
	const struct hls_segment *now = &u->pl->segment[at];
	uint64_t number = u->pl->media_sequence + at;

	for (unsigned i = 0; i < u->w->options.replica_count; i++) {
		const struct watch_replica *r = &u->w->replica[i];
		uint64_t there = number - r->media_sequence;

		if (i == u->replica || number < r->media_sequence ||
		    there >= r->listed_count)
			continue;
		if (!span_eq(now->uri, watch_uri(r->listed[there])))
			COMPLAIN(u, LINES,
				 "number %" PRIu64
				 " is %.*s here and %.*s on replica %u",
				 number, WATCH_NAME(now->uri),
				 WATCH_NAME(watch_uri(r->listed[there])),
				 i + 1);
	}
}

static void check_duration(const struct update *u, const struct hls_segment *s)
{
	if (hls_rounded_s(s->duration_us) > u->pl->target_duration_s)
		COMPLAIN(u, TARGET,
			 "%.*s lasts %.3f s, the target duration is %" PRIu32
			 " s",
			 WATCH_NAME(s->uri), (double)s->duration_us / US_PER_S,
			 u->pl->target_duration_s);
}

static void check_date(const struct update *u, const struct hls_segment *a,
		       const struct hls_segment *b)
{
	int64_t most_ms = u->w->options.date_tolerance_ms;
	int64_t off_ms;

	if (a->utc_ms == HLS_NO_DATE || b->utc_ms == HLS_NO_DATE)
		return;
	off_ms = b->utc_ms - a->utc_ms - (a->duration_us + 500) / 1000;
	if (b->utc_ms < a->utc_ms)
		COMPLAIN(u, DATE, "%.*s: the date goes back by %" PRId64 " ms",
			 WATCH_NAME(b->uri), a->utc_ms - b->utc_ms);
	else if (!b->is_discontinuity &&
		 (off_ms > most_ms || -off_ms > most_ms))
		COMPLAIN(u, DATE,
			 "%.*s: the date lies %+" PRId64
			 " ms beside the one before and its EXTINF",
			 WATCH_NAME(b->uri), off_ms);
}

static struct watch_segment *add(const struct update *u,
				 const struct hls_segment *from, size_t at,
				 uint64_t discontinuity)
{
	struct watch_segment *s = watch_add(u->w, from->uri);

	if (!s)
		return NULL;
	s->sequence = u->pl->media_sequence + at;
	s->discontinuity = discontinuity;
	s->duration_us = from->duration_us;
	s->utc_ms = from->utc_ms;
	s->is_discontinuity = from->is_discontinuity;
	s->is_gap = from->is_gap;
	s->told_by = u->replica;
	return s;
}

static void check_new(const struct update *u, size_t at)
{
	check_duration(u, &u->pl->segment[at]);
	if (at)
		check_date(u, &u->pl->segment[at - 1], &u->pl->segment[at]);
	check_others(u, at);
}

/* Find or make each segment; complain about those that are known. */
static int collect(struct update *u)
{
	uint64_t discontinuity = u->pl->discontinuity_sequence;

	for (size_t i = 0; i < u->pl->segment_count; i++) {
		const struct hls_segment *from = &u->pl->segment[i];
		struct watch_segment *s = watch_find(u->w, from->uri);

		discontinuity += from->is_discontinuity;
		if (s)
			check_known(u, s, i, discontinuity);
		else
			s = add(u, from, i, discontinuity);
		if (!s)
			return WEIR_ENOMEM;
		if (!s->here[u->replica].was_listed)
			check_new(u, i);
		u->segment[i] = s;
		u->total_us += from->duration_us;
	}
	return 0;
}

/* ---- Taking it over ---- */

static void mark_listed(struct watch_replica *r, unsigned replica,
			int64_t asked_ms)
{
	for (size_t i = 0; i < r->listed_count; i++) {
		struct watch_here *h = &r->listed[i]->here[replica];

		h->is_listed = h->was_listed = true;
		h->listed_ms = asked_ms;
		h->playlist_us = WEIR_MAX(h->playlist_us, r->listed_us);
	}
}

static void link_neighbours(struct watch_replica *r)
{
	for (size_t i = 1; i < r->listed_count; i++) {
		struct watch_segment *a = r->listed[i - 1];
		struct watch_segment *b = r->listed[i];

		if (a->after || b->before || a == b)
			continue;
		a->after = b;
		b->before = a;
	}
}

static void take_over(struct update *u, int64_t asked_ms)
{
	struct watch_replica *r = u->r;
	uint64_t old_end = end_of(r->media_sequence, r->listed_count);
	uint64_t end = end_of(u->pl->media_sequence, u->pl->segment_count);

	for (size_t i = 0; i < r->listed_count; i++)
		r->listed[i]->here[u->replica].is_listed = false;
	for (size_t i = 0; i < u->pl->segment_count; i++) {
		if (u->segment[i]->here[u->replica].was_listed)
			continue;
		r->stats.segments++;
		r->stats.gaps += u->segment[i]->is_gap;
	}
	if (!r->has_playlist || end > old_end) {
		r->grown_ms = u->w->now_ms;
		r->is_late = false;
	}
	free(r->listed);
	r->listed = u->segment;
	u->segment = NULL;
	r->listed_count = u->pl->segment_count;
	r->listed_us = u->total_us;
	r->media_sequence = u->pl->media_sequence;
	r->discontinuity_sequence = u->pl->discontinuity_sequence;
	r->target_s = u->pl->target_duration_s;
	r->is_ended = u->pl->is_ended;
	r->is_independent = u->pl->is_independent;
	r->has_playlist = true;
	mark_listed(r, u->replica, asked_ms);
	link_neighbours(r);
}

static int take_change(struct hls_watch *w, unsigned replica,
		       const struct hls_playlist *pl, int64_t asked_ms)
{
	struct update u = {.w = w,
			   .replica = replica,
			   .r = &w->replica[replica],
			   .pl = pl};
	int err;

	u.segment =
		calloc(pl->segment_count + 1, sizeof(struct watch_segment *));
	if (!u.segment)
		return WEIR_ENOMEM;
	check_target(&u);
	check_kind(&u);
	err = collect(&u);
	if (!err) {
		check_numbers(&u);
		take_over(&u, asked_ms);
	}
	free(u.segment);
	return err;
}

/* ---- Answers ---- */

/* An answer of `asked_ms` is no older, so the playlist had not grown then. */
static void check_late(struct hls_watch *w, unsigned replica, int64_t asked_ms)
{
	struct watch_replica *r = &w->replica[replica];
	int64_t passed_ms = asked_ms - r->grown_ms;
	int64_t most_ms = 1500LL * r->target_s + w->options.late_slack_ms;

	if (!r->has_playlist || r->is_ended || r->is_late ||
	    passed_ms <= most_ms)
		return;
	r->is_late = true;
	watch_complain(w, replica, HLS_RULE_LATE,
		       "no new segment for %.1f s, the target duration is "
		       "%" PRIu32 " s",
		       (double)passed_ms / 1000, r->target_s);
}

static void take_refusal(struct hls_watch *w, unsigned replica,
			 const struct hls_answer *a)
{
	struct watch_replica *r = &w->replica[replica];

	r->is_answering = false;
	if (a->status == 404)
		watch_check_cache(w, replica, a, "no-store",
				  "the 404 for the playlist");
	/* The stream is over: the playlist may go. */
	if (r->is_ended || watch_is_absence(w, replica, a->status, true))
		return;
	if (a->status)
		watch_complain(w, replica, HLS_RULE_ANSWER,
			       "the playlist is answered with %u", a->status);
	else
		watch_complain(w, replica, HLS_RULE_ANSWER,
			       "there is no answer for the playlist");
}

static int take_text(struct hls_watch *w, unsigned replica,
		     const struct hls_answer *a)
{
	struct watch_replica *r = &w->replica[replica];
	struct hls_playlist pl;
	struct hls_error error;
	int err = hls_playlist_read(&pl, a->body, NULL, &error);

	if (err == WEIR_ENOMEM)
		return err;
	if (err) {
		watch_complain(w, replica, HLS_RULE_SYNTAX,
			       "line %" PRIu32 ": %s", error.line, error.text);
		return 0;
	}
	if (pl.is_master)
		err = WEIR_EUNSUPPORTED;
	else if (r->is_ended)
		watch_complain(w, replica, HLS_RULE_AFTER_END,
			       "the playlist changed after EXT-X-ENDLIST");
	else
		err = take_change(w, replica, &pl, a->asked_ms);
	hls_playlist_fini(&pl);
	return err;
}

int hls_watch_playlist(struct hls_watch *w, unsigned replica, int64_t now_ms,
		       const struct hls_answer *a)
{
	struct watch_replica *r = &w->replica[replica];
	uint64_t hash = hash_bytes(0, a->body);
	bool is_same = r->stats.playlists && hash == r->text_hash;
	int err = 0;

	w->now_ms = now_ms;
	if (a->status != 200) {
		take_refusal(w, replica, a);
		return 0;
	}
	if (!is_same)
		err = take_text(w, replica, a);
	if (err)
		return err;
	watch_check_type(w, replica, a, HLS_PLAYLIST_TYPE, "the playlist");
	if (!r->is_ended)
		watch_check_cache(w, replica, a, "max-age=1", "the playlist");
	r->is_answering = true;
	r->stats.playlists++;
	r->stats.changes += !is_same;
	r->text_hash = hash;
	if (is_same)
		mark_listed(r, replica, a->asked_ms);
	r->asked_ms = a->asked_ms;
	check_late(w, replica, a->asked_ms);
	return 0;
}
