/* common/io/handover.c - the donor of a connection. */
#include "common/io/handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/handover_wire.h"
#include "common/io/net.h"

#define READY_MS   200
#define GIVE_MS    1000
#define WORD_BYTES 256 /* READY or NO */

enum phase {
	OFFERED,
	WANTED, /* READY came */
	GIVING,
	OVER,
};

struct handover {
	struct loop *loop;
	struct loop_watch *watch;
	struct timer *timer;
	int fd; /* to the target */
	enum phase phase;
	unsigned give_ms;
	const struct handover_events *events;
	void *ctx;
	struct buf goods;
	size_t sent_bytes; /* of them */
	int given_fd;      /* borrowed */
};

/* As the last thing: the owner may free us in it. */
static void finish(struct handover *h, int err, enum reason why,
		   const char *detail)
{
	h->phase = OVER;
	loop_remove(&h->watch);
	timer_stop(h->timer);
	h->events->on_end(h->ctx, err, why, detail);
}

static void on_timer(struct handover *h)
{
	finish(h, WEIR_ETIMEOUT, REASON_timeout, "");
}

/* ---- what the target says ---- */

static void on_ready(struct handover *h)
{
	h->phase = WANTED;
	timer_start(h->timer, h->give_ms);
	h->events->on_ready(h->ctx);
}

static void on_no(struct handover *h, struct span in)
{
	char detail[HANDOVER_DETAIL_SIZE];
	enum reason why;

	if (handover_no_read(&why, detail, in))
		finish(h, WEIR_EPROTO, REASON_protocol_error, "");
	else
		finish(h, WEIR_EBUSY, why, detail);
}

/* Whatever comes where nothing should is the end of it. */
static void on_word(struct handover *h, struct span in)
{
	if (h->phase == OFFERED && in.data[0] == HANDOVER_READY)
		on_ready(h);
	else if (h->phase == OFFERED && in.data[0] == HANDOVER_NO)
		on_no(h, span_from(in, 1));
	else
		finish(h, WEIR_EPROTO, REASON_protocol_error, "");
}

/* Returns whether something came; then `h` may be gone. Descriptors have no
 * room here: the kernel closes those that a target would send. */
static bool read_word(struct handover *h)
{
	uint8_t word[WORD_BYTES];
	ssize_t n = recv(h->fd, word, sizeof(word), MSG_DONTWAIT);

	if (n > 0)
		on_word(h, span_of(word, (size_t)n));
	else if (n == 0)
		finish(h, WEIR_ECLOSED, REASON_peer_left, "");
	else if (errno != EAGAIN && errno != EINTR)
		finish(h, -errno, REASON_peer_left, "");
	else
		return false;
	return true;
}

/* ---- the goods ---- */

/* One packet: `head`, then `body`, and a descriptor unless it is -1. */
static int send_packet(int to, struct span head, struct span body, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part[2] = {{(void *)(uintptr_t)head.data, head.len},
				{(void *)(uintptr_t)body.data, body.len}};
	struct msghdr m = {.msg_iov = part, .msg_iovlen = 2};

	if (fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	}
	while (sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int send_part(struct handover *h)
{
	static const uint8_t type[] = {HANDOVER_PART};
	struct span left = span_from(buf_span(&h->goods), h->sent_bytes);
	struct span body = span_first(left, HANDOVER_PART_BYTES);
	int err = send_packet(h->fd, SPAN(type), body, -1);

	if (!err)
		h->sent_bytes += body.len;
	return err;
}

static int send_fd(struct handover *h)
{
	size_t len = h->goods.len;
	const uint8_t packet[HANDOVER_GIVE_BYTES] = {
		HANDOVER_GIVE, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
		(uint8_t)(len >> 8), (uint8_t)len};

	return send_packet(h->fd, SPAN(packet), (struct span){0}, h->given_fd);
}

/* Returns 0: all has left; -EAGAIN; or another error. */
static int push(struct handover *h)
{
	int err = 0;

	while (!err && h->sent_bytes < h->goods.len)
		err = send_part(h);
	return err ? err : send_fd(h);
}

static void go_on_giving(struct handover *h)
{
	int err = push(h);

	if (err != -EAGAIN)
		finish(h, err, err ? REASON_peer_left : REASON_none, "");
}

static void on_events(struct handover *h, unsigned events)
{
	if ((events & (LOOP_READABLE | LOOP_ERROR)) && read_word(h))
		return;
	if ((events & LOOP_WRITABLE) && h->phase == GIVING)
		go_on_giving(h);
}

int handover_give(struct handover *h, int fd,
		  const struct handover_goods *goods)
{
	int err;

	BUG_ON(h->phase != WANTED);
	handover_goods_write(&h->goods, goods);
	err = buf_error(&h->goods);
	if (err)
		return err;
	h->phase = GIVING;
	h->given_fd = fd;
	err = push(h);
	if (err == -EAGAIN) {
		loop_change(h->watch, LOOP_READABLE | LOOP_WRITABLE);
		return WEIR_EAGAIN;
	}
	h->phase = OVER;
	loop_remove(&h->watch);
	timer_stop(h->timer);
	return err;
}

/* ---- life ---- */

static int send_offer(struct handover *h, const struct handover_offer *offer)
{
	struct buf packet = {0};
	int err;

	handover_offer_write(&packet, offer);
	err = buf_error(&packet);
	if (!err)
		err = send_packet(h->fd, buf_span(&packet), (struct span){0},
				  -1);
	buf_fini(&packet);
	return err;
}

static int start(struct handover *h, const char *path,
		 const struct handover_offer *offer, unsigned ready_ms)
{
	int err = net_unix_connect(&h->fd, path);

	if (!err && !net_unix_is_ours(h->fd))
		err = -EPERM;
	if (!err)
		err = timer_new(&h->timer, h->loop, on_timer, h);
	if (!err)
		err = loop_add(&h->watch, h->loop, h->fd, LOOP_READABLE,
			       on_events, h);
	if (!err)
		err = send_offer(h, offer);
	if (!err)
		timer_start(h->timer, ready_ms);
	return err;
}

int handover_new(struct handover **out, struct loop *loop, const char *path,
		 const struct handover_offer *offer,
		 const struct handover_times *times,
		 const struct handover_events *events, void *ctx)
{
	struct handover *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return WEIR_ENOMEM;
	h->loop = loop;
	h->fd = h->given_fd = -1;
	h->give_ms = times && times->give_ms ? times->give_ms : GIVE_MS;
	h->goods.limit_bytes = HANDOVER_GOODS_MAX;
	h->events = events;
	h->ctx = ctx;
	err = start(h, path, offer,
		    times && times->ready_ms ? times->ready_ms : READY_MS);
	if (err)
		handover_free(&h);
	else
		*out = h;
	return err;
}

void handover_free(struct handover **ph)
{
	struct handover *h = *ph;

	if (!h)
		return;
	*ph = NULL;
	loop_remove(&h->watch);
	timer_free(&h->timer);
	if (h->fd >= 0)
		close(h->fd);
	buf_fini(&h->goods);
	free(h);
}
