/* services/edge/main.c - weir-edge: fans streams out to players. */
#include "common/access/conf.h"
#include "common/member/member.h"
#include "services/edge/edge.h"

static const struct conf_table *const conf_tables[] = {
	&edge_conf,         &member_cluster_conf, &member_redis_conf,
	&member_bus_conf,   &member_hls_conf,     &access_conf,
	&access_rules_conf, &member_limits_conf,  NULL};

static const struct log_event *const *const event_lists[] = {
	edge_log_events, member_log_events, store_log_events, NULL};

static const struct svc_desc desc = {
	.role = "edge",
	.sentence = "Fans streams out to players.",
	.admin_listen = "127.0.0.1:9103",
	.conf = conf_tables,
	.stats = edge_stats_tables,
	.events = event_lists,
	.check = edge_check,
};

int main(int argc, char **argv)
{
	struct svc *svc = NULL;
	struct edge *edge = NULL;
	int err;

	err = svc_new(&svc, &desc, argc, argv);
	if (err)
		goto out;
	err = edge_new(&edge, svc);
	if (err)
		goto out;
	err = svc_confine(svc);
	if (err)
		goto out;
	err = svc_run(svc);
out:
	edge_free(&edge);
	return svc_exit(&svc, err);
}
