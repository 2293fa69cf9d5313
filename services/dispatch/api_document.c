/* services/dispatch/api_document.c - the table as an OpenAPI 3.1 document. Pure.
 */
#include <stdio.h>

#include "common/conf/json.h"
#include "services/dispatch/api.h"

#define SCHEMAS_MAX 64
#define NAME_SIZE   160

/* Objects that were named somewhere, each to be told once. */
struct naming {
	const struct api_schema *schema[SCHEMAS_MAX];
	size_t count;
};

static void add(struct json_object *o, const char *name,
		struct json_object *value)
{
	json_object_object_add(o, name, value);
}

static struct json_object *open_object(struct json_object *o, const char *name)
{
	struct json_object *inner = json_object_new_object();

	add(o, name, inner);
	return inner;
}

/* ---- fields ---- */

static struct json_object *reference(struct naming *n,
				     const struct api_schema *s)
{
	struct json_object *o = json_object_new_object();
	char path[NAME_SIZE];
	size_t i = 0;

	while (i < n->count && n->schema[i] != s)
		i++;
	BUG_ON(i == SCHEMAS_MAX);
	if (i == n->count)
		n->schema[n->count++] = s;
	snprintf(path, sizeof(path), "#/components/schemas/%s", s->name);
	json_add_text(o, "$ref", path);
	return o;
}

static struct json_object *type(const char *name)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "type", name);
	return o;
}

static struct json_object *choices_json(const char *choices)
{
	struct json_object *list = json_object_new_array();

	while (*choices) {
		size_t len = strcspn(choices, "|");

		json_object_array_add(
			list, json_object_new_string_len(choices, (int)len));
		choices += len + (choices[len] == '|');
	}
	return list;
}

/* The document counts characters, we bytes: what has so many bytes has no more
 * characters, and at least one if it has any. */
static struct json_object *text_type(const struct api_field *f)
{
	struct json_object *o = type("string");

	if (f->choices)
		add(o, "enum", choices_json(f->choices));
	if (f->min)
		json_add_int(o, "minLength", 1);
	if (f->max)
		json_add_int(o, "maxLength", f->max);
	return o;
}

static struct json_object *int_type(const struct api_field *f)
{
	struct json_object *o = type("integer");

	if (f->min || f->max) {
		json_add_int(o, "minimum", f->min);
		json_add_int(o, "maximum", f->max);
	}
	return o;
}

static struct json_object *list_type(const struct api_field *f,
				     struct json_object *items)
{
	struct json_object *o = type("array");

	add(o, "items", items);
	if (f->min)
		json_add_int(o, "minItems", f->min);
	if (f->max)
		json_add_int(o, "maxItems", f->max);
	return o;
}

static struct json_object *key_type(void)
{
	struct json_object *o = type("string");

	json_add_int(o, "minLength", 1);
	return o;
}

static struct json_object *either(struct json_object *a, struct json_object *b)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, a);
	json_object_array_add(list, b);
	add(o, "anyOf", list);
	return o;
}

static struct json_object *kind_type(struct naming *n,
				     const struct api_field *f)
{
	struct json_object *o;

	switch (f->kind) {
	case API_TEXT:
		return text_type(f);
	case API_KEY:
		return key_type();
	case API_INT:
		return int_type(f);
	case API_NUMBER:
		return type("number");
	case API_BOOL:
		return type("boolean");
	case API_TEXTS:
		return list_type(f, type("string"));
	case API_ONE_OR_MORE:
		return either(list_type(f, type("string")), type("string"));
	case API_OBJECT:
		return reference(n, f->of);
	case API_LIST:
		return list_type(f, reference(n, f->of));
	case API_MAP:
		o = type("object");
		add(o, "additionalProperties", type("string"));
		return o;
	default:
		return type("object");
	}
}

static struct json_object *field_json(struct naming *n,
				      const struct api_field *f)
{
	struct json_object *o = kind_type(n, f);

	if (f->flags & API_NULL)
		o = either(o, type("null"));
	if (f->sentence)
		json_add_text(o, "description", f->sentence);
	if (f->initial)
		add(o, "default", json_tokener_parse(f->initial));
	return o;
}

/* Those of one place: API_IN_QUERY, …; 0: the body's. */
static bool is_at(const struct api_field *f, unsigned place)
{
	return (f->flags & (API_IN_PATH | API_IN_QUERY)) == place;
}

static struct json_object *object_json(struct naming *n,
				       const struct api_schema *s)
{
	struct json_object *o = type("object");
	struct json_object *properties = json_object_new_object();
	struct json_object *required = json_object_new_array();

	if (s->sentence)
		json_add_text(o, "description", s->sentence);
	for (size_t i = 0; i < s->count; i++) {
		const struct api_field *f = &s->field[i];

		if (!is_at(f, 0))
			continue;
		add(properties, f->name, field_json(n, f));
		if (f->flags & API_NEEDED)
			json_object_array_add(required,
					      json_object_new_string(f->name));
	}
	add(o, "properties", properties);
	add(o, "required", required);
	return o;
}

/* ---- operations ---- */

static struct json_object *parameter(struct naming *n,
				     const struct api_field *f)
{
	struct json_object *o = json_object_new_object();
	bool is_path = f->flags & API_IN_PATH;

	json_add_text(o, "name", f->name);
	json_add_text(o, "in", is_path ? "path" : "query");
	add(o, "required",
	    json_object_new_boolean(is_path || (f->flags & API_NEEDED)));
	add(o, "schema", field_json(n, f));
	return o;
}

static void add_content(struct json_object *o, struct json_object *schema)
{
	struct json_object *content = open_object(o, "content");

	add(open_object(content, "application/json"), "schema", schema);
}

static void add_request(struct json_object *o, struct naming *n,
			const struct api_schema *in)
{
	struct json_object *list = json_object_new_array();
	struct json_object *body;
	bool has_body = false, is_needed = false;

	for (size_t i = 0; in && i < in->count; i++) {
		if (is_at(&in->field[i], 0)) {
			has_body = true;
			is_needed |= (in->field[i].flags & API_NEEDED) != 0;
		} else {
			json_object_array_add(list,
					      parameter(n, &in->field[i]));
		}
	}
	add(o, "parameters", list);
	if (!has_body)
		return;
	body = open_object(o, "requestBody");
	add(body, "required", json_object_new_boolean(is_needed));
	add_content(body, object_json(n, in));
}

static const struct api_field lal_fields[] = {
	{"error_code", API_INT, API_NEEDED, 0, 0, NULL, NULL, NULL,
	 "0: it is done."},
	{"desp", API_TEXT, API_NEEDED, 0, 0, NULL, NULL, NULL,
	 "succ, or what is wrong."},
};
static const struct api_schema lal_error = {
	"LalError", "What lal says: always with status 200.", lal_fields,
	WEIR_ARRAY_LEN(lal_fields)};

static const struct api_field refusal_fields[] = {
	{"error_code", API_INT, API_NEEDED, 400, 599, NULL, NULL, NULL,
	 "The status once more."},
	{"desp", API_TEXT, API_NEEDED, 0, 0, NULL, NULL, NULL,
	 "What is wrong."},
	{"field", API_TEXT, 0, 0, 0, NULL, NULL, NULL,
	 "The field of the request that is to blame."},
};
static const struct api_schema refusal = {"Refusal", "Why not.", refusal_fields,
					  WEIR_ARRAY_LEN(refusal_fields)};

static struct json_object *lal_answer_json(struct naming *n,
					   const struct api_schema *out)
{
	struct json_object *o = object_json(n, &lal_error);
	struct json_object *properties;

	if (!out)
		return o;
	json_object_object_get_ex(o, "properties", &properties);
	add(properties, "data", either(reference(n, out), type("null")));
	return o;
}

static void add_status(struct json_object *statuses, const char *status,
		       const char *sentence, struct json_object *schema)
{
	struct json_object *o = open_object(statuses, status);

	json_add_text(o, "description", sentence);
	if (schema)
		add_content(o, schema);
}

static void add_answers(struct json_object *o, struct naming *n,
			const struct api_route *r)
{
	struct json_object *all = open_object(o, "responses");
	bool is_lal = r->flags & API_LAL;
	struct json_object *good = NULL;

	if (is_lal)
		good = lal_answer_json(n, r->out);
	else if (r->out)
		good = reference(n, r->out);
	add_status(all, "200", is_lal ? "Done, or lal's error." : "Done.",
		   good);
	add_status(all, "4XX", "It is refused.", reference(n, &refusal));
	add_status(all, "5XX", "It cannot be done now.",
		   reference(n, &refusal));
}

static struct json_object *operation(struct naming *n,
				     const struct api_route *r)
{
	struct json_object *o = json_object_new_object();
	struct json_object *tags = json_object_new_array();

	json_object_array_add(
		tags,
		json_object_new_string(r->flags & API_LAL ? "lal" : "weir"));
	json_add_text(o, "operationId", r->name);
	json_add_text(o, "summary", r->sentence);
	add(o, "tags", tags);
	json_add_text(o, "x-weir-role",
		      r->flags & API_CONTROL ? "control" : "read");
	add_request(o, n, r->in);
	add_answers(o, n, r);
	return o;
}

static const char *method_name(const struct api_route *r)
{
	static const struct {
		const char *method, *name;
	} names[] = {{"POST", "post"}, {"PUT", "put"}, {"DELETE", "delete"}};

	for (size_t i = 0; r->method && i < WEIR_ARRAY_LEN(names); i++)
		if (!strcmp(r->method, names[i].method))
			return names[i].name;
	/* lal asks for no method; what changes something is posted. */
	return !r->method && r->in && (r->flags & API_CONTROL) ? "post" : "get";
}

static struct json_object *
paths_json(struct naming *n, const struct api_route *route, size_t count)
{
	struct json_object *paths = json_object_new_object();
	struct json_object *at;

	for (size_t i = 0; i < count; i++) {
		if (route[i].flags & API_OLD)
			continue;
		if (!json_object_object_get_ex(paths, route[i].path, &at))
			at = open_object(paths, route[i].path);
		add(at, method_name(&route[i]), operation(n, &route[i]));
	}
	return paths;
}

/* ---- the whole ---- */

static void add_components(struct json_object *o, struct naming *n)
{
	struct json_object *components = open_object(o, "components");
	struct json_object *schemas = open_object(components, "schemas");
	struct json_object *bearer = open_object(
		open_object(components, "securitySchemes"), "token");

	/* Telling one may name more. */
	for (size_t i = 0; i < n->count; i++)
		add(schemas, n->schema[i]->name, object_json(n, n->schema[i]));
	json_add_text(bearer, "type", "http");
	json_add_text(bearer, "scheme", "bearer");
}

static struct json_object *security_json(void)
{
	struct json_object *list = json_object_new_array();
	struct json_object *o = json_object_new_object();

	add(o, "token", json_object_new_array());
	json_object_array_add(list, o);
	return list;
}

struct json_object *api_document(const struct api_route *route, size_t count,
				 const char *version)
{
	struct json_object *o = json_object_new_object();
	struct json_object *info;
	struct naming n = {.count = 0};

	if (!o)
		return NULL;
	json_add_text(o, "openapi", "3.1.0");
	info = open_object(o, "info");
	json_add_text(info, "title", "weir");
	json_add_text(info, "version", version);
	json_add_text(
		info, "description",
		"The API of a weir cluster. Any dispatch answers for all.");
	add(o, "security", security_json());
	add(o, "paths", paths_json(&n, route, count));
	add_components(o, &n);
	return o;
}
