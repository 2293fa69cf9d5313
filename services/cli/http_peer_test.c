/* services/cli/http_peer_test.c - addresses and chunks of HTTP. */
#include "services/cli/http_peer.h"

#include "common/test/check.h"

TEST(addresses_are_taken_apart)
{
	static const struct {
		const char *url, *host, *authority, *target;
		unsigned port;
	} good[] = {
		{"http://h/live/a.flv", "h", "h", "/live/a.flv", 80},
		{"http://127.0.0.1:8080/live/a.flv?t=1", "127.0.0.1",
		 "127.0.0.1:8080", "/live/a.flv?t=1", 8080},
		{"http://[::1]:81/x", "::1", "[::1]:81", "/x", 81},
		{"http://[::1]/x", "::1", "[::1]", "/x", 80},
		{"http://h", "h", "h", "/", 80},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct http_url u;

		CHECK_EQ(http_url_parse(&u, good[i].url), 0);
		CHECK_SPAN(u.host, span_str(good[i].host));
		CHECK_SPAN(u.authority, span_str(good[i].authority));
		CHECK_SPAN(u.target, span_str(good[i].target));
		CHECK_EQ(u.port, good[i].port);
	}
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {
		"",
		"https://h/x",
		"http://",
		"http:///x",
		"http://h:0/x",
		"http://h:65536/x",
		"http://h:x",
		"http://u:p@h/x",
		"http://u@h/x",
		"http://h/ x",
		"http://h/\r\nHost:",
		"http://[::1]x/",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct http_url u;

		CHECK_EQ(http_url_parse(&u, bad[i]), WEIR_EINVAL);
	}
}

/* The whole body, fed in pieces of `step`; returns its length or the error. */
static int unchunk_all(char *out, struct span in, size_t step, bool *has_ended)
{
	struct unchunk u = {0};
	int len = 0;

	while (in.len) {
		struct span part = span_first(in, step), piece;

		in = span_from(in, part.len);
		while (part.len && !u.has_ended) {
			int err = unchunk_next(&u, &part, &piece);

			if (err)
				return err;
			if (piece.len)
				memcpy(out + len, piece.data, piece.len);
			len += (int)piece.len;
		}
	}
	*has_ended = u.has_ended;
	return len;
}

TEST(chunks_do_not_depend_on_where_the_network_cut_them)
{
	static const struct span wire = {
		(const uint8_t *)"5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n"
				 "0\r\n\r\n",
		41};
	char out[64];

	for (size_t step = 1; step <= wire.len; step++) {
		bool has_ended = false;

		CHECK_EQ(unchunk_all(out, wire, step, &has_ended), 15);
		CHECK(!memcmp(out, "hello0123456789", 15));
		CHECK(has_ended);
	}
}

TEST(broken_chunks_are_refused)
{
	bool has_ended;
	char out[64];

	CHECK_EQ(unchunk_all(out, SPAN_LIT("3\r\nabcXX"), 64, &has_ended),
		 WEIR_EPROTO);
	CHECK_EQ(
		unchunk_all(out, SPAN_LIT("fffffffffffff\r\n"), 64, &has_ended),
		WEIR_EPROTO);
}
