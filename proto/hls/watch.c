/* proto/hls/watch.c - a live HLS stream watched: what is known, and said. */
#include "proto/hls/watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/base/hash.h"
#include "proto/hls/watch_priv.h"

#define SEGMENTS_MAX      40000 /* remembered */
#define DATE_TOLERANCE_MS 150
#define LATE_SLACK_MS     1000
#define RETRY_MS          500
#define AGAIN_MS          1000 /* before a removed segment may be gone */
#define WORDS_SIZE        320
#define NAME_MAX_BYTES    100

static const struct {
	const char *name;
	const char *section;
} rules[] = {
#define HLS_RULE_ROW(id, name, section) {name, section},
	HLS_RULES(HLS_RULE_ROW)
#undef HLS_RULE_ROW
};

const char *hls_rule_name(enum hls_rule rule)
{
	return rules[rule].name;
}

const char *hls_rule_section(enum hls_rule rule)
{
	return rules[rule].section;
}

/* ---- Life ---- */

int hls_watch_new(struct hls_watch **out,
		  const struct hls_watch_options *options,
		  hls_complaint_fn *on_complaint, void *ctx)
{
	struct hls_watch *w;

	if (!options->replica_count ||
	    options->replica_count > HLS_REPLICAS_MAX)
		return WEIR_EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return WEIR_ENOMEM;
	w->options = *options;
	if (!w->options.date_tolerance_ms)
		w->options.date_tolerance_ms = DATE_TOLERANCE_MS;
	if (!w->options.late_slack_ms)
		w->options.late_slack_ms = LATE_SLACK_MS;
	w->on_complaint = on_complaint;
	w->ctx = ctx;
	list_init(&w->segments);
	map_init(&w->by_uri, (uint64_t)(uintptr_t)w);
	*out = w;
	return 0;
}

static void drop(struct hls_watch *w, struct watch_segment *s)
{
	if (s->before)
		s->before->after = NULL;
	if (s->after)
		s->after->before = NULL;
	list_remove(&s->link);
	map_remove(&w->by_uri, watch_uri(s));
	w->segment_count--;
	free(s);
}

void hls_watch_free(struct hls_watch **p)
{
	struct hls_watch *w = *p;

	if (!w)
		return;
	list_each_safe (it, &w->segments)
		drop(w, list_entry(it, struct watch_segment, link));
	map_fini(&w->by_uri);
	for (size_t i = 0; i < HLS_REPLICAS_MAX; i++)
		free(w->replica[i].listed);
	free(w);
	*p = NULL;
}

/* ---- Words ---- */

static void tell(struct hls_watch *w, unsigned replica, enum hls_rule rule,
		 bool is_note, const char *words)
{
	struct watch_replica *r = &w->replica[replica];
	uint64_t hash = hash_bytes(1, span_str(words));

	if (r->told[rule] == hash)
		return;
	r->told[rule] = hash;
	if (is_note)
		r->stats.notes++;
	else
		r->stats.complaints++;
	w->on_complaint(w->ctx, &(struct hls_complaint){
					.rule = rule,
					.is_note = is_note,
					.replica = replica,
					.at_ms = w->now_ms,
					.words = words,
				});
}

void watch_complain(struct hls_watch *w, unsigned replica, enum hls_rule rule,
		    const char *fmt, ...)
{
	char words[WORDS_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	tell(w, replica, rule, false, words);
}

void watch_note(struct hls_watch *w, unsigned replica, enum hls_rule rule,
		const char *fmt, ...)
{
	char words[WORDS_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	tell(w, replica, rule, true, words);
}

static struct span name_of(struct span uri)
{
	size_t at = uri.len;

	while (at && uri.data[at - 1] != '/')
		at--;
	return span_first(span_from(uri, at < uri.len ? at : 0),
			  NAME_MAX_BYTES);
}

int watch_name_len(struct span uri)
{
	return (int)name_of(uri).len;
}

const char *watch_name(struct span uri)
{
	return (const char *)name_of(uri).data;
}

/* ---- Segments ---- */

struct span watch_uri(const struct watch_segment *s)
{
	return span_of(s->uri, s->uri_len);
}

struct watch_segment *watch_find(const struct hls_watch *w, struct span uri)
{
	return map_get(&w->by_uri, uri);
}

static bool is_listed(const struct watch_segment *s)
{
	for (size_t i = 0; i < HLS_REPLICAS_MAX; i++)
		if (s->here[i].is_listed)
			return true;
	return false;
}

static void forget_oldest(struct hls_watch *w)
{
	list_each (it, &w->segments) {
		struct watch_segment *s =
			list_entry(it, struct watch_segment, link);

		if (!is_listed(s)) {
			drop(w, s);
			return;
		}
	}
}

struct watch_segment *watch_add(struct hls_watch *w, struct span uri)
{
	struct watch_segment *s = calloc(1, sizeof(*s) + uri.len);

	if (!s)
		return NULL;
	memcpy(s->uri, uri.data, uri.len);
	s->uri_len = uri.len;
	if (map_put(&w->by_uri, uri, s)) {
		free(s);
		return NULL;
	}
	list_append(&w->segments, &s->link);
	w->segment_count++;
	return s;
}

int64_t watch_kept_until_ms(const struct watch_segment *s, unsigned replica)
{
	const struct watch_here *h = &s->here[replica];

	return h->listed_ms + (s->duration_us + h->playlist_us) / 1000;
}

/* ---- Answers ---- */

bool watch_has_other(const struct hls_watch *w, unsigned replica)
{
	for (unsigned i = 0; i < w->options.replica_count; i++)
		if (i != replica && w->replica[i].is_answering)
			return true;
	return false;
}

bool watch_is_absence(const struct hls_watch *w, unsigned replica,
		      unsigned status, bool is_playlist)
{
	bool is_away =
		status == 0 || status >= 500 || (is_playlist && status == 404);

	return is_away && w->options.may_be_absent &&
	       watch_has_other(w, replica);
}

static struct span trimmed(struct span s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = span_from(s, 1);
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Cut the part before the next `c` off *s. */
static struct span next_part(struct span *s, uint8_t c)
{
	const uint8_t *at = s->len ? memchr(s->data, c, s->len) : NULL;
	struct span part = span_first(*s, at ? (size_t)(at - s->data) : s->len);

	*s = span_from(*s, part.len + 1);
	return trimmed(part);
}

static bool eq_nocase(struct span s, struct span t)
{
	return s.len == t.len &&
	       (!s.len || !strncasecmp((const char *)s.data,
				       (const char *)t.data, s.len));
}

static bool has_part(struct span list, struct span part)
{
	while (list.len)
		if (eq_nocase(next_part(&list, ','), part))
			return true;
	return false;
}

void watch_check_type(struct hls_watch *w, unsigned replica,
		      const struct hls_answer *a, const char *type,
		      const char *what)
{
	struct span value = a->content_type;

	if (!eq_nocase(next_part(&value, ';'), span_str(type)))
		watch_complain(w, replica, HLS_RULE_MIME,
			       "%s has Content-Type \"%.*s\", not %s", what,
			       (int)WEIR_MIN(a->content_type.len, (size_t)80),
			       a->content_type.len
				       ? (const char *)a->content_type.data
				       : "",
			       type);
}

void watch_check_cache(struct hls_watch *w, unsigned replica,
		       const struct hls_answer *a, const char *directives,
		       const char *what)
{
	struct span wanted = span_str(directives);

	while (wanted.len) {
		if (has_part(a->cache_control, next_part(&wanted, ',')))
			continue;
		watch_complain(w, replica, HLS_RULE_CACHE,
			       "%s has Cache-Control \"%.*s\", not \"%s\"",
			       what,
			       (int)WEIR_MIN(a->cache_control.len, (size_t)80),
			       a->cache_control.len
				       ? (const char *)a->cache_control.data
				       : "",
			       directives);
		return;
	}
}

bool watch_is_private(const struct hls_answer *a)
{
	return has_part(a->cache_control, SPAN_LIT("private"));
}

/* ---- What to fetch ---- */

static bool is_new(const struct watch_segment *s, const struct watch_here *h,
		   int64_t now_ms)
{
	return h->is_listed && !s->is_gap && !h->is_asked &&
	       now_ms >= h->retry_ms;
}

/* A removed one, once more: late, but before it may be gone. */
static bool is_due(const struct watch_segment *s, unsigned replica,
		   int64_t now_ms)
{
	const struct watch_here *h = &s->here[replica];
	int64_t until_ms = watch_kept_until_ms(s, replica);
	int64_t ahead_ms = (until_ms - h->listed_ms) / 4;

	return !h->is_listed && h->is_fetched && !h->is_asked_again &&
	       now_ms >= until_ms - WEIR_MAX(AGAIN_MS, ahead_ms) &&
	       now_ms < until_ms;
}

bool hls_watch_want(struct hls_watch *w, unsigned replica, int64_t now_ms,
		    struct hls_want *out)
{
	while (w->segment_count > SEGMENTS_MAX) {
		size_t before = w->segment_count;

		forget_oldest(w);
		if (w->segment_count == before)
			break;
	}
	list_each (it, &w->segments) {
		struct watch_segment *s =
			list_entry(it, struct watch_segment, link);
		struct watch_here *h = &s->here[replica];

		if (is_new(s, h, now_ms)) {
			h->is_asked = true;
			h->retry_ms = now_ms + RETRY_MS;
		} else if (is_due(s, replica, now_ms)) {
			h->is_asked_again = true;
		} else {
			continue;
		}
		*out = (struct hls_want){watch_uri(s), s->sequence,
					 h->is_asked_again};
		return true;
	}
	return false;
}

/* ---- What is known ---- */

bool hls_watch_is_ended(const struct hls_watch *w, unsigned replica)
{
	return w->replica[replica].is_ended;
}

uint32_t hls_watch_target_s(const struct hls_watch *w, unsigned replica)
{
	return w->replica[replica].target_s;
}

void hls_watch_get_stats(const struct hls_watch *w, unsigned replica,
			 struct hls_watch_stats *out)
{
	*out = w->replica[replica].stats;
}
