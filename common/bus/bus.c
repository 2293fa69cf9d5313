/* common/bus/bus.c - links to the other processes: the calls, and the time. */
#include "common/bus/bus.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/bus/bus_priv.h"
#include "common/io/clock.h"

#define LATE_TICK_MS 500u /* after this we, not the peers, were silent */

/* ---- time ---- */

uint64_t bus_now_ms(const struct bus *b)
{
	return loop_now_ms(b->loop);
}

uint64_t bus_now_us(const struct bus *b)
{
	return loop_now_us(b->loop);
}

void bus_due_at(struct bus *b, uint64_t at_ms)
{
	const uint64_t now_ms = bus_now_ms(b);

	if (timer_is_running(b->due) && b->due_ms <= at_ms)
		return;
	b->due_ms = at_ms;
	timer_start(b->due, at_ms > now_ms ? at_ms - now_ms : 0);
}

static void flush_waiting(struct bus *b, uint64_t now_ms)
{
	list_each (it, &b->channels) {
		struct channel *c = list_entry(it, struct channel, link);

		if (!c->wait_until_ms)
			continue;
		if (c->wait_until_ms <= now_ms)
			channel_flush_soon(c);
		else
			bus_due_at(b, c->wait_until_ms);
	}
}

static void on_due(struct bus *b)
{
	const uint64_t now_ms = bus_now_ms(b);

	flush_waiting(b, now_ms);
	targets_run(b, now_ms);
	requests_run(b, now_ms);
}

/* What peers sent while this process stood still is not read yet. */
static void forgive(struct bus *b, uint64_t now_ms)
{
	const uint64_t grace_ms =
		WEIR_MIN(LATE_TICK_MS, b->config.peer_dead_ms);

	list_each (it, &b->channels) {
		struct channel *c = list_entry(it, struct channel, link);

		c->heard_ms =
			WEIR_MAX(c->heard_ms,
				 now_ms + grace_ms - b->config.peer_dead_ms);
	}
}

/* One at a time: with one that is closed others may go, too. */
static bool judge_one(struct list *conns, uint64_t now_ms)
{
	list_each (it, conns) {
		if (channel_tick(list_entry(it, struct channel, link), now_ms))
			return true;
	}
	return false;
}

static void ping_all(struct bus *b)
{
	const struct record ping = {.type = RECORD_PING};
	struct list *it = b->channels.next;

	while (it != &b->channels) {
		struct channel *c = list_entry(it, struct channel, link);

		it = it->next;
		/* If its queue is full the link goes, and the list changes:
		 * the others have a second. */
		if (c->state == CHANNEL_UP && !channel_send(c, &ping))
			return;
	}
}

static void on_tick(struct bus *b)
{
	const uint64_t now_ms = bus_now_ms(b);

	if (now_ms - b->tick_ms > BUS_TICK_MS + LATE_TICK_MS)
		forgive(b, now_ms);
	b->tick_ms = now_ms;
	while (judge_one(&b->channels, now_ms) ||
	       judge_one(&b->half_open, now_ms))
		;
	if (now_ms >= b->ping_ms) {
		b->ping_ms = now_ms + b->config.ping_ms;
		ping_all(b);
	}
	pipes_tick(b->pipes);
	requests_tick(b, now_ms);
}

/* ---- the dead ---- */

static void reap(struct bus *b)
{
	list_each_safe (it, &b->dead_channels)
		channel_free(list_entry(it, struct channel, link));
	list_each_safe (it, &b->dead_peers) {
		list_remove(it);
		free(list_entry(it, struct peer, link));
	}
}

void bus_reap_soon(struct bus *b)
{
	/* Behind a settle of this pass, which still looks at them. */
	pass_task_cancel(&b->reap);
	loop_at_pass_end(b->loop, &b->reap, reap, b);
}

/* ---- making ---- */

static void set_default(uint32_t *value, uint32_t standard)
{
	if (!*value)
		*value = standard;
}

static void set_defaults(struct bus_config *c)
{
	set_default(&c->ping_ms, 1000);
	set_default(&c->peer_dead_ms, 2000);
	set_default(&c->window_min_bytes, 256 * 1024);
	set_default(&c->window_max_bytes, 16 * 1024 * 1024);
	set_default(&c->request_json_max, 4 * 1024 * 1024);
	set_default(&c->handshake_ms, 3000);
	set_default(&c->peers_max, 1024);
	set_default(&c->half_open_max, 256);
}

static int copy_config(struct bus *b, const struct bus_config *config)
{
	const struct span key = config->cluster_key;

	b->config = *config;
	set_defaults(&b->config);
	b->key = malloc(key.len ? key.len : 1);
	if (!b->key)
		return WEIR_ENOMEM;
	if (key.len)
		memcpy(b->key, key.data, key.len);
	b->config.cluster_key = span_of(b->key, key.len);
	b->self = (struct handshake_self){
		.node = config->self,
		.boot = config->boot,
		.identity = config->identity,
		.key = b->config.cluster_key,
	};
	memcpy(b->self.cluster, config->cluster, sizeof(b->self.cluster));
	return 0;
}

static void init_lists(struct bus *b)
{
	io_random(&b->seed, sizeof(b->seed));
	list_init(&b->half_open);
	list_init(&b->channels);
	list_init(&b->halves);
	list_init(&b->peers);
	list_init(&b->downs);
	list_init(&b->targets);
	list_init(&b->dead_channels);
	list_init(&b->dead_peers);
	map_init(&b->by_link, b->seed);
	map_init(&b->by_node, b->seed);
	requests_init(b);
}

static void on_accept(void *ctx, struct pipe *p)
{
	channel_accept(ctx, p);
}

static int start(struct bus *b)
{
	int err = timer_new(&b->tick, b->loop, on_tick, b);

	if (!err)
		err = timer_new(&b->due, b->loop, on_due, b);
	if (!err)
		err = pipes_new(&b->pipes, b->loop, on_accept, b);
	if (err)
		return err;
	b->tick_ms = bus_now_ms(b);
	timer_repeat(b->tick, BUS_TICK_MS);
	return 0;
}

int bus_new(struct bus **out, struct loop *loop,
	    const struct bus_config *config, const struct bus_events *events,
	    void *ctx)
{
	struct bus *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return WEIR_ENOMEM;
	b->loop = loop;
	b->events = *events;
	b->ctx = ctx;
	init_lists(b);
	err = copy_config(b, config);
	if (!err)
		err = start(b);
	if (err)
		bus_free(&b);
	else
		*out = b;
	return err;
}

static void free_channels(struct list *conns)
{
	list_each_safe (it, conns)
		channel_free(list_entry(it, struct channel, link));
}

static void free_peers(struct list *peers)
{
	list_each_safe (it, peers) {
		list_remove(it);
		free(list_entry(it, struct peer, link));
	}
}

static void free_targets(struct bus *b)
{
	list_each_safe (it, &b->targets) {
		list_remove(it);
		free(list_entry(it, struct target, link));
	}
}

void bus_free(struct bus **pb)
{
	struct bus *b = *pb;

	*pb = NULL;
	if (!b)
		return;
	pass_task_cancel(&b->settle);
	pass_task_cancel(&b->rested);
	pass_task_cancel(&b->reap);
	timer_free(&b->tick);
	timer_free(&b->due);
	pipes_free(&b->pipes); /* and with them all dialers */
	free_channels(&b->half_open);
	free_channels(&b->channels);
	free_channels(&b->dead_channels);
	free_peers(&b->halves);
	free_peers(&b->peers);
	free_peers(&b->downs);
	free_peers(&b->dead_peers);
	free_targets(b);
	requests_fini(b);
	map_fini(&b->by_link);
	map_fini(&b->by_node);
	free(b->key);
	free(b);
}

/* ---- addresses ---- */

int bus_listen(struct bus *b, const char *url, char out_url[NODE_URL_SIZE])
{
	char bound[PIPE_URL_SIZE];
	int err = pipes_listen(b->pipes, url, bound);

	if (err)
		return err;
	snprintf(out_url, NODE_URL_SIZE, "%s", bound);
	return 0;
}

void bus_set_url(struct bus *b, const char *url)
{
	snprintf(b->self.node.url, sizeof(b->self.node.url), "%s", url);
}

static int target_new(struct bus *b, const char *node, const char *url)
{
	struct target *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return WEIR_ENOMEM;
	err = pipe_dialer_new(&t->dialer, b->pipes, url);
	if (err) {
		free(t);
		return err;
	}
	t->bus = b;
	t->backoff_ms = BUS_BACKOFF_MIN_MS;
	t->next_ms = bus_now_ms(b);
	snprintf(t->node, sizeof(t->node), "%s", node);
	snprintf(t->url, sizeof(t->url), "%s", url);
	list_append(&b->targets, &t->link);
	bus_due_at(b, t->next_ms);
	return 0;
}

int bus_dial(struct bus *b, const char *node, const char *url)
{
	struct target *t = target_find(b, node);

	if (!*node || strlen(node) >= NODE_ID_SIZE ||
	    strlen(url) >= NODE_URL_SIZE)
		return WEIR_EINVAL;
	if (t && !strcmp(t->url, url))
		return 0;
	if (t)
		target_free(t);
	return target_new(b, node, url);
}

void bus_forget(struct bus *b, const char *node)
{
	struct target *t = target_find(b, node);

	if (t)
		target_free(t);
}

/* ---- links ---- */

bool bus_send(struct bus *b, link_id link, const struct record *r)
{
	struct peer *p = peer_by_link(b, link);

	return p && channel_send(p->conn[0], r);
}

static struct channel *channel_of(struct link_sender *s)
{
	return list_entry(s, struct channel, tx);
}

/* How much waits is only guessed: it decides no more than when to write. */
static void kick(struct feed *f)
{
	struct link_sender *s = link_feed_kick(f);
	const uint64_t next = log_next(f->log);
	const struct frame *newest = next ? log_at(f->log, next - 1) : NULL;
	struct channel *c;

	if (!s)
		return;
	c = channel_of(s);
	if (newest && c->pending_bytes < LINK_BATCH_BYTES)
		c->pending_bytes +=
			(uint32_t)newest->payload.len + RECORD_FRAME_COST;
	channel_flush_soon(c);
}

void bus_feed_start(struct bus *b, link_id link, struct feed *f)
{
	struct peer *p = peer_by_link(b, link);

	link_feed_stop(f);
	if (!p)
		return;
	link_feed_start(&p->conn[0]->tx, f);
	channel_flush_soon(p->conn[0]);
}

void bus_feed_stop(struct bus *b, link_id link, struct feed *f)
{
	(void)b;
	(void)link;
	link_feed_stop(f);
}

void bus_feed_kick(struct bus *b, struct feed *f)
{
	(void)b;
	kick(f);
}

link_id bus_link_to(const struct bus *b, const char *node)
{
	const struct peer *p = peer_by_node(b, node);

	return p ? p->node.link : 0;
}

size_t bus_nodes(const struct bus *b, const char *role, struct node_ref *out,
		 size_t max)
{
	size_t count = 0;

	list_each (it, &b->peers) {
		const struct peer *p = list_entry(it, struct peer, link);

		if (count < max && !strcmp(p->node.role, role))
			out[count++] = p->node;
	}
	return count;
}

bool bus_node(const struct bus *b, link_id link, struct node_ref *out)
{
	const struct peer *p = peer_by_link(b, link);

	if (p)
		*out = p->node;
	return p != NULL;
}

void bus_close_link(struct bus *b, link_id link, enum reason why)
{
	struct peer *p = peer_by_link(b, link);

	if (p)
		peer_down(p, why);
}

/* ---- numbers ---- */

static bool is_quiet(const struct channel *c)
{
	return !c->pipe || (!pipe_is_sending(c->pipe) &&
			    !pipe_out(c->pipe)->len && !c->tx.queue.len);
}

bool bus_is_drained(const struct bus *b)
{
	list_each (it, &b->peers) {
		const struct peer *p = list_entry(it, struct peer, link);

		if (!is_quiet(p->conn[0]) || !is_quiet(p->conn[1]) ||
		    !link_is_drained(&p->conn[0]->tx))
			return false;
	}
	return true;
}

static void add_stats(struct bus_stats *out, const struct channel *c)
{
	out->bytes_in += c->rx.stats.bytes;
	out->records_in += c->rx.stats.records;
	out->frames_in += c->rx.stats.frames;
	out->unknown_records += c->rx.stats.unknown;
	out->bytes_out += c->tx.stats.bytes;
	out->records_out += c->tx.stats.records;
	out->frames_out += c->tx.stats.frames;
	out->skips += c->tx.stats.skips;
	out->backlog_bytes += c->tx.queue.len;
	if (c->pipe)
		out->backlog_bytes += pipe_out(c->pipe)->len;
}

void bus_get_stats(const struct bus *b, struct bus_stats *out)
{
	*out = b->past;
	list_each (it, &b->channels)
		add_stats(out, list_entry(it, struct channel, link));
	list_each (it, &b->half_open)
		add_stats(out, list_entry(it, struct channel, link));
}
