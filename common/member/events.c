/* common/member/events.c - the last 100 events of each stream, and who was turned
 * away from it.
 */
#include "common/member/events.h"

#include <stdlib.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/media/reason.h"

struct event {
	int64_t since_us, utc_us; /* of the first and the last one */
	uint64_t count;
	int reason;
	char what[24];
	char detail[96];
};

struct visit {
	int64_t since_us, utc_us;
	uint64_t count; /* 0: a free line */
	int reason;
	char protocol[12];
	char address[46]; /* IPv6 */
	char detail[96];
};

/* Those of one kind. */
struct visits {
	struct visit line[VISITS_PER_STREAM];
	struct visit others; /* that had to make room */
};

struct page {
	struct list link; /* in book.pages or book.strangers */
	size_t first;
	size_t count;
	size_t cap;
	struct event *event; /* ring once it is EVENTS_PER_STREAM long */
	struct visits *visits[EVENT_VISIT_KINDS]; /* NULL: none */
	char key[];
};

/* Pages, the longest quiet first: of streams with an event, and of others. */
struct event_book {
	struct map by_key;
	struct list pages, strangers;
	size_t page_count, stranger_count;
};

int event_book_new(struct event_book **out, uint64_t seed)
{
	struct event_book *b = calloc(1, sizeof(*b));

	if (!b)
		return WEIR_ENOMEM;
	map_init(&b->by_key, seed);
	list_init(&b->pages);
	list_init(&b->strangers);
	*out = b;
	return 0;
}

static bool is_stranger(const struct page *p)
{
	return !p->count;
}

static void unlist(struct event_book *b, struct page *p)
{
	if (is_stranger(p))
		b->stranger_count--;
	else
		b->page_count--;
	list_remove(&p->link);
}

static void enlist(struct event_book *b, struct page *p)
{
	if (is_stranger(p))
		b->stranger_count++;
	else
		b->page_count++;
	list_append(is_stranger(p) ? &b->strangers : &b->pages, &p->link);
}

static void page_free(struct event_book *b, struct page *p)
{
	map_remove(&b->by_key, span_str(p->key));
	unlist(b, p);
	for (size_t i = 0; i < EVENT_VISIT_KINDS; i++)
		free(p->visits[i]);
	free(p->event);
	free(p);
}

static struct page *page_at(struct list *it)
{
	return list_entry(it, struct page, link);
}

void event_book_free(struct event_book **pb)
{
	struct event_book *b = *pb;

	if (!b)
		return;
	list_each_safe (it, &b->pages)
		page_free(b, page_at(it));
	list_each_safe (it, &b->strangers)
		page_free(b, page_at(it));
	map_fini(&b->by_key);
	free(b);
	*pb = NULL;
}

/* A new one is a stranger. */
static struct page *open_page(struct event_book *b,
			      const struct stream_key *key)
{
	struct page *p = map_get(&b->by_key, span_str(key->text));

	if (p)
		return p;
	p = calloc(1, sizeof(*p) + strlen(key->text) + 1);
	if (!p)
		return NULL;
	memcpy(p->key, key->text, strlen(key->text) + 1);
	list_init(&p->link);
	if (map_put(&b->by_key, span_str(key->text), p)) {
		free(p);
		return NULL;
	}
	enlist(b, p);
	return p;
}

static void make_room(struct event_book *b)
{
	if (b->page_count > EVENT_STREAMS)
		page_free(b, page_at(b->pages.next));
	if (b->stranger_count > STRANGE_STREAMS)
		page_free(b, page_at(b->strangers.next));
}

/* The place for the next event; the oldest is overwritten when full. */
static struct event *next_event(struct page *p)
{
	if (p->count == p->cap && p->cap < EVENTS_PER_STREAM) {
		size_t cap =
			p->cap ? WEIR_MIN(p->cap * 2, EVENTS_PER_STREAM) : 2;
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

static bool is_same_text(const char *kept, size_t size, const char *text)
{
	return !strncmp(kept, text ? text : "", size - 1);
}

/* The newest one, if this is the same again. What is wrong is the same although
 * its detail has another number in it. */
static struct event *find_same(struct page *p, const char *what, int reason,
			       const char *detail)
{
	struct event *e;

	if (!p->count)
		return NULL;
	e = &p->event[(p->first + p->count - 1) % p->cap];
	if (e->reason != reason ||
	    !is_same_text(e->what, sizeof(e->what), what))
		return NULL;
	return reason != REASON_none || is_same_text(e->detail,
						     sizeof(e->detail), detail)
		       ? e
		       : NULL;
}

static void put_event(struct page *p, int64_t utc_us, const char *what,
		      int reason, const char *detail)
{
	struct event *e = find_same(p, what, reason, detail);

	if (!e) {
		e = next_event(p);
		if (!e)
			return;
		e->since_us = utc_us;
		e->count = 0;
		e->reason = reason;
		copy_text(e->what, sizeof(e->what), what);
	}
	e->utc_us = utc_us;
	e->count++;
	copy_text(e->detail, sizeof(e->detail), detail);
}

void event_book_add(struct event_book *b, const struct stream_key *key,
		    int64_t utc_us, const char *what, int reason,
		    const char *detail)
{
	struct page *p = open_page(b, key);

	if (!p)
		return;
	unlist(b, p);
	put_event(p, utc_us, what, reason, detail);
	enlist(b, p);
	make_room(b);
}

/* ---- visits ---- */

static bool is_same_visit(const struct visit *l, const struct event_visit *v)
{
	return l->count && l->reason == v->reason &&
	       is_same_text(l->protocol, sizeof(l->protocol), v->protocol) &&
	       is_same_text(l->address, sizeof(l->address), v->address);
}

static void join_others(struct visit *others, const struct visit *l)
{
	if (!l->count)
		return;
	if (!others->count || l->since_us < others->since_us)
		others->since_us = l->since_us;
	others->utc_us = WEIR_MAX(others->utc_us, l->utc_us);
	others->count += l->count;
}

/* The line of those that are as this one: theirs, a free one, or that of who was
 * here longest ago. */
static struct visit *find_line(struct visits *all, const struct event_visit *v)
{
	struct visit *oldest = &all->line[0];

	for (size_t i = 0; i < VISITS_PER_STREAM; i++) {
		struct visit *l = &all->line[i];

		if (is_same_visit(l, v))
			return l;
		if (oldest->count && (!l->count || l->utc_us < oldest->utc_us))
			oldest = l;
	}
	join_others(&all->others, oldest);
	*oldest = (struct visit){.reason = v->reason};
	copy_text(oldest->protocol, sizeof(oldest->protocol), v->protocol);
	copy_text(oldest->address, sizeof(oldest->address), v->address);
	return oldest;
}

static void put_visit(struct visits *all, int64_t utc_us,
		      const struct event_visit *v)
{
	struct visit *l = find_line(all, v);

	l->since_us = l->count ? l->since_us : utc_us;
	l->utc_us = utc_us;
	l->count++;
	copy_text(l->detail, sizeof(l->detail), v->detail);
}

void event_book_visit(struct event_book *b, const struct stream_key *key,
		      int64_t utc_us, const struct event_visit *v)
{
	struct page *p = open_page(b, key);

	if (!p)
		return;
	if (is_stranger(p)) { /* else visits keep no page longer */
		unlist(b, p);
		enlist(b, p);
	}
	if (!p->visits[v->kind])
		p->visits[v->kind] = calloc(1, sizeof(struct visits));
	if (p->visits[v->kind])
		put_visit(p->visits[v->kind], utc_us, v);
	make_room(b);
}

/* ---- what is shown ---- */

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static void add_number(struct json_object *o, const char *name, int64_t number)
{
	json_object_object_add(o, name, json_object_new_int64(number));
}

static void add_count(struct json_object *o, uint64_t count, int64_t since_us)
{
	add_number(o, "count", (int64_t)count);
	add_number(o, "since_utc_us", since_us);
}

static struct json_object *event_json(const struct event *e, const char *node)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "utc_us", e->utc_us);
	add_text(o, "event", e->what);
	add_text(o, "reason", reason_name(e->reason));
	add_text(o, "detail", e->detail);
	add_text(o, "node", node);
	if (e->count > 1)
		add_count(o, e->count, e->since_us);
	return o;
}

static struct json_object *visit_json(const struct visit *l, const char *what,
				      const char *node)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "utc_us", l->utc_us);
	add_text(o, "event", what);
	add_text(o, "reason", reason_name(l->reason));
	add_text(o, "detail", l->detail);
	add_text(o, "node", node);
	add_text(o, "address", l->address);
	add_text(o, "protocol", l->protocol);
	add_count(o, l->count, l->since_us);
	return o;
}

static void add_visits(struct json_object *list, const struct visits *all,
		       const char *what, const char *node)
{
	struct visit others = all->others;

	copy_text(others.detail, sizeof(others.detail), "others");
	if (others.count)
		json_object_array_add(list, visit_json(&others, what, node));
	for (size_t i = 0; i < VISITS_PER_STREAM; i++)
		if (all->line[i].count)
			json_object_array_add(
				list, visit_json(&all->line[i], what, node));
}

struct json_object *event_book_json(const struct event_book *b, const char *key,
				    const char *node)
{
	static const char *const kinds[EVENT_VISIT_KINDS] = {
		[EVENT_PUBLISH_REFUSED] = "publish.refused",
		[EVENT_PLAY_REFUSED] = "play.refused",
		[EVENT_PLAY_END] = "play.end",
	};
	struct json_object *list = json_object_new_array();
	const struct page *p = map_get(&b->by_key, span_str(key));

	for (size_t i = 0; p && i < p->count; i++)
		json_object_array_add(
			list,
			event_json(&p->event[(p->first + i) % p->cap], node));
	for (size_t i = 0; p && i < EVENT_VISIT_KINDS; i++)
		if (p->visits[i])
			add_visits(list, p->visits[i], kinds[i], node);
	return list;
}
