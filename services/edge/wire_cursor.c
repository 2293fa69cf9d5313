/* services/edge/wire_cursor.c - a wire log: places in it, reading, moving. */
#include "services/edge/wire_inner.h"

static const struct wire_unit *unit_at(const struct wire *w, size_t i)
{
	return ring_at(&w->units, i);
}

/* The index of the unit that holds the byte at `offset`; count at the end. */
static size_t find_unit(const struct wire *w, uint64_t offset)
{
	size_t lo = 0, hi = w->units.count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (wire_unit_end(w, unit_at(w, mid)) > offset)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* ---- beginning ---- */

static void place(struct wire_cursor *c, const struct wire_join *j)
{
	*c = (struct wire_cursor){
		.offset = j->offset,
		.unit_end = j->offset,
		.next_frame = j->frame,
		.state = j->state,
		.left_out = c->left_out,
	};
}

/* What who comes from another place gets. */
static int make_headers(const struct wire *w, struct wire_join *j)
{
	const struct wire_format *format = w->format;
	int err = 0;

	if (j->headers.len)
		return 0;
	if (format->resume)
		format->resume(&j->headers, &j->mark);
	else
		err = wire_put_headers(w, &j->headers, j->set, j->ms);
	if (!err && format->wrap)
		format->wrap(&j->headers, 0, 0);
	if (!err)
		err = buf_error(&j->headers);
	if (err)
		buf_fini(&j->headers);
	return err;
}

/* What a new viewer gets; where the headers stand in the wire, nothing. */
static int make_opening(const struct wire *w, struct wire_join *j)
{
	const struct wire_format *format = w->format;
	struct tracks tracks;
	int err = format->resume ? 0 : make_headers(w, j);

	if (err || format->resume || j->opening.len)
		return err;
	if (format->opening &&
	    !tracks_read(&tracks, outlet_payload(j->set, FRAME_TRACKS, 0)))
		format->opening(&j->opening, &tracks);
	if (format->wrap)
		format->wrap(&j->opening, 0, 0);
	buf_put(&j->opening, buf_span(&j->headers));
	err = buf_error(&j->opening);
	if (err)
		buf_fini(&j->opening);
	return err;
}

int wire_start(struct wire *w, struct wire_cursor *c, struct span *prefix)
{
	struct wire_join *j = wire_start_join(w);
	int err;

	if (!j)
		return WEIR_EAGAIN;
	err = make_opening(w, j);
	if (err)
		return err;
	*prefix = buf_span(&j->opening);
	c->left_out = j->left_out;
	place(c, j);
	return 0;
}

/* ---- reading ---- */

struct span wire_peek(const struct wire *w, struct wire_cursor *c)
{
	if (c->must_join)
		return (struct span){0};
	BUG_ON(c->offset < w->tail);
	return bytelog_peek(&w->bytes, c->offset, &c->piece);
}

size_t wire_peek_all(const struct wire *w, struct wire_cursor *c,
		     struct span *out, size_t max, size_t enough_bytes)
{
	if (c->must_join)
		return 0;
	BUG_ON(c->offset < w->tail);
	return bytelog_peek_all(&w->bytes, c->offset, &c->piece, out, max,
				enough_bytes);
}

void wire_advance(const struct wire *w, struct wire_cursor *c, size_t len)
{
	const struct wire_unit *u;

	if (!len)
		return;
	c->offset += len;
	BUG_ON(c->offset > w->bytes.end);
	if (c->offset == w->bytes.end)
		u = ring_last(&w->units);
	else
		u = unit_at(w, find_unit(w, c->offset - 1));
	c->unit_end = wire_unit_end(w, u);
	if (c->offset != c->unit_end)
		return;
	c->next_frame = wire_unit_frame(w, u);
	c->state = u->state;
}

int wire_take_rest(const struct wire *w, struct wire_cursor *c, struct buf *out)
{
	int err = buf_reserve(out, c->unit_end - c->offset);

	if (err)
		return err;
	while (!wire_at_unit_end(c)) {
		struct span s =
			span_first(wire_peek(w, c), c->unit_end - c->offset);

		buf_put(out, s);
		wire_advance(w, c, s.len);
	}
	return 0;
}

uint32_t wire_lag_ms(const struct wire *w, const struct wire_cursor *c,
		     uint64_t unsent_bytes)
{
	uint64_t from = c->offset - WEIR_MIN(unsent_bytes, c->offset);
	size_t i;
	int64_t lag_ms;

	if (c->must_join || from >= w->bytes.end)
		return 0;
	i = find_unit(w, from);
	if (i >= w->units.count)
		return 0;
	lag_ms = w->out.newest_ms - unit_at(w, i)->ms;
	return lag_ms > 0 ? (uint32_t)WEIR_MIN(lag_ms, INT32_MAX) : 0;
}

/* ---- moving ---- */

void wire_leave(struct wire_cursor *c)
{
	BUG_ON(!wire_at_unit_end(c));
	c->must_join = true;
}

int wire_rejoin(struct wire *w, struct wire_cursor *c, uint64_t *skipped,
		struct span *prefix)
{
	struct wire_join *j = ring_last(&w->joins);

	if (!j || j->offset < c->offset)
		return WEIR_EAGAIN;
	*prefix = (struct span){0};
	if (j->state != c->state || w->format->resume) {
		int err = make_headers(w, j);

		if (err)
			return err;
		*prefix = buf_span(&j->headers);
	}
	*skipped = j->frame - c->next_frame;
	place(c, j);
	return 0;
}
