/* services/cli/sign_url_test.c */
#include "services/cli/sign_url.h"

#include <stdio.h>

#include "common/test/check.h"

#define SECRET "0123456789abcdefghij"

TEST(the_stream_is_read_from_any_address_of_weir)
{
	static const char *const cases[][2] = {
		{"rtmp://h/live/cam1", "live/cam1"},
		{"rtmps://h:4935/a/b/c?x=1", "a/b/c"},
		{"http://h:8080/live/cam1.flv?x=1", "live/cam1"},
		{"wss://h/live/cam1.ts", "live/cam1"},
		{"https://h/live/cam1.m3u8", "live/cam1"},
		{"http://h/hls/cam1.m3u8", "live/cam1"},
		{"http://h/hls/cam1/playlist.m3u8", "live/cam1"},
		{"rtsp://h:5544/live/cam1", "live/cam1"},
		{"http://h/live/%C3%A4.flv", "live/\xc3\xa4"},
		{"rtmp://h/live", NULL},
		{"http://h", NULL},
		{"http://h/", NULL},
		{"http://h/api/x", NULL},
		{"http://h/hls/%zz.m3u8", NULL},
		{"ftp://h/live/cam1", NULL},
		{"live/cam1", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct stream_key key = {"untouched"};

		fprintf(stderr, "%s\n", cases[i][0]);
		CHECK_EQ(sign_url_key(&key, span_str(cases[i][0])),
			 cases[i][1] ? 0 : WEIR_EINVAL);
		if (cases[i][1])
			CHECK_STR(key.text, cases[i][1]);
	}
}

TEST(the_signature_stands_behind_the_query)
{
	const struct sign_claims c = {
		.kid = "k1",
		.exp_ms = INT64_C(1764000000000),
		.streams = {"live/cam1"},
		.ops = ACCESS_PLAY,
	};
	static const char *const cases[][2] = {
		{"http://h/live/cam1.flv", "http://h/live/cam1.flv?weir_kid="},
		{"http://h/live/cam1.flv?", "http://h/live/cam1.flv?weir_kid="},
		{"rtmp://h/live/cam1?a=b",
		 "rtmp://h/live/cam1?a=b&weir_kid=k1&"},
	};
	const char *why = "";

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct buf b = {0};
		struct sign_claims got;
		int err = sign_url(&b, span_str(cases[i][0]), &c,
				   SPAN_LIT(SECRET), &why);
		const char *text = buf_text(&b);

		if (!err) {
			CHECK(!strncmp(text, cases[i][1], strlen(cases[i][1])));
			CHECK_EQ(sign_read(&got,
					   span_str(strchr(text, '?') + 1),
					   NULL),
				 0);
			CHECK(sign_is_of(&got, SPAN_LIT(SECRET)));
		}
		buf_fini(&b);
		CHECK_EQ(err, 0);
	}
}

TEST(what_is_signed_already_or_could_not_be_sent_is_refused)
{
	static const char *const cases[] = {
		"rtmp://h/live/cam1?weir_sig=1",
		"rtmp://h/live/cam1?weir_user=x",
		"http://h/live/cam1.flv#x",
	};
	const struct sign_claims c = {.kid = "k1", .streams = {"**"}};
	struct buf b = {0};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		const char *why = NULL;

		CHECK_EQ(sign_url(&b, span_str(cases[i]), &c, SPAN_LIT(SECRET),
				  &why),
			 WEIR_EINVAL);
		CHECK(why && *why);
	}
	CHECK_EQ(b.len, 0);
}
