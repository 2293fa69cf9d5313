/* common/svc/tables.c - settings, counters and events that all processes have.
 */
#include "common/svc/svc_priv.h"

static const struct conf_key cluster_keys[] = {
	CONF_STRING(struct svc_cluster_settings, id, 1, 64, "weir", CONF_FIXED,
		    "The cluster's name; nodes of another one are refused."),
	CONF_STRING(struct svc_cluster_settings, key, 0, 256, "", CONF_SECRET,
		    "The secret that nodes prove to each other; none if "
		    "empty."),
	CONF_ENUM(struct svc_cluster_settings, stream_identity, "path|name",
		  "path", CONF_FIXED,
		  "Whether a stream is named by its whole path or by its last "
		  "element alone; the same on all nodes."),
	CONF_INT(struct svc_cluster_settings, drain_timeout_ms, "ms", 0,
		 3600000, 10000, CONF_FIXED,
		 "How long a process that is told to end lets its peers "
		 "finish. An origin waits for publishers that are away: less "
		 "than publish_grace_ms may be too short for them."),
	CONF_INT(struct svc_cluster_settings, drain_rate, "count", 0, 1000000,
		 0, CONF_FIXED,
		 "How many connections a second an edge or an ingest closes "
		 "when it is told to end; 0: all within half of "
		 "drain_timeout_ms."),
};

const struct conf_table svc_cluster_conf =
	CONF_TABLE("cluster", "What all nodes of a cluster agree on.",
		   struct svc_cluster_settings, cluster_keys);

static const struct conf_key admin_keys[] = {
	CONF_ADDR(struct svc_admin_settings, listen, "127.0.0.1:0", CONF_FIXED,
		  "Where this process serves its health, metrics and "
		  "version."),
};

const struct conf_table svc_admin_conf =
	CONF_TABLE("admin", "Health and metrics of a process.",
		   struct svc_admin_settings, admin_keys);

static const struct conf_key log_keys[] = {
	CONF_ENUM(struct svc_log_settings, level, "error|warn|info|debug",
		  "info", CONF_FIXED,
		  "The least urgent events that are written."),
	CONF_INT(struct svc_log_settings, per_second, "count", 1, 1000000, 50,
		 CONF_FIXED,
		 "How many lines a second one event may write; more are "
		 "counted."),
};

const struct conf_table svc_log_conf = CONF_TABLE(
	"log", "Lines on standard output.", struct svc_log_settings, log_keys);

#define VALUE(member) STAT_AT(struct svc_values, member, uint64_t)

static const struct stat_metric metrics[] = {
	STAT_GAUGE(struct svc_values, is_ready, "weir_ready", "count",
		   "1 if the process is ready to work, else 0."),
	{"weir_loop_busy_ratio", STAT_KIND_GAUGE, "ratio",
	 "Share of the last second in which the event loop did not wait.", NULL,
	 1000, VALUE(busy_permille)},
	STAT_GAUGE(struct svc_values, resident_bytes,
		   "process_resident_memory_bytes", "bytes",
		   "Memory that the process holds."),
	{"process_cpu_seconds_total", STAT_KIND_COUNTER, "seconds",
	 "Time that the process has computed.", NULL, 1000000, VALUE(cpu_us)},
	{"process_start_time_seconds", STAT_KIND_GAUGE, "seconds",
	 "When the process was started, since 1970 UTC.", NULL, 1000,
	 VALUE(start_ms)},
	STAT_COUNTER(struct svc_values, log_dropped,
		     "weir_log_dropped_lines_total", "count",
		     "Lines that were lost because nobody read the output."),
	STAT_COUNTER(struct svc_values, log_suppressed,
		     "weir_log_suppressed_lines_total", "count",
		     "Lines that were held back because their event was too "
		     "frequent."),
};

const struct stat_table svc_stat =
	STAT_TABLE("process", "", 1, struct svc_values, metrics);

static const struct stat_metric info_metrics[] = {
	STAT_GAUGE(struct svc_values, is_ready, "weir_node_info", "count",
		   "What runs here; the value is that of weir_ready."),
};

const struct stat_table svc_info_stat = STAT_TABLE(
	"node", "role node version commit", 1, struct svc_values, info_metrics);

const struct log_event svc_start_event = {
	"svc.start", LOG_INFO, "role node instance version commit pid admin",
	"The process has read its settings and begins."};
const struct log_event svc_stop_event = {
	"svc.stop", LOG_INFO, "role node why uptime_ms", "The process ends."};
const struct log_event svc_ready_event = {"svc.ready", LOG_INFO,
					  "role node after_ms",
					  "The process is ready to work."};
const struct log_event svc_unready_event = {
	"svc.unready", LOG_WARN, "role node reason",
	"The process is not, or no longer, ready to work."};
const struct log_event svc_drain_event = {
	"svc.drain", LOG_INFO, "role node timeout_ms",
	"The process takes no new work and lets its peers finish."};
const struct log_event svc_listen_event = {"svc.listen.failed", LOG_ERROR,
					   "name addr why",
					   "A socket could not be opened."};

const struct log_event *const svc_events[] = {
	&svc_start_event,
	&svc_stop_event,
	&svc_ready_event,
	&svc_unready_event,
	&svc_drain_event,
	&svc_listen_event,
	NULL,
};
