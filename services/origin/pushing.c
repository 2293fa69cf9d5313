/* services/origin/pushing.c - relay push in an origin: wiring. */
#include <stdlib.h>

#include "common/io/tls.h"
#include "services/origin/internal.h"

#define QUERY_MS 1000 /* until an ingest tells with which query one came */

/* How long a server that refuses is asked often. */
#define REFUSED_MS 60000

struct query {
	struct list link; /* origin.queries */
	struct origin *origin;
	struct stream_key key;
};

static const struct ruleset *push_rules(void *ctx)
{
	struct origin *o = ctx;

	return member_rules(o->member);
}

static void push_want(void *ctx, const struct stream_key *key, bool wants)
{
	struct origin *o = ctx;

	homes_want(o->homes, key, wants, member_now_ms(o->member));
}

static void push_event(void *ctx, const struct stream_key *key,
		       const char *what, enum reason why, const char *detail)
{
	struct origin *o = ctx;

	member_event(o->member, key, what, (int)why, detail);
}

static void on_query(void *ctx, int err, struct json_object *json)
{
	struct query *q = ctx;
	struct origin *o = q->origin;

	if (o && o->pushes)
		pushes_on_query(o->pushes, &q->key,
				err ? NULL : member_json_text(json, "query"));
	list_remove(&q->link);
	free(q);
}

static bool push_ask_query(void *ctx, const struct stream_key *key,
			   const char *writer_node)
{
	struct origin *o = ctx;
	link_id link = bus_link_to(member_bus(o->member), writer_node);
	struct query *q = link ? calloc(1, sizeof(*q)) : NULL;
	struct json_object *args;
	int err;

	if (!q)
		return false;
	q->origin = o;
	q->key = *key;
	list_init(&q->link);
	list_append(&o->queries, &q->link);
	args = json_object_new_object();
	json_object_object_add(args, "stream",
			       json_object_new_string(key->text));
	err = member_ask(o->member, link, "query", args, QUERY_MS, on_query, q);
	json_object_put(args);
	if (err) {
		list_remove(&q->link);
		free(q);
	}
	return !err;
}

void origin_on_home(void *ctx, const struct home_info *info)
{
	struct origin *o = ctx;

	if (o->pushes)
		pushes_on_change(o->pushes, info);
}

void origin_on_rules(void *ctx, int64_t now_ms)
{
	struct origin *o = ctx;

	(void)now_ms;
	if (!o->pushes)
		return;
	pushes_on_rules(o->pushes);
	homes_each(o->homes, origin_on_home, o);
}

static int open_trust(struct origin *o)
{
	const struct member_cluster_settings *s =
		svc_settings(o->svc, &member_cluster_conf);
	char why[TLS_WHY_SIZE];
	int err = tls_trust_new(&o->trust, s->ca_file, why);

	if (err == WEIR_ECONF)
		logger_event(svc_log(o->svc), &origin_failed,
			     kv_str("what", "cluster.ca_file"),
			     kv_str("why", why));
	return err;
}

int origin_pushes_open(struct origin *o)
{
	const struct origin_settings *s = svc_settings(o->svc, &origin_conf);
	const struct svc_cluster_settings *cluster =
		svc_settings(o->svc, &svc_cluster_conf);
	struct push_world world = {
		.loop = svc_loop(o->svc),
		.log = svc_log(o->svc),
		.cluster = cluster->id,
		.ctx = o,
		.rules = push_rules,
		.want = push_want,
		.ask_query = push_ask_query,
		.event = push_event,
	};
	const struct push_limits limits = {
		.connect_ms = (uint32_t)s->push_connect_ms,
		.retry_ms = (uint32_t)s->push_retry_ms,
		.retry_max_ms = (uint32_t)s->push_retry_max_ms,
		.refused_ms = REFUSED_MS,
		.max_lag_ms = (uint32_t)s->push_max_lag_ms,
		.stall_ms = (uint32_t)s->push_stall_ms,
		.max = (uint32_t)s->pushes_max,
	};

	int err = open_trust(o);

	world.trust = o->trust;
	return err ? err : pushes_new(&o->pushes, &world, &limits);
}

void origin_pushes_fini(struct origin *o)
{
	list_each_safe (it, &o->queries)
		on_query(list_entry(it, struct query, link), WEIR_ECLOSED,
			 NULL);
	tls_trust_free(&o->trust);
}

struct json_object *origin_pushes_json(const struct origin *o,
				       struct json_object *args)
{
	struct json_object *answer = json_object_new_object();
	struct member_page page = {
		.list = json_object_new_array(),
		.from = member_json_int(args, "from"),
	};

	pushes_json(o->pushes, member_json_text(args, "stream"), &page);
	json_object_object_add(answer, "pushes", page.list);
	member_page_end(&page, answer);
	return answer;
}
