/* services/dispatch/web_test.c - addresses as a browser reaches them, and what
 * the page may connect to.
 */
#include "services/dispatch/web.h"

#include "common/test/check.h"

TEST(a_host_that_means_this_machine_becomes_the_browsers_word_for_it)
{
	static const struct {
		const char *url, *host, *seen;
	} cases[] = {
		{"http://127.0.0.1:8080", "stream.example:8083",
		 "http://stream.example:8080"},
		{"http://0.0.0.0:8080", "10.0.0.7:8083",
		 "http://10.0.0.7:8080"},
		{"http://[::]:8080", "[fe80::1]:8083", "http://[fe80::1]:8080"},
		{"http://[::1]:8080/x", "localhost", "http://localhost:8080/x"},
		{"rtmp://LocalHost", "127.0.0.1:8083", "rtmp://127.0.0.1"},
		/* Others are what they are. */
		{"http://10.0.0.7:8080", "stream.example",
		 "http://10.0.0.7:8080"},
		{"https://live.example", "127.0.0.1:8083",
		 "https://live.example"},
		/* A host that is none is not taken. */
		{"http://127.0.0.1:8080", NULL, "http://127.0.0.1:8080"},
		{"http://127.0.0.1:8080", "", "http://127.0.0.1:8080"},
		{"http://127.0.0.1:8080", "a;b", "http://127.0.0.1:8080"},
		{"http://127.0.0.1:8080", "a b", "http://127.0.0.1:8080"},
		{"http://127.0.0.1:8080", "<a>", "http://127.0.0.1:8080"},
		{"no url", "localhost", "no url"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct buf seen = {0};
		bool is_right;

		web_put_url(&seen, cases[i].url, cases[i].host);
		is_right = span_eq_str(buf_span(&seen), cases[i].seen);
		buf_fini(&seen);
		CHECK(is_right);
	}
}

#define HEAD                                                                   \
	"default-src 'none'; script-src 'self'; style-src 'self'; "            \
	"img-src 'self'; connect-src 'self'"
#define TAIL "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

TEST(the_page_may_connect_to_the_edges_and_to_nobody_else)
{
	static const struct {
		const char *url[2], *seen;
	} cases[] = {
		{{"http://a:8080", "https://b/live"},
		 HEAD " http://a:8080 https://b ws://a:8080 wss://b; "
		      "media-src blob: http://a:8080 https://b" TAIL},
		{{"http://[::1]:1", "no url"},
		 HEAD " http://[::1]:1 ws://[::1]:1; "
		      "media-src blob: http://[::1]:1" TAIL},
		/* Nothing slips into the policy. */
		{{"http://a:1; script-src *", "http://a b:1"},
		 HEAD "; media-src blob:" TAIL},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct buf seen = {0};
		bool is_right;

		web_put_policy(&seen, cases[i].url, 2);
		is_right = span_eq_str(buf_span(&seen), cases[i].seen);
		buf_fini(&seen);
		CHECK(is_right);
	}
}
