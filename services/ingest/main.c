/* services/ingest/main.c - weir-ingest: takes publishers in. */
#include "common/access/conf.h"
#include "common/member/gate.h"
#include "services/ingest/ingest.h"

static const struct conf_table *const conf_tables[] = {
	&ingest_conf,        &member_cluster_conf,
	&member_redis_conf,  &member_bus_conf,
	&access_conf,        &access_rules_conf,
	&member_limits_conf, NULL};
static const struct stat_table *const stat_tables[] = {
	&ingest_stat,     &gate_stat,         &gate_counts_stat,
	&member_bus_stat, &member_store_stat, NULL};

static const struct log_event *const *const event_lists[] = {
	ingest_log_events, member_log_events, store_log_events, NULL};

static const struct svc_desc desc = {
	.role = "ingest",
	.sentence = "Takes publishers in and writes their streams.",
	.admin_listen = "127.0.0.1:9101",
	.conf = conf_tables,
	.stats = stat_tables,
	.events = event_lists,
};

int main(int argc, char **argv)
{
	struct svc *svc = NULL;
	struct ingest *ingest = NULL;
	int err;

	err = svc_new(&svc, &desc, argc, argv);
	if (err)
		goto out;
	err = ingest_new(&ingest, svc);
	if (err)
		goto out;
	err = svc_confine(svc);
	if (err)
		goto out;
	err = svc_run(svc);
out:
	ingest_free(&ingest);
	return svc_exit(&svc, err);
}
