/* common/registry/node_test.c - nodes and their JSON. */
#include "common/registry/node.h"

#include "common/test/check.h"

static struct node example(void)
{
	struct node n = {.ref = {.id = "edge-1.0",
				 .role = "edge",
				 .url = "tcp://10.0.0.7:7103",
				 .instance = {{1, 2, 3}}},
			 .machine = {{9, 8, 7}},
			 .pid = 123,
			 .is_draining = true,
			 .version = "0.1.0",
			 .load = {12, 3, 1, 40, 7500000, 6000000000, 230,
				  48234496, true}};

	CHECK_EQ(node_set_address(&n, "rtmp", "10.0.0.7:1935"), 0);
	CHECK_EQ(node_set_address(&n, "http", "[::1]:8080"), 0);
	CHECK_EQ(node_set_handover(&n, "/run/my weir/edge-1.handover"), 0);
	CHECK_EQ(node_set_zone(&n, "fra-1"), 0);
	return n;
}

TEST(a_node_comes_back_from_its_json)
{
	struct node n = example(), back;
	struct buf json = {0};
	int err;

	node_write(&json, &n);
	err = buf_error(&json);
	if (!err)
		err = node_read(&back, buf_span(&json));
	buf_fini(&json);
	CHECK_EQ(err, 0);
	CHECK(node_eq(&n, &back));
	CHECK_EQ(back.load.busy_permille, 12);
	CHECK_EQ(back.load.viewers, 40);
	CHECK_EQ(back.load.out_bps, 6000000000);
	CHECK_EQ(back.load.cpu_permille, 230);
	CHECK_EQ(back.load.memory_bytes, 48234496);
	CHECK(back.load.is_full);
	CHECK_STR(back.zone, "fra-1");
	CHECK(uuid_eq(&back.machine, &n.machine));
	CHECK_STR(node_address(&back, "http"), "[::1]:8080");
	CHECK(!node_address(&back, "api"));
	CHECK_STR(back.handover, "/run/my weir/edge-1.handover");
}

TEST(a_path_that_json_would_escape_or_nobody_could_open_is_refused)
{
	static const char *const bad[] = {"", "run/a", "/a\"b", "/a\\b",
					  "/a\nb"};
	char longest[NODE_PATH_SIZE + 1];
	struct node n = example();

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		CHECK_EQ(node_set_handover(&n, bad[i]), WEIR_EINVAL);
	memset(longest, '/', sizeof(longest));
	longest[NODE_PATH_SIZE] = '\0';
	CHECK_EQ(node_set_handover(&n, longest), WEIR_EINVAL);
	longest[NODE_PATH_SIZE - 1] = '\0';
	CHECK_EQ(node_set_handover(&n, longest), 0);
}

TEST(a_path_of_a_peer_that_is_of_no_use_is_left_out)
{
	struct node n;

	CHECK_EQ(node_read(&n, SPAN_LIT("{\"id\":\"i\",\"role\":\"ingest\","
					"\"instance\":\"00112233445566778899aab"
					"bccddeeff\",\"handover\":\"run\\/x\","
					"\"pid\":7}")),
		 0);
	CHECK_STR(n.handover, "");
	CHECK_EQ(n.pid, 7);
}

TEST(a_difference_in_load_is_no_difference)
{
	struct node a = example(), b = a;

	b.load.viewers++;
	CHECK(node_eq(&a, &b));
	b.is_draining = false;
	CHECK(!node_eq(&a, &b));
	b = a;
	CHECK_EQ(node_set_address(&b, "rtmp", "10.0.0.8:1935"), 0);
	CHECK(!node_eq(&a, &b));
	b = a;
	b.ref.instance.byte[0]++;
	CHECK(!node_eq(&a, &b));
	b = a;
	CHECK_EQ(node_set_handover(&b, "/elsewhere"), 0);
	CHECK(!node_eq(&a, &b));
	b = a;
	CHECK_EQ(node_set_zone(&b, ""), 0);
	CHECK(!node_eq(&a, &b));
}

TEST(addresses_are_replaced_by_name_and_bounded)
{
	struct node n = example();
	char name[8] = "a0";

	CHECK_EQ(node_set_address(&n, "rtmp", "10.0.0.9:1"), 0);
	CHECK_EQ(n.address_count, 2);
	CHECK_STR(node_address(&n, "rtmp"), "10.0.0.9:1");
	CHECK_EQ(node_set_address(&n, "x", "a\"b"), WEIR_EINVAL);
	CHECK_EQ(node_set_address(&n, "x y", "a:1"), WEIR_EINVAL);
	while (n.address_count < NODE_ADDRESSES_MAX) {
		name[1] = (char)('0' + n.address_count);
		CHECK_EQ(node_set_address(&n, name, "a:1"), 0);
	}
	CHECK_EQ(node_set_address(&n, "more", "a:1"), WEIR_ELIMIT);
}

TEST(unknown_members_are_skipped_and_missing_ones_are_zero)
{
	struct node n;

	CHECK_EQ(node_read(&n, SPAN_LIT("{\"id\":\"o\",\"role\":\"origin\","
					"\"instance\":\"00112233445566778899aab"
					"bccddeeff\",\"colour\":[1,{}]}")),
		 0);
	CHECK_STR(n.ref.id, "o");
	CHECK_EQ(n.ref.instance.byte[1], 0x11);
	CHECK_EQ(n.address_count, 0);
	CHECK_EQ(n.pid, 0);
	CHECK_STR(n.ref.url, "");
}

#define INSTANCE "\"instance\":\"00112233445566778899aabbccddeeff\""

TEST(a_text_that_is_no_node_is_refused)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"id\":\"a\",\"role\":\"edge\"}",
		"{\"id\":\"\",\"role\":\"edge\"," INSTANCE "}",
		"{\"id\":\"a b\",\"role\":\"edge\"," INSTANCE "}",
		"{\"id\":\"a\\n\",\"role\":\"edge\"," INSTANCE "}",
		"{\"id\":\"a\\u0000b\",\"role\":\"edge\"," INSTANCE "}",
		"{\"id\":7,\"role\":\"edge\"," INSTANCE "}",
		"{\"id\":\"a\",\"role\":\"edge-with-a-long-role\"," INSTANCE
		"}",
		"{\"id\":\"a\",\"role\":\"edge\",\"instance\":\"00\"}",
		"{\"id\":\"a\",\"role\":\"edge\",\"addresses\":[]," INSTANCE
		"}",
		"{\"id\":\"a\",\"role\":\"edge\",\"addresses\":{\"r\":1}"
		"," INSTANCE "}",
		"{\"id\":\"a\",\"role\":\"edge\"," INSTANCE "} x",
	};
	struct node n;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		CHECK_EQ(node_read(&n, span_str(bad[i])), WEIR_EPROTO);
}

TEST(a_text_without_end_is_refused_unread)
{
	static char text[NODE_JSON_MAX + 1];
	struct node n;

	memset(text, ' ', sizeof(text));
	CHECK_EQ(node_read(&n, SPAN(text)), WEIR_ELIMIT);
}

TEST(too_many_addresses_are_refused)
{
	struct buf json = {0};
	struct node n;
	int err;

	buf_printf(&json, "{\"id\":\"a\",\"role\":\"edge\"," INSTANCE
			  ",\"addresses\":{\"z\":\"a:1\"");
	for (int i = 0; i < NODE_ADDRESSES_MAX; i++)
		buf_printf(&json, ",\"n%d\":\"a:1\"", i);
	buf_printf(&json, "}}");
	err = buf_error(&json);
	if (!err)
		err = node_read(&n, buf_span(&json));
	buf_fini(&json);
	CHECK_EQ(err, WEIR_ELIMIT);
}

TEST(a_zone_is_a_word_and_one_that_is_none_is_left_out)
{
	char longest[NODE_ZONE_SIZE + 1];
	struct node n = example();

	CHECK_EQ(node_set_zone(&n, "two words"), WEIR_EINVAL);
	memset(longest, 'z', sizeof(longest));
	longest[NODE_ZONE_SIZE] = '\0';
	CHECK_EQ(node_set_zone(&n, longest), WEIR_EINVAL);
	longest[NODE_ZONE_SIZE - 1] = '\0';
	CHECK_EQ(node_set_zone(&n, longest), 0);
	CHECK_EQ(node_read(&n, SPAN_LIT("{\"id\":\"i\",\"role\":\"edge\","
					"\"instance\":\"00112233445566778899aab"
					"bccddeeff\",\"zone\":\"a b\"}")),
		 0);
	CHECK_STR(n.zone, "");
}
