/* common/io/handover_door.c - the target of connections. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/reader.h"
#include "common/io/handover_wire.h"
#include "common/io/net.h"

#define OPEN_MAX_COUNT  256
#define GIVE_MS         3000
#define FDS_MAX         16 /* that a packet is looked through for */
#define PACKETS_AT_ONCE 16

struct handover_door {
	struct loop *loop;
	struct listener *listener;
	char *path;
	struct stat made; /* the socket's file */
	const struct handover_door_ops *ops;
	void *ctx;
	struct handover_door_limits limits;
	struct handover_door_stats stats;
	struct list donors;
};

enum phase { EXPECT_OFFER, EXPECT_GOODS };

struct donor {
	struct list link;
	struct handover_door *door;
	struct loop_watch *watch;
	struct timer *timer;
	int fd;
	enum phase phase;
	struct handover_offer offer;
	struct buf goods;
};

/* One packet, with the descriptors that came with it: ours to close. */
struct packet {
	struct span body;
	int fd[FDS_MAX];
	size_t fds;
	bool is_cut;
};

/* ---- the end of a donor ---- */

static void donor_free(struct donor *o)
{
	struct handover_door *d = o->door;

	list_remove(&o->link);
	loop_remove(&o->watch);
	timer_free(&o->timer);
	if (o->fd >= 0)
		close(o->fd);
	buf_fini(&o->goods);
	free(o);
	d->stats.open_count--;
	listener_done(d->listener);
}

static void fault(struct handover_door *d, int err, const char *what)
{
	d->stats.faults++;
	if (d->ops->on_fault)
		d->ops->on_fault(d->ctx, err, what);
}

static void donor_fault(struct donor *o, int err, const char *what)
{
	struct handover_door *d = o->door;

	donor_free(o);
	fault(d, err, what);
}

static void on_timer(struct donor *o)
{
	donor_fault(o, WEIR_ETIMEOUT,
		    o->phase == EXPECT_OFFER ? "no offer came"
					     : "what was offered did not come");
}

/* ---- packets ---- */

static void packet_close(struct packet *p)
{
	for (size_t i = 0; i < p->fds; i++)
		close(p->fd[i]);
	p->fds = 0;
}

static void take_fds(struct packet *p, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count && p->fds < FDS_MAX; i++)
			memcpy(&p->fd[p->fds++], CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
	}
}

/* Returns 0; WEIR_ECLOSED; or -errno (EAGAIN: nothing is there). */
static int receive(struct packet *out, struct donor *o)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	uint8_t *scratch = loop_scratch(o->door->loop);
	struct iovec part = {scratch, LOOP_SCRATCH_BYTES};
	struct msghdr m = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(o->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*out = (struct packet){0};
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	take_fds(out, &m);
	out->is_cut = m.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	out->body = span_of(scratch, (size_t)n);
	if (n > 0)
		return 0;
	packet_close(out);
	return WEIR_ECLOSED;
}

/* ---- OFFER ---- */

static int answer(struct donor *o, enum reason why, const char *detail)
{
	struct buf packet = {0};
	int err;

	if (why)
		handover_no_write(&packet, why, detail);
	else
		buf_put_u8(&packet, HANDOVER_READY);
	err = buf_error(&packet);
	if (!err && send(o->fd, packet.data, packet.len,
			 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		err = -errno;
	buf_fini(&packet);
	return err;
}

/* Returns whether the donor is still there; so do the following. */
static bool on_offer(struct donor *o, struct span in)
{
	struct handover_door *d = o->door;
	char detail[HANDOVER_DETAIL_SIZE] = "";
	enum reason why;
	int err = handover_offer_read(&o->offer, in);

	if (err) {
		donor_fault(o, err, "no offer that can be read");
		return false;
	}
	d->stats.offers++;
	why = d->ops->on_offer(d->ctx, &o->offer, detail);
	d->stats.refused += why != REASON_none;
	err = answer(o, why, detail);
	o->phase = EXPECT_GOODS;
	if (err || why) {
		donor_free(o);
		return false;
	}
	return true;
}

/* ---- PART and GIVE ---- */

static bool on_part(struct donor *o, struct span in)
{
	int err;

	buf_put(&o->goods, in);
	err = buf_error(&o->goods);
	if (err)
		donor_fault(o, err, "more than may come with a connection");
	return !err;
}

/* A connected stream socket, and nothing else. */
static bool is_connection(int fd)
{
	int type = 0, is_listening = 1;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len))
		return false;
	return type == SOCK_STREAM && !is_listening;
}

static const char *fault_of_give(const struct donor *o, const struct packet *p,
				 struct handover_goods *goods)
{
	struct reader r = reader_of(span_from(p->body, 1));
	uint32_t len = read_u32(&r);

	if (reader_failed(&r) || len != o->goods.len)
		return "not all that was offered came";
	if (p->fds != 1)
		return "not one descriptor came";
	if (!is_connection(p->fd[0]))
		return "the descriptor is no connection";
	if (handover_goods_read(goods, buf_span(&o->goods)))
		return "the goods cannot be read";
	return NULL;
}

static void on_give(struct donor *o, struct packet *p)
{
	struct handover_door *d = o->door;
	struct handover_goods goods;
	const char *what = fault_of_give(o, p, &goods);
	int fd;

	if (what) {
		packet_close(p);
		donor_fault(o, WEIR_EPROTO, what);
		return;
	}
	fd = p->fd[0];
	p->fds = 0;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	d->stats.given++;
	d->ops->on_given(d->ctx, &o->offer, fd, &goods);
	donor_free(o);
}

/* Descriptors travel with GIVE alone: whoever sends them otherwise lies. */
static bool on_packet(struct donor *o, struct packet *p)
{
	uint8_t type = p->body.len ? p->body.data[0] : 0;

	if (type == HANDOVER_GIVE && o->phase == EXPECT_GOODS && !p->is_cut) {
		on_give(o, p);
		return false;
	}
	if (p->fds || p->is_cut) {
		packet_close(p);
		donor_fault(o, WEIR_EPROTO,
			    "descriptors that nobody asked for,"
			    " or too long a packet");
		return false;
	}
	if (type == HANDOVER_OFFER && o->phase == EXPECT_OFFER)
		return on_offer(o, span_from(p->body, 1));
	if (type == HANDOVER_PART && o->phase == EXPECT_GOODS)
		return on_part(o, span_from(p->body, 1));
	donor_fault(o, WEIR_EPROTO, "a packet out of turn");
	return false;
}

static void on_events(struct donor *o, unsigned events)
{
	struct packet p;
	int err = 0;

	(void)events;
	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		err = receive(&p, o);
		if (err)
			break;
		if (!on_packet(o, &p))
			return;
	}
	/* It has changed its mind, or asked another one: as it likes. */
	if (err && err != -EAGAIN)
		donor_free(o);
}

/* ---- accepting ---- */

static int donor_start(struct donor *o)
{
	struct handover_door *d = o->door;
	int err = timer_new(&o->timer, d->loop, on_timer, o);

	if (!err)
		err = loop_add(&o->watch, d->loop, o->fd, LOOP_READABLE,
			       on_events, o);
	if (!err)
		timer_start(o->timer, d->limits.give_ms);
	return err;
}

static struct donor *donor_new(struct handover_door *d, int fd)
{
	struct donor *o = calloc(1, sizeof(*o));

	if (!o) {
		close(fd);
		listener_done(d->listener);
		return NULL;
	}
	o->door = d;
	o->fd = fd;
	o->goods.limit_bytes = d->limits.goods_bytes;
	list_init(&o->link);
	list_append(&d->donors, &o->link);
	d->stats.open_count++;
	return o;
}

static void on_accept(struct handover_door *d, int fd,
		      const struct net_addr *peer)
{
	struct donor *o = donor_new(d, fd);

	(void)peer;
	if (!o)
		fault(d, WEIR_ENOMEM, "no memory for a donor");
	else if (!net_unix_is_ours(fd))
		donor_fault(o, -EPERM, "a process of another user");
	else if (donor_start(o))
		donor_fault(o, WEIR_ENOMEM, "no memory for a donor");
}

/* ---- life ---- */

static int start(struct handover_door *d, const char *path)
{
	const struct listener_limits limits = {.open_max = d->limits.open_max};
	int fd, err;

	d->path = strdup(path);
	if (!d->path)
		return WEIR_ENOMEM;
	err = net_unix_listen(&fd, path);
	if (err) {
		free(d->path);
		d->path = NULL; /* it is not ours to remove */
		return err;
	}
	if (lstat(path, &d->made)) {
		close(fd);
		return -errno;
	}
	return listener_new(&d->listener, d->loop, fd, &limits, on_accept, d);
}

int handover_door_new(struct handover_door **out, struct loop *loop,
		      const char *path,
		      const struct handover_door_limits *limits,
		      const struct handover_door_ops *ops, void *ctx)
{
	struct handover_door *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return WEIR_ENOMEM;
	d->loop = loop;
	d->ops = ops;
	d->ctx = ctx;
	list_init(&d->donors);
	if (limits)
		d->limits = *limits;
	if (!d->limits.open_max)
		d->limits.open_max = OPEN_MAX_COUNT;
	if (!d->limits.goods_bytes)
		d->limits.goods_bytes = HANDOVER_GOODS_MAX;
	if (!d->limits.give_ms)
		d->limits.give_ms = GIVE_MS;
	err = start(d, path);
	if (err)
		handover_door_free(&d);
	else
		*out = d;
	return err;
}

void handover_door_stats(const struct handover_door *d,
			 struct handover_door_stats *out)
{
	*out = d->stats;
}

/* A later one of our name may have put its own there. */
static void remove_file(const struct handover_door *d)
{
	struct stat now;

	if (!lstat(d->path, &now) && now.st_ino == d->made.st_ino &&
	    now.st_dev == d->made.st_dev)
		unlink(d->path);
}

void handover_door_free(struct handover_door **pd)
{
	struct handover_door *d = *pd;

	if (!d)
		return;
	*pd = NULL;
	list_each_safe (it, &d->donors)
		donor_free(list_entry(it, struct donor, link));
	listener_free(&d->listener);
	if (d->path)
		remove_file(d);
	free(d->path);
	free(d);
}
