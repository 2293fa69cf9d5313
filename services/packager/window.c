/* services/packager/window.c - which segments are listed and kept. */
#include "services/packager/window.h"

#include <stdlib.h>

#define TARGETS_LISTED 3

void window_init(struct window *w, uint32_t list_count, uint64_t *all_bytes)
{
	*w = (struct window){.list_count = list_count, .all_bytes = all_bytes};
	list_init(&w->listed);
	list_init(&w->gone);
}

static struct segment *at(struct list *it)
{
	return list_entry(it, struct segment, link);
}

static void add(struct window *w, const struct segment *s)
{
	*w->all_bytes += segment_bytes(s);
	w->count++;
}

static void drop(struct window *w, struct segment *s)
{
	*w->all_bytes -= segment_bytes(s);
	w->count--;
	list_remove(&s->link);
	segment_free(&s);
}

void window_fini(struct window *w)
{
	list_each_safe (it, &w->listed)
		drop(w, at(it));
	list_each_safe (it, &w->gone)
		drop(w, at(it));
}

/* ---- what is listed ---- */

/* Segments are shown up to the first gap that is asked for. */
static bool is_shown(const struct window *w, const struct list *it)
{
	return it != &w->listed &&
	       !list_entry(it, const struct segment, link)->is_asked;
}

#define each_shown(it, w)                                                      \
	for (struct list *it = (w)->listed.next; is_shown((w), it);            \
	     it = it->next)

size_t window_listed(const struct window *w, int64_t *out_us)
{
	size_t count = 0;

	*out_us = 0;
	each_shown(it, w)
	{
		*out_us += at(it)->duration_us;
		count++;
	}
	return count;
}

/* The target duration of a playlist that ends with the newest shown one. */
static uint32_t target_s(const struct window *w)
{
	uint32_t target = 1, newest_ms = 0;

	each_shown(it, w)
	{
		target = WEIR_MAX(target, hls_rounded_s(at(it)->duration_us));
		newest_ms = at(it)->target_ms;
	}
	return WEIR_MAX(target, hls_rounded_s((int64_t)newest_ms * 1000));
}

static void remove_listed(struct window *w, struct segment *s, int64_t now_ms)
{
	s->gone_ms = now_ms;
	s->is_asked = false;
	list_remove(&s->link);
	if (s->body)
		list_append(&w->gone, &s->link);
	else
		drop(w, s); /* a gap has nothing to keep */
}

static void note_length(struct window *w, int64_t shown_us)
{
	each_shown(it, w) at(it)->longest_us =
		WEIR_MAX(at(it)->longest_us, shown_us);
}

/* After each change of what is shown. */
static void settle(struct window *w, int64_t now_ms)
{
	int64_t shown_us;
	size_t count = window_listed(w, &shown_us);
	int64_t least_us = (int64_t)target_s(w) * TARGETS_LISTED * 1000000;

	while (count > w->list_count) {
		struct segment *oldest = at(w->listed.next);

		if (shown_us - oldest->duration_us < least_us)
			break;
		shown_us -= oldest->duration_us;
		count--;
		remove_listed(w, oldest, now_ms);
	}
	note_length(w, shown_us);
}

void window_clear(struct window *w, int64_t now_ms)
{
	list_each_safe (it, &w->listed)
		remove_listed(w, at(it), now_ms);
}

static bool goes_on(const struct window *w, const struct segment *s)
{
	const struct segment *last;

	if (list_is_empty(&w->listed))
		return true;
	last = at(w->listed.prev);
	return last->incarnation == s->incarnation &&
	       last->number + 1 == s->number;
}

void window_take(struct window *w, struct segment *s, int64_t now_ms)
{
	if (!goes_on(w, s))
		window_clear(w, now_ms);
	w->is_ended = false;
	add(w, s);
	list_append(&w->listed, &s->link);
	settle(w, now_ms);
}

static bool replace_gap(struct window *w, struct segment *s)
{
	list_each (it, &w->listed) {
		struct segment *gap = at(it);

		if (gap->number != s->number ||
		    gap->incarnation != s->incarnation)
			continue;
		if (gap->body || !s->body)
			return false;
		list_prepend(it, &s->link); /* behind it */
		drop(w, gap);
		return true;
	}
	return false;
}

/* Is it the one before the oldest, or before the one that is open? */
static bool stands_before(const struct window *w, const struct segment *s,
			  const struct hls_name *open)
{
	const struct segment *first = window_oldest(w);
	uint64_t incarnation = first ? first->incarnation : open->incarnation;
	uint64_t number = first ? first->number : open->number;

	return incarnation == s->incarnation && number == s->number + 1;
}

bool window_fill(struct window *w, struct segment *s,
		 const struct hls_name *open)
{
	if (stands_before(w, s, open))
		list_prepend(&w->listed, &s->link);
	else if (!replace_gap(w, s)) {
		segment_free(&s);
		return false;
	}
	add(w, s);
	return true;
}

void window_keep(struct window *w, struct segment *s, int64_t now_ms)
{
	(void)window_listed(w, &s->longest_us);
	s->gone_ms = now_ms;
	add(w, s);
	list_prepend(&w->gone, &s->link);
}

void window_give_up(struct window *w, int64_t now_ms)
{
	list_each (it, &w->listed)
		at(it)->is_asked = false;
	settle(w, now_ms);
}

void window_end(struct window *w)
{
	w->is_ended = true;
}

/* ---- what is kept ---- */

static int64_t kept_until_ms(const struct segment *s)
{
	return s->gone_ms + (s->duration_us + s->longest_us) / 1000 +
	       WINDOW_SPARE_MS;
}

int64_t window_tick(struct window *w, int64_t now_ms)
{
	int64_t due = INT64_MAX;

	list_each_safe (it, &w->gone) {
		int64_t until_ms = kept_until_ms(at(it));

		if (until_ms <= now_ms)
			drop(w, at(it));
		else
			due = WEIR_MIN(due, until_ms);
	}
	return due;
}

bool window_shed(struct window *w)
{
	if (list_is_empty(&w->gone))
		return false;
	drop(w, at(w->gone.next));
	return true;
}

/* ---- reading ---- */

static struct segment *find_in(const struct list *list,
			       const struct hls_name *name)
{
	list_each (it, list) {
		struct segment *s = at(it);

		if (s->number == name->number &&
		    s->incarnation == name->incarnation)
			return s;
	}
	return NULL;
}

struct segment *window_find(const struct window *w, const struct hls_name *name)
{
	struct segment *s;

	if (name->form != segment_form())
		return NULL;
	s = find_in(&w->listed, name);
	return s ? s : find_in(&w->gone, name);
}

static bool lowest_in(const struct list *list, uint64_t incarnation,
		      uint64_t *lowest, bool is_any)
{
	list_each (it, list) {
		const struct segment *s = at(it);

		if (s->incarnation != incarnation)
			continue;
		if (!is_any || s->number < *lowest)
			*lowest = s->number;
		is_any = true;
	}
	return is_any;
}

bool window_lowest(const struct window *w, uint64_t incarnation, uint64_t *out)
{
	bool is_any = lowest_in(&w->gone, incarnation, out, false);

	return lowest_in(&w->listed, incarnation, out, is_any);
}

const struct segment *window_asked(const struct window *w)
{
	list_each (it, &w->listed)
		if (at(it)->is_asked)
			return at(it);
	return NULL;
}

const struct segment *window_oldest(const struct window *w)
{
	return list_is_empty(&w->listed) ? NULL : at(w->listed.next);
}

/* ---- the playlist ---- */

struct draft {
	struct hls_segment *item;
	struct buf uris;
	size_t *uri_at; /* in `uris`, which may move */
};

static void put_uri(struct draft *d, size_t i, const struct segment *s,
		    struct span folder)
{
	const struct hls_name name = segment_name(s);
	char text[HLS_NAME_SIZE];

	hls_name_write(text, &name);
	d->uri_at[i] = d->uris.len;
	buf_put(&d->uris, folder);
	buf_put(&d->uris, span_str(text));
}

static void fill(struct draft *d, const struct window *w, struct span folder)
{
	size_t i = 0;

	each_shown(it, w)
	{
		const struct segment *s = at(it);

		d->item[i] = (struct hls_segment){
			.duration_us = s->duration_us,
			.utc_ms = s->utc_ms,
			.is_discontinuity = s->is_marked,
			.is_gap = !s->body,
		};
		put_uri(d, i++, s, folder);
	}
	d->uri_at[i] = d->uris.len;
}

static int write(struct window *w, struct draft *d, size_t count,
		 struct buf *out)
{
	const struct segment *first = window_oldest(w);
	const struct hls_playlist pl = {
		.target_duration_s = target_s(w),
		.media_sequence = first->number,
		/* The mark leaves the list with its segment. */
		.discontinuity_sequence =
			first->discontinuity - first->is_marked,
		.has_discontinuity_sequence = true,
		.is_independent = true,
		.is_ended = w->is_ended && !window_asked(w),
		.segment = d->item,
		.segment_count = count,
	};

	for (size_t i = 0; i < count; i++)
		d->item[i].uri =
			span_first(span_from(buf_span(&d->uris), d->uri_at[i]),
				   d->uri_at[i + 1] - d->uri_at[i]);
	return hls_playlist_write(out, &pl);
}

int window_write(struct window *w, struct buf *out, struct span folder)
{
	int64_t shown_us;
	size_t count = window_listed(w, &shown_us);
	struct draft d = {0};
	int err = WEIR_ENOMEM;

	if (!count)
		return WEIR_ENOENT;
	d.item = calloc(count, sizeof(*d.item));
	d.uri_at = calloc(count + 1, sizeof(*d.uri_at));
	if (d.item && d.uri_at) {
		fill(&d, w, folder);
		err = buf_error(&d.uris);
	}
	if (!err)
		err = write(w, &d, count, out);
	free(d.item);
	free(d.uri_at);
	buf_fini(&d.uris);
	return err;
}
