/* common/access/pattern.c - patterns of stream keys, templates of addresses. */
#include "common/access/pattern.h"

#include <stdio.h>

#include "common/base/utf8.h"

/* ---- patterns ---- */

/* The element at the front of *s, which is cut off with its '/'. */
static struct span next_element(struct span *s)
{
	const uint8_t *slash = s->len ? memchr(s->data, '/', s->len) : NULL;
	size_t len = slash ? (size_t)(slash - s->data) : s->len;
	struct span e = span_first(*s, len);

	*s = span_from(*s, len + 1);
	return e;
}

static const char *element_fault(struct span e, bool is_last)
{
	if (e.len == 0)
		return "an element is empty";
	if (span_eq_str(e, ".") || span_eq_str(e, ".."))
		return "\".\" and \"..\" are no elements";
	if (span_eq_str(e, "**"))
		return is_last ? NULL : "** is only for the end";
	if (memchr(e.data, '*', e.len) && e.len > 1)
		return "a * stands for a whole element";
	return NULL;
}

static const char *text_fault(struct span text)
{
	if (text.len == 0)
		return "it is empty";
	if (text.len > STREAM_KEY_MAX)
		return "it is longer than a stream's name";
	if (span_eq_str(text, "*"))
		return "write ** for every stream, live/* for those of an app";
	while (text.len) {
		uint32_t c = utf8_next(&text);

		if (c == UTF8_BAD)
			return "it is not UTF-8";
		if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
			return "it has control characters";
	}
	return NULL;
}

static const char *pattern_fault(struct span text)
{
	const char *fault = text_fault(text);
	bool is_last = false;

	while (!fault && !is_last) {
		is_last = text.len == 0 || !memchr(text.data, '/', text.len);
		fault = element_fault(next_element(&text), is_last);
	}
	return fault;
}

int stream_pattern_parse(struct stream_pattern *out, struct span text,
			 const char **why)
{
	const char *fault = pattern_fault(text);
	bool has_app = text.len && memchr(text.data, '/', text.len);
	const char *app = has_app || span_eq_str(text, "**") ? "" : "live/";

	if (!fault && text.len + strlen(app) > STREAM_KEY_MAX)
		fault = "it is longer than a stream's name";
	if (fault) {
		if (why)
			*why = fault;
		return WEIR_EINVAL;
	}
	snprintf(out->text, sizeof(out->text), "%s%.*s", app, (int)text.len,
		 (const char *)text.data);
	return 0;
}

bool stream_pattern_matches(const struct stream_pattern *p,
			    const struct stream_key *key)
{
	struct span want = span_str(p->text);
	struct span have = span_str(key->text);

	while (want.len && have.len) {
		struct span w = next_element(&want);
		struct span h = next_element(&have);

		if (span_eq_str(w, "**"))
			return true;
		if (!span_eq_str(w, "*") && !span_eq(w, h))
			return false;
	}
	return !want.len && !have.len;
}

bool stream_pattern_is_exact(const struct stream_pattern *p)
{
	return !strchr(p->text, '*');
}

void stream_pattern_shape(char out[STREAM_SHAPE_SIZE],
			  const struct stream_pattern *p)
{
	struct span text = span_str(p->text);
	size_t len = 0;

	while (text.len) {
		struct span e = next_element(&text);

		if (span_eq_str(e, "**"))
			out[len++] = '+';
		else
			out[len++] = span_eq_str(e, "*") ? '*' : '=';
	}
	out[len] = '\0';
}

bool stream_pattern_of(struct stream_pattern *out, const char *shape,
		       const struct stream_key *key)
{
	struct span rest = span_str(key->text);
	char *at = out->text;

	for (; *shape && rest.len; shape++) {
		struct span e = next_element(&rest);

		if (*shape == '+')
			e = SPAN_LIT("**");
		else if (*shape == '*')
			e = SPAN_LIT("*");
		if (*shape == '+')
			rest = (struct span){0};
		if ((size_t)(at - out->text) + e.len + 1 > STREAM_KEY_MAX)
			return false; /* no pattern is as long as that */
		if (at != out->text)
			*at++ = '/';
		memcpy(at, e.data, e.len);
		at += e.len;
	}
	*at = '\0';
	return !*shape && !rest.len;
}

const char *stream_key_name(const struct stream_key *key)
{
	const char *slash = strchr(key->text, '/');

	return slash ? slash + 1 : key->text;
}

/* ---- templates ---- */

enum place { PLACE_NONE, PLACE_DOLLAR, PLACE_APP, PLACE_NAME, PLACE_KEY };

/* What stands at the '$' at the front of *s, which is cut off. */
static enum place take_place(struct span *s)
{
	static const struct {
		const char *text;
		enum place place;
	} places[] = {
		{"$$", PLACE_DOLLAR},
		{"$app", PLACE_APP},
		{"$name", PLACE_NAME},
		{"$key", PLACE_KEY},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(places); i++) {
		size_t len = strlen(places[i].text);

		if (!span_eq_str(span_first(*s, len), places[i].text))
			continue;
		*s = span_from(*s, len);
		return places[i].place;
	}
	return PLACE_NONE;
}

/* Length of "rtmp" in front of "://"; 0: there is none. */
static size_t scheme_len(struct span url)
{
	const uint8_t *colon = url.len ? memchr(url.data, ':', url.len) : NULL;
	size_t len = colon ? (size_t)(colon - url.data) : 0;

	return span_eq_str(span_first(span_from(url, len), 3), "://") ? len : 0;
}

static bool is_scheme_of(struct span scheme, const char *schemes)
{
	while (*schemes) {
		size_t len = strcspn(schemes, "|");

		if (span_eq(scheme, span_of(schemes, len)))
			return true;
		schemes += len + (schemes[len] == '|');
	}
	return false;
}

static const char *characters_fault(struct span url)
{
	if (url.len > URL_BYTES_MAX)
		return "an address is at most 1024 bytes long";
	if (utf8_valid_len(url) != url.len)
		return "it is not UTF-8";
	for (size_t i = 0; i < url.len; i++)
		if (url.data[i] <= 0x20 || url.data[i] == 0x7f)
			return "it has blanks or control characters";
	return NULL;
}

/* How far the part goes that says whom we talk to. */
static size_t authority_len(struct span s)
{
	size_t len = 0;

	while (len < s.len && !strchr("/?#", s.data[len]))
		len++;
	return len;
}

static struct span host_of(struct span url)
{
	struct span rest = span_from(url, scheme_len(url) + 3);

	return span_first(rest, authority_len(rest));
}

static const char *url_fault(struct span url, const char *schemes)
{
	const char *fault = characters_fault(url);
	size_t scheme = scheme_len(url);
	struct span host = host_of(url);

	if (fault)
		return fault;
	if (!scheme || !is_scheme_of(span_first(url, scheme), schemes))
		return "its scheme is none of those that can be used here";
	if (host.len == 0 || host.data[host.len - 1] == '@')
		return "it has no host";
	return NULL;
}

static const char *template_fault(struct span url, const char *schemes)
{
	const char *fault = url_fault(url, schemes);
	struct span host = host_of(url), rest;

	if (fault)
		return fault;
	if (memchr(host.data, '$', host.len))
		return "a stream's name cannot choose the host";
	rest = span_from(url, (size_t)(host.data - url.data) + host.len);
	if (rest.len < 2 || rest.data[0] != '/')
		return "it has no path";
	if (memchr(rest.data, '#', rest.len))
		return "it has a #";
	while (rest.len) {
		if (rest.data[0] != '$')
			rest = span_from(rest, 1);
		else if (take_place(&rest) == PLACE_NONE)
			return "there are $app, $name, $key, and $$ for a $";
	}
	return NULL;
}

static int judged(const char *fault, const char **why)
{
	if (fault && why)
		*why = fault;
	return fault ? WEIR_EINVAL : 0;
}

int url_check(struct span text, const char *schemes, const char **why)
{
	return judged(url_fault(text, schemes), why);
}

int url_template_check(struct span text, const char *schemes, const char **why)
{
	return judged(template_fault(text, schemes), why);
}

/* What could mean something in an address, or may not be in one. */
static bool must_escape(uint8_t c, bool is_ascii_only)
{
	return c <= 0x20 || c == 0x7f || strchr("\"#%<>?\\^`{|}", c) ||
	       (is_ascii_only && c >= 0x80);
}

static void put_escaped(struct buf *out, struct span s, bool is_ascii_only)
{
	for (size_t i = 0; i < s.len; i++) {
		if (must_escape(s.data[i], is_ascii_only))
			buf_printf(out, "%%%02X", s.data[i]);
		else
			buf_put_u8(out, s.data[i]);
	}
}

static void put_place(struct buf *out, enum place place,
		      const struct stream_key *key, bool is_ascii_only)
{
	struct span app = span_of(key->text, stream_key_app_len(key));

	switch (place) {
	case PLACE_DOLLAR:
		buf_put_u8(out, '$');
		break;
	case PLACE_APP:
		put_escaped(out, app, is_ascii_only);
		break;
	case PLACE_NAME:
		put_escaped(out, span_str(stream_key_name(key)), is_ascii_only);
		break;
	case PLACE_KEY:
		put_escaped(out, span_str(key->text), is_ascii_only);
		break;
	case PLACE_NONE:
		break;
	}
}

int url_template_expand(struct buf *out, struct span text,
			const struct stream_key *key)
{
	bool is_rtmp =
		is_scheme_of(span_first(text, scheme_len(text)), "rtmp|rtmps");
	struct buf url = {.limit_bytes = URL_BYTES_MAX};
	enum place place;
	int err = 0;

	while (text.len && !err) {
		if (text.data[0] != '$') {
			buf_put_u8(&url, text.data[0]);
			text = span_from(text, 1);
			continue;
		}
		place = take_place(&text);
		if (place == PLACE_NONE)
			err = WEIR_EINVAL;
		put_place(&url, place, key, !is_rtmp);
	}
	if (!err)
		err = buf_error(&url);
	if (!err) {
		buf_put(out, buf_span(&url));
		err = buf_error(out);
	}
	buf_fini(&url);
	return err;
}
