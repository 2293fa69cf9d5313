/* services/origin/main.c - weir-origin: holds each live stream once. */
#include "common/access/conf.h"
#include "services/origin/origin.h"

static const struct conf_table *const conf_tables[] = {
	&origin_conf,     &member_cluster_conf, &member_redis_conf,
	&member_bus_conf, &access_rules_conf,   NULL};
static const struct stat_table *const stat_tables[] = {
	&origin_stat, &origin_stream_stat, &member_bus_stat, &member_store_stat,
	NULL};

static const struct log_event *const *const event_lists[] = {
	member_log_events, store_log_events, origin_log_events, NULL};

static const struct svc_desc desc = {
	.role = "origin",
	.sentence = "Holds each live stream once, for all that consume it.",
	.admin_listen = "127.0.0.1:9102",
	.conf = conf_tables,
	.stats = stat_tables,
	.events = event_lists,
};

int main(int argc, char **argv)
{
	struct svc *svc = NULL;
	struct origin *origin = NULL;
	int err;

	err = svc_new(&svc, &desc, argc, argv);
	if (err)
		goto out;
	err = origin_new(&origin, svc);
	if (err)
		goto out;
	err = svc_confine(svc);
	if (err)
		goto out;
	err = svc_run(svc);
out:
	origin_free(&origin);
	return svc_exit(&svc, err);
}
