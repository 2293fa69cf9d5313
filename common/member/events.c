/* common/member/events.c - the last 100 events of each stream. */
#include "common/member/events.h"

#include <stdlib.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/media/reason.h"

struct event {
	int64_t utc_us;
	int reason;
	char what[24];
	char detail[96];
};

struct page {
	struct list link; /* in book.pages, longest quiet first */
	struct stream_key key;
	size_t first;
	size_t count;
	size_t cap;
	struct event *event; /* ring once it is EVENTS_PER_STREAM long */
};

struct event_book {
	struct map by_key;
	struct list pages;
};

int event_book_new(struct event_book **out, uint64_t seed)
{
	struct event_book *b = calloc(1, sizeof(*b));

	if (!b)
		return WEIR_ENOMEM;
	map_init(&b->by_key, seed);
	list_init(&b->pages);
	*out = b;
	return 0;
}

static void page_free(struct event_book *b, struct page *p)
{
	map_remove(&b->by_key, span_str(p->key.text));
	list_remove(&p->link);
	free(p->event);
	free(p);
}

void event_book_free(struct event_book **pb)
{
	struct event_book *b = *pb;

	if (!b)
		return;
	list_each_safe (it, &b->pages)
		page_free(b, list_entry(it, struct page, link));
	map_fini(&b->by_key);
	free(b);
	*pb = NULL;
}

static struct page *open_page(struct event_book *b,
			      const struct stream_key *key)
{
	struct page *p = map_get(&b->by_key, span_str(key->text));

	if (p)
		return p;
	if (b->by_key.count >= EVENT_STREAMS)
		page_free(b, list_entry(b->pages.next, struct page, link));
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->key = *key;
	list_init(&p->link);
	if (map_put(&b->by_key, span_str(key->text), p)) {
		free(p);
		return NULL;
	}
	list_append(&b->pages, &p->link);
	return p;
}

/* The place for the next event; the oldest is overwritten when full. */
static struct event *next_event(struct page *p)
{
	if (p->count == p->cap && p->cap < EVENTS_PER_STREAM) {
		size_t cap =
			p->cap ? WEIR_MIN(p->cap * 2, EVENTS_PER_STREAM) : 8;
		struct event *fresh =
			realloc(p->event, cap * sizeof(struct event));

		if (!fresh)
			return NULL;
		p->event = fresh;
		p->cap = cap;
	}
	if (p->count < p->cap)
		return &p->event[p->count++];
	p->first = (p->first + 1) % p->cap;
	return &p->event[(p->first + p->count - 1) % p->cap];
}

static void copy_text(char *out, size_t size, const char *text)
{
	size_t len = text ? strnlen(text, size - 1) : 0;

	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
}

void event_book_add(struct event_book *b, const struct stream_key *key,
		    int64_t utc_us, const char *what, int reason,
		    const char *detail)
{
	struct page *p = open_page(b, key);
	struct event *e = p ? next_event(p) : NULL;

	if (!e)
		return;
	e->utc_us = utc_us;
	e->reason = reason;
	copy_text(e->what, sizeof(e->what), what);
	copy_text(e->detail, sizeof(e->detail), detail);
	list_remove(&p->link);
	list_append(&b->pages, &p->link);
}

static struct json_object *event_json(const struct event *e, const char *node)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "utc_us", json_object_new_int64(e->utc_us));
	json_object_object_add(o, "event", json_object_new_string(e->what));
	json_object_object_add(o, "reason",
			       json_object_new_string(reason_name(e->reason)));
	json_object_object_add(o, "detail", json_object_new_string(e->detail));
	json_object_object_add(o, "node", json_object_new_string(node));
	return o;
}

struct json_object *event_book_json(const struct event_book *b, const char *key,
				    const char *node)
{
	struct json_object *list = json_object_new_array();
	const struct page *p = map_get(&b->by_key, span_str(key));

	for (size_t i = 0; p && i < p->count; i++)
		json_object_array_add(
			list,
			event_json(&p->event[(p->first + i) % p->cap], node));
	return list;
}
