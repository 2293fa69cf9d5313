/* services/edge/passing_test.c - publishers at an edge, and ingests that take
 * them or do not.
 *
 * Not repeated with failing allocations: who waits for an answer from a starved
 * edge waits in vain.
 */
#include "services/edge/passing.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/loop_wait.h"
#include "common/test/check.h"
#include "proto/rtmp/client.h"
#include "proto/rtmp/server.h"
#include "services/edge/internal.h"
#include "services/edge/lonely_test.h"

#define INGESTS 3

static const struct edge_settings settings = {
	.viewers_max = 10,
	.half_open_max = 3,
	.half_open_ms = 60000,
	.publish_wait_ms = 400,
	.handover_ms = 50,
};

static const struct streams_limits no_streams = {0};

/* An ingest, as far as an edge sees it. */
struct ingest {
	struct handover_door *door;
	struct node node;
	enum reason verdict;
	unsigned offers, given;
	struct handover_offer offer;
	int fd;
	struct buf state, unread;
};

struct scene {
	struct lonely lonely;
	struct edge edge;
	struct copy *copy;
	struct net_addr addr;
	char folder[TEST_PATH_SIZE];
	struct ingest ingest[INGESTS];
};

/* ---- ingests ---- */

static enum reason on_offer(void *ctx, const struct handover_offer *o,
			    char detail[HANDOVER_DETAIL_SIZE])
{
	struct ingest *in = ctx;

	(void)detail;
	in->offers++;
	in->offer = *o;
	return in->verdict;
}

static void on_given(void *ctx, const struct handover_offer *o, int fd,
		     const struct handover_goods *goods)
{
	struct ingest *in = ctx;

	(void)o;
	in->given++;
	if (in->fd >= 0)
		close(in->fd);
	in->fd = fd;
	buf_clear(&in->state);
	buf_clear(&in->unread);
	buf_put(&in->state, goods->state);
	buf_put(&in->unread, goods->unread);
}

static const struct handover_door_ops ops = {on_offer, on_given, NULL};

static void tell(struct scene *s, struct ingest *in)
{
	CHECK_EQ(copy_put_node(s->copy, &in->node), 0);
}

static void path_of(char out[128], const struct scene *s, int i)
{
	snprintf(out, 128, "%s/%c", s->folder, 'a' + i);
}

/* Number i is called "a", "b", … */
static struct ingest *begin_ingest(struct scene *s, int i, uint32_t publishers)
{
	struct ingest *in = &s->ingest[i];
	char path[128];

	path_of(path, s, i);
	in->fd = -1;
	in->node = (struct node){.ref = {.role = "ingest"},
				 .load = {.publishers = publishers}};
	in->node.ref.id[0] = (char)('a' + i);
	CHECK_EQ(node_set_handover(&in->node, path), 0);
	CHECK_EQ(handover_door_new(&in->door, s->edge.loop, path, NULL, &ops,
				   in),
		 0);
	tell(s, in);
	return in;
}

/* One that has a socket and does not answer. */
static int begin_frozen(struct scene *s, int i)
{
	struct ingest *in = begin_ingest(s, i, 0);
	int fd;

	handover_door_free(&in->door);
	CHECK_EQ(net_unix_listen(&fd, in->node.handover), 0);
	return fd;
}

/* ---- the edge ---- */

static void begin(struct scene *s)
{
	static const struct copy_events none;
	struct net_addr any;
	int fd;

	memset(s, 0, sizeof(*s));
	lonely_begin(&s->lonely, &no_streams, &s->edge.stats);
	s->edge.loop = s->lonely.loop;
	s->edge.streams = s->lonely.streams;
	s->edge.settings = &settings;
	s->edge.cluster = "here";
	crowd_init(&s->edge.crowd, 0, 1);
	CHECK_EQ(copy_new(&s->copy, NULL, &none, NULL, 1), 0);
	s->edge.passer.copy = s->copy;
	CHECK_EQ(door_new(&s->edge.rtmp, &s->edge, &door_rtmp), 0);
	CHECK_EQ(net_addr_parse(&any, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, &any), 0);
	CHECK_EQ(door_listen(s->edge.rtmp, fd, NULL, &s->addr), 0);
	test_path(s->folder);
	CHECK_EQ(mkdir(s->folder, 0700), 0);
	for (int i = 0; i < INGESTS; i++)
		s->ingest[i].fd = -1;
}

static void end(struct scene *s)
{
	door_free(&s->edge.rtmp);
	for (int i = 0; i < INGESTS; i++) {
		struct ingest *in = &s->ingest[i];

		handover_door_free(&in->door);
		if (in->fd >= 0)
			close(in->fd);
		buf_fini(&in->state);
		buf_fini(&in->unread);
	}
	copy_free(&s->copy);
	crowd_fini(&s->edge.crowd);
	CHECK_EQ(s->edge.stats.connections, 0);
	CHECK_EQ(s->edge.stats.half_open, 0);
	CHECK_EQ(s->edge.stats.passing, 0);
	lonely_end(&s->lonely);
}

/* ---- a publisher ---- */

struct publisher {
	struct rtmp_client *client;
	int fd;
	bool is_over;
	char code[64], words[200];
};

static int on_send(void *ctx, struct span bytes)
{
	struct publisher *p = ctx;

	return send(p->fd, bytes.data, bytes.len, MSG_NOSIGNAL) ==
			       (ssize_t)bytes.len
		       ? 0
		       : WEIR_ECLOSED;
}

static int on_status(void *ctx, struct span code, struct span level,
		     struct span description)
{
	struct publisher *p = ctx;

	(void)level;
	snprintf(p->code, sizeof(p->code), "%.*s", (int)code.len,
		 (const char *)code.data);
	snprintf(p->words, sizeof(p->words), "%.*s", (int)description.len,
		 (const char *)description.data);
	return 0;
}

static int on_ready(void *ctx)
{
	(void)ctx;
	return 0;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	(void)ctx;
	(void)m;
	return 0;
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	(void)ctx;
	(void)reason;
	return 0;
}

static void publisher_begin(struct publisher *p, struct scene *s,
			    const char *name)
{
	const struct rtmp_client_desc desc = {
		.app = "live",
		.tc_url = "rtmp://h/live",
		.name = name,
		.is_publish = true,
	};
	const struct rtmp_client_events events = {
		.ctx = p,
		.on_send = on_send,
		.on_ready = on_ready,
		.on_media = on_media,
		.on_status = on_status,
		.on_end = on_end,
	};
	uint64_t before = s->edge.stats.connections;

	*p = (struct publisher){.fd = -1};
	CHECK_EQ(net_connect(&p->fd, &s->addr), 0);
	CHECK(LOOP_UNTIL(s->edge.loop,
			 s->edge.stats.connections == before + 1));
	CHECK_EQ(rtmp_client_new(&p->client, &desc, &events, 7, 0), 0);
	CHECK_EQ(rtmp_client_start(p->client), 0);
}

/* Take what is there. */
static bool hear(struct publisher *p)
{
	uint8_t in[4096];
	ssize_t n;
	size_t used;

	while ((n = recv(p->fd, in, sizeof(in), MSG_DONTWAIT)) > 0)
		(void)!rtmp_client_feed(p->client, span_of(in, (size_t)n),
					&used);
	if (n == 0)
		p->is_over = true;
	return true;
}

#define HEARS_UNTIL(s, p, condition)                                           \
	CHECK(LOOP_UNTIL((s)->edge.loop, hear(p) && (condition)))

static void publisher_end(struct publisher *p)
{
	rtmp_client_free(&p->client);
	close(p->fd);
}

/* One comes, and this one takes it. */
static void passes_to(struct scene *s, struct ingest *in)
{
	struct publisher p;
	unsigned before = in->given;

	publisher_begin(&p, s, "cam1");
	HEARS_UNTIL(s, &p, in->given == before + 1);
	CHECK(LOOP_UNTIL(s->edge.loop, s->edge.stats.connections == 0));
	publisher_end(&p);
}

static void is_refused(struct scene *s, const char *name, const char *code,
		       const char *words)
{
	struct publisher p;

	publisher_begin(&p, s, name);
	HEARS_UNTIL(s, &p, p.is_over);
	CHECK_STR(p.code, code);
	CHECK(strstr(p.words, words));
	publisher_end(&p);
	CHECK(LOOP_UNTIL(s->edge.loop, s->edge.stats.connections == 0));
}

/* ---- what is good ---- */

static int never(void *ctx, const struct rtmp_request *r)
{
	(void)ctx;
	(void)r;
	return WEIR_ESTOP;
}

static int no_connect(void *ctx, const struct rtmp_connect *c)
{
	(void)ctx;
	(void)c;
	return WEIR_ESTOP;
}

TEST_NO_OOM(a_publisher_is_passed_on_with_its_session_and_its_socket)
{
	const struct rtmp_server_events events = {
		.on_send = on_send,
		.on_connect = no_connect,
		.on_publish = never,
		.on_play = never,
		.on_media = on_media,
		.on_end = on_end,
	};
	struct scene s;
	struct ingest *in;
	struct publisher p;
	struct rtmp_server *server = NULL;
	const struct rtmp_request *r;
	char word[4] = "";

	begin(&s);
	in = begin_ingest(&s, 0, 0);
	publisher_begin(&p, &s, "cam1?token=x");
	HEARS_UNTIL(&s, &p, in->given == 1);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	CHECK_EQ(s.edge.stats.passed, 1);
	CHECK_EQ(s.edge.stats.reason[REASON_no_ingest].refused, 0);
	CHECK_STR(in->offer.to, "a");
	CHECK_STR(in->offer.protocol, RTMP_SERVER_SAVED);
	CHECK_STR(in->offer.work, "publish");
	CHECK_STR(in->offer.stream, "live/cam1");
	CHECK(!strncmp(in->offer.peer, "127.0.0.1:", 10));
	CHECK_EQ(in->offer.hops, 0);
	CHECK_EQ(rtmp_server_load(&server, &events, buf_span(&in->state)), 0);
	CHECK_EQ(rtmp_server_waits_for(server), RTMP_WAIT_PUBLISH);
	r = rtmp_server_request(server);
	CHECK_SPAN(r->name, SPAN_LIT("cam1"));
	CHECK_SPAN(r->query, SPAN_LIT("token=x"));
	CHECK_EQ(in->unread.len, 0);
	rtmp_server_free(&server);
	/* The edge's own end of it is closed, the connection is not. */
	hear(&p);
	CHECK(!p.is_over);
	CHECK_EQ(send(p.fd, "abc", 3, MSG_NOSIGNAL), 3);
	CHECK(LOOP_UNTIL(s.edge.loop, recv(in->fd, word, 3, MSG_PEEK) == 3));
	CHECK_STR(word, "abc");
	publisher_end(&p);
	end(&s);
}

TEST_NO_OOM(the_least_loaded_is_asked_first_and_what_was_given_counts)
{
	struct scene s;
	struct ingest *a, *b;

	begin(&s);
	a = begin_ingest(&s, 0, 4);
	b = begin_ingest(&s, 1, 2);
	passes_to(&s, b);
	passes_to(&s, b);
	passes_to(&s, a); /* equal: by name */
	passes_to(&s, b);
	CHECK_EQ(a->offers + b->offers, 4);
	end(&s);
}

TEST_NO_OOM(who_drains_or_has_no_socket_is_not_asked)
{
	struct scene s;
	struct ingest *a, *b, *c;

	begin(&s);
	a = begin_ingest(&s, 0, 0);
	b = begin_ingest(&s, 1, 0);
	c = begin_ingest(&s, 2, 50);
	a->node.is_draining = true;
	b->node.handover[0] = '\0';
	tell(&s, a);
	tell(&s, b);
	passes_to(&s, c);
	CHECK_EQ(a->offers + b->offers, 0);
	end(&s);
}

TEST_NO_OOM(one_on_another_machine_is_passed_by_without_a_word)
{
	struct scene s;
	struct ingest *a, *b;

	begin(&s);
	a = begin_ingest(&s, 0, 0);
	b = begin_ingest(&s, 1, 50);
	handover_door_free(&a->door); /* its path is nobody's here */
	passes_to(&s, b);
	handover_door_free(&b->door);
	is_refused(&s, "cam1", "NetStream.Publish.Failed", "none is running");
	end(&s);
}

/* ---- when they do not take it ---- */

TEST_NO_OOM(the_next_is_asked_when_one_says_no)
{
	struct scene s;
	struct ingest *a, *b;

	begin(&s);
	a = begin_ingest(&s, 0, 0);
	b = begin_ingest(&s, 1, 50);
	a->verdict = REASON_draining;
	passes_to(&s, b);
	CHECK_EQ(a->offers, 1);
	b->verdict = REASON_no_resources;
	is_refused(&s, "cam1", "NetStream.Publish.Failed",
		   "b: this node lacks memory or descriptors");
	CHECK(a->offers > 2); /* again and again, while there was time */
	CHECK_EQ(s.edge.stats.reason[REASON_no_ingest].refused, 1);
	end(&s);
}

TEST_NO_OOM(who_does_not_answer_is_asked_last_for_a_while)
{
	struct scene s;
	struct ingest *b;
	int frozen;

	begin(&s);
	frozen = begin_frozen(&s, 0);
	b = begin_ingest(&s, 1, 50);
	passes_to(&s, b);
	CHECK(s.edge.passer.target[0].silent_until_ms > 0);
	close(frozen); /* whoever asks it now is told so */
	passes_to(&s, b);
	CHECK_EQ(b->offers, 2);
	end(&s);
}

TEST_NO_OOM(without_any_the_publisher_is_told_in_words)
{
	struct scene s;
	uint64_t begin_ms = io_mono_ms();
	int frozen;

	begin(&s);
	is_refused(&s, "cam1", "NetStream.Publish.Failed",
		   "no ingest of this machine takes publishers now");
	CHECK(io_mono_ms() - begin_ms >= (uint64_t)settings.publish_wait_ms);
	frozen = begin_frozen(&s, 0);
	is_refused(&s, "cam1", "NetStream.Publish.Failed",
		   "a: no answer in time");
	close(frozen);
	is_refused(&s, "cam1", "NetStream.Publish.Failed",
		   "a: Connection refused");
	CHECK_EQ(s.lonely.visits[EVENT_PUBLISH_REFUSED], 3);
	CHECK_EQ(s.lonely.visit_why, REASON_no_ingest);
	end(&s);
}

TEST_NO_OOM(one_that_comes_in_time_takes_who_waits)
{
	struct scene s;
	struct ingest *a;
	struct publisher p;

	begin(&s);
	publisher_begin(&p, &s, "cam1");
	HEARS_UNTIL(&s, &p, s.edge.stats.passing == 1);
	CHECK_EQ(s.edge.stats.half_open, 0);
	a = begin_ingest(&s, 0, 0);
	HEARS_UNTIL(&s, &p, a->given == 1);
	publisher_end(&p);
	end(&s);
}

TEST_NO_OOM(a_reset_while_it_waits_ends_it)
{
	const struct linger at_once = {1, 0};
	struct scene s;
	struct publisher p;

	begin(&s);
	publisher_begin(&p, &s, "cam1");
	HEARS_UNTIL(&s, &p, s.edge.stats.passing == 1);
	CHECK_EQ(setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &at_once,
			    sizeof(at_once)),
		 0);
	publisher_end(&p);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	CHECK_EQ(s.edge.stats.passed, 0);
	end(&s);
}

TEST_NO_OOM(an_edge_that_ends_closes_who_waits_or_is_on_the_way)
{
	struct scene s;
	struct publisher p;
	int frozen;

	begin(&s);
	frozen = begin_frozen(&s, 0);
	publisher_begin(&p, &s, "cam1");
	HEARS_UNTIL(&s, &p, s.edge.stats.passing == 1);
	door_free(&s.edge.rtmp);
	CHECK_EQ(s.edge.stats.connections, 0);
	publisher_end(&p);
	close(frozen);
	end(&s);
}

TEST_NO_OOM(a_name_that_is_none_is_refused_here)
{
	struct scene s;
	struct ingest *a;

	begin(&s);
	a = begin_ingest(&s, 0, 0);
	is_refused(&s, "../x", "NetStream.Publish.BadName",
		   "an element is . or ..");
	CHECK_EQ(a->offers, 0);
	end(&s);
}

TEST_NO_OOM(more_at_once_than_the_limit_are_refused)
{
	struct scene s;
	struct publisher p[3];

	begin(&s);
	for (size_t i = 0; i < 3; i++) {
		publisher_begin(&p[i], &s, "cam1");
		HEARS_UNTIL(&s, &p[i], s.edge.stats.passing == i + 1);
	}
	{
		struct publisher more;

		publisher_begin(&more, &s, "cam1");
		HEARS_UNTIL(&s, &more, more.is_over);
		CHECK(strstr(more.words, "too many at once"));
		publisher_end(&more);
	}
	for (size_t i = 0; i < 3; i++)
		publisher_end(&p[i]);
	CHECK(LOOP_UNTIL(s.edge.loop, s.edge.stats.connections == 0));
	end(&s);
}

TEST_NO_OOM(five_hundred_pass_and_no_descriptor_stays)
{
	struct scene s;
	struct ingest *a;
	int first, last;

	begin(&s);
	a = begin_ingest(&s, 0, 0);
	passes_to(&s, a);
	first = dup(a->fd); /* the lowest that is free */
	close(first);
	for (int i = 0; i < 500; i++)
		passes_to(&s, a);
	CHECK(LOOP_UNTIL(s.edge.loop,
			 (last = dup(a->fd), close(last), last == first)));
	end(&s);
}
