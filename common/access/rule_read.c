/* common/access/rule_read.c - rules from JSON that anybody may have written. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/access/rule_priv.h"
#include "common/access/text.h"

#define JSON_DEPTH_MAX 5
#define UNTIL_MAX_MS   INT64_C(253402300800000) /* the year 10000 */
#define PULL_SCHEMES   "rtmp|rtmps|http|https"
#define PUSH_SCHEMES   "rtmp|rtmps"

/* A rule that is being read. The first thing that is wrong stays. */
struct reading {
	struct json_object *from;
	struct rule *r;
	struct rule_fault *fault;
	int err;
};

int rule_fault_set(struct rule_fault *fault, const char *where,
		   const char *what)
{
	if (fault) {
		snprintf(fault->where, sizeof(fault->where), "%.60s", where);
		snprintf(fault->what, sizeof(fault->what), "%s", what);
	}
	return WEIR_EINVAL;
}

static void wrong(struct reading *rd, const char *where, const char *what)
{
	if (!rd->err)
		rd->err = rule_fault_set(rd->fault, where, what);
}

/* ---- fields ---- */

static struct span text_of(struct json_object *o)
{
	return span_of(json_object_get_string(o),
		       (size_t)json_object_get_string_len(o));
}

static struct json_object *field(const struct reading *rd, const char *name)
{
	struct json_object *o = NULL;

	return json_object_object_get_ex(rd->from, name, &o) ? o : NULL;
}

static bool has_field(const struct reading *rd, const char *name)
{
	return json_object_object_get_ex(rd->from, name, NULL);
}

/* A text; empty when it is absent or something else. */
static struct span text_field(struct reading *rd, const char *name)
{
	struct json_object *o = field(rd, name);

	if (json_object_is_type(o, json_type_string))
		return text_of(o);
	if (has_field(rd, name))
		wrong(rd, name, "a text is expected");
	return (struct span){0};
}

static int64_t int_field(struct reading *rd, const char *name, int64_t min,
			 int64_t max, int64_t initial)
{
	struct json_object *o = field(rd, name);
	int64_t n = initial;
	char what[96];

	if (!has_field(rd, name))
		return initial;
	if (json_object_is_type(o, json_type_int))
		n = json_object_get_int64(o);
	if (json_object_is_type(o, json_type_int) && n >= min && n <= max)
		return n;
	snprintf(what, sizeof(what),
		 "a whole number from %" PRId64 " to %" PRId64, min, max);
	wrong(rd, name, what);
	return initial;
}

static bool bool_field(struct reading *rd, const char *name, bool initial)
{
	struct json_object *o = field(rd, name);

	if (!has_field(rd, name))
		return initial;
	if (!json_object_is_type(o, json_type_boolean))
		wrong(rd, name, "true or false");
	return json_object_get_boolean(o);
}

static unsigned ops_field(struct reading *rd)
{
	unsigned ops = ACCESS_BOTH;

	if (has_field(rd, "ops"))
		ops = access_ops_parse(text_field(rd, "ops"));
	if (!ops)
		wrong(rd, "ops", "publish, play or both");
	return ops;
}

static void pattern_field(struct reading *rd, struct stream_pattern *out,
			  const char *name)
{
	struct span text = text_field(rd, name);
	const char *why = "";

	if (!has_field(rd, name))
		wrong(rd, name, "streams such as live/cam1, live/* or **");
	else if (stream_pattern_parse(out, text, &why))
		wrong(rd, name, why);
}

static void copy(char *out, size_t size, struct span s)
{
	snprintf(out, size, "%.*s", (int)s.len, (const char *)s.data);
}

static char *keep(struct reading *rd, struct span s)
{
	char *text = malloc(s.len + 1);

	if (!text) {
		rd->err = WEIR_ENOMEM;
		return NULL;
	}
	if (s.len)
		memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return text;
}

/* What says where an item of a list stands. */
static const char *place_of(char out[32], const char *name, size_t i)
{
	snprintf(out, 32, "%s[%zu]", name, i);
	return out;
}

/* ---- kinds ---- */

static void read_block(struct reading *rd, struct cidr *out,
		       struct json_object *o, const char *where)
{
	if (!json_object_is_type(o, json_type_string) ||
	    cidr_parse(out, text_of(o)))
		wrong(rd, where, "an address, or a block such as 10.0.0.0/8");
}

static void read_blocks(struct reading *rd, struct rule_list *l,
			struct json_object *list)
{
	size_t count = json_object_array_length(list);
	char where[32];

	if (count == 0 || count > RULE_CIDRS_MAX) {
		wrong(rd, "cidr", "1 to 64 addresses or blocks");
		return;
	}
	l->cidr = calloc(count, sizeof(*l->cidr));
	if (!l->cidr) {
		rd->err = WEIR_ENOMEM;
		return;
	}
	l->cidr_count = (unsigned)count;
	for (size_t i = 0; i < count; i++)
		read_block(rd, &l->cidr[i], json_object_array_get_idx(list, i),
			   place_of(where, "cidr", i));
}

static void read_list(struct reading *rd)
{
	struct rule_list *l = &rd->r->list;
	struct json_object *o = field(rd, "cidr");

	l->ops = ops_field(rd);
	if (json_object_is_type(o, json_type_array)) {
		read_blocks(rd, l, o);
		return;
	}
	l->cidr = calloc(1, sizeof(*l->cidr));
	if (!l->cidr) {
		rd->err = WEIR_ENOMEM;
		return;
	}
	l->cidr_count = 1;
	read_block(rd, l->cidr, o, "cidr");
}

static void read_ban(struct reading *rd)
{
	struct rule_ban *b = &rd->r->ban;
	struct span session = text_field(rd, "session");
	struct span user = text_field(rd, "user");

	b->has_session = has_field(rd, "session");
	b->has_streams = has_field(rd, "stream");
	b->has_ip = has_field(rd, "ip");
	b->has_user = has_field(rd, "user");
	b->ops = ops_field(rd);
	if (!b->has_session && !b->has_streams && !b->has_ip && !b->has_user)
		wrong(rd, "", "one of session, stream, ip and user is needed");
	if (b->has_session && !text_is_id(session, RULE_TEXT_MAX))
		wrong(rd, "session", "the id of a session");
	if (b->has_user && (!user.len || !text_is_line(user, SIGN_USER_MAX)))
		wrong(rd, "user", "a name of 1 to 48 bytes");
	if (b->has_streams)
		pattern_field(rd, &b->streams, "stream");
	if (b->has_ip)
		read_block(rd, &b->ip, field(rd, "ip"), "ip");
	copy(b->session, sizeof(b->session), session);
	copy(b->user, sizeof(b->user), user);
}

static void read_key(struct reading *rd)
{
	struct span secret = text_field(rd, "secret");

	rd->r->key.ops = ops_field(rd);
	if (strlen(rd->r->id) > SIGN_KID_MAX)
		wrong(rd, "id", "that of a key has at most 32 characters");
	if (!text_is_secret(secret, SIGN_SECRET_MIN, SIGN_SECRET_MAX))
		wrong(rd, "secret",
		      "16 to 256 printable characters, no blanks");
	copy(rd->r->key.secret, sizeof(rd->r->key.secret), secret);
}

typedef int url_check_fn(struct span text, const char *schemes,
			 const char **why);

static void read_url(struct reading *rd, char **out, struct json_object *o,
		     const char *schemes, url_check_fn *check,
		     const char *where)
{
	const char *why = "an address is expected";

	if (!json_object_is_type(o, json_type_string) ||
	    check(text_of(o), schemes, &why))
		wrong(rd, where, why);
	else
		*out = keep(rd, text_of(o));
}

static unsigned read_urls(struct reading *rd, char *url[RULE_URLS_MAX],
			  const char *schemes, url_check_fn *check)
{
	struct json_object *list = field(rd, "urls");
	size_t count = json_object_is_type(list, json_type_array)
			       ? json_object_array_length(list)
			       : 0;
	char where[32];

	if (count == 0 || count > RULE_URLS_MAX) {
		wrong(rd, "urls", "a list of 1 to 8 addresses");
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		read_url(rd, &url[i], json_object_array_get_idx(list, i),
			 schemes, check, place_of(where, "urls", i));
	return (unsigned)count;
}

static void read_rule_pull(struct reading *rd, struct rule_pull *p)
{
	pattern_field(rd, &p->streams, "streams");
	p->url_count = read_urls(rd, p->url, PULL_SCHEMES, url_template_check);
	p->pull_timeout_ms =
		(uint32_t)int_field(rd, "pull_timeout_ms", 1, 600000, 10000);
	p->retry_num = (int32_t)int_field(rd, "retry_num", -1, 1000000, -1);
	p->auto_stop_ms = int_field(rd, "auto_stop_ms", -1, 604800000, 0);
	if (!p->is_on_demand && !stream_pattern_is_exact(&p->streams))
		wrong(rd, "streams",
		      "what is kept on (on_demand false) is one stream");
}

/* What the API takes, the rule has as it is. */
static void read_one_pull(struct reading *rd, struct rule_pull *p)
{
	struct stream_key key = {""};

	if (stream_key_from_text(&key, text_field(rd, "streams")) != KEY_OK)
		wrong(rd, "streams", "the name of one stream");
	copy(p->streams.text, sizeof(p->streams.text), span_str(key.text));
	p->url_count = read_urls(rd, p->url, PULL_SCHEMES, url_check);
	p->pull_timeout_ms = (uint32_t)int_field(rd, "pull_timeout_ms", 0,
						 UINT32_MAX, 10000);
	p->retry_num = (int32_t)int_field(rd, "retry_num", -1, INT32_MAX, -1);
	p->auto_stop_ms = int_field(rd, "auto_stop_ms", -1, INT64_MAX / 2, -1);
	if (p->is_on_demand)
		wrong(rd, "on_demand", "one pull is kept on: false");
	if (strlen(rd->r->id) > RULE_ONCE_MAX)
		wrong(rd, "id", "the id of a session");
}

static void read_pull(struct reading *rd)
{
	struct rule_pull *p = &rd->r->pull;

	p->is_once = bool_field(rd, "once", false);
	p->is_on_demand = bool_field(rd, "on_demand", !p->is_once);
	if (p->is_once)
		read_one_pull(rd, p);
	else
		read_rule_pull(rd, p);
}

static void read_push(struct reading *rd)
{
	struct rule_push *p = &rd->r->push;

	pattern_field(rd, &p->streams, "streams");
	p->url_count = read_urls(rd, p->url, PUSH_SCHEMES, url_template_check);
	p->is_query_forwarded = bool_field(rd, "forward_query", false);
	p->keeps_pull = bool_field(rd, "keep_pull",
				   stream_pattern_is_exact(&p->streams));
}

/* ---- all of it ---- */

static const struct {
	void (*read)(struct reading *rd);
	const char *fields; /* besides those that all have */
} kinds[RULE_KIND_COUNT] = {
	[RULE_DENY] = {read_list, "|cidr|ops|"},
	[RULE_ALLOW] = {read_list, "|cidr|ops|"},
	[RULE_BAN] = {read_ban, "|session|stream|ip|user|ops|"},
	[RULE_KEY] = {read_key, "|secret|ops|"},
	[RULE_PULL] = {read_pull,
		       "|streams|urls|on_demand|once|pull_timeout_ms|"
		       "retry_num|auto_stop_ms|"},
	[RULE_PUSH] = {read_push, "|streams|urls|forward_query|keep_pull|"},
};

static bool is_one_of(const char *names, const char *name)
{
	char framed[64];

	if (strlen(name) + 3 > sizeof(framed) || strchr(name, '|'))
		return false;
	snprintf(framed, sizeof(framed), "|%s|", name);
	return strstr(names, framed) != NULL;
}

/* A field that is passed over could be one that restricts. */
static void refuse_unknown(struct reading *rd)
{
	json_object_object_foreach(rd->from, name, value)
	{
		(void)value;
		if (!is_one_of("|kind|id|until_ms|note|", name) &&
		    !is_one_of(kinds[rd->r->kind].fields, name))
			wrong(rd, text_is_line(span_str(name), 40) ? name : "",
			      "there is no such field in a rule of this kind");
	}
}

static void read_kind(struct reading *rd, const char *initial)
{
	struct span name = text_field(rd, "kind");
	int kind;

	if (!has_field(rd, "kind") && initial)
		name = span_str(initial);
	kind = rule_kind_of(name);
	if (kind < 0)
		wrong(rd, "kind", "deny, allow, ban, key, pull or push");
	else
		rd->r->kind = (enum rule_kind)kind;
}

static void read_common(struct reading *rd, const char *initial_id)
{
	struct span id = text_field(rd, "id");
	struct span note = text_field(rd, "note");

	if (!has_field(rd, "id") && initial_id)
		id = span_str(initial_id);
	if (!text_is_id(id, RULE_ID_MAX))
		wrong(rd, "id", "1 to 64 of A-Z a-z 0-9 . _ : ~ @ and -");
	if (!text_is_line(note, RULE_NOTE_MAX))
		wrong(rd, "note", "one line of at most 256 bytes");
	rd->r->until_ms = int_field(rd, "until_ms", 0, UNTIL_MAX_MS, 0);
	if (rd->err)
		return;
	copy(rd->r->id, sizeof(rd->r->id), id);
	rd->r->note = keep(rd, note);
}

static void read_all(struct reading *rd, const char *kind, const char *id)
{
	if (!json_object_is_type(rd->from, json_type_object)) {
		wrong(rd, "", "a rule is an object {…}");
		return;
	}
	read_kind(rd, kind);
	if (!rd->err)
		read_common(rd, id);
	if (!rd->err)
		refuse_unknown(rd);
	if (!rd->err)
		kinds[rd->r->kind].read(rd);
}

int rule_read_json(struct rule **out, struct json_object *json,
		   const char *kind, const char *id, struct rule_fault *fault)
{
	struct reading rd = {.from = json, .fault = fault};

	rd.r = calloc(1, sizeof(*rd.r));
	if (!rd.r)
		return WEIR_ENOMEM;
	rd.r->refs = 1;
	read_all(&rd, kind, id);
	if (rd.err)
		rule_unref(&rd.r);
	else
		*out = rd.r;
	return rd.err;
}

static bool is_blank_from(struct span text, size_t at)
{
	for (; at < text.len; at++)
		if (!text.data[at] || !strchr(" \t\r\n", text.data[at]))
			return false;
	return true;
}

int rule_parse_json(struct json_object **out, struct span json,
		    struct rule_fault *fault)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX);
	struct json_object *o = NULL;
	int err = 0;

	if (!tok)
		return WEIR_ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
					    JSON_TOKENER_VALIDATE_UTF8 |
					    JSON_TOKENER_ALLOW_TRAILING_CHARS);
	if (json.len)
		o = json_tokener_parse_ex(tok, (const char *)json.data,
					  (int)json.len);
	if (!json.len || json_tokener_get_error(tok) != json_tokener_success ||
	    !is_blank_from(json, json_tokener_get_parse_end(tok))) {
		json_object_put(o);
		err = rule_fault_set(fault, "", "this is not JSON");
	} else {
		*out = o;
	}
	json_tokener_free(tok);
	return err;
}

int rule_read(struct rule **out, struct span json, struct rule_fault *fault)
{
	struct json_object *o = NULL;
	int err;

	if (json.len > RULE_BYTES_MAX) {
		(void)rule_fault_set(fault, "", "a rule has at most 16 kB");
		return WEIR_ELIMIT;
	}
	err = rule_parse_json(&o, json, fault);
	if (err)
		return err;
	err = rule_read_json(out, o, NULL, NULL, fault);
	json_object_put(o);
	return err;
}
