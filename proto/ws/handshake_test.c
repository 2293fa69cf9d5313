/* proto/ws/handshake_test.c - opening a WebSocket, from both sides. */
#include "proto/ws/handshake.h"

#include <stdio.h>

#include "common/test/check.h"
#include "common/test/vector.h"

#define START                                                                  \
	"GET /live/a.flv HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"        \
	"Connection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define END     "\r\n"

/* The key of section 1.3, in bytes. */
#define KEY_RAW ((const uint8_t *)"the sample nonce")

static int check_text(struct ws_request *req, struct http_head *head,
		      const char *text)
{
	CHECK_EQ(http_head_parse(head, span_str(text), NULL), 0);
	return ws_request_check(req, head);
}

TEST(the_accept_is_that_of_the_rfc)
{
	char accept[WS_ACCEPT_SIZE];

	CHECK_STR(ws_accept(accept, SPAN_LIT("dGhlIHNhbXBsZSBub25jZQ==")),
		  "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(upgrades_of_browsers_are_taken)
{
	static const char *const names[] = {"firefox", "chromium"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(names); i++) {
		char path[128];
		struct buf file = {0};
		struct http_head head;
		struct ws_request req;

		snprintf(path, sizeof(path),
			 "proto/http/vectors/%s_websocket.http", names[i]);
		vector_load(&file, path);
		CHECK_EQ(http_head_parse(&head, buf_span(&file), NULL), 0);
		CHECK_EQ(ws_request_check(&req, &head), 0);
		CHECK_EQ(req.key.len, WS_KEY_SIZE - 1);
		CHECK_EQ(req.protocol.len, 0);
		buf_fini(&file);
	}
}

TEST(requests_that_are_no_right_upgrade_are_refused)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{START VERSION END, WEIR_EPROTO}, /* no key */
		{START KEY END, WEIR_EPROTO},     /* no version */
		{START KEY "Sec-WebSocket-Version: 8\r\n" END,
		 WEIR_EUNSUPPORTED},
		{START KEY "Sec-WebSocket-Version: 13, 8\r\n" END,
		 WEIR_EUNSUPPORTED},
		{START KEY VERSION VERSION END, WEIR_EPROTO},
		{START KEY KEY VERSION END, WEIR_EPROTO},
		{START VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n" END,
		 WEIR_EPROTO}, /* ten bytes */
		{START VERSION
		 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=A\r\n" END,
		 WEIR_EPROTO},
		{START VERSION
		 "Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==\r\n" END,
		 WEIR_EPROTO},
		{START KEY VERSION "Sec-WebSocket-Protocol: a b\r\n" END,
		 WEIR_EPROTO},
		{START KEY VERSION "Sec-WebSocket-Protocol: , a\r\n" END,
		 WEIR_EPROTO},
		{"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n" KEY
			 VERSION END,
		 WEIR_EPROTO},
		{"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" KEY
			 VERSION END,
		 WEIR_EPROTO},
		{"POST / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
		 "Connection: Upgrade\r\n" KEY VERSION END,
		 WEIR_EPROTO},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct http_head head;
		struct ws_request req;

		CHECK_EQ(check_text(&req, &head, bad[i].text), bad[i].err);
	}
}

TEST(the_answer_is_that_of_the_rfc_and_takes_the_first_subprotocol)
{
	struct http_head head;
	struct ws_request req;
	struct buf out = {0};

	CHECK_EQ(check_text(&req, &head,
			    START KEY VERSION
			    "Sec-WebSocket-Protocol: chat , superchat\r\n" END),
		 0);
	CHECK_SPAN(req.protocol, SPAN_LIT("chat"));
	ws_answer_put(&out, &req, req.protocol);
	http_head_end(&out);
	CHECK_EQ(buf_error(&out), 0);
	CHECK_SPAN(buf_span(&out),
		   SPAN_LIT("HTTP/1.1 101 Switching Protocols\r\n"
			    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			    "Sec-WebSocket-Accept: "
			    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
			    "Sec-WebSocket-Protocol: chat\r\n\r\n"));
	buf_fini(&out);
}

TEST(offers_are_searched_in_all_lists_and_their_case_matters)
{
	struct http_head head;
	struct ws_request req;

	CHECK_EQ(check_text(&req, &head,
			    START KEY VERSION "Sec-WebSocket-Protocol: chat\r\n"
					      "Sec-WebSocket-Protocol: b,rtsp"
					      "\r\n" END),
		 0);
	CHECK(ws_offers(&head, "chat"));
	CHECK(ws_offers(&head, "rtsp"));
	CHECK(!ws_offers(&head, "RTSP"));
	CHECK(!ws_offers(&head, "rts"));
}

TEST(what_we_ask_is_what_we_take_and_our_answer_opens)
{
	struct buf ask = {0};
	struct buf reply = {0};
	struct http_head head;
	struct ws_request req;
	struct ws_answer answer;

	ws_request_put(&ask, SPAN_LIT("h:80"), SPAN_LIT("/live/a.ts?x=1"),
		       KEY_RAW, SPAN_LIT("rtsp"));
	CHECK_EQ(buf_error(&ask), 0);
	CHECK_EQ(http_head_parse(&head, buf_span(&ask), NULL), 0);
	CHECK_EQ(ws_request_check(&req, &head), 0);
	CHECK_SPAN(head.host, SPAN_LIT("h:80"));
	CHECK_SPAN(head.query, SPAN_LIT("x=1"));
	ws_answer_put(&reply, &req, req.protocol);
	http_head_end(&reply);
	CHECK_EQ(buf_error(&reply), 0);
	for (size_t len = 0; len < reply.len; len++)
		CHECK_EQ(ws_answer_read(&answer, span_of(reply.data, len),
					KEY_RAW, SPAN_LIT("rtsp")),
			 WEIR_ESHORT);
	buf_put(&reply, SPAN_LIT("\x82\x01x"));
	CHECK_EQ(ws_answer_read(&answer, buf_span(&reply), KEY_RAW,
				SPAN_LIT("rtsp")),
		 0);
	CHECK_EQ(answer.status, 101);
	CHECK_EQ(answer.head_bytes, reply.len - 3);
	CHECK(answer.has_protocol);
	CHECK_EQ(ws_answer_read(&answer, buf_span(&reply), KEY_RAW,
				SPAN_LIT("other")),
		 WEIR_EPROTO);
	buf_fini(&ask);
	buf_fini(&reply);
}

#define OPEN                                                                   \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n"           \
	"Connection: upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

TEST(answers_of_servers_are_judged)
{
	static const struct {
		const char *text;
		int err;
		unsigned status;
	} row[] = {
		{OPEN ACCEPT END, 0, 101},
		{"HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n", 0, 404},
		{"HTTP/1.0 503\r\n\r\n", 0, 503},
		{OPEN END, WEIR_EPROTO, 0},
		{OPEN "Sec-WebSocket-Accept: \r\n" END, WEIR_EPROTO, 0},
		{OPEN "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n",
		 WEIR_ESHORT, 0},
		{OPEN
		 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n" END,
		 WEIR_EPROTO, 0},
		{OPEN ACCEPT
		 "Sec-WebSocket-Extensions: permessage-deflate\r\n" END,
		 WEIR_EPROTO, 0},
		{OPEN ACCEPT "Sec-WebSocket-Protocol: a\r\n" END, WEIR_EPROTO,
		 0},
		{OPEN ACCEPT "no field\r\n" END, WEIR_EPROTO, 0},
		{"HTTP/1.1 101 x\r\n" ACCEPT END, WEIR_EPROTO, 0},
		{"HTTP/1.1 1x1 x\r\n" ACCEPT END, WEIR_EPROTO, 0},
		{"HTTP/1.1\r\n" ACCEPT END, WEIR_EPROTO, 0},
		{"HTTP/2 101", WEIR_EPROTO, 0},
		{"SSH-2.0", WEIR_EPROTO, 0},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(row); i++) {
		struct ws_answer answer = {0};

		CHECK_EQ(ws_answer_read(&answer, span_str(row[i].text), KEY_RAW,
					SPAN_LIT("")),
			 row[i].err);
		CHECK_EQ(answer.status, row[i].status);
	}
}

TEST(an_answer_without_end_is_refused)
{
	static char text[9000] = "HTTP/1.1 101 x\r\n";
	struct ws_answer answer;

	memset(text + 16, 'a', sizeof(text) - 16);
	CHECK_EQ(ws_answer_read(&answer, SPAN(text), KEY_RAW, SPAN_LIT("")),
		 WEIR_ELIMIT);
}
