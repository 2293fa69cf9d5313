/* services/dispatch/api_calls.h - who does the rows of the API's table, and what
 * they share. Each takes its call.
 */
#ifndef WEIR_DISPATCH_API_CALLS_H
#define WEIR_DISPATCH_API_CALLS_H

#include "services/dispatch/api.h"

struct gathered;

/* api_lal.c */
api_fn api_lal_info, api_all_group, api_group, api_kick_session,
	api_start_rtp_pub;

/* api_lists.c */
api_fn api_nodes, api_old_streams, api_streams, api_events, api_page;

/* api_sessions.c */
api_fn api_sessions;

/* api_route.c */
api_fn api_route;

/* api_topology.c */
api_fn api_topology;

/* drain.c */
api_fn api_drain;

/* api_rules.c */
api_fn api_rules, api_rule, api_put_rule, api_delete_rule;

/* api_kick.c */
api_fn api_kick, api_add_ip_blacklist;

/* api_relay.c */
api_fn api_start_relay_pull, api_stop_relay_pull, api_pulls, api_pushes;

/* api_table.c */
api_fn api_openapi;

/* Why a change of rules was not done (member_rule_fn). */
void api_refuse_rule(struct api_call **call, int err);
struct stream_entry;
/* "epoch", "session", "term", "live", "writer", "home", "start_us". */
void api_put_position(struct json_object *o, const struct stream_entry *e);
/* A new object with that one field of the call, if it is there. */
struct json_object *api_args(const struct api_call *call, const char *name);
/* lal_streams. The caller's. */
struct json_object *api_by_stream(const struct api_call *call,
				  const struct gathered *g);

#endif
