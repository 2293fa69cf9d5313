/* common/member/member.c - one process as a member of the cluster: wiring. */
#include "common/member/internal.h"

#include <stdlib.h>

#include "common/io/usage.h"

static const struct log_event link_up = {"link.up", LOG_INFO, "node role",
					 "A link to another node stands."};
static const struct log_event link_down = {"link.down", LOG_INFO,
					   "node role reason",
					   "A link to another node is gone."};
static const struct log_event link_refused = {
	"link.refused", LOG_INFO, "peer reason detail",
	"A connection to the bus was refused."};
static const struct log_event link_fault = {
	"link.fault", LOG_WARN, "node detail",
	"A node sent what does not fit; its link is closed."};
static const struct log_event registry_up = {
	"registry.up", LOG_INFO, "other_generation",
	"The registry is reached and this node is registered."};
static const struct log_event registry_down = {
	"registry.down", LOG_WARN, "",
	"The registry is away: working from what is known."};
static const struct log_event loop_away = {
	"loop.away", LOG_WARN, "ms",
	"This process stood still; its claims are validated again."};
static const struct log_event bus_open = {
	"bus.open", LOG_WARN, "listen",
	"The bus takes connections from other machines, and cluster.key is "
	"empty: whoever reaches it can take part."};
const struct log_event member_failed = {"member.failed", LOG_ERROR, "what why",
					"It could not join."};

const struct log_event *const member_log_events[] = {
	&link_up,       &link_down,           &link_refused,    &link_fault,
	&registry_up,   &registry_down,       &loop_away,       &bus_open,
	&member_failed, &member_stream_event, &member_bad_rule, NULL};

int64_t member_now_ms(const struct member *m)
{
	return (int64_t)loop_now_ms(m->loop);
}

const struct world *member_world(const struct member *m)
{
	return &m->world;
}

struct bus *member_bus(struct member *m)
{
	return m->bus;
}

struct store *member_store(struct member *m)
{
	return m->store;
}

/* ---- time ---- */

static void tick(struct member *m)
{
	int64_t now = member_now_ms(m), due = INT64_MAX;

	if (m->events->tick)
		due = m->events->tick(m->ctx, now);
	if (due == m->due_ms && timer_is_running(m->timer))
		return;
	m->due_ms = due;
	if (due == INT64_MAX)
		timer_stop(m->timer);
	else
		timer_start(m->timer, due > now ? (uint64_t)(due - now) : 1);
}

void member_wake(struct member *m)
{
	loop_at_pass_end(m->loop, &m->pass_end, tick, m);
}

static void on_away(struct member *m, uint64_t away_ms)
{
	logger_event(m->log, &loop_away, kv_uint("ms", away_ms));
	if (m->events->on_away)
		m->events->on_away(m->ctx, member_now_ms(m));
	member_wake(m);
}

static void read_usage(struct member *m)
{
	uint64_t now_us = loop_now_us(m->loop), cpu_us = io_cpu_us();

	if (now_us > m->cpu_at_us && cpu_us >= m->cpu_us)
		m->self.load.cpu_permille =
			(uint32_t)((cpu_us - m->cpu_us) * 1000 /
				   (now_us - m->cpu_at_us));
	m->cpu_us = cpu_us;
	m->cpu_at_us = now_us;
	m->self.load.memory_bytes = io_resident_bytes();
}

/* What went over the bus; a service adds what it takes and sends besides. */
static void read_rates(struct member *m)
{
	struct bus_stats s;

	bus_get_stats(m->bus, &s);
	m->self.load.in_bps = (s.bytes_in - m->bus_in_before) * 8;
	m->self.load.out_bps = (s.bytes_out - m->bus_out_before) * 8;
	m->bus_in_before = s.bytes_in;
	m->bus_out_before = s.bytes_out;
}

static void on_second(struct member *m)
{
	m->self.load.busy_permille = loop_busy_permille(m->loop);
	read_usage(m);
	read_rates(m);
	if (m->events->on_load)
		m->events->on_load(m->ctx, &m->self.load);
	store_set_self(m->store, &m->self, false);
	rules_on_second(m);
}

/* ---- the bus ---- */

static void on_up(void *ctx, const struct node_ref *node)
{
	struct member *m = ctx;

	logger_event(m->log, &link_up, kv_str("node", node->id),
		     kv_str("role", node->role));
	calls_on_up(m, node);
	if (m->events->on_link)
		m->events->on_link(m->ctx, node, true, member_now_ms(m));
	member_wake(m);
}

static void forget(struct member *m, const char *node)
{
	bus_forget(m->bus, node);
	calls_on_went(m, node);
}

static void on_down(void *ctx, const struct node_ref *node, enum reason why)
{
	struct member *m = ctx;

	logger_event(m->log, &link_down, kv_str("node", node->id),
		     kv_str("role", node->role),
		     kv_str("reason", reason_name(why)));
	if (!copy_node(store_copy(m->store), node->id))
		forget(m, node->id);
	if (m->events->on_link)
		m->events->on_link(m->ctx, node, false, member_now_ms(m));
	member_wake(m);
}

static void tell_fault(struct member *m, link_id link, int err)
{
	struct node_ref node;

	if (bus_node(m->bus, link, &node))
		logger_event(m->log, &link_fault, kv_str("node", node.id),
			     kv_err("detail", err));
}

static int judge(struct member *m, link_id link, int err)
{
	if (err)
		tell_fault(m, link, err);
	return err;
}

static int on_record(void *ctx, link_id link, const struct record *r)
{
	struct member *m = ctx;

	member_wake(m);
	if (!m->events->on_record)
		return 0;
	return judge(m, link,
		     m->events->on_record(m->ctx, link, r, member_now_ms(m)));
}

static int on_frame(void *ctx, link_id link, uint16_t type, uint32_t sid,
		    uint64_t term_number, struct frame *f)
{
	struct member *m = ctx;

	member_wake(m);
	if (!m->events->on_frame)
		return 0;
	return judge(m, link,
		     m->events->on_frame(m->ctx, link, type, sid, term_number,
					 f, member_now_ms(m)));
}

static void on_ahead(void *ctx, link_id link, const uint32_t *sids,
		     size_t count)
{
	struct member *m = ctx;

	if (m->events->on_ahead)
		m->events->on_ahead(m->ctx, link, sids, count);
}

static void on_frame_out(void *ctx, const struct frame *f)
{
	struct member *m = ctx;

	if (m->events->on_frame_out)
		m->events->on_frame_out(m->ctx, f);
}

static void on_refused(void *ctx, const char *peer, enum reason why,
		       const char *detail)
{
	struct member *m = ctx;

	logger_event(m->log, &link_refused, kv_str("peer", peer),
		     kv_str("reason", reason_name(why)),
		     kv_str("detail", detail));
}

static void on_absent(void *ctx, const char *node)
{
	calls_on_absent(ctx, node);
}

static const struct bus_events bus_events = {
	.on_up = on_up,
	.on_down = on_down,
	.on_record = on_record,
	.on_frame = on_frame,
	.on_ahead = on_ahead,
	.on_frame_out = on_frame_out,
	.on_request = calls_on_request,
	.on_absent = on_absent,
	.on_refused = on_refused,
};

/* ---- the registry ---- */

/* The address that others are told, once it is known. */
static void advertise(struct member *m)
{
	const struct member_bus_settings *s =
		svc_settings(m->svc, &member_bus_conf);
	const char *host =
		*s->advertise ? s->advertise : store_local_ip(m->store);

	if (!m->bus_port || !*host || !m->is_wildcard)
		return;
	snprintf(m->self.ref.url, sizeof(m->self.ref.url),
		 strchr(host, ':') ? "tcp://[%s]:%u" : "tcp://%s:%u", host,
		 m->bus_port);
	m->world.self = m->self.ref;
	bus_set_url(m->bus, m->self.ref.url);
	store_set_self(m->store, &m->self, true);
}

static void on_registry_up(void *ctx, bool is_other)
{
	struct member *m = ctx;

	logger_event(m->log, &registry_up,
		     kv_bool("other_generation", is_other));
	advertise(m);
	if (m->events->on_registry)
		m->events->on_registry(m->ctx, true, is_other,
				       member_now_ms(m));
	member_wake(m);
}

static void on_registry_down(void *ctx)
{
	struct member *m = ctx;

	logger_event(m->log, &registry_down);
	if (m->events->on_registry)
		m->events->on_registry(m->ctx, false, false, member_now_ms(m));
	member_wake(m);
}

/* Who dials whom: all dial dispatch; who writes or reads streams dials every
 * origin. Ingests are dialed when they are asked (calls.c). */
static bool must_dial(const struct member *m, const struct node *n)
{
	const char *self = svc_role(m->svc);

	if (!strcmp(n->ref.id, m->self.ref.id) || !n->ref.url[0])
		return false;
	if (!strcmp(n->ref.role, "dispatch"))
		return strcmp(self, "dispatch") != 0 ||
		       strcmp(m->self.ref.id, n->ref.id) < 0;
	return !strcmp(n->ref.role, "origin") &&
	       (!strcmp(self, "ingest") || !strcmp(self, "edge") ||
		!strcmp(self, "packager"));
}

static void on_node(void *ctx, const struct node *n, enum copy_change change)
{
	struct member *m = ctx;

	/* A link that stands outlives the lease: the registry may have lost a
	 * node that is well. See on_down. */
	if (change == COPY_WENT && !bus_link_to(m->bus, n->ref.id))
		forget(m, n->ref.id);
	if (change == COPY_WENT)
		return;
	if (!must_dial(m, n) && !calls_must_dial(m, n))
		return;
	if (bus_dial(m->bus, n->ref.id, n->ref.url))
		logger_event(m->log, &member_failed, kv_str("what", "dial"),
			     kv_str("why", n->ref.url));
}

static void on_stream(void *ctx, const struct stream_entry *e,
		      enum copy_change change)
{
	struct member *m = ctx;

	if (change == COPY_WENT || !m->events->on_entry)
		return;
	m->events->on_entry(m->ctx, e, member_now_ms(m));
	member_wake(m);
}

static const struct store_events store_events = {
	.on_up = on_registry_up,
	.on_down = on_registry_down,
	.on_node = on_node,
	.on_stream = on_stream,
	.on_rule = rules_on_rule,
	.on_rules = rules_on_change,
};

/* ---- life ---- */

static int fail(struct member *m, const char *what, int err)
{
	logger_event(m->log, &member_failed, kv_str("what", what),
		     kv_err("why", err));
	return err;
}

static int start_bus(struct member *m)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(m->svc, &svc_cluster_conf);
	const struct member_bus_settings *s =
		svc_settings(m->svc, &member_bus_conf);
	struct bus_config c = {
		.cluster_key = span_str(cluster->key),
		.identity = (uint8_t)cluster->stream_identity,
		.self = m->self.ref,
		.boot = *svc_boot(m->svc),
		.flush_ms = (uint32_t)s->flush_ms,
		.flush_busy_permille = (uint32_t)s->flush_busy_percent * 10,
		.ping_ms = (uint32_t)s->ping_ms,
		.peer_dead_ms = (uint32_t)s->peer_dead_ms,
		.window_max_bytes = (uint32_t)s->window_max_bytes,
		.handshake_ms = (uint32_t)s->handshake_ms,
		.peers_max = (uint32_t)s->peers_max,
	};

	snprintf(c.cluster, sizeof(c.cluster), "%s", cluster->id);
	return bus_new(&m->bus, m->loop, &c, &bus_events, m);
}

static bool must_listen(const struct member *m)
{
	const char *role = svc_role(m->svc);

	return !strcmp(role, "ingest") || !strcmp(role, "origin") ||
	       !strcmp(role, "dispatch");
}

static void warn_if_open(struct member *m, const char *url)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(m->svc, &svc_cluster_conf);
	struct net_addr addr;

	if (*cluster->key || net_addr_parse(&addr, strrchr(url, '/') + 1) ||
	    net_addr_is_loopback(&addr))
		return;
	logger_event(m->log, &bus_open, kv_str("listen", url));
}

static int listen_bus(struct member *m)
{
	const struct member_bus_settings *s =
		svc_settings(m->svc, &member_bus_conf);
	char url[NODE_URL_SIZE], bound[NODE_URL_SIZE];
	const char *port;
	int err;

	if (!must_listen(m) || !*s->listen)
		return 0;
	m->is_wildcard = s->listen[0] == ':' ||
			 !strncmp(s->listen, "0.0.0.0:", 8) || *s->advertise;
	snprintf(url, sizeof(url), "tcp://%s%s",
		 s->listen[0] == ':' ? "0.0.0.0" : "", s->listen);
	err = bus_listen(m->bus, url, bound);
	if (err)
		return err;
	warn_if_open(m, bound);
	port = strrchr(bound, ':');
	m->bus_port = port ? (unsigned)strtoul(port + 1, NULL, 10) : 0;
	if (!m->is_wildcard)
		snprintf(m->self.ref.url, sizeof(m->self.ref.url), "%s", bound);
	else
		snprintf(m->self.ref.url, sizeof(m->self.ref.url),
			 "tcp://%s:%u",
			 *s->advertise ? s->advertise : "127.0.0.1",
			 m->bus_port);
	m->world.self = m->self.ref;
	bus_set_url(m->bus, m->self.ref.url);
	return 0;
}

static int start_store(struct member *m)
{
	const struct svc_cluster_settings *cluster =
		svc_settings(m->svc, &svc_cluster_conf);
	const struct member_cluster_settings *rules =
		svc_settings(m->svc, &member_cluster_conf);
	const struct member_redis_settings *s =
		svc_settings(m->svc, &member_redis_conf);
	char file[4200] = "", rules_file[4200] = "";
	struct store_options o = {
		.url = s->url,
		.user = *s->user ? s->user : NULL,
		.password = *s->password ? s->password : NULL,
		.cluster = cluster->id,
		.self = m->self,
		.registry_ms = (uint32_t)s->registry_ms,
		.lease_ms = (uint32_t)s->lease_ms,
		.lease_ttl_ms = (uint32_t)s->lease_ttl_ms,
		.reread_ms = (uint32_t)s->reread_ms,
		.settle_ms = (uint32_t)s->registry_settle_ms,
	};

	if (*rules->state_dir) {
		snprintf(file, sizeof(file), "%s/%s.nodes.json",
			 rules->state_dir, m->self.ref.id);
		o.nodes_file = file;
		snprintf(rules_file, sizeof(rules_file), "%s/%s.rules",
			 rules->state_dir, m->self.ref.id);
		o.rules_file = rules_file;
	}
	return store_new(&m->store, m->loop, &o, &store_events, m, m->log);
}

static void describe_self(struct member *m)
{
	struct node_ref *ref = &m->self.ref;

	snprintf(ref->id, sizeof(ref->id), "%s", svc_node_id(m->svc));
	snprintf(ref->role, sizeof(ref->role), "%s", svc_role(m->svc));
	ref->instance = *svc_instance(m->svc);
	m->self.machine = *svc_boot(m->svc);
	m->self.pid = (uint32_t)getpid();
	snprintf(m->self.version, sizeof(m->self.version), "%s", svc_version());
}

int member_add_address(struct member *m, const char *name, const char *addr)
{
	int err = node_set_address(&m->self, name, addr);

	if (!err)
		store_set_self(m->store, &m->self, true);
	return err;
}

int member_set_handover(struct member *m, const char *path)
{
	int err = node_set_handover(&m->self, path);

	if (!err)
		store_set_self(m->store, &m->self, true);
	return err;
}

/* The admin address is known to svc before we are. */
static void add_admin(struct member *m)
{
	const char *admin = svc_address(m->svc, "admin");

	if (admin && node_set_address(&m->self, "admin", admin))
		logger_event(m->log, &member_failed, kv_str("what", "admin"),
			     kv_str("why", admin));
}

static int start(struct member *m)
{
	const struct member_cluster_settings *rules =
		svc_settings(m->svc, &member_cluster_conf);
	int err;

	describe_self(m);
	add_admin(m);
	world_init(m);
	if (node_set_zone(&m->self, rules->zone))
		return fail(m, "cluster.zone", WEIR_ECONF);
	if (*rules->public_host &&
	    node_set_address(&m->self, "host", rules->public_host))
		return fail(m, "cluster.public_host", WEIR_ECONF);
	err = timer_new(&m->timer, m->loop, tick, m);
	if (!err)
		err = timer_new(&m->second, m->loop, on_second, m);
	if (!err)
		err = event_book_new(&m->book, m->seed);
	if (!err)
		err = once_new(&m->once);
	if (!err)
		err = start_bus(m);
	if (err)
		return fail(m, "bus", err);
	err = listen_bus(m);
	if (err)
		return fail(m, "bus.listen", err);
	err = start_store(m);
	if (err)
		return fail(m, "redis.url", err);
	err = rules_init(m);
	if (err)
		return fail(m, "cluster.rules", err);
	err = loop_on_away(m->loop, (uint64_t)rules->loop_away_ms, on_away, m);
	if (err)
		return fail(m, "loop", err);
	timer_repeat(m->second, 1000);
	member_stats_add(m);
	return 0;
}

int member_new(struct member **out, struct svc *svc,
	       const struct member_events *events, void *ctx)
{
	struct member *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return WEIR_ENOMEM;
	m->svc = svc;
	m->loop = svc_loop(svc);
	m->log = svc_log(svc);
	m->events = events;
	m->ctx = ctx;
	io_random(&m->seed, sizeof(m->seed));
	list_init(&m->deferred);
	list_init(&m->scripts);
	list_init(&m->asked);
	list_init(&m->named);
	list_init(&m->dials);
	list_init(&m->rule_asks);
	err = start(m);
	if (err)
		member_free(&m);
	else
		*out = m;
	return err;
}

void member_free(struct member **pm)
{
	struct member *m = *pm;

	if (!m)
		return;
	member_stats_remove(m);
	if (loop_on_away(m->loop, 0, (loop_away_fn *)NULL, NULL))
		logger_event(m->log, &member_failed, kv_str("what", "loop"));
	pass_task_cancel(&m->pass_end);
	pass_task_cancel(&m->deferred_task);
	store_free(&m->store);
	bus_free(&m->bus);
	calls_fini(m);
	rules_fini(m);
	event_book_free(&m->book);
	once_free(&m->once);
	timer_free(&m->timer);
	timer_free(&m->second);
	free(m);
	*pm = NULL;
}

void member_leave(struct member *m, void (*done)(void *ctx), void *ctx)
{
	store_leave(m->store, done, ctx);
}

void member_set_draining(struct member *m)
{
	m->self.is_draining = true;
	store_set_self(m->store, &m->self, true);
}
