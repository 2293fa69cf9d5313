/* services/dispatch/hook.c - the webhook that decides who may publish and play. */
#include "services/dispatch/hook.h"

#include <stdlib.h>

#include "common/access/conf.h"
#include "common/http/client.h"

#define CALLS_MAX  1024
#define BODY_BYTES 16384
#define JSON_DEPTH 8

struct hook {
	struct svc *svc;
	struct http_client *client;
	const struct access_settings *settings;
	const struct member_cluster_settings *cluster;
	struct list asking;
};

/* One question under way. */
struct asking {
	struct list link;
	struct member_call *call;
	struct http_call *http;
};

/* ---- answers ---- */

static struct json_object *failed(const char *what)
{
	struct json_object *o = json_object_new_object();

	if (o)
		json_object_object_add(o, "error",
				       json_object_new_string(what));
	return o;
}

/* Another dispatch may have time, or this one in a moment. */
static struct json_object *busy(const char *why)
{
	struct json_object *o = failed(why);

	if (o)
		json_object_object_add(o, "busy",
				       json_object_new_boolean(true));
	return o;
}

/* NULL: it is no JSON object. */
static struct json_object *parse(struct span body)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *o = NULL;

	if (tok && body.len)
		o = json_tokener_parse_ex(tok, (const char *)body.data,
					  (int)body.len);
	if (tok)
		json_tokener_free(tok);
	if (o && !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	return o;
}

/* "false" as a text would be true to json-c. */
static bool allows(struct json_object *body)
{
	struct json_object *v;

	if (!json_object_object_get_ex(body, "allow", &v))
		return true;
	return (json_object_is_type(v, json_type_boolean) ||
		json_object_is_type(v, json_type_int)) &&
	       json_object_get_boolean(v);
}

/* It would say something, and does not get to its end. */
static bool is_broken(struct json_object *said, struct span body)
{
	size_t i = 0;

	while (i < body.len && body.data[i] && strchr(" \t\r\n", body.data[i]))
		i++;
	return !said && i < body.len && body.data[i] == '{';
}

struct json_object *hook_verdict(int err, unsigned status, struct span body)
{
	struct json_object *said, *o;
	const char *reason, *user;
	bool is_yes;

	if (err || status < 200 || (status >= 300 && status < 400) ||
	    status >= 500)
		return failed(err ? weir_strerror(err) : "no answer of use");
	said = parse(body);
	if (is_broken(said, body))
		return failed("no answer of use");
	o = json_object_new_object();
	is_yes = status < 300 && allows(said);
	reason = member_json_text(said, "reason");
	user = member_json_text(said, "user");
	if (o)
		json_object_object_add(o, "allow",
				       json_object_new_boolean(is_yes));
	if (o && !is_yes && reason)
		json_object_object_add(o, "reason",
				       json_object_new_string(reason));
	if (o && is_yes && user)
		json_object_object_add(o, "user", json_object_new_string(user));
	json_object_put(said);
	return o;
}

static void finish(struct asking *a, struct json_object *answer)
{
	list_remove(&a->link);
	member_answer(&a->call, answer);
	free(a);
}

static void on_done(struct asking *a, int err, unsigned status,
		    struct span body)
{
	finish(a, hook_verdict(err, status, body));
}

/* ---- questions ---- */

static const char *url_of(const struct hook *h, struct json_object *args)
{
	const char *op = member_json_text(args, "op");

	if (op && !strcmp(op, "publish"))
		return h->settings->on_publish_auth;
	return op && !strcmp(op, "play") ? h->settings->on_play_auth : "";
}

static int post(struct hook *h, struct asking *a, const char *url,
		struct json_object *args)
{
	const char *text;
	struct http_question q = {
		.url = url,
		.timeout_ms = (unsigned)h->settings->webhook_timeout_ms,
		.ca_file = *h->cluster->ca_file ? h->cluster->ca_file : NULL,
	};

	json_object_object_add(args, "server_id",
			       json_object_new_string(svc_node_id(h->svc)));
	text = json_object_to_json_string_ext(
		args, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		return WEIR_ENOMEM;
	q.body = span_str(text);
	return http_client_ask(h->client, &a->http, &q, on_done, a);
}

void hook_serve(struct hook *h, struct member_call *call,
		struct json_object *args)
{
	const char *url = url_of(h, args);
	struct asking *a = *url ? calloc(1, sizeof(*a)) : NULL;
	int err;

	if (!a) {
		member_answer(&call, *url ? busy("no memory")
					  : failed("no address is set"));
		return;
	}
	a->call = call;
	list_init(&a->link);
	list_append(&h->asking, &a->link);
	err = post(h, a, url, args);
	if (err == WEIR_ELIMIT || err == WEIR_ENOMEM)
		finish(a, busy(weir_strerror(err)));
	else if (err)
		finish(a, failed(weir_strerror(err)));
}

/* ---- life ---- */

int hook_new(struct hook **out, struct svc *svc)
{
	const struct http_client_options options = {
		.calls_max = CALLS_MAX,
		.body_bytes_max = BODY_BYTES,
	};
	struct hook *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return WEIR_ENOMEM;
	h->svc = svc;
	h->settings = svc_settings(svc, &access_conf);
	h->cluster = svc_settings(svc, &member_cluster_conf);
	list_init(&h->asking);
	err = http_client_new(&h->client, svc_loop(svc), &options);
	if (err)
		free(h);
	else
		*out = h;
	return err;
}

void hook_free(struct hook **ph)
{
	struct hook *h = *ph;

	if (!h)
		return;
	list_each_safe (it, &h->asking) {
		struct asking *a = list_entry(it, struct asking, link);

		http_client_cancel(&a->http);
		finish(a, busy("this dispatch ends"));
	}
	http_client_free(&h->client);
	free(h);
	*ph = NULL;
}
