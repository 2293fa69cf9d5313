/* services/origin/push_plan.c - where a stream is to be pushed, by the rules. */
#include "services/origin/push_plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/access/redact.h"
#include "common/base/hash.h"

/* The text, which is the caller's, and an empty buffer; NULL: no memory. */
static char *take_text(struct buf *b)
{
	char *text = buf_error(b) ? NULL : strdup(buf_text(b));

	if (buf_error(b)) {
		free(text);
		text = NULL;
	}
	buf_fini(b);
	return text;
}

static char *shown_of(const char *template, const char *url)
{
	struct buf b = {0};

	redact_push_url(&b, span_str(template), span_str(url));
	return take_text(&b);
}

static struct push_want *find(struct push_plan *p, const char *url)
{
	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->want[i].url, url))
			return &p->want[i];
	return NULL;
}

/* Returns 0, also when it is left out; or WEIR_ENOMEM. */
static int add(struct push_plan *p, const struct rule *r, const char *template,
	       const struct stream_key *key)
{
	struct push_want w = {.is_query_forwarded = r->push.is_query_forwarded,
			      .keeps_pull = r->push.keeps_pull};
	struct push_want *same;
	struct buf b = {0};
	int err = url_template_expand(&b, span_str(template), key);

	if (err) {
		p->left_out++;
		buf_fini(&b);
		return err == WEIR_ENOMEM ? err : 0;
	}
	w.url = take_text(&b);
	if (!w.url)
		return WEIR_ENOMEM;
	same = find(p, w.url);
	if (same)
		same->keeps_pull |= w.keeps_pull;
	if (same || p->count == PUSH_TARGETS_MAX) {
		p->left_out += !same;
		free(w.url);
		return 0;
	}
	w.shown = shown_of(template, w.url);
	if (!w.shown) {
		free(w.url);
		return WEIR_ENOMEM;
	}
	snprintf(w.rule, sizeof(w.rule), "%s", r->id);
	p->want[p->count++] = w;
	return 0;
}

int push_plan_make(struct push_plan *out, const struct ruleset *rules,
		   const struct stream_key *key, int64_t now_ms)
{
	struct push_plan p = {0};
	const struct rule *r;
	size_t at = 0;
	int err = 0;

	while (!err && (r = ruleset_push(rules, key, &at, now_ms)))
		for (unsigned i = 0; !err && i < r->push.url_count; i++)
			err = add(&p, r, r->push.url[i], key);
	if (err)
		push_plan_fini(&p);
	else
		*out = p;
	return err;
}

void push_plan_fini(struct push_plan *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->want[i].url);
		free(p->want[i].shown);
	}
	p->count = 0;
}

/* ---- the query ---- */

/* Is it nobody else's business? Told by its name: the value may have been cut
 * out where it was kept. */
static bool is_secret(struct span parameter)
{
	const uint8_t *end = memchr(parameter.data, '=', parameter.len);
	struct buf plain = {0}, shown = {0};
	bool is_so;

	if (parameter.len >= 5 && !memcmp(parameter.data, "weir_", 5))
		return true;
	if (!end)
		return false;
	buf_put(&plain,
		span_first(parameter, (size_t)(end - parameter.data) + 1));
	buf_put_u8(&plain, 'x');
	redact_query(&shown, buf_span(&plain));
	is_so = buf_error(&plain) || buf_error(&shown) ||
		!span_eq(buf_span(&plain), buf_span(&shown));
	buf_fini(&plain);
	buf_fini(&shown);
	return is_so;
}

void push_url_put(struct buf *out, const char *url, struct span query)
{
	char next = strchr(url, '?') ? '&' : '?';

	buf_put(out, span_str(url));
	while (query.len) {
		const uint8_t *end = memchr(query.data, '&', query.len);
		size_t len = end ? (size_t)(end - query.data) : query.len;
		struct span one = span_first(query, len);

		if (one.len && !is_secret(one)) {
			buf_put_u8(out, (uint8_t)next);
			buf_put(out, one);
			next = '&';
		}
		query = span_from(query, end ? len + 1 : len);
	}
}

/* ---- again ---- */

uint32_t push_backoff_ms(uint32_t first_ms, uint32_t max_ms, unsigned failures,
			 uint64_t seed)
{
	uint64_t ms = first_ms;
	uint64_t spread;

	for (unsigned i = 1; i < failures && ms < max_ms; i++)
		ms *= 2;
	ms = WEIR_MIN(ms, (uint64_t)max_ms);
	spread = hash_bytes(seed, span_of(&failures, sizeof(failures)));
	return (uint32_t)(ms - ms / 8 + spread % (ms / 8 + 1));
}
