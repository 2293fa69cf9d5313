/* proto/hls/playlist_read.c - HLS playlists: reading. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/utf8.h"
#include "proto/hls/date.h"
#include "proto/hls/playlist.h"

#define TEXT_BYTES   (4u << 20)
#define LINE_BYTES   8192
#define SEGMENTS_MAX 20000
#define VARIANTS_MAX 200
#define US_PER_S     1000000

/* Where a tag may stand, and how often. */
enum {
	IN_MEDIA = 1,
	IN_MASTER = 2,
	ONCE = 4,
	BEFORE_SEGMENTS = 8,
	HAS_VALUE = 16,
};

struct parser {
	struct span rest;
	uint32_t line;
	uint32_t seen;  /* bit set of the tags so far, by their place */
	uint32_t kinds; /* IN_MEDIA and IN_MASTER, as tags say */
	bool has_target;
	bool has_duration; /* EXTINF waits for its URI */
	bool has_variant;  /* STREAM-INF waits for its URI */
	bool has_fractions;
	struct hls_segment next;
	struct hls_variant next_variant;
	struct hls_playlist pl;
	size_t segment_cap;
	size_t variant_cap;
	struct hls_limits limits;
	struct hls_error *error;
};

static int fault(struct parser *p, int err, const char *text)
{
	p->error->line = p->line;
	snprintf(p->error->text, sizeof(p->error->text), "%s", text);
	return err;
}

static int broken(struct parser *p, const char *text)
{
	return fault(p, WEIR_EPROTO, text);
}

static int too_much(struct parser *p, const char *text)
{
	return fault(p, WEIR_ELIMIT, text);
}

/* ---- Values ---- */

static bool cut_prefix(struct span *s, const char *prefix)
{
	size_t len = strlen(prefix);

	if (!span_eq_str(span_first(*s, len), prefix))
		return false;
	*s = span_from(*s, len);
	return true;
}

/* Where the first `c` stands; s.len: nowhere. */
static size_t find(struct span s, uint8_t c)
{
	const uint8_t *at = s.len ? memchr(s.data, c, s.len) : NULL;

	return at ? (size_t)(at - s.data) : s.len;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Cut a decimal-integer (section 4.2) off the front of *s. */
static bool cut_uint(struct span *s, uint64_t *out)
{
	uint64_t n = 0;
	size_t len = 0;

	for (; len < s->len && is_digit(s->data[len]); len++) {
		unsigned digit = s->data[len] - '0';

		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*s = span_from(*s, len);
	*out = n;
	return len > 0;
}

static bool read_uint(uint64_t *out, struct span s, uint64_t max)
{
	uint64_t n;

	if (!cut_uint(&s, &n) || s.len || n > max)
		return false;
	*out = n;
	return true;
}

/* Cut ".123456789" off the front: in microseconds, rounded. */
static bool cut_fraction(struct span *s, int64_t *out_us)
{
	int64_t tenths = 0; /* of a microsecond */
	int64_t unit = US_PER_S;
	size_t len = 1;

	for (; len < s->len && is_digit(s->data[len]); len++) {
		tenths += (s->data[len] - '0') * unit;
		unit /= 10;
	}
	*s = span_from(*s, len);
	*out_us = (tenths + 5) / 10;
	return len > 1;
}

/* The value of an attribute of the list, without quotes; empty: none. */
static struct span attribute(struct span list, const char *name)
{
	while (list.len) {
		struct span key = list;
		struct span value;
		bool is_quoted;
		size_t len = 0;

		while (len < list.len && list.data[len] != '=')
			len++;
		key.len = len;
		list = span_from(list, len + 1);
		is_quoted = cut_prefix(&list, "\"");
		for (len = 0; len < list.len; len++)
			if (list.data[len] == (is_quoted ? '"' : ','))
				break;
		value = span_first(list, len);
		list = span_from(list, len + 1 + is_quoted);
		if (span_eq_str(key, name))
			return value;
	}
	return (struct span){0};
}

/* ---- Tags ---- */

static int take_version(struct parser *p, struct span value)
{
	uint64_t n;

	if (!read_uint(&n, value, 1000) || !n)
		return broken(p, "EXT-X-VERSION is not a number from 1 on");
	p->pl.version = (uint32_t)n;
	return 0;
}

static int take_target(struct parser *p, struct span value)
{
	uint64_t n;

	if (!read_uint(&n, value, INT32_MAX / 1000))
		return broken(p,
			      "EXT-X-TARGETDURATION is not a whole number "
			      "of seconds");
	p->pl.target_duration_s = (uint32_t)n;
	p->has_target = true;
	return 0;
}

static int take_sequence(struct parser *p, struct span value)
{
	if (!read_uint(&p->pl.media_sequence, value, INT64_MAX))
		return broken(p, "EXT-X-MEDIA-SEQUENCE is not a whole number");
	return 0;
}

static int take_discontinuity_sequence(struct parser *p, struct span value)
{
	if (p->next.is_discontinuity)
		return broken(p,
			      "EXT-X-DISCONTINUITY-SEQUENCE stands behind "
			      "an EXT-X-DISCONTINUITY");
	if (!read_uint(&p->pl.discontinuity_sequence, value, INT64_MAX))
		return broken(p,
			      "EXT-X-DISCONTINUITY-SEQUENCE is not a whole "
			      "number");
	p->pl.has_discontinuity_sequence = true;
	return 0;
}

static int take_discontinuity(struct parser *p, struct span value)
{
	(void)value;
	if (p->next.is_discontinuity)
		return broken(p, "two EXT-X-DISCONTINUITY before one segment");
	p->next.is_discontinuity = true;
	return 0;
}

static int take_date(struct parser *p, struct span value)
{
	if (p->next.utc_ms != HLS_NO_DATE)
		return broken(p,
			      "two EXT-X-PROGRAM-DATE-TIME before one "
			      "segment");
	if (hls_date_read(&p->next.utc_ms, value))
		return broken(p,
			      "EXT-X-PROGRAM-DATE-TIME is not a date with "
			      "a time zone");
	return 0;
}

static int take_duration(struct parser *p, struct span value)
{
	uint64_t seconds;
	int64_t us = 0;

	if (p->has_duration)
		return broken(p, "two EXTINF before one segment");
	if (!cut_uint(&value, &seconds) || seconds > INT32_MAX / 1000)
		return broken(p, "EXTINF is not a number of seconds");
	if (value.len && value.data[0] == '.') {
		p->has_fractions = true;
		if (!cut_fraction(&value, &us))
			return broken(p, "EXTINF ends in a point");
	}
	if (value.len && value.data[0] != ',')
		return broken(p, "EXTINF is not a number of seconds");
	if (!value.len)
		return broken(p, "EXTINF has no comma");
	p->next.duration_us = (int64_t)seconds * US_PER_S + us;
	p->has_duration = true;
	return 0;
}

static int take_gap(struct parser *p, struct span value)
{
	(void)value;
	p->next.is_gap = true;
	return 0;
}

static int take_end(struct parser *p, struct span value)
{
	(void)value;
	p->pl.is_ended = true;
	return 0;
}

static int take_independent(struct parser *p, struct span value)
{
	(void)value;
	p->pl.is_independent = true;
	return 0;
}

static int take_type(struct parser *p, struct span value)
{
	if (span_eq_str(value, "EVENT"))
		p->pl.type = HLS_EVENT;
	else if (span_eq_str(value, "VOD"))
		p->pl.type = HLS_VOD;
	else
		return broken(p,
			      "EXT-X-PLAYLIST-TYPE is neither EVENT nor "
			      "VOD");
	return 0;
}

static int take_key(struct parser *p, struct span value)
{
	struct span method = attribute(value, "METHOD");

	if (!method.len)
		return broken(p, "EXT-X-KEY has no METHOD");
	if (!span_eq_str(method, "NONE"))
		p->pl.is_encrypted = true;
	return 0;
}

static int take_map(struct parser *p, struct span value)
{
	if (!attribute(value, "URI").len)
		return broken(p, "EXT-X-MAP has no URI");
	p->pl.has_map = true;
	return 0;
}

static int take_range(struct parser *p, struct span value)
{
	(void)value;
	p->pl.has_ranges = true;
	return 0;
}

static int take_variant(struct parser *p, struct span value)
{
	if (p->has_variant)
		return broken(p, "EXT-X-STREAM-INF without a URI behind it");
	if (!read_uint(&p->next_variant.bandwidth_bps,
		       attribute(value, "BANDWIDTH"), INT64_MAX))
		return broken(p, "EXT-X-STREAM-INF has no BANDWIDTH");
	p->has_variant = true;
	return 0;
}

static int take_nothing(struct parser *p, struct span value)
{
	(void)p;
	(void)value;
	return 0;
}

struct tag {
	const char *name;
	uint32_t flags;
	int (*take)(struct parser *p, struct span value);
};

static const struct tag tags[] = {
	{"EXT-X-VERSION", ONCE | HAS_VALUE, take_version},
	{"EXT-X-INDEPENDENT-SEGMENTS", 0, take_independent},
	{"EXT-X-TARGETDURATION", IN_MEDIA | ONCE | HAS_VALUE, take_target},
	{"EXT-X-MEDIA-SEQUENCE", IN_MEDIA | ONCE | BEFORE_SEGMENTS | HAS_VALUE,
	 take_sequence},
	{"EXT-X-DISCONTINUITY-SEQUENCE",
	 IN_MEDIA | ONCE | BEFORE_SEGMENTS | HAS_VALUE,
	 take_discontinuity_sequence},
	{"EXT-X-PLAYLIST-TYPE", IN_MEDIA | ONCE | HAS_VALUE, take_type},
	{"EXT-X-ENDLIST", IN_MEDIA | ONCE, take_end},
	{"EXT-X-I-FRAMES-ONLY", IN_MEDIA, take_nothing},
	{"EXTINF", IN_MEDIA | HAS_VALUE, take_duration},
	{"EXT-X-DISCONTINUITY", IN_MEDIA, take_discontinuity},
	{"EXT-X-PROGRAM-DATE-TIME", IN_MEDIA | HAS_VALUE, take_date},
	{"EXT-X-GAP", IN_MEDIA, take_gap},
	{"EXT-X-KEY", IN_MEDIA | HAS_VALUE, take_key},
	{"EXT-X-MAP", IN_MEDIA | HAS_VALUE, take_map},
	{"EXT-X-BYTERANGE", IN_MEDIA | HAS_VALUE, take_range},
	{"EXT-X-STREAM-INF", IN_MASTER | HAS_VALUE, take_variant},
	{"EXT-X-MEDIA", IN_MASTER, take_nothing},
	{"EXT-X-I-FRAME-STREAM-INF", IN_MASTER, take_nothing},
	{"EXT-X-SESSION-DATA", IN_MASTER, take_nothing},
	{"EXT-X-SESSION-KEY", IN_MASTER, take_nothing},
};

static const struct tag *find_tag(struct span name)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(tags); i++)
		if (span_eq_str(name, tags[i].name))
			return &tags[i];
	return NULL;
}

static int tag_fault(struct parser *p, const struct tag *t, const char *what)
{
	char text[sizeof(p->error->text)];

	snprintf(text, sizeof(text), "%s %s", t->name, what);
	return broken(p, text);
}

/* `line` without its '#'. */
static int take_tag(struct parser *p, struct span line)
{
	size_t colon = find(line, ':');
	struct span name = span_first(line, colon);
	const struct tag *t = find_tag(name);
	uint32_t bit;

	if (!t) /* a comment, or a tag for others: passed over (4.1) */
		return 0;
	bit = UINT32_C(1) << (t - tags);
	if ((t->flags & ONCE) && (p->seen & bit))
		return tag_fault(p, t, "stands there twice");
	if ((t->flags & BEFORE_SEGMENTS) && p->pl.segment_count)
		return tag_fault(p, t, "stands behind a segment");
	if ((t->flags & HAS_VALUE) && colon == line.len)
		return tag_fault(p, t, "has no value");
	p->seen |= bit;
	p->kinds |= t->flags & (IN_MEDIA | IN_MASTER);
	if (p->kinds == (IN_MEDIA | IN_MASTER))
		return tag_fault(p, t, "belongs to the other kind of playlist");
	return t->take(p, span_from(line, name.len + 1));
}

/* ---- URIs ---- */

static int add_segment(struct parser *p, struct span uri)
{
	struct hls_segment *more;

	if (!p->has_duration)
		return broken(p, "a URI without EXTINF before it");
	if (p->pl.segment_count == p->limits.segments_max)
		return too_much(p, "too many segments");
	if (p->pl.segment_count == p->segment_cap) {
		size_t cap = p->segment_cap ? 2 * p->segment_cap : 16;

		more = realloc(p->pl.segment, cap * sizeof(*more));
		if (!more)
			return WEIR_ENOMEM;
		p->pl.segment = more;
		p->segment_cap = cap;
	}
	p->next.uri = uri;
	p->next.line = p->line;
	p->pl.segment[p->pl.segment_count++] = p->next;
	p->next = (struct hls_segment){.utc_ms = HLS_NO_DATE};
	p->has_duration = false;
	return 0;
}

static int add_variant(struct parser *p, struct span uri)
{
	struct hls_variant *more;

	if (!p->has_variant)
		return broken(p, "a URI without EXT-X-STREAM-INF before it");
	if (p->pl.variant_count == p->limits.variants_max)
		return too_much(p, "too many variants");
	if (p->pl.variant_count == p->variant_cap) {
		size_t cap = p->variant_cap ? 2 * p->variant_cap : 4;

		more = realloc(p->pl.variant, cap * sizeof(*more));
		if (!more)
			return WEIR_ENOMEM;
		p->pl.variant = more;
		p->variant_cap = cap;
	}
	p->next_variant.uri = uri;
	p->next_variant.line = p->line;
	p->pl.variant[p->pl.variant_count++] = p->next_variant;
	p->has_variant = false;
	return 0;
}

/* ---- Lines ---- */

/* Section 4.1: UTF-8 without control characters. */
static bool is_text(struct span line)
{
	while (line.len) {
		uint32_t c = utf8_next(&line);

		if (c == UTF8_BAD || c < 0x20 || (c >= 0x7f && c <= 0x9f))
			return false;
	}
	return true;
}

static int next_line(struct parser *p, struct span *out)
{
	struct span line = span_first(p->rest, find(p->rest, '\n'));

	p->rest = span_from(p->rest, line.len + 1);
	p->line++;
	if (line.len > p->limits.line_bytes)
		return too_much(p, "a line is too long");
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	if (!is_text(line))
		return broken(p, "control characters, or not UTF-8");
	*out = line;
	return 0;
}

static int take_line(struct parser *p, struct span line)
{
	if (!line.len)
		return 0;
	if (line.data[0] == '#')
		return line.len > 1 ? take_tag(p, span_from(line, 1)) : 0;
	if (p->kinds == IN_MASTER)
		return add_variant(p, line);
	return add_segment(p, line);
}

/* What can be said only when all has been read. */
static int check_whole(struct parser *p)
{
	p->line = 0;
	p->pl.is_master = p->kinds == IN_MASTER;
	if (!p->pl.version)
		p->pl.version = 1;
	if (p->has_variant)
		return broken(p, "EXT-X-STREAM-INF at the end, without a URI");
	if (p->has_duration)
		return broken(p, "EXTINF at the end, without a URI");
	if (p->pl.is_master)
		return 0;
	if (!p->has_target)
		return broken(p, "there is no EXT-X-TARGETDURATION");
	if (p->has_fractions && p->pl.version < 3)
		return broken(p,
			      "EXTINF has decimals, which need "
			      "EXT-X-VERSION 3");
	return 0;
}

static int read_all(struct parser *p)
{
	struct span line;
	int err;

	if (p->rest.len > p->limits.text_bytes)
		return too_much(p, "the playlist is too long");
	if (!p->rest.len)
		return broken(p, "the playlist is empty");
	err = next_line(p, &line);
	if (!err && !span_eq_str(line, "#EXTM3U"))
		err = broken(p, "the first line is not #EXTM3U");
	while (!err && p->rest.len) {
		err = next_line(p, &line);
		if (!err)
			err = take_line(p, line);
	}
	return err ? err : check_whole(p);
}

int hls_playlist_read(struct hls_playlist *out, struct span text,
		      const struct hls_limits *limits, struct hls_error *error)
{
	struct hls_error ignored = {0};
	struct parser p = {.rest = text, .error = error ? error : &ignored};
	struct hls_limits *l = &p.limits;
	int err;

	if (limits)
		*l = *limits;
	l->text_bytes = l->text_bytes ? l->text_bytes : TEXT_BYTES;
	l->line_bytes = l->line_bytes ? l->line_bytes : LINE_BYTES;
	l->segments_max = l->segments_max ? l->segments_max : SEGMENTS_MAX;
	l->variants_max = l->variants_max ? l->variants_max : VARIANTS_MAX;
	p.next.utc_ms = HLS_NO_DATE;
	err = read_all(&p);
	if (err)
		hls_playlist_fini(&p.pl);
	else
		*out = p.pl;
	return err;
}

void hls_playlist_fini(struct hls_playlist *pl)
{
	free(pl->segment);
	free(pl->variant);
	*pl = (struct hls_playlist){0};
}
