/* common/media/log_find.c - where frames, joins and states stand in a log. */
#include "common/media/log_inner.h"

struct frame *log_at(const struct log *log, uint64_t ordinal)
{
	const struct slot *s;

	if (ordinal < log->tail || ordinal >= log_next(log))
		return NULL;
	s = ring_at(&log->slots, (size_t)(ordinal - log->tail));
	return s->frame;
}

/* Where sequence `want` of run `i`, or what comes next, stands. */
static int stand(const struct log *log, uint64_t *out, size_t i, uint64_t want)
{
	const struct run *r = ring_at(&log->runs, i);
	const struct run *next = NULL;
	uint64_t end = log_next(log);
	uint64_t ordinal;

	if (i + 1 < log->runs.count) {
		next = ring_at(&log->runs, i + 1);
		end = next->first_ordinal;
	}
	if (want - r->first_sequence < end - r->first_ordinal)
		ordinal = r->first_ordinal + (want - r->first_sequence);
	else if (!next && want - r->first_sequence > end - r->first_ordinal)
		return WEIR_ENOENT;
	else if (next && next->first_sequence)
		return WEIR_EGONE; /* it was skipped over */
	else
		ordinal = end;
	if (ordinal < log->tail)
		return WEIR_EGONE;
	*out = ordinal;
	return 0;
}

int log_find_after(const struct log *log, uint64_t *out,
		   const struct position *after)
{
	bool is_epoch_known = false;

	if (after->sequence == UINT64_MAX)
		return WEIR_ENOENT;
	for (size_t i = log->runs.count; i-- > 0;) {
		const struct run *r = ring_at(&log->runs, i);

		if (!epoch_eq(&r->epoch, &after->epoch))
			continue;
		if (r->first_sequence <= after->sequence + 1)
			return stand(log, out, i, after->sequence + 1);
		is_epoch_known = true;
	}
	return is_epoch_known ? WEIR_EGONE : WEIR_ENOENT;
}

const struct stateset *log_state_before(const struct log *log, uint64_t ordinal)
{
	size_t low = 0, high = log->states.count;

	if (ordinal < log->tail || ordinal > log_next(log))
		return NULL;
	while (low < high) { /* entries below `low` begin early enough */
		size_t middle = low + (high - low) / 2;
		const struct state *s = ring_at(&log->states, middle);

		if (s->begin <= ordinal)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	return ((const struct state *)ring_at(&log->states, low - 1))->set;
}

static int join_at(const struct log *log, struct log_join *out, size_t index)
{
	const struct join *j;

	if (index >= log->joins.count)
		return WEIR_ENOENT;
	j = ring_at(&log->joins, index);
	*out = (struct log_join){
		j->ordinal,
		j->dts_ns,
		log_state_before(log, j->ordinal),
	};
	return 0;
}

int log_newest_join(const struct log *log, struct log_join *out)
{
	/* Without joins this is past the end, too. */
	return join_at(log, out, log->joins.count - 1);
}

int log_join_at_dts(const struct log *log, struct log_join *out, int64_t dts_ns)
{
	for (size_t i = log->joins.count; i-- > 0;) {
		const struct join *j = ring_at(&log->joins, i);

		if (j->dts_ns <= dts_ns)
			return join_at(log, out, i);
	}
	return WEIR_ENOENT;
}

int log_join_from(const struct log *log, struct log_join *out, uint64_t ordinal)
{
	size_t low = 0, high = log->joins.count;

	while (low < high) { /* joins below `low` stand before `ordinal` */
		size_t middle = low + (high - low) / 2;
		const struct join *j = ring_at(&log->joins, middle);

		if (j->ordinal < ordinal)
			low = middle + 1;
		else
			high = middle;
	}
	return join_at(log, out, low);
}

bool log_last_position(const struct log *log, struct position *out)
{
	const struct slot *s = ring_last(&log->slots);

	if (s)
		*out = s->frame->position;
	return s;
}

/* dts of the oldest media frame that is kept. */
static int64_t first_dts(const struct log *log)
{
	for (size_t i = 0; i < log->slots.count; i++) {
		const struct slot *s = ring_at(&log->slots, i);

		if (!frame_is_state(s->frame))
			return s->frame->dts_ns;
	}
	return 0;
}

int64_t log_last_dts_ns(const struct log *log)
{
	return log->time.last_dts_ns;
}

void log_stats(const struct log *log, struct log_stats *out)
{
	*out = (struct log_stats){
		.bytes = log->bytes,
		.frames = log->slots.count,
		.joins = log->joins.count,
		.has_video_join = log->has_video_join,
		.first_dts_ns = first_dts(log),
		.last_dts_ns = log->time.last_dts_ns,
		.end_dts_ns = log->time.end_dts_ns,
		.evicted_past_join = log->evicted_past_join,
	};
}
