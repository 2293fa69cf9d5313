/* common/bus/question.c - questions between nodes and their answers, as JSON.
 */
#include "common/bus/question.h"

#include <json-c/json.h>

#include "common/base/utf8.h"

#define JSON_DEPTH_MAX 4

static const char *const question_names[] = {
	[QUESTION_PLACE] = "place",       [QUESTION_ALIVE] = "alive",
	[QUESTION_CLAIM] = "claim",       [QUESTION_RESOLVE] = "resolve",
	[QUESTION_VALIDATE] = "validate", [QUESTION_LOST] = "lost",
};

const char *question_name(uint8_t kind)
{
	const char *name = kind < WEIR_ARRAY_LEN(question_names)
				   ? question_names[kind]
				   : NULL;

	return name ? name : "unknown";
}

/* ---- members: one table for both ways ---- */

enum member_kind {
	MEMBER_NONE = 0,
	MEMBER_BOOL,
	MEMBER_U8,
	MEMBER_U32,
	MEMBER_INT, /* an error: 0 or below */
	MEMBER_I64,
	MEMBER_TEXT,
	MEMBER_UUID,
	MEMBER_EPOCH,
	MEMBER_TERM,
};

struct member {
	const char *name;
	uint8_t kind;
	uint16_t size;
	size_t at;
};

#define MEMBER(type, kind, name, field)                                        \
	{                                                                      \
		name, MEMBER_##kind, sizeof(((type *)0)->field),               \
			offsetof(type, field)                                  \
	}
#define ASKED(kind, name, field)    MEMBER(struct question, kind, name, field)
#define ANSWERED(kind, name, field) MEMBER(struct answer, kind, name, field)

static const struct member question_members[] = {
	ASKED(TEXT, "key", key),
	ASKED(EPOCH, "epoch", epoch),
	ASKED(TERM, "term", term),
	ASKED(I64, "start_us", start_us),
	ASKED(EPOCH, "expected", expected),
	ASKED(TEXT, "credential", credential),
	ASKED(TEXT, "avoid", avoid),
	ASKED(TEXT, "via", via),
	{0},
};

static const struct member answer_members[] = {
	ANSWERED(INT, "error", err),
	ANSWERED(U8, "verdict", verdict),
	ANSWERED(BOOL, "granted", is_granted),
	ANSWERED(BOOL, "known", is_known),
	ANSWERED(EPOCH, "epoch", epoch),
	ANSWERED(TERM, "term", term),
	ANSWERED(I64, "start_us", start_us),
	ANSWERED(TEXT, "node", node),
	ANSWERED(TEXT, "url", url),
	ANSWERED(UUID, "instance", instance),
	ANSWERED(U32, "silent_ms", silent_ms),
	ANSWERED(BOOL, "live", is_live),
	ANSWERED(BOOL, "log", has_log),
	ANSWERED(I64, "top", top_counter),
	ANSWERED(TEXT, "kind", kind),
	ANSWERED(TEXT, "writer_node", writer_node),
	{0},
};

/* An epoch and a term are both a number and a uuid. */
struct pair {
	const char *number_name;
	uint64_t *number;
	struct uuid *by;
};

static struct pair pair_of(uint8_t kind, void *at)
{
	struct epoch *e = at;
	struct term *t = at;

	if (kind == MEMBER_EPOCH)
		return (struct pair){"counter", &e->counter, &e->writer};
	return (struct pair){"number", &t->number, &t->by};
}

/* ---- writing ---- */

static json_object *uuid_json(const struct uuid *u)
{
	char text[UUID_TEXT_SIZE];

	return json_object_new_string(uuid_text(text, u));
}

/* Takes `value`; NULL means there was no memory for it. */
static int add(json_object *to, const char *name, json_object *value)
{
	if (!value)
		return WEIR_ENOMEM;
	if (json_object_object_add(to, name, value) == 0)
		return 0;
	json_object_put(value);
	return WEIR_ENOMEM;
}

static int add_pair(json_object *to, const char *name, const struct pair *p)
{
	json_object *o;
	int err;

	if (!*p->number && uuid_is_zero(p->by))
		return 0;
	o = json_object_new_object();
	if (!o)
		return WEIR_ENOMEM;
	err = add(o, p->number_name, json_object_new_uint64(*p->number));
	if (!err)
		err = add(o, "by", uuid_json(p->by));
	if (err)
		json_object_put(o);
	return err ? err : add(to, name, o);
}

static int add_text(json_object *to, const char *name, const char *text)
{
	const struct span s = span_str(text);

	if (!s.len)
		return 0;
	if (utf8_valid_len(s) != s.len)
		return WEIR_EINVAL;
	return add(to, name, json_object_new_string_len(text, (int)s.len));
}

static int add_number(json_object *to, const char *name, int64_t v)
{
	return v ? add(to, name, json_object_new_int64(v)) : 0;
}

static int add_member(json_object *to, const struct member *m, void *at)
{
	struct pair p;

	switch (m->kind) {
	case MEMBER_BOOL:
		return *(bool *)at
			       ? add(to, m->name, json_object_new_boolean(1))
			       : 0;
	case MEMBER_U8:
		return add_number(to, m->name, *(uint8_t *)at);
	case MEMBER_U32:
		return add_number(to, m->name, *(uint32_t *)at);
	case MEMBER_INT:
		return add_number(to, m->name, *(int *)at);
	case MEMBER_I64:
		return add_number(to, m->name, *(int64_t *)at);
	case MEMBER_TEXT:
		return add_text(to, m->name, at);
	case MEMBER_UUID:
		return uuid_is_zero(at) ? 0 : add(to, m->name, uuid_json(at));
	default:
		p = pair_of(m->kind, at);
		return add_pair(to, m->name, &p);
	}
}

static int add_members(json_object *to, const struct member *m, void *from)
{
	int err = 0;

	for (; !err && m->kind; m++)
		err = add_member(to, m, (char *)from + m->at);
	return err;
}

static int put_json(struct buf *out, json_object *o)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		&len);

	if (!text)
		return WEIR_ENOMEM;
	if (len > QUESTION_JSON_MAX)
		return WEIR_ELIMIT;
	buf_put(out, span_of(text, len));
	return buf_error(out);
}

int question_write(struct buf *out, const struct question *q)
{
	struct question copy = *q;
	json_object *o;
	int err = WEIR_EINVAL;

	if (q->kind < QUESTION_PLACE || q->kind > QUESTION_LOST)
		return WEIR_EINVAL;
	o = json_object_new_object();
	if (!o)
		return WEIR_ENOMEM;
	err = add_text(o, "ask", question_name(q->kind));
	if (!err)
		err = add_members(o, question_members, &copy);
	if (!err)
		err = put_json(out, o);
	json_object_put(o);
	return err;
}

int answer_write(struct buf *out, const struct answer *a)
{
	struct answer copy = *a;
	json_object *o = json_object_new_object();
	int err;

	if (!o)
		return WEIR_ENOMEM;
	err = add_members(o, answer_members, &copy);
	if (!err)
		err = put_json(out, o);
	json_object_put(o);
	return err;
}

/* ---- reading ---- */

static bool is_text(struct span s)
{
	return (!s.len || !memchr(s.data, 0, s.len)) &&
	       utf8_valid_len(s) == s.len;
}

static int take_text(json_object *v, char *out, size_t size)
{
	struct span s;

	if (!json_object_is_type(v, json_type_string))
		return WEIR_EPROTO;
	s = span_of(json_object_get_string(v),
		    (size_t)json_object_get_string_len(v));
	if (s.len >= size || !is_text(s))
		return WEIR_EPROTO;
	memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return 0;
}

static int take_uuid(json_object *v, struct uuid *out)
{
	char text[UUID_TEXT_SIZE];
	int err = take_text(v, text, sizeof(text));

	if (err)
		return err;
	return uuid_parse(out, span_str(text)) ? WEIR_EPROTO : 0;
}

static int take_number(json_object *v, int64_t *out, int64_t min, int64_t max)
{
	int64_t n;

	if (!json_object_is_type(v, json_type_int))
		return WEIR_EPROTO;
	n = json_object_get_int64(v);
	if (n < min || n > max)
		return WEIR_EPROTO;
	*out = n;
	return 0;
}

/* json-c gives a number below 0 as 0 here, and one past the range as its end.
 */
static int take_u64(json_object *v, uint64_t *out)
{
	if (!json_object_is_type(v, json_type_int) ||
	    json_object_get_int64(v) < 0)
		return WEIR_EPROTO;
	*out = json_object_get_uint64(v);
	return 0;
}

static int take_pair(json_object *v, const struct pair *p)
{
	json_object *number, *by;
	int err;

	if (!json_object_is_type(v, json_type_object) ||
	    !json_object_object_get_ex(v, p->number_name, &number) ||
	    !json_object_object_get_ex(v, "by", &by))
		return WEIR_EPROTO;
	err = take_u64(number, p->number);
	return err ? err : take_uuid(by, p->by);
}

static int take_bool(json_object *v, bool *out)
{
	if (!json_object_is_type(v, json_type_boolean))
		return WEIR_EPROTO;
	*out = json_object_get_boolean(v);
	return 0;
}

static int take_small(json_object *v, const struct member *m, void *at)
{
	int64_t n;
	int err;

	if (m->kind == MEMBER_I64)
		return take_number(v, at, -(INT64_C(1) << 61),
				   INT64_C(1) << 61);
	if (m->kind == MEMBER_INT)
		err = take_number(v, &n, INT32_MIN, 0);
	else
		err = take_number(v, &n, 0,
				  m->kind == MEMBER_U8 ? UINT8_MAX
						       : UINT32_MAX);
	if (err)
		return err;
	if (m->kind == MEMBER_INT)
		*(int *)at = (int)n;
	else if (m->kind == MEMBER_U32)
		*(uint32_t *)at = (uint32_t)n;
	else
		*(uint8_t *)at = (uint8_t)n;
	return 0;
}

static int take_member(json_object *v, const struct member *m, void *at)
{
	struct pair p;

	switch (m->kind) {
	case MEMBER_BOOL:
		return take_bool(v, at);
	case MEMBER_TEXT:
		return take_text(v, at, m->size);
	case MEMBER_UUID:
		return take_uuid(v, at);
	case MEMBER_EPOCH:
	case MEMBER_TERM:
		p = pair_of(m->kind, at);
		return take_pair(v, &p);
	default:
		return take_small(v, m, at);
	}
}

static int take_members(json_object *o, const struct member *m, void *to)
{
	json_object *v;
	int err = 0;

	for (; !err && m->kind; m++)
		if (json_object_object_get_ex(o, m->name, &v))
			err = take_member(v, m, (char *)to + m->at);
	return err;
}

/* Returns 0 and *out, an object to be put. */
static int parse(json_object **out, struct span json)
{
	struct json_tokener *t;
	json_object *o;
	int err = 0;

	if (json.len > QUESTION_JSON_MAX)
		return WEIR_ELIMIT;
	t = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (!t)
		return WEIR_ENOMEM;
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(t, (const char *)json.data, (int)json.len);
	if (json_tokener_get_parse_end(t) != json.len ||
	    !json_object_is_type(o, json_type_object))
		err = WEIR_EPROTO;
	json_tokener_free(t);
	if (err)
		json_object_put(o);
	else
		*out = o;
	return err;
}

static int take_kind(json_object *o, uint8_t *out)
{
	json_object *v;

	if (!json_object_object_get_ex(o, "ask", &v) ||
	    !json_object_is_type(v, json_type_string))
		return WEIR_EUNSUPPORTED;
	for (size_t k = 1; k < WEIR_ARRAY_LEN(question_names); k++)
		if (!strcmp(question_names[k], json_object_get_string(v))) {
			*out = (uint8_t)k;
			return 0;
		}
	return WEIR_EUNSUPPORTED;
}

int question_read(struct question *out, struct span json)
{
	struct question q = {0};
	json_object *o;
	int err = parse(&o, json);

	if (err)
		return err;
	err = take_kind(o, &q.kind);
	if (!err)
		err = take_members(o, question_members, &q);
	if (!err && !q.key.text[0])
		err = WEIR_EPROTO;
	json_object_put(o);
	if (!err)
		*out = q;
	return err;
}

int answer_read(struct answer *out, struct span json)
{
	struct answer a = {0};
	json_object *o;
	int err = parse(&o, json);

	if (err)
		return err;
	err = take_members(o, answer_members, &a);
	json_object_put(o);
	if (!err)
		*out = a;
	return err;
}
