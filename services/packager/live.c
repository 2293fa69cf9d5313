/* services/packager/live.c - the live playlist of one stream. */
#include "services/packager/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/http/content.h"

#define NEVER INT64_MIN

enum copying { COPY_NOT_YET, COPY_WINDOW, COPY_GAPS, COPY_DONE };

struct live {
	struct list link; /* room->lives */
	struct live_room *room;
	struct stream_key key;
	const struct live_events *events;
	void *ctx;
	struct log *log;
	struct log_watch watch;
	bool is_reading;
	bool is_current;    /* as live_set_current has it */
	int64_t touched_ms; /* NEVER: by nobody */
	struct cutting *cutting;
	struct cutting_stats counted;
	size_t open_bytes; /* of the open segment, as the room's sum has it */
	struct window window;
	enum copying copying;
	bool is_stale;     /* the window is ahead of the page */
	bool has_bytes;    /* some segment had some */
	struct buf folder; /* in front of the names of segments */
	struct blob *plain, *gzip;
	char etag[24];
};

void live_room_init(struct live_room *room)
{
	*room = (struct live_room){0};
	list_init(&room->lives);
}

static int64_t now_ms(const struct live *l)
{
	return l->events->now_ms(l->ctx);
}

/* ---- room ---- */

/* stats.bytes is the sum of what all lives hold: their windows add and take away
 * their own; the open segment's grows as it likes, and is looked at here. */
static void count_open(struct live *l, size_t bytes)
{
	l->room->stats.bytes += bytes;
	l->room->stats.bytes -= l->open_bytes;
	l->open_bytes = bytes;
}

void live_room_measure(struct live_room *room)
{
	room->stats.kept = 0;
	list_each (it, &room->lives)
		room->stats.kept +=
			list_entry(it, struct live, link)->window.count;
}

/* What has left its list goes first, one of each stream in turn. */
static bool shed_one_each(struct live_room *room)
{
	bool is_any = false;

	list_each (it, &room->lives)
		if (window_shed(&list_entry(it, struct live, link)->window)) {
			room->stats.shed++;
			is_any = true;
		}
	return is_any;
}

static void make_room(struct live *l, struct segment *s)
{
	struct live_room *room = l->room;
	const uint64_t *used = &room->stats.bytes;

	count_open(l, cutting_bytes(l->cutting)); /* without it */
	while (*used + segment_bytes(s) > room->max_bytes)
		if (!shed_one_each(room))
			break;
	if (*used + segment_bytes(s) <= room->max_bytes)
		return;
	room->stats.refused++;
	blob_unref(&s->body);
}

/* ---- segments ---- */

static void changed(struct live *l)
{
	l->is_stale = true;
	l->events->on_change(l->ctx);
}

static void on_segment(void *ctx, struct segment *s)
{
	struct live *l = ctx;

	l->room->stats.segments++;
	if (s->body)
		make_room(l, s);
	if (s->body)
		l->has_bytes = true;
	else
		l->room->stats.gaps++;
	s->is_asked =
		!s->body && l->has_bytes && l->events->has_siblings(l->ctx);
	if (s->is_asked && l->copying == COPY_DONE) {
		l->copying = COPY_GAPS;
		l->events->on_missing(l->ctx);
	}
	window_take(&l->window, s, now_ms(l));
	changed(l);
}

static void count_cutting(struct live *l)
{
	struct live_stats *all = &l->room->stats;
	struct cutting_stats s;

	cutting_get_stats(l->cutting, &s);
	all->left_out += s.left_out - l->counted.left_out;
	all->too_long += s.too_long - l->counted.too_long;
	all->starved += s.starved - l->counted.starved;
	l->counted = s;
	count_open(l, cutting_bytes(l->cutting));
}

/* The first CUT was read: what stands before it may be had from a sibling. */
static void begin_copying(struct live *l)
{
	struct hls_name open;

	if (l->copying != COPY_NOT_YET || !cutting_open(l->cutting, &open))
		return;
	l->copying = COPY_DONE;
	if (!l->events->has_siblings(l->ctx))
		return;
	l->copying = COPY_WINDOW;
	l->events->on_missing(l->ctx);
}

static void read_frame(struct live *l, uint64_t ordinal)
{
	cutting_put(l->cutting, log_at(l->log, ordinal),
		    log_state_before(l->log, ordinal));
}

static void on_append(void *ctx, struct log *log, uint64_t ordinal)
{
	struct live *l = ctx;

	(void)log;
	if (!l->is_reading)
		return;
	read_frame(l, ordinal);
	begin_copying(l);
	count_cutting(l);
}

static void start_reading(struct live *l)
{
	if (l->is_reading || !l->log)
		return;
	l->is_reading = true;
	cutting_forget(l->cutting);
	for (uint64_t o = log_tail(l->log); o < log_next(l->log); o++)
		read_frame(l, o);
	begin_copying(l);
	count_cutting(l);
}

static void stop_reading(struct live *l)
{
	l->is_reading = false;
	cutting_forget(l->cutting);
	count_cutting(l);
}

/* ---- life ---- */

int live_new(struct live **out, struct live_room *room,
	     const struct stream_key *key, const struct live_events *events,
	     void *ctx)
{
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		return WEIR_ENOMEM;
	l->room = room;
	l->key = *key;
	l->events = events;
	l->ctx = ctx;
	l->touched_ms = NEVER;
	l->watch.on_append = on_append;
	l->watch.ctx = l;
	list_init(&l->watch.link);
	list_init(&l->link);
	window_init(&l->window, room->list_count, &room->stats.bytes);
	hls_put_folder(&l->folder, key);
	if (buf_error(&l->folder) ||
	    cutting_new(&l->cutting, room->segment_bytes, on_segment, l)) {
		live_free(&l);
		return WEIR_ENOMEM;
	}
	list_append(&room->lives, &l->link);
	*out = l;
	return 0;
}

static void forget_page(struct live *l)
{
	blob_unref(&l->plain);
	blob_unref(&l->gzip);
}

void live_free(struct live **pl)
{
	struct live *l = *pl;

	if (!l)
		return;
	list_remove(&l->link);
	log_watch_remove(&l->watch);
	count_open(l, 0);
	cutting_free(&l->cutting);
	window_fini(&l->window);
	forget_page(l);
	buf_fini(&l->folder);
	free(l);
	*pl = NULL;
}

void live_set_log(struct live *l, struct log *log)
{
	log_watch_remove(&l->watch);
	stop_reading(l);
	l->log = log;
	l->is_current = false;
	if (!log)
		return;
	log_watch_add(log, &l->watch);
	if (!l->room->is_on_demand || live_is_wanted(l))
		start_reading(l);
}

void live_set_current(struct live *l)
{
	if (l->is_current)
		return;
	l->is_current = true;
	changed(l);
}

void live_gap(struct live *l)
{
	cutting_gap(l->cutting);
	count_cutting(l);
}

void live_end(struct live *l, bool is_over)
{
	if (is_over) {
		cutting_end(l->cutting);
		window_give_up(&l->window, now_ms(l));
		window_end(&l->window);
	} else {
		cutting_forget(l->cutting);
		window_clear(&l->window, now_ms(l));
	}
	count_cutting(l);
	changed(l);
}

void live_touch(struct live *l)
{
	l->touched_ms = now_ms(l);
	if (l->room->is_on_demand)
		start_reading(l);
}

bool live_is_wanted(const struct live *l)
{
	return l->touched_ms != NEVER &&
	       now_ms(l) - l->touched_ms < (int64_t)l->room->session_ms;
}

int64_t live_tick(struct live *l)
{
	int64_t due = window_tick(&l->window, now_ms(l));

	if (l->room->is_on_demand && l->is_reading && !live_is_wanted(l)) {
		stop_reading(l);
		window_clear(&l->window, now_ms(l));
		l->copying = COPY_DONE;
		changed(l);
	}
	return due;
}

int64_t live_linger_ms(const struct live *l)
{
	int64_t shown_us;

	(void)window_listed(&l->window, &shown_us);
	return 2 * shown_us / 1000 + WINDOW_SPARE_MS;
}

/* ---- what is served ---- */

static int write_page(struct live *l)
{
	struct buf text = {0};
	int err = window_write(&l->window, &text, buf_span(&l->folder));

	forget_page(l);
	if (!err)
		err = blob_take_buf(&l->plain, &text);
	buf_fini(&text);
	if (err)
		return err;
	snprintf(l->etag, sizeof(l->etag), "\"%016" PRIx64 "\"",
		 hash_bytes(0, l->plain->bytes));
	l->room->stats.playlists_made++;
	l->is_stale = false;
	/* Without memory it is sent as it is. */
	(void)!http_gzip(&l->gzip, l->plain->bytes);
	return 0;
}

int live_page(struct live *l, struct live_page *out)
{
	int64_t shown_us;
	int err;

	if (l->copying == COPY_WINDOW)
		return WEIR_EBUSY;
	if (!window_listed(&l->window, &shown_us))
		return WEIR_EAGAIN;
	if (live_is_filling(l))
		return WEIR_EBUSY;
	if (!l->has_bytes && !l->window.is_ended)
		return WEIR_EUNSUPPORTED;
	err = l->is_stale || !l->plain ? write_page(l) : 0;
	if (!err)
		*out = (struct live_page){l->plain, l->gzip, l->etag};
	return err == WEIR_ENOENT ? WEIR_EAGAIN : err;
}

bool live_is_filling(const struct live *l)
{
	return l->copying == COPY_WINDOW ||
	       (!l->is_current && !l->window.is_ended);
}

struct segment *live_find(struct live *l, const struct hls_name *name)
{
	return window_find(&l->window, name);
}

/* ---- copying ---- */

const struct stream_key *live_key(const struct live *l)
{
	return &l->key;
}

bool live_lacks(const struct live *l, const struct hls_name *name)
{
	const struct segment *oldest = window_oldest(&l->window);
	const struct segment *here = window_find(&l->window, name);
	struct hls_name open;

	if (name->form != segment_form())
		return false;
	if (here)
		return here->is_asked;
	if (oldest)
		return name->incarnation == oldest->incarnation &&
		       name->number < oldest->number;
	return cutting_open(l->cutting, &open) &&
	       name->incarnation == open.incarnation &&
	       name->number < open.number;
}

bool live_before_all(const struct live *l, struct hls_name *out)
{
	struct hls_name open;

	if (l->copying != COPY_WINDOW || !cutting_open(l->cutting, &open))
		return false;
	(void)window_lowest(&l->window, open.incarnation, &open.number);
	if (!open.number)
		return false;
	open.number--;
	*out = open;
	return true;
}

void live_keep(struct live *l, struct segment *s)
{
	if (s->body)
		make_room(l, s);
	l->room->stats.copied++;
	window_keep(&l->window, s, now_ms(l));
}

bool live_is_asking(const struct live *l)
{
	return window_asked(&l->window) != NULL;
}

void live_fill(struct live *l, struct segment *s)
{
	struct hls_name open = {0};

	if (s->body)
		make_room(l, s);
	(void)cutting_open(l->cutting, &open);
	l->has_bytes |= s->body != NULL;
	if (!window_fill(&l->window, s, &open))
		return;
	l->room->stats.copied++;
	changed(l);
}

void live_copied(struct live *l)
{
	if (l->copying != COPY_WINDOW && l->copying != COPY_GAPS)
		return;
	l->copying = COPY_DONE;
	window_give_up(&l->window, now_ms(l));
	changed(l);
}
