/* services/edge/door.c - the doors of an edge: who is let in, who is sent away,
 * and all of them together. */
#include "services/edge/door.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "services/edge/door_priv.h"
#include "services/edge/internal.h"

static struct guest *guest_at(struct list *it)
{
	return list_entry(it, struct guest, link);
}

/* ---- accepting ---- */

/* Who waits, for ever if so set, may be gone without a word. */
static void keep_alive(int fd)
{
	const int on = 1, idle_s = 60, each_s = 20, count = 3;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &each_s, sizeof(each_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void set_socket(const struct edge *e, int fd)
{
	net_set_nodelay(fd);
	keep_alive(fd);
	if (e->settings->sndbuf_bytes)
		net_set_sndbuf(fd, (unsigned)e->settings->sndbuf_bytes);
	if (e->settings->notsent_lowat_bytes)
		net_set_notsent_lowat(
			fd, (unsigned)e->settings->notsent_lowat_bytes);
}

/* Too many have not said what they want: the one that has not for longest makes
 * room. Each door counts its own, so that a crowd at one shuts no other. */
static void make_room(struct door *d)
{
	struct guest *g;

	if (d->half_open_count < (uint64_t)d->edge->settings->half_open_max ||
	    list_is_empty(&d->half_open))
		return;
	g = guest_at(d->half_open.next);
	guest_set_why(g, REASON_limit, "too many half-open connections");
	guest_free(g);
}

/* ---- letting in ---- */

/* `fd` is taken. */
static int admit(struct guest **out, struct door *d,
		 struct tls_identity *identity, int fd,
		 const struct net_addr *peer, struct span unread)
{
	struct guest *g;
	int err = crowd_enter(&d->edge->crowd, peer);

	if (err) {
		close(fd);
		return err;
	}
	make_room(d);
	g = calloc(1, sizeof(*g));
	if (!g) {
		close(fd);
		crowd_leave(&d->edge->crowd, peer);
		return WEIR_ENOMEM;
	}
	g->door = d;
	g->edge = d->edge;
	g->addr = *peer;
	g->fd = -1;
	err = identity ? guest_greet(g, fd, identity)
		       : guest_look_at(g, fd, unread);
	if (err) {
		crowd_leave(&d->edge->crowd, peer);
		free(g);
		return err;
	}
	*out = g;
	return 0;
}

static void turn_away(struct door *d, const struct net_addr *peer,
		      enum reason why)
{
	struct edge *e = d->edge;

	e->stats.reason[why].refused++;
	logger_event(e->log, &edge_peer_closed, kv_addr("peer", peer),
		     kv_str("proto", d->ops->protocol),
		     kv_str("reason", reason_name(why)),
		     kv_str("detail", "not let in"), kv_uint("bytes", 0));
}

static void on_accept(struct entrance *in, int fd, const struct net_addr *peer)
{
	struct guest *g;
	int err;

	set_socket(in->door->edge, fd);
	err = admit(&g, in->door, in->identity, fd, peer, (struct span){0});
	if (err) {
		turn_away(in->door, peer, reason_of_error(err));
		listener_done(in->listener);
		return;
	}
	guest_let_in(g, in->listener);
}

void door_adopt(struct door *d, int fd, const struct net_addr *peer,
		struct span unread)
{
	struct guest *g;
	int err;

	set_socket(d->edge, fd);
	err = admit(&g, d, NULL, fd, peer, unread);
	if (err)
		turn_away(d, peer, reason_of_error(err));
	else
		guest_let_in(g, NULL);
}

/* ---- time ---- */

static void time_out_half_open(struct door *d, uint64_t now_ms)
{
	uint64_t max_ms = (uint64_t)d->edge->settings->half_open_ms;

	list_each_safe (it, &d->half_open) {
		struct guest *g = guest_at(it);

		if (now_ms - g->since_ms < max_ms)
			return; /* they stand in the order of their time */
		guest_set_why(g, REASON_timeout, "it did not ask for a stream");
		guest_free(g);
	}
}

static void time_out_waiting(struct door *d, uint64_t now_ms)
{
	int64_t max_ms = d->edge->settings->wait_publish_ms;

	if (max_ms < 0)
		return;
	list_each_safe (it, &d->waiting) {
		struct guest *g = guest_at(it);

		if (now_ms - g->since_ms < (uint64_t)max_ms)
			return;
		if (g->stream) /* else it is not known yet whether it may */
			guest_refuse(g, REASON_not_found, "");
	}
}

void door_tick(struct door *d, uint64_t now_ms)
{
	time_out_half_open(d, now_ms);
	time_out_waiting(d, now_ms);
}

/* ---- all guests ---- */

static void each(struct list *guests, const char *stream,
		 void (*fn)(void *ctx, struct session *s), void *ctx)
{
	list_each (it, guests) {
		struct guest *g = guest_at(it);

		if (!stream || !strcmp(g->session.key->text, stream))
			fn(ctx, &g->session);
	}
}

void door_each_session(struct door *d, const char *stream,
		       void (*fn)(void *ctx, struct session *s), void *ctx)
{
	each(&d->waiting, stream, fn, ctx);
	each(&d->viewing, stream, fn, ctx);
}

size_t door_end_some(struct door *d, size_t count, enum reason why)
{
	size_t ended = 0;

	for (; ended < count && !list_is_empty(&d->waiting); ended++)
		guest_end(guest_at(d->waiting.next), why, "");
	/* A viewer leaves the list when its end is told, after this pass. */
	list_each (it, &d->viewing) {
		if (ended == count)
			break;
		guest_end(guest_at(it), why, "");
		ended++;
	}
	return ended;
}

/* ---- life ---- */

int door_new(struct door **out, struct edge *e, const struct door_ops *ops)
{
	struct door *d = calloc(1, sizeof(*d));

	if (!d)
		return WEIR_ENOMEM;
	d->edge = e;
	d->ops = ops;
	list_init(&d->half_open);
	list_init(&d->waiting);
	list_init(&d->viewing);
	list_init(&d->leaving);
	*out = d;
	return 0;
}

int door_listen(struct door *d, int fd, struct tls_identity *identity,
		struct net_addr *bound)
{
	struct entrance *in = &d->entrance[d->entrances];
	int err;

	if (d->entrances == DOOR_ENTRANCES) {
		close(fd);
		return WEIR_ELIMIT;
	}
	in->door = d;
	in->identity = identity;
	err = listener_new(&in->listener, d->edge->loop, fd, NULL, on_accept,
			   in);
	if (err)
		return err;
	d->entrances++;
	*bound = *listener_addr(in->listener);
	return 0;
}

static void free_list(struct list *guests)
{
	list_each_safe (it, guests) {
		guest_set_why(guest_at(it), REASON_draining, "");
		guest_free(guest_at(it));
	}
}

void door_free(struct door **pd)
{
	struct door *d = *pd;

	if (!d)
		return;
	free_list(&d->half_open);
	free_list(&d->waiting);
	free_list(&d->viewing);
	free_list(&d->leaving);
	for (size_t i = 0; i < d->entrances; i++)
		listener_free(&d->entrance[i].listener);
	free(d);
	*pd = NULL;
}

void door_close(struct door *d)
{
	for (size_t i = 0; i < d->entrances; i++)
		listener_pause(d->entrance[i].listener);
}

size_t door_guests(const struct door *d)
{
	return d->guests;
}
