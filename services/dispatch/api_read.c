/* services/dispatch/api_read.c - a request against its row. Pure. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/utf8.h"
#include "common/media/key.h"
#include "services/dispatch/api.h"

#define BODY_DEPTH 8

struct reading {
	const struct api_route *route;
	const struct api_raw *raw;
	struct json_object *body; /* NULL: none came */
	struct json_object *out;
	struct api_fault *fault;
};

static int wrong(struct reading *r, const char *field, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	snprintf(r->fault->field, sizeof(r->fault->field), "%s", field);
	vsnprintf(r->fault->why, sizeof(r->fault->why), why, args);
	va_end(args);
	return WEIR_EINVAL;
}

/* Takes `value`. */
static int put(struct reading *r, const struct api_field *f,
	       struct json_object *value)
{
	if (!value)
		return WEIR_ENOMEM;
	return json_object_object_add(r->out, f->name, value) ? WEIR_ENOMEM : 0;
}

/* ---- texts ---- */

static bool is_clean(struct span text)
{
	if (utf8_valid_len(text) != text.len)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < ' ' || text.data[i] == 0x7f)
			return false;
	return true;
}

static bool is_choice(const char *choices, struct span text)
{
	while (*choices) {
		size_t len = strcspn(choices, "|");

		if (len == text.len && !memcmp(choices, text.data, len))
			return true;
		choices += len + (choices[len] == '|');
	}
	return false;
}

static int check_text(struct reading *r, const struct api_field *f,
		      struct span text)
{
	bool has_limit = f->kind == API_TEXT && (f->min || f->max);

	if (!is_clean(text))
		return wrong(r, f->name,
			     "not UTF-8 without control characters");
	if (f->choices && !is_choice(f->choices, text))
		return wrong(r, f->name, "none of %s", f->choices);
	if (has_limit &&
	    ((int64_t)text.len < f->min || (int64_t)text.len > f->max))
		return wrong(r, f->name, "a text of %lld to %lld bytes",
			     (long long)f->min, (long long)f->max);
	return 0;
}

static int put_text(struct reading *r, const struct api_field *f,
		    struct span text)
{
	int err = check_text(r, f, text);

	if (err)
		return err;
	return put(r, f,
		   json_object_new_string_len((const char *)text.data,
					      (int)text.len));
}

static int put_key(struct reading *r, const struct api_field *f,
		   struct span text)
{
	struct stream_key key;
	enum key_fault fault = stream_key_from_path(&key, text, IDENTITY_PATH);

	if (fault != KEY_OK)
		return wrong(r, f->name, "no stream: %s",
			     stream_key_why(fault));
	return put(r, f, json_object_new_string(key.text));
}

static int put_int(struct reading *r, const struct api_field *f, int64_t n)
{
	if ((f->min || f->max) && (n < f->min || n > f->max))
		return wrong(r, f->name, "a whole number from %lld to %lld",
			     (long long)f->min, (long long)f->max);
	return put(r, f, json_object_new_int64(n));
}

/* ---- path and query ---- */

static int put_int_text(struct reading *r, const struct api_field *f,
			const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end || *text == ' ' || *text == '+')
		return wrong(r, f->name, "no whole number");
	return put_int(r, f, n);
}

static int put_bool_text(struct reading *r, const struct api_field *f,
			 const char *text)
{
	bool is_true = !strcmp(text, "true") || !strcmp(text, "1");

	if (!is_true && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
		return wrong(r, f->name, "neither true nor false");
	return put(r, f, json_object_new_boolean(is_true));
}

static int from_text(struct reading *r, const struct api_field *f,
		     const char *text)
{
	switch (f->kind) {
	case API_INT:
		return put_int_text(r, f, text);
	case API_BOOL:
		return put_bool_text(r, f, text);
	case API_KEY:
		return put_key(r, f, span_str(text));
	default:
		return put_text(r, f, span_str(text));
	}
}

/* ---- the body ---- */

static struct span json_span(struct json_object *text)
{
	return span_of(json_object_get_string(text),
		       (size_t)json_object_get_string_len(text));
}

static int put_texts(struct reading *r, const struct api_field *f,
		     struct json_object *list)
{
	const struct api_field each = {
		.name = f->name, .kind = API_TEXT, .min = 1, .max = 2048};
	int64_t count = (int64_t)json_object_array_length(list);

	if ((f->min || f->max) && (count < f->min || count > f->max))
		return wrong(r, f->name, "a list of %lld to %lld texts",
			     (long long)f->min, (long long)f->max);
	for (size_t i = 0; i < (size_t)count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		int err;

		if (!json_object_is_type(item, json_type_string))
			return wrong(r, f->name, "a list of texts");
		err = check_text(r, &each, json_span(item));
		if (err)
			return err;
	}
	return put(r, f, json_object_get(list));
}

static int from_json(struct reading *r, const struct api_field *f,
		     struct json_object *value)
{
	enum json_type type = json_object_get_type(value);

	switch (f->kind) {
	case API_TEXT:
	case API_KEY:
		if (type != json_type_string)
			return wrong(r, f->name, "no text");
		return f->kind == API_KEY ? put_key(r, f, json_span(value))
					  : put_text(r, f, json_span(value));
	case API_INT:
		if (type != json_type_int)
			return wrong(r, f->name, "no whole number");
		return put_int(r, f, json_object_get_int64(value));
	case API_BOOL:
		if (type != json_type_boolean)
			return wrong(r, f->name, "neither true nor false");
		return put(r, f, json_object_get(value));
	case API_ONE_OR_MORE:
		if (type == json_type_string)
			return put_text(r, f, json_span(value));
		/* fall through */
	case API_TEXTS:
		if (type != json_type_array)
			return wrong(r, f->name, "no list");
		return put_texts(r, f, value);
	default:
		if (type != json_type_object)
			return wrong(r, f->name, "no object");
		return put(r, f, json_object_get(value));
	}
}

/* A text that stops in the middle is as wrong as one that goes on. */
static struct json_object *parse_object(struct span text)
{
	struct json_tokener *t = json_tokener_new_ex(BODY_DEPTH);
	struct json_object *o = NULL;

	if (t)
		json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	if (t)
		o = json_tokener_parse_ex(t, (const char *)text.data,
					  (int)text.len);
	if (t && json_tokener_get_parse_end(t) != text.len) {
		json_object_put(o);
		o = NULL;
	}
	if (t)
		json_tokener_free(t);
	if (json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

static bool is_in_body(const struct api_field *f)
{
	return !(f->flags & (API_IN_PATH | API_IN_QUERY));
}

static bool takes_body(const struct api_route *route)
{
	for (size_t i = 0; route->in && i < route->in->count; i++)
		if (is_in_body(&route->in->field[i]))
			return true;
	return false;
}

static int read_body(struct reading *r)
{
	if (!takes_body(r->route) || !r->raw->body.len)
		return 0;
	r->body = parse_object(r->raw->body);
	return r->body ? 0 : wrong(r, "", "the body is no JSON object");
}

/* ---- all fields of the row ---- */

/* Which "{name}" of the path. */
static unsigned part_number(const char *path, const char *name)
{
	unsigned n = 0;

	for (path = strchr(path, '{'); path; path = strchr(path + 1, '{')) {
		size_t len = strcspn(path + 1, "}");

		if (len == strlen(name) && !memcmp(path + 1, name, len))
			break;
		n++;
	}
	return n;
}

static int absent(struct reading *r, const struct api_field *f)
{
	if (f->flags & API_NEEDED)
		return wrong(r, f->name, "it is missing");
	if (f->initial)
		return put(r, f, json_tokener_parse(f->initial));
	return 0;
}

static int read_field(struct reading *r, const struct api_field *f)
{
	const struct api_raw *raw = r->raw;
	struct json_object *value = NULL;
	const char *text;

	if (is_in_body(f)) {
		return json_object_object_get_ex(r->body, f->name, &value)
			       ? from_json(r, f, value)
			       : absent(r, f);
	}
	if (f->flags & API_IN_PATH)
		text = raw->part(raw->ctx,
				 part_number(r->route->path, f->name));
	else
		text = raw->query(raw->ctx, f->name);
	return text ? from_text(r, f, text) : absent(r, f);
}

static const struct api_field *find(const struct reading *r, struct span name,
				    unsigned flags)
{
	const struct api_schema *in = r->route->in;

	for (size_t i = 0; in && i < in->count; i++) {
		unsigned place =
			in->field[i].flags & (API_IN_PATH | API_IN_QUERY);

		if (place == flags && span_eq_str(name, in->field[i].name))
			return &in->field[i];
	}
	return NULL;
}

static int unknown(struct reading *r, struct span name)
{
	char text[sizeof(r->fault->field)];

	snprintf(text, sizeof(text), "%.*s",
		 (int)WEIR_MIN(utf8_valid_len(name), sizeof(text) - 1),
		 (const char *)name.data);
	return wrong(r, text, "there is no such field");
}

/* A misspelt filter must not look like one that fits nothing. */
static int check_names(struct reading *r)
{
	struct span rest = r->raw->query_text;

	if (r->body) {
		json_object_object_foreach(r->body, name, value)
		{
			(void)value;
			if (!find(r, span_str(name), 0))
				return unknown(r, span_str(name));
		}
	}
	while (rest.len > 0) {
		const void *end = memchr(rest.data, '&', rest.len);
		size_t len = end ? (size_t)((const uint8_t *)end - rest.data)
				 : rest.len;
		const void *eq = memchr(rest.data, '=', len);
		struct span name = span_first(
			rest,
			eq ? (size_t)((const uint8_t *)eq - rest.data) : len);

		if (name.len > 0 && !find(r, name, API_IN_QUERY))
			return unknown(r, name);
		rest = span_from(rest, len + (end != NULL));
	}
	return 0;
}

static int read_all(struct reading *r)
{
	const struct api_schema *in = r->route->in;
	int err = read_body(r);

	if (!err && !(r->route->flags & API_LAL))
		err = check_names(r);
	for (size_t i = 0; !err && in && i < in->count; i++)
		err = read_field(r, &in->field[i]);
	return err;
}

int api_read(struct json_object **out, struct api_fault *fault,
	     const struct api_route *route, const struct api_raw *raw)
{
	struct reading r = {.route = route,
			    .raw = raw,
			    .fault = fault,
			    .out = json_object_new_object()};
	int err = r.out ? read_all(&r) : WEIR_ENOMEM;

	json_object_put(r.body);
	if (err)
		json_object_put(r.out);
	else
		*out = r.out;
	return err;
}
