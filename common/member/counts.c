/* common/member/counts.c - the call "counts": JSON from and to structs. */
#include "common/member/counts.h"

#include "common/base/utf8.h"

#define NAME_SPARE_BYTES 20 /* quotes, colon, number, comma */

static const char *const kind_names[COUNTS_KINDS] = {
	[COUNTS_STREAMS] = "streams",
	[COUNTS_VIEWERS] = "viewers",
	[COUNTS_PUBLISHERS] = "publishers",
};

/* ---- reading ---- */

/* An integer that is there, of 0 to max. */
static int take_int(struct json_object *o, const char *name, int64_t max,
		    int64_t *out)
{
	struct json_object *v;
	int64_t n;

	if (!json_object_object_get_ex(o, name, &v) ||
	    !json_object_is_type(v, json_type_int))
		return WEIR_EPROTO;
	n = json_object_get_int64(v);
	if (n < 0 || n > max)
		return WEIR_EPROTO;
	*out = n;
	return 0;
}

static int take_bool(struct json_object *o, const char *name, bool *out)
{
	struct json_object *v;

	*out = false;
	if (!json_object_object_get_ex(o, name, &v))
		return 0;
	if (!json_object_is_type(v, json_type_boolean))
		return WEIR_EPROTO;
	*out = json_object_get_boolean(v);
	return 0;
}

static int take_limits(struct json_object *o, uint32_t limit[COUNTS_KINDS])
{
	struct json_object *v;
	int64_t n = 0;

	if (!json_object_object_get_ex(o, "limits", &v) ||
	    !json_object_is_type(v, json_type_object))
		return WEIR_EPROTO;
	for (size_t k = 0; k < COUNTS_KINDS; k++) {
		if (take_int(v, kind_names[k], COUNTS_MAX, &n))
			return WEIR_EPROTO;
		limit[k] = (uint32_t)n;
	}
	return 0;
}

/* Streams and addresses have no control characters. */
static bool is_name(const char *text)
{
	struct span s = span_str(text);

	if (!s.len || s.len > COUNTS_NAME_MAX || utf8_valid_len(s) != s.len)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < 0x20 || s.data[i] == 0x7f)
			return false;
	return true;
}

static bool is_count(struct json_object *v)
{
	return json_object_is_type(v, json_type_int) &&
	       json_object_get_int64(v) >= 0 &&
	       json_object_get_int64(v) <= COUNTS_MAX;
}

/* NULL: it has none of this kind. */
static struct json_object *of_kind(struct json_object *json, size_t kind)
{
	struct json_object *names = NULL;

	json_object_object_get_ex(json, kind_names[kind], &names);
	return names;
}

static int check_names(struct json_object *names, size_t *total)
{
	if (!json_object_is_type(names, json_type_object))
		return WEIR_EPROTO;
	*total += (size_t)json_object_object_length(names);
	if (*total > COUNTS_PAGE_NAMES)
		return WEIR_ELIMIT;
	json_object_object_foreach(
		names, name, count) if (!is_name(name) ||
					!is_count(count)) return WEIR_EPROTO;
	return 0;
}

static int check_all_names(struct json_object *json)
{
	size_t total = 0;
	int err = 0;

	for (size_t k = 0; k < COUNTS_KINDS && !err; k++) {
		struct json_object *names = of_kind(json, k);

		if (names)
			err = check_names(names, &total);
	}
	return err;
}

int counts_report_read(struct counts_report *out, struct json_object *json)
{
	struct counts_report r = {0};

	if (!json_object_is_type(json, json_type_object) ||
	    take_int(json, "session", INT64_MAX, &r.session) ||
	    take_int(json, "seq", INT64_MAX - 1, &r.seq) ||
	    (!r.seq && take_limits(json, r.limit)))
		return WEIR_EPROTO;
	*out = r;
	return check_all_names(json);
}

int counts_answer_read(struct counts_answer *out, struct json_object *json)
{
	struct counts_answer a = {0};

	if (!json_object_is_type(json, json_type_object) ||
	    take_int(json, "seq", INT64_MAX - 1, &a.seq) ||
	    take_bool(json, "again", &a.is_again) ||
	    take_bool(json, "more", &a.has_more))
		return WEIR_EPROTO;
	*out = a;
	return check_all_names(json);
}

int counts_each(struct json_object *json, counts_name_fn *fn, void *ctx)
{
	for (size_t k = 0; k < COUNTS_KINDS; k++) {
		struct json_object *names = of_kind(json, k);

		if (!names)
			continue;
		json_object_object_foreach(names, name, count)
		{
			int err = fn(ctx, (enum counts_kind)k, span_str(name),
				     (uint32_t)json_object_get_int64(count));

			if (err)
				return err;
		}
	}
	return 0;
}

/* ---- writing ---- */

/* Takes `v`. */
static int add(struct json_object *o, const char *name, struct json_object *v)
{
	if (v && json_object_object_add(o, name, v) == 0)
		return 0;
	json_object_put(v);
	return WEIR_ENOMEM;
}

static int add_int(struct json_object *o, const char *name, int64_t n)
{
	return add(o, name, json_object_new_int64(n));
}

static int add_true(struct json_object *o, const char *name, bool is_there)
{
	return is_there ? add(o, name, json_object_new_boolean(true)) : 0;
}

int counts_page_begin(struct counts_page *p)
{
	*p = (struct counts_page){.json = json_object_new_object()};
	return p->json ? 0 : WEIR_ENOMEM;
}

void counts_page_drop(struct counts_page *p)
{
	json_object_put(p->json);
	*p = (struct counts_page){0};
}

static int begin_kind(struct counts_page *p, enum counts_kind kind)
{
	struct json_object *names = json_object_new_object();
	int err = add(p->json, kind_names[kind], names);

	if (!err)
		p->of[kind] = names;
	return err;
}

int counts_page_put(struct counts_page *p, enum counts_kind kind,
		    struct span name, uint32_t count)
{
	size_t bytes = 2 * name.len + NAME_SPARE_BYTES; /* all is escaped */
	char text[COUNTS_NAME_MAX + 1];
	int err = 0;

	if (p->names == COUNTS_PAGE_NAMES ||
	    p->bytes + bytes > COUNTS_PAGE_BYTES)
		return WEIR_ELIMIT;
	memcpy(text, name.data, name.len);
	text[name.len] = 0;
	if (!p->of[kind])
		err = begin_kind(p, kind);
	if (!err)
		err = add_int(p->of[kind], text, WEIR_MIN(count, COUNTS_MAX));
	if (err)
		return err;
	p->names++;
	p->bytes += bytes;
	return 0;
}

/* What was made of it; without memory nothing. */
static struct json_object *finish(struct counts_page *p, int err)
{
	struct json_object *json = p->json;

	if (err) {
		counts_page_drop(p);
		return NULL;
	}
	*p = (struct counts_page){0};
	return json;
}

static int add_limits(struct json_object *json, const struct counts_report *r)
{
	struct json_object *limits = json_object_new_object();
	int err = add(json, "limits", limits);

	for (size_t k = 0; k < COUNTS_KINDS && !err; k++)
		err = add_int(limits, kind_names[k], r->limit[k]);
	return err;
}

struct json_object *counts_page_report(struct counts_page *p,
				       const struct counts_report *head)
{
	int err = add_int(p->json, "session", head->session);

	if (!err)
		err = add_int(p->json, "seq", head->seq);
	if (!err && !head->seq)
		err = add_limits(p->json, head);
	return finish(p, err);
}

struct json_object *counts_page_answer(struct counts_page *p,
				       const struct counts_answer *head)
{
	int err = add_int(p->json, "seq", head->seq);

	if (!err)
		err = add_true(p->json, "again", head->is_again);
	if (!err)
		err = add_true(p->json, "more", head->has_more);
	return finish(p, err);
}
