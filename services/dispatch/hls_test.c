/* services/dispatch/hls_test.c - HLS viewers of several edges. */
#include "common/conf/json.h"
#include "common/test/check.h"
#include "services/dispatch/internal.h"

static void put(struct json_object *list, const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	CHECK(o);
	json_object_array_add(list, o);
}

static int64_t int_at(struct json_object *list, size_t i, const char *name)
{
	return member_json_int(json_object_array_get_idx(list, i), name);
}

TEST(a_viewer_of_several_edges_is_one_session_with_all_its_bytes)
{
	struct json_object *list = json_object_new_array();

	put(list,
	    "{\"session_id\":\"HLSSUB1\",\"wrote_bytes\":10,"
	    "\"read_bytes\":1,\"write_kbits\":5,\"node\":\"edge-1\"}");
	put(list, "{\"session_id\":\"FLVPUBSUB2\",\"wrote_bytes\":7}");
	put(list, "{\"session_id\":\"HLSSUB3\",\"wrote_bytes\":30}");
	put(list,
	    "{\"session_id\":\"HLSSUB1\",\"wrote_bytes\":20,"
	    "\"read_bytes\":2,\"write_kbits\":6,\"node\":\"edge-2\"}");
	put(list, "{\"session_id\":\"HLSSUB1\",\"wrote_bytes\":300}");
	list = hls_join(list);
	CHECK_EQ(json_object_array_length(list), 3);
	CHECK_EQ(int_at(list, 0, "wrote_bytes"), 330);
	CHECK_EQ(int_at(list, 0, "read_bytes"), 3);
	CHECK_EQ(int_at(list, 0, "write_kbits"), 11);
	CHECK_STR(member_json_text(json_object_array_get_idx(list, 0), "node"),
		  "edge-1");
	CHECK_EQ(int_at(list, 1, "wrote_bytes"), 7);
	CHECK_EQ(int_at(list, 2, "wrote_bytes"), 30);
	json_object_put(list);
}

TEST(what_is_no_viewer_of_hls_stays_as_it_is)
{
	struct json_object *list = json_object_new_array();

	put(list, "{\"session_id\":\"FLVPUBSUB2\"}");
	put(list, "{\"session_id\":\"FLVPUBSUB2\"}");
	put(list, "{}");
	put(list, "{\"session_id\":7}");
	list = hls_join(list);
	CHECK_EQ(json_object_array_length(list), 4);
	json_object_put(list);
}
