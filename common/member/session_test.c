/* common/member/session_test.c - a session as lists and the API show it. */
#include "common/member/session.h"

#include "common/test/check.h"

static const struct stream_key key = {"live/cam1"};

static void start(struct session *s, const char *url_param, uint64_t now_ms)
{
	struct net_addr peer;

	CHECK_EQ(net_addr_parse(&peer, "192.0.2.1:5000"), 0);
	session_init(s, "RTMPPUBSUB", "RTMP", "PUB", &key, &peer,
		     span_str(url_param), now_ms);
}

static const char *text_of(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	CHECK(json_object_object_get_ex(o, name, &v));
	return json_object_get_string(v);
}

TEST(ids_have_lals_prefix_and_differ)
{
	struct session a, b;

	start(&a, "", 0);
	start(&b, "", 0);
	CHECK_EQ(strncmp(a.id, "RTMPPUBSUB", 10), 0);
	CHECK_EQ(strspn(a.id + 10, "0123456789"), strlen(a.id + 10));
	CHECK(strcmp(a.id, b.id) != 0);
	session_fini(&a);
	session_fini(&b);
	session_fini(&b);
}

TEST(rates_are_those_of_the_last_sample_in_lals_kilobits)
{
	struct session s;

	start(&s, "", 1000);
	s.read_bytes = 128 * 1000; /* 1000 kbit of 1024 bits each */
	s.wrote_bytes = 64 * 1000;
	session_sample(&s, 1000); /* no time has passed */
	CHECK_EQ(s.read_kbits, 0);
	session_sample(&s, 3000);
	CHECK_EQ(s.read_kbits, 500);
	CHECK_EQ(s.write_kbits, 250);
	session_sample(&s, 8000);
	CHECK_EQ(s.read_kbits, 0);
	session_fini(&s);
}

TEST(the_json_has_every_field_and_the_peer_as_text)
{
	struct session s;
	struct json_object *o;

	start(&s, "token=1&x=y", 0);
	s.read_bytes = 7;
	s.skipped = 3;
	o = session_json(&s);
	CHECK(o != NULL);
	CHECK_STR(text_of(o, "stream"), "live/cam1");
	CHECK_STR(text_of(o, "session_id"), s.id);
	CHECK_STR(text_of(o, "base_type"), "PUB");
	CHECK_STR(text_of(o, "remote_addr"), "192.0.2.1:5000");
	CHECK_STR(text_of(o, "read_bytes"), "7");
	CHECK_STR(text_of(o, "skipped"), "3");
	if (!test_is_starved())
		CHECK_STR(text_of(o, "url_param"), "token=1&x=y");
	json_object_put(o);
	session_fini(&s);
}

TEST(a_peers_query_is_cut_and_loses_what_is_not_plain)
{
	struct session s;
	char long_text[5000];

	start(&s, "a\xff\n\"b", 0);
	if (s.url_param)
		CHECK_STR(s.url_param, "a??\"b");
	session_fini(&s);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	start(&s, long_text, 0);
	if (s.url_param)
		CHECK_EQ(strlen(s.url_param), 1024);
	session_fini(&s);
}
