/* proto/rtmp/url_test.c */
#include "proto/rtmp/url.h"

#include "common/test/check.h"

static void check_url(const char *url, const char *expected)
{
	struct rtmp_url u;
	struct buf b = {0};

	CHECK_EQ(rtmp_url_parse(&u, span_str(url)), 0);
	buf_put(&b, u.host);
	buf_printf(&b, " %u ", u.port);
	buf_put(&b, u.app);
	buf_put(&b, SPAN_LIT(" "));
	buf_put(&b, u.name);
	buf_put(&b, SPAN_LIT(" "));
	rtmp_url_put_tc_url(&b, &u);
	if (!buf_error(&b))
		CHECK_SPAN(buf_span(&b), span_str(expected));
	buf_fini(&b);
}

TEST(addresses_are_taken_apart)
{
	check_url("rtmp://h/live/cam1", "h 1935 live cam1 rtmp://h/live");
	check_url("rtmp://h:19/live/cam1", "h 19 live cam1 rtmp://h:19/live");
	check_url("rtmps://h/live/cam1", "h 443 live cam1 rtmps://h/live");
	check_url("RTMP://h/live/cam1", "h 1935 live cam1 rtmp://h/live");
	check_url("rtmp://[::1]:19/live/cam1",
		  "::1 19 live cam1 rtmp://[::1]:19/live");
	check_url("rtmp://[fe80::2]/a/b",
		  "fe80::2 1935 a b rtmp://[fe80::2]/a");
	check_url("rtmp://user:pw@h/live/cam1",
		  "h 1935 live cam1 rtmp://h/live");
}

TEST(app_and_name_part_at_the_last_slash_before_the_query)
{
	check_url("rtmp://h/a/b/c", "h 1935 a/b c rtmp://h/a/b");
	check_url("rtmp://h/live/c?t=a/b", "h 1935 live c?t=a/b rtmp://h/live");
	check_url("rtmp://h/live", "h 1935 live  rtmp://h/live");
	check_url("rtmp://h/live/", "h 1935 live  rtmp://h/live");
	check_url("rtmp://h/live?v=x", "h 1935 live?v=x  rtmp://h/live?v=x");
}

TEST(two_question_marks_mean_a_virtual_host_in_the_app)
{
	check_url("rtmp://h/live?vhost=v/cam1?token=a/b",
		  "h 1935 live?vhost=v cam1?token=a/b rtmp://h/live?vhost=v");
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {
		"",
		"http://h/live/x",
		"rtmp:/h/live",
		"rtmp://",
		"rtmp:///live/x",
		"rtmp://h",
		"rtmp://h/",
		"rtmp://h//x",
		"rtmp://h:/live/x",
		"rtmp://h:0/live/x",
		"rtmp://h:65536/live/x",
		"rtmp://h:99999999999999999999/live/x",
		"rtmp://h:1x/live/x",
		"rtmp://[::1/live/x",
		"rtmp://[]/live/x",
		"rtmp://[::1]x/live/x",
		"rtmp://:19/live/x",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct rtmp_url u;

		CHECK_EQ(rtmp_url_parse(&u, span_str(bad[i])), WEIR_EINVAL);
	}
}

static void check_user(const char *url, const char *user, const char *password)
{
	struct rtmp_url u;
	struct buf b = {0};

	CHECK_EQ(rtmp_url_parse(&u, span_str(url)), 0);
	rtmp_url_put_decoded(&b, u.user);
	if (!buf_error(&b))
		CHECK_STR(buf_text(&b), user);
	buf_clear(&b);
	rtmp_url_put_decoded(&b, u.password);
	if (!buf_error(&b))
		CHECK_STR(buf_text(&b), password);
	buf_fini(&b);
}

TEST(user_and_password_stand_before_the_host)
{
	check_user("rtmp://h/live/cam1", "", "");
	check_user("rtmp://bob@h/live/cam1", "bob", "");
	check_user("rtmp://bob:pw@h:19/live/cam1", "bob", "pw");
	check_user("rtmp://b%40b:p%3Aw%2F%zz%4@h/live/c", "b@b", "p:w/%zz%4");
	check_user("rtmp://bob:p:w@x@h/live/cam1", "bob", "p:w@x");
}
