/* services/packager/main.c - weir-packager: makes segments and playlists. */
#include "common/access/conf.h"
#include "services/packager/packager.h"

static const struct conf_table *const conf_tables[] = {&packager_conf,
						       &member_cluster_conf,
						       &member_redis_conf,
						       &member_bus_conf,
						       &member_hls_conf,
						       &access_rules_conf,
						       NULL};
static const struct stat_table *const stat_tables[] = {
	&packager_stat,   &packager_hls_stat, &packager_live_stat,
	&member_bus_stat, &member_store_stat, NULL};

static const struct log_event *const *const event_lists[] = {
	member_log_events, store_log_events, NULL};

static const struct svc_desc desc = {
	.role = "packager",
	.sentence = "Makes live HLS of streams.",
	.admin_listen = "127.0.0.1:9104",
	.conf = conf_tables,
	.stats = stat_tables,
	.events = event_lists,
};

int main(int argc, char **argv)
{
	struct svc *svc = NULL;
	struct packager *packager = NULL;
	int err;

	err = svc_new(&svc, &desc, argc, argv);
	if (err)
		goto out;
	err = packager_new(&packager, svc);
	if (err)
		goto out;
	err = svc_confine(svc);
	if (err)
		goto out;
	err = svc_run(svc);
out:
	packager_free(&packager);
	return svc_exit(&svc, err);
}
