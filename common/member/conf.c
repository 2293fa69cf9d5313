/* common/member/conf.c - settings that every member of a cluster has. */
#include "common/member/conf.h"

#define CLUSTER struct member_cluster_settings
#define REDIS   struct member_redis_settings
#define BUS     struct member_bus_settings
#define HLS     struct member_hls_settings
#define LIMITS  struct member_limits_settings

/* clang-format off */
static const struct conf_key cluster_keys[] = {
	CONF_INT(CLUSTER, publish_stall_ms, "ms", 100, 600000, 3000, CONF_FIXED,
		 "A publisher that sent nothing for so long may be displaced by another one."),
	CONF_INT(CLUSTER, publish_grace_ms, "ms", 0, 3600000, 10000, CONF_FIXED,
		 "How long viewers wait for a publisher that left."),
	CONF_ENUM(CLUSTER, publish_conflict, "refuse|take_over", "refuse", CONF_FIXED,
		  "What a second publisher of a live stream gets."),
	CONF_INT(CLUSTER, fragment_duration_ms, "ms", 200, 60000, 3000, CONF_FIXED,
		 "A segment ends at the first key frame after this time."),
	CONF_INT(CLUSTER, max_fragment_ms, "ms", 1000, 600000, 30000, CONF_FIXED,
		 "Without a key frame a segment is cut after this time."),
	CONF_INT(CLUSTER, place_ms, "ms", 10, 10000, 300, CONF_FIXED,
		 "How long dispatch is waited for when a home is chosen."),
	CONF_INT(CLUSTER, resume_window_ms, "ms", 0, 60000, 5000, CONF_FIXED,
		 "After a move nobody is called unwanted before this time is over."),
	CONF_INT(CLUSTER, loop_away_ms, "ms", 100, 60000, 1000, CONF_FIXED,
		 "A process that stood still for longer validates its claims before it sends."),
	CONF_INT(CLUSTER, resolve_retry_ms, "ms", 100, 60000, 2000, CONF_FIXED,
		 "How often dispatch is asked about a stream that viewers wait for."),
	CONF_STRING(CLUSTER, state_dir, 0, 4096, "", CONF_FIXED,
		    "Folder for the node list that is used while the registry is away; empty: none is kept."),
	CONF_STRING(CLUSTER, run_dir, 0, 4096, "", CONF_FIXED,
		    "Folder for the sockets by which edges hand publishers to the ingests of the same machine; the same "
		    "for all of them; empty: none are handed over."),
	CONF_STRING(CLUSTER, ca_file, 0, 4096, "", CONF_FIXED,
		    "Authorities (PEM) by which servers that streams are pulled from or pushed to (rtmps, https) prove their "
		    "names; empty: those of the machine."),
	CONF_STRING(CLUSTER, zone, 0, 63, "", CONF_FIXED,
		    "Where this node stands (a rack, a region); nodes of the same zone are preferred."),
	CONF_STRING(CLUSTER, public_host, 0, 63, "", CONF_FIXED,
		    "Name or address by which players and publishers reach this node, for /api/v1/route and for edges that send "
		    "players on; empty: the address where it listens."),
};

static const struct conf_key redis_keys[] = {
	CONF_STRING(REDIS, url, 1, 1024, "127.0.0.1:6379", CONF_FIXED,
		    "The registry: host:port, redis://host:port/db or sentinel://host:port,host:port/name."),
	CONF_STRING(REDIS, user, 0, 255, "", CONF_FIXED, "User of the registry; empty: none."),
	CONF_STRING(REDIS, password, 0, 255, "", CONF_SECRET, "Password of the registry; empty: none."),
	CONF_INT(REDIS, registry_ms, "ms", 10, 60000, 500, CONF_FIXED,
		 "How long one answer of the registry is waited for."),
	CONF_INT(REDIS, registry_settle_ms, "ms", 0, 60000, 1500, CONF_FIXED,
		 "After another generation of the registry came up, homes decide for so long."),
	CONF_INT(REDIS, lease_ms, "ms", 100, 60000, 1000, CONF_FIXED, "How often a node renews its lease."),
	CONF_INT(REDIS, lease_ttl_ms, "ms", 300, 600000, 3000, CONF_FIXED, "How long a lease lasts."),
	CONF_INT(REDIS, reread_ms, "ms", 100, 600000, 2000, CONF_FIXED,
		 "How often all nodes are read again, besides what is told; all streams in five times that."),
};

static const struct conf_key bus_keys[] = {
	CONF_ADDR(BUS, listen, "127.0.0.1:0", CONF_FIXED,
		  "Where other nodes reach this one (ingest, origin and dispatch listen); port 0: any. Beyond loopback "
		  "cluster.key should be set."),
	CONF_STRING(BUS, advertise, 0, 63, "", CONF_FIXED,
		    "Host that others are told; empty: the local address of the connection to the registry."),
	CONF_INT(BUS, flush_ms, "ms", 0, 1000, 0, CONF_FIXED,
		 "When busy, records to one node wait at most so long for others, or what publishers send waits in their "
		 "sockets; 0: until the end of a loop pass."),
	CONF_INT(BUS, flush_busy_percent, "percent", 0, 100, 10, CONF_FIXED,
		 "Share of its time from which on a loop is busy, and flush_ms counts, until it is below half of that; 0: "
		 "always."),
	CONF_INT(BUS, ping_ms, "ms", 100, 60000, 1000, CONF_FIXED, "How often a sign of life is sent."),
	CONF_INT(BUS, peer_dead_ms, "ms", 200, 60000, 2000, CONF_FIXED,
		 "A node that is silent for so long is taken to be dead."),
	CONF_INT(BUS, window_max_bytes, "bytes", 65536, 1073741824, 16777216, CONF_FIXED,
		 "Most bytes under way to one node."),
	CONF_INT(BUS, handshake_ms, "ms", 100, 60000, 3000, CONF_FIXED,
		 "A connection must have proven itself within this time."),
	CONF_INT(BUS, peers_max, "count", 1, 100000, 1024, CONF_FIXED, "Most links of one process."),
};

static const struct conf_key hls_keys[] = {
	CONF_ENUM(HLS, mode, "always|on_demand", "always", CONF_FIXED,
		  "Whether segments are made of every stream, or only of those whose playlist somebody fetches."),
	CONF_INT(HLS, fragment_num, "count", 1, 1000, 6, CONF_FIXED,
		 "Segments in a playlist; more when that is less than three target durations."),
	CONF_INT(HLS, sub_session_timeout_ms, "ms", 1000, 3600000, 30000, CONF_FIXED,
		 "A stream is wanted for so long after its playlist was fetched; and a viewer's session (hls.session) ends so "
		 "long after its last request."),
	CONF_INT(HLS, hold_ms, "ms", 0, 9000, 8000, CONF_FIXED,
		 "How long a request for a playlist waits for the first segment."),
	CONF_BOOL(HLS, session, false, CONF_FIXED,
		  "Whether each viewer is sent (302) to an address of its own, and is a session then: counted, listed, kicked."),
	CONF_STRING(HLS, session_key, 0, 256, "", CONF_SECRET,
		    "What makes these addresses hard to guess, the same on all edges; empty: made of cluster.key."),
};

static const struct conf_key limits_keys[] = {
	CONF_INT(LIMITS, viewers_per_stream, "count", 0, 1000000, 0, CONF_FIXED,
		 "Most viewers of one stream in the whole cluster (docs/auth.md); 0: no limit."),
	CONF_INT(LIMITS, viewers_per_ip, "count", 0, 1000000, 0, CONF_FIXED,
		 "Most viewers from one address in the whole cluster; 0: no limit."),
	CONF_INT(LIMITS, publishers_per_ip, "count", 0, 1000000, 0, CONF_FIXED,
		 "Most publishers from one address in the whole cluster; 0: no limit."),
	CONF_INT(LIMITS, failures_per_ip, "count", 0, 1000000, 100, CONF_FIXED,
		 "From an address (of IPv6 a /64) with so many wrong secrets or signatures within 10 s, only who has a right "
		 "signature is let in until they are over; 0: no limit."),
	CONF_INT(LIMITS, out_bps, "bps", 0, 1000000000000000, 0, CONF_FIXED,
		 "An edge that sends so much lets no new viewers in; 0: no limit."),
	CONF_INT(LIMITS, memory_bytes, "bytes", 0, 1125899906842624, 0, CONF_FIXED,
		 "An ingest or edge that holds so much memory lets nobody new in; 0: no limit."),
	CONF_INT(LIMITS, memory_percent, "percent", 0, 100, 90, CONF_FIXED,
		 "The same, of what the process may have: memory.max of its control group, else the machine's memory; 0: no limit."),
	CONF_INT(LIMITS, descriptors_percent, "percent", 0, 100, 95, CONF_FIXED,
		 "So much of its descriptors in use, an ingest or edge lets nobody new in; 0: no limit."),
	CONF_INT(LIMITS, busy_percent, "percent", 0, 100, 95, CONF_FIXED,
		 "An ingest or edge whose loop is busy for so much of each of the last ten seconds lets nobody new in, until a "
		 "second is five points below; 0: no limit."),
};
/* clang-format on */

const struct conf_table member_limits_conf = CONF_TABLE(
	"limits", "Who is new is refused beyond them; who is in stays.",
	struct member_limits_settings, limits_keys);
const struct conf_table member_cluster_conf =
	CONF_TABLE("cluster", "Rules of the whole cluster.",
		   struct member_cluster_settings, cluster_keys);
const struct conf_table member_redis_conf = CONF_TABLE(
	"redis", "The registry.", struct member_redis_settings, redis_keys);
const struct conf_table member_bus_conf =
	CONF_TABLE("bus", "Between the processes of a cluster.",
		   struct member_bus_settings, bus_keys);
const struct conf_table member_hls_conf = CONF_TABLE(
	"hls", "Playlists and segments.", struct member_hls_settings, hls_keys);
