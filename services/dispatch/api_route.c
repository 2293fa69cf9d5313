/* services/dispatch/api_route.c - GET /api/v1/route. */
#include <stdio.h>

#include "common/conf/json.h"
#include "services/dispatch/api_calls.h"
#include "services/dispatch/carriers.h"
#include "services/dispatch/internal.h"
#include "services/dispatch/route.h"

static const char *own_zone(const struct dispatch *d)
{
	const struct member_cluster_settings *s =
		svc_settings(d->svc, &member_cluster_conf);

	return s->zone;
}

/* The client's: as it is told, else that of its address, else ours. NULL: the
 * address is none. */
static const char *zone_of(const struct api_call *call)
{
	const struct conf_list *zones = &call->dispatch->settings->zones;
	const char *ip = api_text(call, "ip"), *zone = api_text(call, "zone");
	struct ip_addr addr;

	if (ip && ip_addr_parse(&addr, span_str(ip)))
		return NULL;
	if (zone)
		return zone;
	if (ip)
		zone = route_zone_of(zones->item, zones->count, &addr);
	return zone ? zone : own_zone(call->dispatch);
}

/* The host by which whoever asks came here. */
static struct span host_of(const struct http_request *req)
{
	const char *host = http_header(req, "Host");
	const char *end;

	if (!host)
		return (struct span){0};
	end = *host == '[' ? strchr(host, ']') : NULL;
	return span_of(host,
		       end ? (size_t)(end - host) + 1 : strcspn(host, ":"));
}

static bool is_publish(const struct api_call *call)
{
	const char *op = api_text(call, "op");

	return op && !strcmp(op, "publish");
}

static struct stream_key key_of(const struct api_call *call)
{
	const char *stream = api_text(call, "stream");
	struct stream_key key = {""};

	snprintf(key.text, sizeof(key.text), "%s", stream ? stream : "");
	return key;
}

static struct json_object *address_json(const struct route_answer *a,
					const struct route_way *way,
					const struct stream_key *key)
{
	struct json_object *o = json_object_new_object();
	struct buf url = {0};

	route_put_url(&url, way, a->addr, key);
	json_add_text(o, "url", buf_text(&url));
	json_add_text(o, "node", a->node->ref.id);
	json_add_text(o, "zone", a->node->zone);
	json_object_object_add(o, "carries",
			       json_object_new_boolean(a->is_carrier));
	json_object_object_add(o, "full",
			       json_object_new_boolean(a->load->is_full));
	json_object_object_add(o, "busy_permille",
			       json_object_new_int64(a->load->busy_permille));
	buf_fini(&url);
	return o;
}

static void answer(struct api_call *call, const struct route_wish *wish,
		   const struct stream_key *key)
{
	const struct copy *copy =
		store_copy(member_store(call->dispatch->member));
	struct route_answer found[ROUTE_MAX];
	size_t count = route_find(copy, wish, found);
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list,
				      address_json(&found[i], wish->way, key));
	json_add_text(o, "stream", key->text);
	json_add_text(o, "zone", wish->zone);
	json_object_object_add(o, "addresses", list);
	api_answer(&call, o);
}

/* The edges that have it already are known. */
static void on_carriers(void *ctx, const struct carrying *c)
{
	struct api_call *call = ctx;
	struct route_wish wish = {
		.way = route_way_of(api_text(call, "proto")),
		.is_publish = is_publish(call),
		.zone = zone_of(call),
		.carrier = c->node,
		.carrier_count = c->count,
	};
	struct stream_key key = key_of(call);

	if (call->req)
		wish.came_by = host_of(call->req);
	io_random(&wish.seed, sizeof(wish.seed));
	answer(call, &wish, &key);
}

void api_route(struct api_call *call)
{
	static const struct carrying nobody = {0, NULL};
	const struct route_way *way = route_way_of(api_text(call, "proto"));
	struct stream_key key = key_of(call);

	if (!zone_of(call))
		api_refuse(&call, 400, "ip", "an address such as 192.0.2.1");
	else if (!way || (is_publish(call) && !way->is_publish))
		api_refuse(&call, 400, "proto", "publishers come by rtmp");
	else if (is_publish(call) || !strcmp(way->name, "hls"))
		on_carriers(call, &nobody); /* packagers have it */
	else
		carriers_ask(call->dispatch->carriers, &key, on_carriers, call);
}
