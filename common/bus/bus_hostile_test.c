/* common/bus/bus_hostile_test.c - the bus with peers that are not of weir: plain
 * sockets, hostile bytes, a process that is stopped.
 *
 * No test is repeated with failing allocations: nng's threads allocate when
 * they like, so the count of an allocation says nothing from run to run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/bus/bus_rig_test.h"
#include "common/bus/handshake.h"
#include "common/bus/link.h"

/* ---- a peer that knows nothing but README.md: plain sockets ---- */

struct raw {
	struct loop *loop;
	int fd;
	struct handshake hs;
	struct link_receiver rx;
	struct buf in;
	bool is_closed;
	uint64_t frames, bytes, answers;
	struct record ack;
	bool sends_acks;
};

static const struct handshake_self raw_self = {
	.node = {.id = "raw-1", .role = "edge", .instance = {{9, 9, 9}}},
	.cluster = "test",
	.key = {(const uint8_t *)"secret", 6},
};

static int raw_connect(const char *url)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons((uint16_t)strtol(strrchr(url, ':') + 1, NULL, 10));
	CHECK_EQ(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void raw_put(struct raw *raw, struct span s)
{
	CHECK_EQ(send(raw->fd, s.data, s.len, MSG_NOSIGNAL), (ssize_t)s.len);
}

static void raw_send(struct raw *raw, const struct record *r)
{
	struct buf b = {0};

	record_write(&b, r);
	raw_put(raw, buf_span(&b));
	buf_fini(&b);
}

static int raw_on_record(void *ctx, const struct record *r)
{
	struct raw *raw = ctx;
	struct record reply;
	enum reason why;
	const char *detail;

	if (raw->hs.stage != HANDSHAKE_DONE) {
		CHECK_EQ(handshake_take(&raw->hs, r, &reply, &why, &detail), 0);
		if (reply.type)
			raw_send(raw, &reply);
	}
	raw->answers += r->type == RECORD_REP;
	return 0;
}

static int raw_on_frame(void *ctx, const struct record *r, struct frame *f)
{
	struct raw *raw = ctx;

	CHECK_EQ(r->type, RECORD_FRAME);
	CHECK(f->payload.len > 0);
	raw->frames++;
	return 0;
}

static void raw_take(struct raw *raw, struct span bytes)
{
	const struct link_events raw_events = {raw_on_record, raw_on_frame};
	const char *why;
	size_t used;

	raw->bytes += bytes.len;
	buf_put(&raw->in, bytes);
	CHECK_EQ(link_receive(&raw->rx, &used, buf_span(&raw->in), &raw_events,
			      raw, &why),
		 0);
	buf_drop(&raw->in, used);
}

/* Take what has come. */
static void raw_poll(struct raw *raw)
{
	uint8_t bytes[16384];
	ssize_t n;

	while ((n = recv(raw->fd, bytes, sizeof(bytes), 0)) > 0)
		raw_take(raw, span_of(bytes, (size_t)n));
	raw->is_closed = n == 0 || errno != EAGAIN;
	if (raw->sends_acks && !raw->is_closed &&
	    link_ack(&raw->rx, &raw->ack, io_mono_us(), true))
		raw_send(raw, &raw->ack);
}

static bool raw_is_done(struct raw *raw)
{
	raw_poll(raw);
	return raw->hs.stage == HANDSHAKE_DONE;
}

static bool raw_is_closed(struct raw *raw)
{
	raw_poll(raw);
	return raw->is_closed;
}

static void raw_init(struct raw *raw, struct node *to, uint8_t connection)
{
	static const uint8_t nonce[32] = "not so random";
	struct record hello;

	*raw = (struct raw){.loop = to->loop, .fd = raw_connect(to->url)};
	link_receiver_init(&raw->rx, 3, RECORD_BYTES_MAX);
	handshake_init(&raw->hs, &raw_self, nonce, connection,
		       to->config.self.id);
	handshake_begin(&raw->hs, &hello);
	raw_send(raw, &hello);
	WAIT_FOR(to->loop, raw_is_done(raw));
}

static void raw_fini(struct raw *raw)
{
	close(raw->fd);
	link_receiver_fini(&raw->rx);
	buf_fini(&raw->in);
}

TEST_NO_OOM(a_peer_that_acknowledges_nothing_bounds_what_is_sent)
{
	struct raw media, control;
	struct source s;
	struct pair p;
	uint64_t quiet_ms;

	pair_prepare(&p);
	p.origin.config.peer_dead_ms = 20000; /* it sends no PING either */
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	raw_init(&media, &p.origin, CONNECTION_MEDIA);
	raw_init(&control, &p.origin, CONNECTION_CONTROL);
	WAIT_FOR(p.loop, p.origin.ups);
	source_init(&s, &p.origin);
	for (uint32_t n = 0; n < 5000; n++)
		append(&s, &p.origin, n % FEED_COUNT, 2000);
	WAIT_FOR(p.loop, (raw_poll(&media), media.bytes > 200 * 1024));
	/* Its kernel takes all; only the window holds the rest back. */
	quiet_ms = io_mono_ms() + 500;
	while (io_mono_ms() < quiet_ms) {
		raw_poll(&media);
		loop_run_once(p.loop);
	}
	CHECK(media.bytes < 256 * 1024 + 2048);
	media.sends_acks = true;
	CHECK(link_ack(&media.rx, &media.ack, io_mono_us(), true));
	raw_send(&media, &media.ack);
	WAIT_FOR(p.loop, (raw_poll(&media), media.frames == 5000));
	source_fini(&s, &p.origin);
	raw_fini(&media);
	raw_fini(&control);
	pair_fini(&p);
}

TEST_NO_OOM(a_repeated_request_is_done_once_and_answered_again)
{
	const struct record req = {
		.type = RECORD_REQ,
		.id = 5,
		.deadline_ms = 1000,
		.json = SPAN_LIT("{}"),
	};
	struct record hold = {
		.type = RECORD_REQ,
		.id = 6,
		.json = SPAN_LIT("hold"),
	};
	struct raw media, control;
	struct pair p;

	pair_prepare(&p);
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	raw_init(&media, &p.origin, CONNECTION_MEDIA);
	raw_init(&control, &p.origin, CONNECTION_CONTROL);
	raw_send(&control, &req);
	raw_send(&control, &hold);
	raw_send(&control, &req);
	raw_send(&control, &hold);
	WAIT_FOR(p.loop, (raw_poll(&control), control.answers == 2));
	CHECK_EQ(p.origin.asked, 2);
	bus_answer(&p.origin.held[0], SPAN_LIT("{}"));
	WAIT_FOR(p.loop, (raw_poll(&control), control.answers == 3));
	raw_send(&control, &hold);
	WAIT_FOR(p.loop, (raw_poll(&control), control.answers == 4));
	CHECK_EQ(p.origin.asked, 2);
	raw_fini(&media);
	raw_fini(&control);
	pair_fini(&p);
}

TEST_NO_OOM(the_same_instance_twice_keeps_the_newer_link)
{
	struct raw media[2], control[2];
	struct pair p;

	pair_prepare(&p);
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	for (int i = 0; i < 2; i++) {
		raw_init(&media[i], &p.origin, CONNECTION_MEDIA);
		raw_init(&control[i], &p.origin, CONNECTION_CONTROL);
		WAIT_FOR(p.loop, p.origin.ups == i + 1);
	}
	CHECK_EQ(p.origin.downs, 1);
	WAIT_FOR(p.loop,
		 raw_is_closed(&media[0]) && raw_is_closed(&control[0]));
	CHECK(!raw_is_closed(&media[1]) && !raw_is_closed(&control[1]));
	for (int i = 0; i < 2; i++) {
		raw_fini(&media[i]);
		raw_fini(&control[i]);
	}
	pair_fini(&p);
}

/* ---- hostile peers ---- */

static void put_le(uint8_t *to, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

/* What a stranger says first, and what the origin then thinks of it. */
static void check_hostile(struct pair *p, struct span bytes, enum reason why)
{
	struct raw raw = {.fd = raw_connect(p->origin.url)};
	int before = p->origin.refusals;

	link_receiver_init(&raw.rx, 3, RECORD_BYTES_MAX);
	raw.hs.stage = HANDSHAKE_DONE; /* it listens to nothing */
	if (bytes.len)
		raw_put(&raw, bytes);
	WAIT_FOR(p->loop, raw_is_closed(&raw));
	WAIT_FOR(p->loop, p->origin.refusals == before + 1);
	CHECK_EQ(p->origin.refused_why, why);
	CHECK(p->origin.detail[0]);
	raw_fini(&raw);
}

TEST_NO_OOM(strangers_are_closed_with_a_reason)
{
	uint8_t bytes[4096];
	struct pair p;

	pair_prepare(&p);
	p.origin.config.handshake_ms = 300;
	pair_start(&p, "tcp://127.0.0.1:0");
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	memset(bytes, 0xff, sizeof(bytes));
	check_hostile(&p, SPAN(bytes), REASON_protocol_error);
	memset(bytes, 0, sizeof(bytes));
	check_hostile(&p, SPAN(bytes), REASON_protocol_error);
	check_hostile(&p, SPAN_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		      REASON_protocol_error);
	put_le(bytes, 66048); /* legal later, but not yet */
	check_hostile(&p, span_of(bytes, 40), REASON_limit);
	put_le(bytes, 32);
	bytes[4] = RECORD_DRAIN; /* a good record, out of place */
	check_hostile(&p, span_of(bytes, 32), REASON_protocol_error);
	check_hostile(&p, span_of(bytes, 31), REASON_timeout); /* half of it */
	check_hostile(&p, (struct span){0}, REASON_timeout);   /* silence */
	CHECK_EQ(p.origin.downs + p.edge.downs, 0);
	pair_fini(&p);
}

TEST_NO_OOM(random_bytes_end_in_a_refusal)
{
	struct bus_stats stats;
	uint32_t seed = 1;
	struct pair p;

	pair_prepare(&p);
	p.origin.config.handshake_ms = 300;
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	for (int round = 0; round < 50; round++) {
		struct raw raw = {.fd = raw_connect(p.origin.url)};
		uint8_t bytes[600];

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)((seed = seed * 1103515245u +
						     12345u) >>
					     16);
		if (round % 2) /* a length that could be */
			put_le(bytes, 32 + (uint32_t)round * 7);
		link_receiver_init(&raw.rx, 3, RECORD_BYTES_MAX);
		raw_put(&raw, SPAN(bytes));
		WAIT_FOR(p.loop, raw_is_closed(&raw));
		raw_fini(&raw);
	}
	WAIT_FOR(p.loop, p.origin.refusals == 50);
	bus_get_stats(p.origin.bus, &stats);
	CHECK_EQ(stats.refused_peers, 50);
	CHECK_EQ(p.origin.ups, 0);
	pair_fini(&p);
}

static size_t rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	char line[128] = "", *resident;

	CHECK(f);
	CHECK(fgets(line, sizeof(line), f));
	fclose(f);
	resident = strchr(line, ' ');
	CHECK(resident);
	return strtoul(resident, NULL, 10) * 4096;
}

/* As many descriptors as may be; returns how many peers that is good for. */
static int peers_possible(void)
{
	struct rlimit limit;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return (int)WEIR_MIN(limit.rlim_max / 2 - 100, 5000u);
}

TEST_NO_OOM(thousands_of_half_open_connections_keep_no_node_out)
{
	const int count = peers_possible();
	int *fd = calloc((size_t)count, sizeof(*fd));
	struct bus_stats stats;
	size_t before, grown;
	struct pair p;

	CHECK(fd);
	pair_prepare(&p);
	p.origin.config.half_open_max = 64;
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	node_start(&p.edge);
	before = rss_bytes();
	for (int i = 0; i < count; i++) {
		fd[i] = raw_connect(p.origin.url);
		/* No more at the door than the kernel lets wait there. */
		WAIT_FOR(p.loop, i - p.origin.refusals < 64 + 64);
		if (i == count / 2)
			CHECK_EQ(bus_dial(p.edge.bus, "origin-1", p.origin.url),
				 0);
	}
	grown = rss_bytes() - before;
	CHECK(grown < 32u * 1024 * 1024 || test_peak_bytes() == 0);
	WAIT_FOR(p.loop, p.edge.ups && p.origin.ups);
	/* The last ones run out of time. The node itself may have been the
	 * oldest at the door, and come again. */
	WAIT_FOR(p.loop, p.origin.refusals >= count);
	CHECK_EQ(p.origin.refused_why, REASON_timeout);
	bus_get_stats(p.origin.bus, &stats);
	CHECK_EQ(stats.refused_peers, p.origin.refusals);
	CHECK_EQ(p.origin.downs, 0);
	for (int i = 0; i < count; i++)
		close(fd[i]);
	free(fd);
	pair_fini(&p);
}

/* A peer with both connections, whose link is up. */
static void raw_join(struct pair *p, struct raw *media, struct raw *control)
{
	pair_prepare(p);
	node_listen(&p->origin, "tcp://127.0.0.1:0");
	raw_init(media, &p->origin, CONNECTION_MEDIA);
	raw_init(control, &p->origin, CONNECTION_CONTROL);
	WAIT_FOR(p->loop, p->origin.ups);
}

TEST_NO_OOM(a_proven_peer_that_breaks_the_protocol_is_closed)
{
	static const struct record bad[] = {
		{.type = RECORD_ACK, .sequence = UINT64_MAX},
		{.type = RECORD_PROOF},
		{.type = RECORD_REQ, .json = {(const uint8_t *)"{}", 2}},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct raw media, control;
		struct pair p;

		raw_join(&p, &media, &control);
		raw_send(&media, &bad[i]);
		WAIT_FOR(p.loop,
			 raw_is_closed(&media) && raw_is_closed(&control));
		WAIT_FOR(p.loop, p.origin.downs == 1);
		CHECK_EQ(p.origin.down_why, REASON_protocol_error);
		CHECK_EQ(p.origin.refusals, 1);
		raw_fini(&media);
		raw_fini(&control);
		pair_fini(&p);
	}
}

static void raw_send_frame(struct raw *raw, uint64_t sequence, size_t bytes)
{
	const struct frame head = {
		.kind = FRAME_AUDIO,
		.position = {{1, {{1}}}, sequence},
	};
	struct frame *f = NULL;
	struct buf b = {0};
	uint8_t *payload;

	CHECK_EQ(frame_new_blank(&f, &head, bytes, &payload), 0);
	memset(payload, 0, bytes);
	CHECK_EQ(record_write_frame(&b, RECORD_FRAME, 1, 10, f, 0), bytes);
	raw_put(raw, buf_span(&b));
	buf_fini(&b);
	frame_unref(&f);
}

TEST_NO_OOM(frames_of_a_peer_that_has_left_are_read_to_the_last)
{
	struct raw media, control;
	struct pair p;

	raw_join(&p, &media, &control);
	for (uint64_t n = 0; n < 50; n++)
		raw_send_frame(&media, n, 1000);
	raw_fini(&control);
	raw_fini(&media);
	WAIT_FOR(p.loop, p.origin.downs);
	CHECK_EQ(p.origin.frames, 50);
	CHECK_EQ(p.origin.down_why, REASON_peer_left);
	pair_fini(&p);
}

TEST_NO_OOM(a_peer_that_lost_one_connection_is_soon_down)
{
	for (int i = 0; i < 2; i++) {
		struct raw media, control;
		struct record ping = {.type = RECORD_PING};
		struct pair p;

		pair_prepare(&p);
		p.origin.config.peer_dead_ms = 20000;
		node_listen(&p.origin, "tcp://127.0.0.1:0");
		raw_init(&media, &p.origin, CONNECTION_MEDIA);
		raw_init(&control, &p.origin, CONNECTION_CONTROL);
		WAIT_FOR(p.loop, p.origin.ups);
		raw_fini(i ? &media : &control);
		CHECK(bus_send(p.origin.bus, p.origin.peer.link, &ping));
		ask(&p.origin, "what?", 20000);
		WAIT_FOR(p.loop, p.origin.downs == 1);
		CHECK_EQ(p.origin.down_why, REASON_peer_left);
		CHECK_EQ(p.origin.answers, 1);
		CHECK(p.origin.answer_err != 0);
		raw_fini(i ? &control : &media);
		pair_fini(&p);
	}
}

TEST_NO_OOM(a_connection_without_its_pair_is_closed_in_time)
{
	struct raw media;
	struct pair p;

	pair_prepare(&p);
	p.origin.config.handshake_ms = 200;
	node_listen(&p.origin, "tcp://127.0.0.1:0");
	raw_init(&media, &p.origin, CONNECTION_MEDIA);
	WAIT_FOR(p.loop, raw_is_closed(&media));
	CHECK_EQ(p.origin.refused_why, REASON_timeout);
	CHECK_EQ(p.origin.ups, 0);
	raw_fini(&media);
	pair_fini(&p);
}

/* ---- another process, which is stopped ---- */

static bool child_was_away, child_saw_news_first;
static uint64_t child_heard_ms;

static void child_on_away(void *ctx, uint64_t away_ms)
{
	(void)ctx;
	(void)away_ms;
	child_was_away = true;
}

static int child_on_record(void *ctx, link_id link, const struct record *r)
{
	const uint64_t now_ms = io_mono_ms();

	(void)ctx;
	(void)link;
	(void)r;
	if (child_heard_ms && now_ms - child_heard_ms > 1500 && !child_was_away)
		child_saw_news_first = true;
	child_heard_ms = now_ms;
	return 0;
}

static void child_on_request(void *ctx, const struct node_ref *from,
			     struct bus_request *rq, struct span json)
{
	(void)ctx;
	(void)from;
	(void)json;
	bus_answer(&rq, child_saw_news_first ? SPAN_LIT("news first")
			: child_was_away     ? SPAN_LIT("away first")
					     : SPAN_LIT("not away"));
}

/* Listens at `url`, for ever. */
static void child_run(const char *url)
{
	const struct bus_events child_events = {
		.on_record = child_on_record,
		.on_frame = on_frame,
		.on_request = child_on_request,
	};
	struct node n;

	CHECK_EQ(loop_new(&n.loop), 0);
	node_init(&n, n.loop, "origin-1", "origin");
	CHECK_EQ(bus_new(&n.bus, n.loop, &n.config, &child_events, &n), 0);
	CHECK_EQ(loop_on_away(n.loop, 1000, child_on_away, (void *)NULL), 0);
	CHECK_EQ(bus_listen(n.bus, url, n.url), 0);
	CHECK_EQ(loop_run(n.loop), 0);
}

TEST_NO_OOM(a_frozen_peer_is_found_out_and_hears_first_that_it_was_away)
{
	const struct record r = {.type = RECORD_UNSUB, .sid = 1};
	char url[NODE_URL_SIZE];
	uint64_t frozen_ms;
	struct pair p;
	pid_t pid;

	ipc_url(url, "frozen");
	pid = fork(); /* before nng has threads */
	CHECK(pid >= 0);
	if (pid == 0) {
		child_run(url);
		_exit(0);
	}
	pair_prepare(&p);
	node_start(&p.edge);
	CHECK_EQ(bus_dial(p.edge.bus, "origin-1", url), 0);
	WAIT_FOR(p.loop, p.edge.ups);
	CHECK(bus_send(p.edge.bus, p.edge.peer.link, &r));
	ask(&p.edge, "{}", 20000);
	WAIT_FOR(p.loop, p.edge.answers == 1);
	CHECK_STR(buf_text(&p.edge.answer), "not away");
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	frozen_ms = io_mono_ms();
	while (!p.edge.downs && io_mono_ms() - frozen_ms < WAIT_MS) {
		(void)bus_send(p.edge.bus, p.edge.peer.link, &r);
		loop_run_once(p.loop);
	}
	CHECK_EQ(p.edge.downs, 1);
	CHECK_EQ(p.edge.down_why, REASON_bus_silent);
	CHECK(io_mono_ms() - frozen_ms > 900); /* silent since its last PING */
	CHECK(io_mono_ms() - frozen_ms < 2000 + 100 + 1000);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	WAIT_FOR(p.loop, p.edge.ups == 2);
	ask(&p.edge, "{}", 20000);
	WAIT_FOR(p.loop, p.edge.answers == 2);
	CHECK_STR(buf_text(&p.edge.answer), "away first");
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(p.loop, p.edge.downs == 2); /* seen at once */
	CHECK_EQ(p.edge.down_why, REASON_peer_left);
	unlink(url + strlen("ipc://")); /* the killed one could not */
	pair_fini(&p);
}
