/* common/member/session_test.c - sessions: ids, rates, JSON. */
#include "common/member/session.h"

#include "common/test/check.h"

static const struct stream_key key = {"live/a"};

static void make(struct session *s, struct span url_param)
{
	struct net_addr peer;

	CHECK_EQ(net_addr_parse(&peer, "203.0.113.9:51822"), 0);
	session_init(s, "RTMPPUBSUB", "RTMP", "SUB", &key, &peer, url_param,
		     1000);
}

TEST(ids_begin_with_the_prefix_and_differ)
{
	struct session a, b;

	make(&a, (struct span){0});
	make(&b, (struct span){0});
	CHECK(!strncmp(a.id, "RTMPPUBSUB", 10));
	CHECK(strspn(a.id + 10, "0123456789") == strlen(a.id + 10));
	CHECK(strcmp(a.id, b.id) != 0);
	session_fini(&a);
	session_fini(&b);
	session_fini(&b);
}

TEST(a_request_id_makes_the_same_id_each_time)
{
	char a[SESSION_ID_SIZE], b[SESSION_ID_SIZE], c[SESSION_ID_SIZE];

	session_id_make(a, "RTMPPULL", "one");
	session_id_make(b, "RTMPPULL", "one");
	session_id_make(c, "RTMPPULL", "two");
	CHECK_STR(a, b);
	CHECK(strcmp(a, c) != 0);
	CHECK(strspn(a + 8, "0123456789") == strlen(a + 8) && a[8]);
}

TEST(rates_are_those_of_the_last_sample)
{
	struct session s;

	make(&s, (struct span){0});
	s.wrote_bytes = 640 * 1024;
	session_sample(&s, 6000);
	CHECK_EQ(s.write_kbits, 1024);
	CHECK_EQ(s.read_kbits, 0);
	session_sample(&s, 6000); /* no time has passed: nothing changes */
	CHECK_EQ(s.write_kbits, 1024);
	session_sample(&s, 11000);
	CHECK_EQ(s.write_kbits, 0);
	session_fini(&s);
}

TEST(what_a_peer_wrote_is_made_plain_and_kept_short)
{
	char text[5000];
	struct session s;

	make(&s, SPAN_LIT("name=\"x\"\n\xff&a=b"));
	CHECK(s.url_param);
	CHECK_STR(s.url_param, "name=\"x\"??&a=b");
	session_fini(&s);
	memset(text, 'a', sizeof(text));
	make(&s, span_of(text, sizeof(text)));
	CHECK(s.url_param);
	CHECK_EQ(strlen(s.url_param), 1024);
	session_fini(&s);
}

TEST(secrets_are_not_shown)
{
	struct session s;

	make(&s, SPAN_LIT("a=b&lal_secret=0123&weir_sig=4567&token=x"));
	CHECK(s.url_param);
	CHECK(strstr(s.url_param, "a=b"));
	CHECK(!strstr(s.url_param, "0123"));
	CHECK(!strstr(s.url_param, "4567"));
	CHECK(!strstr(s.url_param, "token=x"));
	session_fini(&s);
}

TEST(json_has_every_field)
{
	static const char *const fields[] = {
		"stream",      "session_id",  "protocol",   "base_type",
		"remote_addr", "start_us",    "read_bytes", "wrote_bytes",
		"read_kbits",  "write_kbits", "skipped",    "url_param",
	};
	struct json_object *o, *v;
	struct session s;

	make(&s, SPAN_LIT("a=b"));
	s.skipped = 7;
	o = session_json(&s);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(fields); i++)
		CHECK(json_object_object_get_ex(o, fields[i], &v));
	CHECK_EQ(json_object_object_length(o), WEIR_ARRAY_LEN(fields));
	CHECK(json_object_object_get_ex(o, "remote_addr", &v));
	CHECK_STR(json_object_get_string(v), "203.0.113.9:51822");
	CHECK(json_object_object_get_ex(o, "skipped", &v));
	CHECK_EQ(json_object_get_int64(v), 7);
	json_object_put(o);
	session_fini(&s);
}
