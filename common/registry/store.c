/* common/registry/store.c - the registry in Redis: options and life. */
#include <stdlib.h>

#include "common/io/clock.h"
#include "common/registry/store_priv.h"

const struct log_event store_unreachable = {
	"registry.unreachable", LOG_WARN, "server port what why",
	"The registry cannot be reached. Said once until it can."};
const struct log_event store_refused = {
	"registry.refused", LOG_ERROR, "server port what why",
	"The registry's server said no. Said once until it says yes."};
const struct log_event store_taken = {
	"registry.taken", LOG_ERROR, "node",
	"Another process runs under the id of this node."};
const struct log_event store_bad_entry = {
	"registry.bad_entry", LOG_WARN, "key why",
	"Something in the registry cannot be used."};

const struct log_event *const store_log_events[] = {
	&store_unreachable, &store_refused, &store_taken,
	&store_bad_entry,   &kept_bad_file, NULL};

/* ---- what the copy says ---- */

static void on_node(void *ctx, const struct node *n, enum copy_change change)
{
	struct store *st = ctx;

	store_read_nodes_changed(st);
	if (st->events.on_node)
		st->events.on_node(st->ctx, n, change);
}

static void on_stream(void *ctx, const struct stream_entry *e,
		      enum copy_change change)
{
	struct store *st = ctx;

	if (st->events.on_stream)
		st->events.on_stream(st->ctx, e, change);
}

/* ---- options ---- */

static uint32_t or_else(uint32_t value, uint32_t initial)
{
	return value ? value : initial;
}

static int copy_text(char **out, const char *text)
{
	if (!text || !*text)
		return 0;
	*out = strdup(text);
	return *out ? 0 : WEIR_ENOMEM;
}

static int check_self(const struct node *self)
{
	struct buf json = {0};
	struct node back;
	int err;

	node_write(&json, self);
	err = buf_error(&json);
	if (!err)
		err = node_read(&back, buf_span(&json));
	buf_fini(&json);
	if (err == WEIR_EPROTO || uuid_is_zero(&self->ref.instance))
		return WEIR_EINVAL;
	return err;
}

static int take_options(struct store *st, const struct store_options *o)
{
	const char *cluster = o->cluster && *o->cluster ? o->cluster : "weir";
	const char *why;
	int err = where_parse(&st->where, o->url ? o->url : "", &why);

	if (!err)
		err = check_self(&o->self);
	if (err || strlen(cluster) >= sizeof(st->cluster))
		return err ? err : WEIR_EINVAL;
	memcpy(st->cluster, cluster, strlen(cluster) + 1);
	registry_root(st->root, st->cluster);
	st->self = o->self;
	st->registry_ms = or_else(o->registry_ms, 500);
	st->lease_ms = or_else(o->lease_ms, REGISTRY_LEASE_EACH_MS);
	st->lease_ttl_ms = or_else(o->lease_ttl_ms, REGISTRY_LEASE_MS);
	st->reread_ms = or_else(o->reread_ms, 2000);
	st->settle_ms = or_else(o->settle_ms, 1500);
	st->pending_max = or_else(o->pending_max, 1024);
	err = copy_text(&st->user, o->user);
	if (!err)
		err = copy_text(&st->password, o->password);
	return err;
}

static void list_scripts(struct store *st)
{
	const char *const texts[SCRIPTS] = {
		script_claim_lua,        script_move_lua,
		script_lost_lua,         script_end_lua,
		script_verify_lua,       script_settle_lua,
		script_node_lua,         script_rule_lua,
		script_rules_settle_lua, script_rules_since_lua,
	};

	for (size_t i = 0; i < SCRIPTS; i++)
		st->script[i].text = texts[i];
}

int store_url_check(const char *url, const char **why)
{
	struct where w;

	return where_parse(&w, url, why);
}

/* ---- life ---- */

static int start(struct store *st, const struct store_options *o)
{
	static const struct copy_events events = {on_node, on_stream};
	uint64_t seed;
	int err = take_options(st, o);

	io_random(&seed, sizeof(seed));
	rulebook_init(&st->rules, seed);
	list_scripts(st);
	if (!err)
		err = copy_new(&st->copy, &o->copy, &events, st, seed);
	if (!err)
		err = store_call_init(st);
	if (!err)
		err = store_lease_init(st);
	if (!err)
		err = store_link_init(st);
	if (!err)
		err = store_read_init(st, o->nodes_file);
	if (!err)
		err = store_rules_init(st, o->rules_file);
	if (!err)
		store_link_start(st);
	return err;
}

int store_new(struct store **out, struct loop *loop,
	      const struct store_options *options,
	      const struct store_events *events, void *ctx, struct logger *lg)
{
	struct store *st = calloc(1, sizeof(*st));
	int err;

	if (!st)
		return WEIR_ENOMEM;
	st->loop = loop;
	st->lg = lg;
	if (events)
		st->events = *events;
	st->ctx = ctx;
	list_init(&st->calls);
	list_init(&st->fetches);
	list_init(&st->rule_calls);
	err = start(st, options);
	if (err)
		store_free(&st);
	else
		*out = st;
	return err;
}

void store_free(struct store **pst)
{
	struct store *st = *pst;

	if (!st)
		return;
	store_link_stop(st);
	store_lease_fini(st);
	store_read_fini(st);
	store_call_fini(st);
	store_rules_fini(st);
	copy_free(&st->copy);
	free(st->user);
	free(st->password);
	free(st);
	*pst = NULL;
}

/* ---- how it is ---- */

bool store_is_read(const struct store *st)
{
	return st->is_read;
}

struct copy *store_copy(struct store *st)
{
	return st->copy;
}

const char *store_local_ip(const struct store *st)
{
	return st->local_ip;
}

void store_get_stats(const struct store *st, struct store_stats *out)
{
	*out = st->stats;
	out->is_up = store_is_up(st);
	out->late += st->command ? redis_late(st->command) : 0;
	out->pending = st->command ? redis_pending(st->command) : 0;
}
