/* services/dispatch/main.c - weir-dispatch: places streams, answers the API. */
#include "common/access/conf.h"
#include "services/dispatch/dispatch.h"

static const struct conf_table *const conf_tables[] = {&dispatch_conf,
						       &member_cluster_conf,
						       &member_redis_conf,
						       &member_bus_conf,
						       &access_conf,
						       &access_rules_conf,
						       NULL};
static const struct stat_table *const stat_tables[] = {
	&dispatch_stat, &member_bus_stat, &member_store_stat, NULL};

static const struct log_event *const *const event_lists[] = {
	dispatch_log_events, member_log_events, store_log_events, NULL};

static const struct svc_desc desc = {
	.role = "dispatch",
	.sentence = "Places streams, and answers the API for the cluster.",
	.admin_listen = "127.0.0.1:9105",
	.conf = conf_tables,
	.stats = stat_tables,
	.events = event_lists,
	.check = dispatch_check,
};

int main(int argc, char **argv)
{
	struct svc *svc = NULL;
	struct dispatch *dispatch = NULL;
	int err;

	err = svc_new(&svc, &desc, argc, argv);
	if (err)
		goto out;
	err = dispatch_new(&dispatch, svc);
	if (err)
		goto out;
	err = svc_confine(svc);
	if (err)
		goto out;
	err = svc_run(svc);
out:
	dispatch_free(&dispatch);
	return svc_exit(&svc, err);
}
