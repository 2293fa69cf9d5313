/* services/edge/wire.c - a wire log: blocks, units, joins. */
#include "services/edge/wire.h"

#include <stdlib.h>

#include "common/base/err.h"

#define BLOCK_BYTES       (64u * 1024)
#define OLD_MS            (INT64_C(1) << 30)
#define OVER_MS           ((INT64_C(1) << 31) - 60000)
#define AUDIO_JOIN_GAP_MS 100

struct wire_block {
	struct list link;
	uint64_t start; /* offset of data[0] */
	uint32_t len;
	uint8_t data[BLOCK_BYTES];
};

struct unit {
	uint64_t end;
	int64_t ms;
	uint64_t frame; /* number of the first frame behind it */
	uint32_t state; /* headers in force behind it */
};

struct join {
	uint64_t offset;
	int64_t ms;
	uint64_t frame;
	uint32_t state;
	struct stateset *set;
	struct buf opening; /* made when first asked for */
	struct buf headers;
};

/* Rings: count entries from first, in arrays of cap (a power of two). */
struct wire {
	const struct wire_format *format;
	struct wire_limits limits;
	struct list blocks;
	uint64_t tail; /* offset of the oldest kept byte */
	uint64_t end;
	struct unit *unit;
	size_t unit_first, unit_count, unit_cap;
	struct join *join;
	size_t join_first, join_count, join_cap;
	int64_t base_ms; /* stream time of the wire's 0 */
	bool has_base;
	bool must_join;       /* nothing is written until the next JOIN */
	struct stateset *set; /* whose headers were written last */
	struct tracks tracks;
	uint32_t state;
	uint64_t frames;
	int64_t newest_ms;
	uint64_t bytes;
	int64_t newest_arrival_us;
	struct buf scratch;
};

int wire_new(struct wire **out, const struct wire_format *format,
	     const struct wire_limits *limits)
{
	struct wire *w = calloc(1, sizeof(*w));

	if (!w)
		return WEIR_ENOMEM;
	w->format = format;
	w->limits = *limits;
	w->must_join = true;
	list_init(&w->blocks);
	*out = w;
	return 0;
}

static struct join *join_at(const struct wire *w, size_t i)
{
	return &w->join[(w->join_first + i) & (w->join_cap - 1)];
}

static struct unit *unit_at(const struct wire *w, size_t i)
{
	return &w->unit[(w->unit_first + i) & (w->unit_cap - 1)];
}

static void drop_join(struct wire *w)
{
	struct join *j = join_at(w, 0);

	stateset_unref(&j->set);
	buf_fini(&j->opening);
	buf_fini(&j->headers);
	w->join_first++;
	w->join_count--;
}

static void free_blocks(struct list *blocks)
{
	list_each_safe (it, blocks) {
		struct wire_block *b = list_entry(it, struct wire_block, link);

		list_remove(it);
		free(b);
	}
}

void wire_free(struct wire **pw)
{
	struct wire *w = *pw;

	if (!w)
		return;
	while (w->join_count)
		drop_join(w);
	list_each_safe (it, &w->blocks) {
		struct wire_block *b = list_entry(it, struct wire_block, link);

		list_remove(it);
		free(b);
	}
	free(w->unit);
	free(w->join);
	stateset_unref(&w->set);
	buf_fini(&w->scratch);
	free(w);
	*pw = NULL;
}

/* Give a ring room for one more; `size` of an entry. */
static int ring_room(void **ring, size_t size, size_t *first, size_t count,
		     size_t *cap)
{
	size_t new_cap = *cap ? *cap * 2 : 64;
	char *fresh, *old = *ring;

	if (count < *cap)
		return 0;
	fresh = malloc(new_cap * size);
	if (!fresh)
		return WEIR_ENOMEM;
	for (size_t i = 0; i < count; i++)
		memcpy(fresh + i * size,
		       old + ((*first + i) & (*cap - 1)) * size, size);
	free(old);
	*ring = fresh;
	*first = 0;
	*cap = new_cap;
	return 0;
}

static struct wire_block *last_block(const struct wire *w)
{
	return list_is_empty(&w->blocks)
		       ? NULL
		       : list_entry(w->blocks.prev, struct wire_block, link);
}

static struct wire_block *next_block(const struct wire *w,
				     const struct wire_block *b)
{
	return b->link.next == &w->blocks
		       ? NULL
		       : list_entry(b->link.next, struct wire_block, link);
}

/* As many empty blocks as `len` bytes need beyond `room`: all or none. */
static int make_blocks(struct list *out, size_t len, size_t room)
{
	for (; room < len; room += BLOCK_BYTES) {
		struct wire_block *b = malloc(sizeof(*b));

		if (!b) {
			free_blocks(out);
			return WEIR_ENOMEM;
		}
		b->len = 0;
		list_append(out, &b->link);
	}
	return 0;
}

static int put_bytes(struct wire *w, struct span s)
{
	struct wire_block *b = last_block(w);
	struct list fresh;

	list_init(&fresh);
	if (make_blocks(&fresh, s.len, b ? BLOCK_BYTES - b->len : 0))
		return WEIR_ENOMEM;
	while (s.len) {
		size_t n;

		if (!b || b->len == BLOCK_BYTES) {
			b = list_entry(fresh.next, struct wire_block, link);
			list_remove(&b->link);
			list_append(&w->blocks, &b->link);
			b->start = w->end;
			w->bytes += BLOCK_BYTES;
		}
		n = WEIR_MIN(s.len, (size_t)(BLOCK_BYTES - b->len));
		memcpy(b->data + b->len, s.data, n);
		b->len += (uint32_t)n;
		w->end += n;
		s = span_from(s, n);
	}
	return 0;
}

/* What is in scratch becomes a unit. */
static int put_unit(struct wire *w, int64_t ms, bool is_frame)
{
	int err = buf_error(&w->scratch);

	if (!err && w->scratch.len)
		err = ring_room((void **)&w->unit, sizeof(*w->unit),
				&w->unit_first, w->unit_count, &w->unit_cap);
	if (!err)
		err = put_bytes(w, buf_span(&w->scratch));
	if (err)
		return err;
	w->frames += is_frame;
	if (w->scratch.len) {
		*unit_at(w, w->unit_count) = (struct unit){
			.end = w->end,
			.ms = ms,
			.frame = w->frames,
			.state = w->state,
		};
		w->unit_count++;
	}
	w->newest_ms = ms;
	return 0;
}

static struct span state_payload(const struct stateset *set, uint8_t kind,
				 uint16_t track)
{
	struct frame *f = stateset_get(set, kind, track);

	return f ? f->payload : (struct span){0};
}

static int put_metadata(struct wire *w, struct buf *out,
			const struct stateset *set, int64_t ms)
{
	return w->format->metadata(out, &w->tracks,
				   state_payload(set, FRAME_META, 0),
				   (uint32_t)ms);
}

static int put_config(struct wire *w, struct buf *out,
		      const struct track *track, const struct stateset *set,
		      int64_t ms)
{
	struct frame *f = stateset_get(set, FRAME_CONFIG, track->id);

	return f ? w->format->unit(out, track, f, (uint32_t)ms) : 0;
}

static bool state_differs(const struct wire *w, const struct stateset *set,
			  uint8_t kind, uint16_t track)
{
	return !span_eq(state_payload(w->set, kind, track),
			state_payload(set, kind, track));
}

static void read_tracks(struct wire *w, const struct stateset *set)
{
	struct tracks t;

	if (tracks_read(&t, state_payload(set, FRAME_TRACKS, 0)) == 0)
		w->tracks = t;
}

/* Headers that changed since they were written last, as units of their own, for
 * the viewers that go on. */
static int put_changes(struct wire *w, struct stateset *set, int64_t ms)
{
	bool is_new = !w->set;
	int err = 0;

	if (set == w->set)
		return 0;
	read_tracks(w, set);
	buf_clear(&w->scratch);
	if (!is_new && (state_differs(w, set, FRAME_TRACKS, 0) ||
			state_differs(w, set, FRAME_META, 0)))
		err = put_metadata(w, &w->scratch, set, ms);
	for (size_t i = 0; !is_new && !err && i < w->tracks.count; i++) {
		const struct track *t = &w->tracks.track[i];

		if (state_differs(w, set, FRAME_CONFIG, t->id))
			err = put_config(w, &w->scratch, t, set, ms);
	}
	if (err)
		return err;
	if (w->scratch.len || is_new)
		w->state++;
	if (w->scratch.len)
		err = put_unit(w, ms, false);
	if (err)
		return err;
	stateset_unref(&w->set);
	w->set = stateset_ref(set);
	return 0;
}

static bool wants_join(const struct wire *w, int64_t ms)
{
	const struct join *last;

	if (!w->join_count || tracks_first(&w->tracks, FRAME_VIDEO))
		return true;
	last = join_at(w, w->join_count - 1);
	return ms >= last->ms + AUDIO_JOIN_GAP_MS || ms < last->ms;
}

static int put_join(struct wire *w, struct stateset *set, int64_t ms)
{
	int err = ring_room((void **)&w->join, sizeof(*w->join), &w->join_first,
			    w->join_count, &w->join_cap);

	if (err)
		return err;
	*join_at(w, w->join_count) = (struct join){
		.offset = w->end,
		.ms = ms,
		.frame = w->frames,
		.state = w->state,
		.set = stateset_ref(set),
	};
	w->join_count++;
	return 0;
}

/* Where a new viewer begins: with video the newest join; else the newest that
 * is audio_join_ms back, or the oldest. */
static struct join *start_join(const struct wire *w)
{
	size_t i = w->join_count;

	if (!i)
		return NULL;
	if (tracks_first(&w->tracks, FRAME_VIDEO))
		return join_at(w, i - 1);
	while (i > 1 && join_at(w, i - 1)->ms >
				w->newest_ms - (int64_t)w->limits.audio_join_ms)
		i--;
	return join_at(w, i - 1);
}

/* May the oldest of the units from `i` on go? */
static bool unit_is_spare(const struct wire *w, size_t i)
{
	const struct unit *u = unit_at(w, i);
	const struct join *keep = start_join(w);

	if (w->end - u->end >= w->limits.gop_max_bytes)
		return true;
	if (u->ms + (int64_t)w->limits.retain_ms >= w->newest_ms &&
	    u->ms <= w->newest_ms)
		return false;
	return keep && u->end <= keep->offset;
}

/* How many units may go. */
static size_t spare_units(const struct wire *w)
{
	size_t i = 0;

	while (i + 1 < w->unit_count && unit_is_spare(w, i))
		i++;
	return i;
}

uint64_t wire_spare_end(const struct wire *w)
{
	size_t i = spare_units(w);

	return i ? unit_at(w, i - 1)->end : w->tail;
}

void wire_trim(struct wire *w)
{
	size_t spare = spare_units(w);

	if (!spare)
		return;
	w->tail = unit_at(w, spare - 1)->end;
	w->unit_first += spare;
	w->unit_count -= spare;
	while (w->join_count && join_at(w, 0)->offset < w->tail)
		drop_join(w);
	while (!list_is_empty(&w->blocks)) {
		struct wire_block *b =
			list_entry(w->blocks.next, struct wire_block, link);

		if (b->start + BLOCK_BYTES > w->tail)
			break;
		list_remove(&b->link);
		free(b);
		w->bytes -= BLOCK_BYTES;
	}
}

int wire_append(struct wire *w, const struct log *log, uint64_t ordinal)
{
	const struct frame *f = log_at(log, ordinal);
	struct stateset *set;
	const struct track *track;
	int64_t ms;
	int err;

	if (!f || (f->kind != FRAME_VIDEO && f->kind != FRAME_AUDIO))
		return 0;
	if (w->must_join && !(f->flags & FRAME_JOIN))
		return 0;
	set = (struct stateset *)log_state_before(log, ordinal);
	if (!set)
		return 0;
	ms = (f->dts_ns + NS_PER_MS / 2) / NS_PER_MS;
	if (!w->has_base && ms >= OLD_MS)
		w->base_ms = ms;
	w->has_base = true;
	ms -= w->base_ms;
	err = put_changes(w, set, ms);
	if (!err && (f->flags & FRAME_JOIN) && wants_join(w, ms))
		err = put_join(w, set, ms);
	if (err)
		return err;
	track = tracks_find(&w->tracks, f->track);
	buf_clear(&w->scratch);
	if (track)
		err = w->format->unit(&w->scratch, track, f, (uint32_t)ms);
	if (err && err != WEIR_ENOMEM)
		buf_clear(&w->scratch); /* what cannot be carried is left out */
	else if (err)
		return err;
	err = put_unit(w, ms, true);
	if (err)
		return err;
	w->must_join = false;
	w->newest_arrival_us = f->arrival_us;
	return 0;
}

void wire_gap(struct wire *w, uint64_t frames)
{
	w->frames += frames;
	w->must_join = true;
}

bool wire_is_ready(const struct wire *w)
{
	return w->join_count > 0;
}

/* The unit that holds the byte behind `offset`; count when at the end. */
static size_t find_unit(const struct wire *w, uint64_t offset)
{
	size_t lo = 0, hi = w->unit_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (unit_at(w, mid)->end > offset)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static struct wire_block *find_block(const struct wire *w, uint64_t offset)
{
	for (struct list *it = w->blocks.prev; it != &w->blocks;
	     it = it->prev) {
		struct wire_block *b = list_entry(it, struct wire_block, link);

		if (offset >= b->start)
			return b;
	}
	return NULL;
}

static void place(struct wire_cursor *c, const struct join *j)
{
	c->block = NULL;
	c->offset = c->unit_end = j->offset;
	c->state = j->state;
	c->next_frame = j->frame;
	c->must_join = false;
}

static int make_headers(struct wire *w, struct join *j)
{
	struct tracks keep = w->tracks;
	int err = 0;

	if (j->headers.len)
		return 0;
	read_tracks(w, j->set);
	buf_clear(&j->headers);
	err = put_metadata(w, &j->headers, j->set, j->ms);
	for (size_t i = 0; !err && i < w->tracks.count; i++)
		err = put_config(w, &j->headers, &w->tracks.track[i], j->set,
				 j->ms);
	w->tracks = keep;
	return err ? err : buf_error(&j->headers);
}

static int make_opening(struct wire *w, struct join *j)
{
	struct tracks t;
	int err = make_headers(w, j);

	if (err || j->opening.len)
		return err;
	buf_clear(&j->opening);
	if (tracks_read(&t, state_payload(j->set, FRAME_TRACKS, 0)) == 0 &&
	    w->format->opening)
		w->format->opening(&j->opening, &t);
	buf_put(&j->opening, buf_span(&j->headers));
	return buf_error(&j->opening);
}

int wire_start(struct wire *w, struct wire_cursor *c, struct span *prefix)
{
	struct join *j = start_join(w);
	int err;

	if (!j)
		return WEIR_EAGAIN;
	err = make_opening(w, j);
	if (err)
		return err;
	*prefix = buf_span(&j->opening);
	place(c, j);
	return 0;
}

struct span wire_peek(struct wire *w, struct wire_cursor *c)
{
	struct wire_block *b = c->block;

	if (c->must_join || c->offset == w->end)
		return (struct span){0};
	BUG_ON(c->offset < w->tail);
	if (!b)
		b = find_block(w, c->offset);
	while (b && c->offset >= b->start + BLOCK_BYTES)
		b = next_block(w, b);
	BUG_ON(!b);
	c->block = b;
	return span_of(b->data + (c->offset - b->start),
		       b->start + b->len - c->offset);
}

void wire_advance(struct wire *w, struct wire_cursor *c, size_t len)
{
	const struct unit *u;
	size_t i;

	if (!len)
		return;
	c->offset += len;
	i = find_unit(w, c->offset - 1);
	BUG_ON(i >= w->unit_count);
	u = unit_at(w, i);
	c->unit_end = u->end;
	/* At the end of the wire the block may go before we come back. */
	if (c->offset == w->end)
		c->block = NULL;
	if (c->offset != c->unit_end)
		return;
	c->next_frame = u->frame;
	c->state = u->state;
}

int wire_take_rest(struct wire *w, struct wire_cursor *c, struct buf *out)
{
	while (!wire_at_unit_end(c)) {
		struct span s =
			span_first(wire_peek(w, c), c->unit_end - c->offset);

		buf_put(out, s);
		if (buf_error(out))
			return buf_error(out);
		wire_advance(w, c, s.len);
	}
	return 0;
}

uint32_t wire_lag_ms(const struct wire *w, const struct wire_cursor *c)
{
	size_t i;

	if (c->offset >= w->end || c->must_join)
		return 0;
	i = find_unit(w, c->offset);
	if (i >= w->unit_count || unit_at(w, i)->ms >= w->newest_ms)
		return 0;
	return (uint32_t)(w->newest_ms - unit_at(w, i)->ms);
}

static int move_to(struct wire *w, struct wire_cursor *c, struct join *j,
		   uint64_t *skipped, struct span *prefix)
{
	int err;

	*prefix = (struct span){0};
	if (j->state != c->state) {
		err = make_headers(w, j);
		if (err)
			return err;
		*prefix = buf_span(&j->headers);
	}
	*skipped = j->frame - c->next_frame;
	place(c, j);
	return 0;
}

int wire_skip(struct wire *w, struct wire_cursor *c, uint64_t *skipped,
	      struct span *prefix)
{
	struct join *j = w->join_count ? join_at(w, w->join_count - 1) : NULL;

	*skipped = 0;
	*prefix = (struct span){0};
	if (j && j->offset > c->offset)
		return move_to(w, c, j, skipped, prefix);
	c->block = NULL;
	c->must_join = true;
	return 0;
}

int wire_rejoin(struct wire *w, struct wire_cursor *c, uint64_t *skipped,
		struct span *prefix)
{
	struct join *j = w->join_count ? join_at(w, w->join_count - 1) : NULL;

	*skipped = 0;
	*prefix = (struct span){0};
	if (!c->must_join || !j || j->offset <= c->offset)
		return WEIR_EAGAIN;
	return move_to(w, c, j, skipped, prefix);
}

bool wire_is_old(const struct wire *w)
{
	return w->newest_ms >= OLD_MS;
}

bool wire_is_over(const struct wire *w)
{
	return w->newest_ms >= OVER_MS;
}

void wire_get_stats(const struct wire *w, struct wire_stats *out)
{
	*out = (struct wire_stats){
		.bytes = w->bytes,
		.written_bytes = w->end,
		.frames = w->frames,
		.end_offset = w->end,
		.newest_arrival_us = w->newest_arrival_us,
	};
}
