/* services/cli/api.c - one question to the API of a cluster, and its answer. */
#include "services/cli/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/http/client.h"
#include "services/cli/commands.h"
#include "services/cli/place.h"

#define ASK_MS 10000

/* ---- members of the answer ---- */

struct json_object *api_member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

const char *api_text(struct json_object *o, const char *name)
{
	struct json_object *v = api_member(o, name);

	return json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : "";
}

double api_number(struct json_object *o, const char *name)
{
	return json_object_get_double(api_member(o, name));
}

size_t api_count(struct json_object *o, const char *name)
{
	struct json_object *v = api_member(o, name);

	return json_object_is_type(v, json_type_array)
		       ? json_object_array_length(v)
		       : 0;
}

struct json_object *api_item(struct json_object *o, const char *name, size_t i)
{
	return json_object_array_get_idx(api_member(o, name), i);
}

void api_print(struct json_object *o)
{
	printf("%s\n", json_object_to_json_string_ext(
			       o, JSON_C_TO_STRING_PLAIN |
					  JSON_C_TO_STRING_NOSLASHESCAPE));
}

void api_escape(struct buf *out, const char *text)
{
	static const char plain[] = "-_.~/";

	for (; *text; text++) {
		char c = *text;
		bool is_alnum = (c >= '0' && c <= '9') ||
				(c >= 'a' && c <= 'z') ||
				(c >= 'A' && c <= 'Z');

		if (is_alnum || strchr(plain, c))
			buf_put_u8(out, (uint8_t)c);
		else
			buf_printf(out, "%%%02X", (uint8_t)c);
	}
}

/* ---- where it is ---- */

struct target {
	struct json_object *file; /* of weir up; NULL: not needed */
	const char *api;
	const char *token;
};

static struct json_object *parse(struct span text)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = NULL;

	if (tok) {
		o = json_tokener_parse_ex(tok, (const char *)text.data,
					  (int)text.len);
		json_tokener_free(tok);
	}
	return o;
}

static int find_target(struct target *t, const struct api_options *o)
{
	struct buf text = {0};

	t->api = o->api ? o->api : getenv("WEIR_API");
	t->token = o->token ? o->token : getenv("WEIR_TOKEN");
	if (t->api && !o->dir)
		return 0;
	if (!place_find(&text, o->dir))
		t->file = parse(buf_span(&text));
	buf_fini(&text);
	if (!t->file) {
		fprintf(stderr,
			"weir: no cluster found; is weir up running? "
			"Else say where: --api URL --token TOKEN\n");
		return 1;
	}
	t->api = o->api ? o->api : api_text(t->file, "api");
	t->token = o->token ? o->token : api_text(t->file, "token");
	return 0;
}

/* ---- asking ---- */

struct call {
	struct loop *loop;
	struct json_object *answer;
	int err;
	unsigned status;
	bool is_done;
};

static void on_done(struct call *c, int err, unsigned status, struct span body)
{
	c->is_done = true;
	c->err = err;
	c->status = status;
	c->answer = err ? NULL : parse(body);
	loop_stop(c->loop);
}

static int ask(struct call *c, const struct http_question *q)
{
	struct http_client *client = NULL;
	int err = http_client_new(&client, c->loop, NULL);

	if (!err)
		err = http_client_ask(client, NULL, q, on_done, c);
	while (!err && !c->is_done)
		err = loop_run(c->loop);
	http_client_free(&client);
	return err ? err : c->err;
}

/* What the server said no with. */
static int refused(const struct call *c)
{
	const char *why = api_text(c->answer, "desp");

	if (c->status == 401)
		fprintf(stderr,
			"weir: the token is wrong or missing "
			"(--token, WEIR_TOKEN)\n");
	else
		fprintf(stderr, "weir: the API answered %u%s%s\n", c->status,
			*why ? ": " : "", why);
	return STATUS_REFUSED;
}

/* lal's way: status 200, and an error_code that is not 0. */
static bool is_error(const struct call *c)
{
	return c->status < 200 || c->status > 299 ||
	       api_number(c->answer, "error_code") != 0;
}

static int judge(struct call *c, const struct target *t, int err)
{
	if (err) {
		fprintf(stderr, "weir: %s does not answer: %s\n", t->api,
			weir_strerror(err));
		return 1;
	}
	if (is_error(c))
		return refused(c);
	if (!c->answer) {
		fprintf(stderr, "weir: %s did not answer with JSON\n", t->api);
		return 1;
	}
	return 0;
}

static int ask_target(struct json_object **out, const struct target *t,
		      const char *path, const char *body)
{
	char url[API_URL_SIZE];
	struct http_question q = {.url = url,
				  .token = t->token && *t->token ? t->token
								 : NULL,
				  .timeout_ms = ASK_MS};
	struct call c = {0};
	int status = 1;

	snprintf(url, sizeof(url), "%s%s", t->api, path);
	if (body)
		q.body = span_str(body);
	if (loop_new(&c.loop))
		return 1;
	status = judge(&c, t, ask(&c, &q));
	loop_free(&c.loop);
	if (status)
		json_object_put(c.answer);
	else
		*out = c.answer;
	return status;
}

int api_ask(struct json_object **out, const struct api_options *o,
	    const char *path, const char *body)
{
	struct target t = {0};
	int status = find_target(&t, o);

	if (!status)
		status = ask_target(out, &t, path, body);
	json_object_put(t.file);
	return status;
}
