/* services/dispatch/api_schemas.h - what the API answers, for its table. */
#ifndef WEIR_DISPATCH_API_SCHEMAS_H
#define WEIR_DISPATCH_API_SCHEMAS_H

#include "services/dispatch/api.h"

extern const struct api_schema schema_any;

/* lal's "data" */
extern const struct api_schema schema_lal_info, schema_all_group, schema_group,
	schema_relay_pull, schema_pull_stopped, schema_rtp_pub;

extern const struct api_schema schema_nodes, schema_draining, schema_streams,
	schema_sessions, schema_events, schema_topology, schema_route,
	schema_pulls, schema_pushes, schema_kicked, schema_rules, schema_rule,
	schema_rule_changed, schema_page;

#endif
