/* services/dispatch/route_test.c - where a client should publish or play. */
#include "services/dispatch/route.h"

#include <stdio.h>

#include "common/test/check.h"

struct scene {
	struct copy *copy;
	struct route_answer answer[ROUTE_MAX];
};

static int begin(struct scene *s)
{
	static const struct copy_events none;

	*s = (struct scene){0};
	return copy_new(&s->copy, NULL, &none, NULL, 1);
}

/* A node on a machine; `host` is that of its addresses. */
static struct node node_of(const char *id, const char *role, uint8_t machine,
			   const char *host, unsigned port)
{
	struct node n = {.machine = {{machine}}};
	char addr[64];

	snprintf(n.ref.id, sizeof(n.ref.id), "%s", id);
	snprintf(n.ref.role, sizeof(n.ref.role), "%s", role);
	n.ref.instance.byte[0] = (uint8_t)(id[strlen(id) - 1]);
	snprintf(addr, sizeof(addr), "%s:%u", host, port);
	CHECK_EQ(node_set_address(&n, "rtmp", addr), 0);
	snprintf(addr, sizeof(addr), "%s:%u", host, port + 1);
	if (!strcmp(role, "edge"))
		CHECK_EQ(node_set_address(&n, "http", addr), 0);
	else
		CHECK_EQ(node_set_handover(&n, "/run/h"), 0);
	return n;
}

static void put(struct scene *s, const struct node *n)
{
	CHECK_EQ(copy_put_node(s->copy, n), 0);
}

static size_t find(struct scene *s, const char *way, bool is_publish,
		   const char *zone)
{
	const struct route_wish wish = {
		.way = route_way_of(way),
		.is_publish = is_publish,
		.zone = zone,
		.seed = 1,
	};

	return route_find(s->copy, &wish, s->answer);
}

TEST(players_are_sent_to_edges_of_their_zone_first)
{
	struct scene s;
	struct node near = node_of("edge-1", "edge", 1, "10.0.0.1", 1935);
	struct node far = node_of("edge-2", "edge", 2, "10.0.0.2", 1935);
	struct node ingest = node_of("ingest-1", "ingest", 1, "10.0.0.1", 1936);

	CHECK_EQ(begin(&s), 0);
	CHECK_EQ(node_set_zone(&near, "fra"), 0);
	CHECK_EQ(node_set_zone(&far, "par"), 0);
	put(&s, &near);
	put(&s, &far);
	put(&s, &ingest);
	CHECK_EQ(find(&s, "flv", false, "par"), 2);
	CHECK_STR(s.answer[0].addr, "10.0.0.2:1936");
	CHECK_STR(s.answer[1].addr, "10.0.0.1:1936");
	CHECK_EQ(find(&s, "rtmp", false, "fra"), 2);
	CHECK_STR(s.answer[0].addr, "10.0.0.1:1935");
	CHECK_EQ(find(&s, "https-flv", false, "fra"), 0);
	copy_free(&s.copy);
}

TEST(players_are_sent_to_edges_that_have_the_stream_first)
{
	static const char carrier[1][NODE_ID_SIZE] = {"edge-2"};
	const struct route_wish wish = {.way = route_way_of("flv"),
					.zone = "",
					.carrier = carrier,
					.carrier_count = 1,
					.seed = 1};
	struct node idle = node_of("edge-1", "edge", 1, "10.0.0.1", 1935);
	struct node has = node_of("edge-2", "edge", 2, "10.0.0.2", 1935);
	struct scene s;

	CHECK_EQ(begin(&s), 0);
	has.load.busy_permille = 500;
	put(&s, &idle);
	put(&s, &has);
	CHECK_EQ(route_find(s.copy, &wish, s.answer), 2);
	CHECK_STR(s.answer[0].addr, "10.0.0.2:1936");
	CHECK(s.answer[0].is_carrier && !s.answer[1].is_carrier);
	has.load.is_full = true;
	put(&s, &has);
	CHECK_EQ(route_find(s.copy, &wish, s.answer), 2);
	CHECK_STR(s.answer[0].addr, "10.0.0.1:1936");
	CHECK(s.answer[1].is_carrier);
	copy_free(&s.copy);
}

TEST(publishers_are_sent_where_an_ingest_takes_them)
{
	struct scene s;
	struct node edge = node_of("edge-1", "edge", 1, "10.0.0.1", 1935);
	struct node lonely = node_of("edge-2", "edge", 2, "10.0.0.2", 1935);
	struct node ingest = node_of("ingest-1", "ingest", 1, "10.0.0.1", 1950);

	CHECK_EQ(begin(&s), 0);
	ingest.load.publishers = 7;
	put(&s, &edge);
	put(&s, &lonely);
	CHECK_EQ(find(&s, "rtmp", true, ""), 0);
	put(&s, &ingest);
	CHECK_EQ(find(&s, "rtmp", true, ""), 2);
	CHECK_STR(s.answer[0].addr, "10.0.0.1:1935");
	CHECK_EQ(s.answer[0].load->publishers, 7);
	CHECK_STR(s.answer[1].addr, "10.0.0.1:1950");
	ingest.is_draining = true;
	put(&s, &ingest);
	CHECK_EQ(find(&s, "rtmp", true, ""), 0);
	copy_free(&s.copy);
}

static void check_url(const char *way, const char *key, const char *url)
{
	struct stream_key k;
	struct buf b = {0};

	snprintf(k.text, sizeof(k.text), "%s", key);
	route_put_url(&b, route_way_of(way), "h:1", &k);
	if (!buf_error(&b))
		CHECK_STR(buf_text(&b), url);
	buf_fini(&b);
}

TEST(addresses_are_whole)
{
	check_url("rtmp", "live/a", "rtmp://h:1/live/a");
	check_url("flv", "live/a b", "http://h:1/live/a%20b.flv");
	check_url("hls", "live/a?b", "http://h:1/live/a%3Fb.m3u8");
	check_url("ws-ts", "x/y/z", "ws://h:1/x/y/z.ts");
	check_url("wss-flv", "live/\xc3\xa9%", "wss://h:1/live/%C3%A9%25.flv");
	CHECK(!route_way_of("gopher"));
}

TEST(the_longest_block_names_the_zone)
{
	static const char *const list[] = {"10.0.0.0/8=a", "10.1.0.0/16=b",
					   "0.0.0.0/0=c", "2001:db8::/32=d"};
	static const struct {
		const char *ip, *zone;
	} all[] = {{"10.2.0.1", "a"},
		   {"10.1.9.9", "b"},
		   {"192.0.2.1", "c"},
		   {"2001:db8::7", "d"}};
	struct ip_addr ip;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(all); i++) {
		CHECK_EQ(ip_addr_parse(&ip, span_str(all[i].ip)), 0);
		CHECK_STR(route_zone_of(list, 4, &ip), all[i].zone);
	}
	CHECK_EQ(ip_addr_parse(&ip, SPAN_LIT("2001:db9::7")), 0);
	CHECK(!route_zone_of(list, 4, &ip));
}

TEST(what_names_no_zone_is_refused)
{
	static const char *const bad[] = {
		"", "10.0.0.0/8", "10.0.0.0/8=", "10.0.0.0/8=a b", "x=a", "=a"};
	struct cidr block;
	const char *zone;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		CHECK_EQ(route_zone_read(&block, &zone, bad[i]), WEIR_EINVAL);
}
