/* services/cli/import_lal.c - reads lal's settings, says what is lost of them.
 */
#include "services/cli/import_lal_priv.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 8
#define PATH_SIZE 128

/* ---- reading ---- */

struct json_object *import_find(const struct import *im, const char *path)
{
	const char *dot = strchr(path, '.');
	struct json_object *o = im->from;
	char section[64];

	if (dot) {
		snprintf(section, sizeof(section), "%.*s", (int)(dot - path),
			 path);
		if (!json_object_object_get_ex(im->from, section, &o) ||
		    !json_object_is_type(o, json_type_object))
			return NULL;
		path = dot + 1;
	}
	return json_object_object_get_ex(o, path, &o) ? o : NULL;
}

bool import_is_on(const struct import *im, const char *path)
{
	struct json_object *o = import_find(im, path);

	return json_object_is_type(o, json_type_boolean) &&
	       json_object_get_boolean(o);
}

const char *import_text(const struct import *im, const char *path)
{
	struct json_object *o = import_find(im, path);

	return json_object_is_type(o, json_type_string)
		       ? json_object_get_string(o)
		       : "";
}

/* ---- what is lost ---- */

/* One line of a comment, whatever a value holds. */
static void put_line(struct buf *out, const char *path, const char *value,
		     const char *why)
{
	size_t at = out->len;

	buf_printf(out, "//   %.120s%s%.60s: %s", path, *value ? " = " : "",
		   value, why);
	for (; at < out->len; at++)
		if (out->data[at] < 0x20 || out->data[at] == 0x7f)
			out->data[at] = ' ';
	buf_put_u8(out, '\n');
}

void import_lose(struct import *im, const char *path, const char *why)
{
	im->lost_count++;
	put_line(&im->lost, path, "", why);
}

/* Is one of "a.b|c.d" on? Without a gate everything is. */
static bool is_gate_open(const struct import *im, const char *gate)
{
	char path[PATH_SIZE];

	if (!gate)
		return true;
	while (*gate) {
		size_t len = strcspn(gate, "|");

		snprintf(path, sizeof(path), "%.*s", (int)len, gate);
		if (import_is_on(im, path))
			return true;
		gate += len + (gate[len] == '|');
	}
	return false;
}

static bool is_nothing(const char *text)
{
	static const char *const nothing[] = {"false", "0",  "",
					      "[]",    "{}", "null"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(nothing); i++)
		if (!strcmp(text, nothing[i]))
			return true;
	return false;
}

static const struct lal_key *key_of(const char *path)
{
	for (const struct lal_key *k = lal_keys; k->path; k++) {
		size_t len = strlen(k->path);
		bool is_rest = len > 1 && k->path[len - 1] == '*';

		if (is_rest ? !strncmp(path, k->path, len - 1)
			    : !strcmp(path, k->path))
			return k;
	}
	return NULL;
}

static void judge(struct import *im, const char *path, struct json_object *o)
{
	const struct lal_key *key = key_of(path);
	const char *value = o ? json_object_is_type(o, json_type_string)
					    ? json_object_get_string(o)
					    : json_object_to_json_string_ext(
						      o, JSON_C_TO_STRING_PLAIN)
			      : "null";
	bool is_idle;

	if (!key) {
		im->lost_count++;
		put_line(&im->lost, path, "", "not known as a setting of lal");
		return;
	}
	if (!key->why)
		return;
	is_idle = !is_gate_open(im, key->gate) ||
		  (key->same ? !strcmp(value, key->same) : is_nothing(value));
	im->lost_count += !is_idle;
	put_line(is_idle ? &im->idle : &im->lost, path, value, key->why);
}

/* lal's settings are two deep. */
static void judge_all(struct import *im)
{
	json_object_object_foreach(im->from, name, value)
	{
		char path[PATH_SIZE];

		if (!json_object_is_type(value, json_type_object)) {
			judge(im, name, value);
			continue;
		}
		json_object_object_foreach(value, inner, leaf)
		{
			snprintf(path, sizeof(path), "%.60s.%.60s", name,
				 inner);
			judge(im, path, leaf);
		}
	}
}

/* ---- all of it ---- */

static void put_all(struct buf *out, const struct import *im)
{
	buf_printf(out, "// Made by weir import-conf from settings of lal.\n");
	if (im->lost.len)
		buf_printf(out,
			   "//\n// In use there, and not, or not so, here:"
			   "\n");
	buf_put(out, buf_span(&im->lost));
	if (im->idle.len)
		buf_printf(out, "//\n// Not here, and not in use there:\n");
	buf_put(out, buf_span(&im->idle));
	buf_printf(out, "%s\n",
		   json_object_to_json_string_ext(
			   im->to, JSON_C_TO_STRING_PRETTY |
					   JSON_C_TO_STRING_PRETTY_TAB |
					   JSON_C_TO_STRING_SPACED |
					   JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int parse(struct json_object **out, struct span json)
{
	struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *o = NULL;
	int err = 0;

	if (!tok)
		return WEIR_ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_VALIDATE_UTF8);
	if (json.len)
		o = json_tokener_parse_ex(tok, (const char *)json.data,
					  (int)json.len);
	if (json_object_is_type(o, json_type_object)) {
		*out = o;
	} else {
		json_object_put(o);
		err = WEIR_EINVAL;
	}
	json_tokener_free(tok);
	return err;
}

int import_lal(struct buf *out, struct span json, unsigned *lost_count)
{
	struct import im = {.lost_count = 0};
	int err = WEIR_ELIMIT;

	if (json.len <= IMPORT_BYTES_MAX)
		err = parse(&im.from, json);
	if (err)
		return err;
	im.to = json_object_new_object();
	if (!im.to)
		err = WEIR_ENOMEM;
	if (!err) {
		import_translate(&im);
		judge_all(&im);
		put_all(out, &im);
		*lost_count = im.lost_count;
		err = buf_error(&im.lost);
	}
	if (!err)
		err = buf_error(&im.idle);
	json_object_put(im.to);
	json_object_put(im.from);
	buf_fini(&im.lost);
	buf_fini(&im.idle);
	return err ? err : buf_error(out);
}
