/* services/cli/up_say_test.c - the JSON line of `weir up`. */
#include "services/cli/up.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/test/check.h"

TEST(the_line_has_the_promised_form)
{
	const struct plan_wish wish = {{1, 0, 1, 0, 0}, 1, PLAN_NO_BASE, false};
	struct up *up = calloc(1, sizeof(*up));
	struct json_object *o;
	bool is_right;

	CHECK(up != NULL);
	CHECK_EQ(plan_make(&up->plan, &wish), 0);
	snprintf(up->api.addr, sizeof(up->api.addr), "127.0.0.1:8083");
	snprintf(up->rtmp.addr, sizeof(up->rtmp.addr), "127.0.0.1:1935");
	snprintf(up->http.addr, sizeof(up->http.addr), "127.0.0.1:8080");
	snprintf(up->redis_addr, sizeof(up->redis_addr), "127.0.0.1:7");
	snprintf(up->token, sizeof(up->token), "secret");
	for (size_t i = 0; i < up->plan.count; i++) {
		up->node[i].plan = &up->plan.node[i];
		up->node[i].id = up->plan.node[i].id;
	}
	up->node[1].addresses = json_tokener_parse(
		"{\"rtmp\":\"127.0.0.1:9\",\"http\":\"127.0.0.1:10\","
		"\"admin\":\"127.0.0.1:9103\"}");
	o = up_say_json(up);
	is_right = !strcmp(
		json_object_to_json_string_ext(
			o, JSON_C_TO_STRING_PLAIN |
				   JSON_C_TO_STRING_NOSLASHESCAPE),
		"{\"api\":\"http://127.0.0.1:8083\",\"token\":\"secret\","
		"\"redis\":\"127.0.0.1:7\",\"public\":{\"rtmp\":"
		"\"127.0.0.1:1935\",\"http\":\"127.0.0.1:8080\"},\"nodes\":["
		"{\"id\":\"ingest-1\",\"role\":\"ingest\",\"pid\":0,"
		"\"addresses\":{}},"
		"{\"id\":\"edge-1\",\"role\":\"edge\",\"pid\":0,\"addresses\":"
		"{\"rtmp\":\"127.0.0.1:9\",\"http\":\"127.0.0.1:10\","
		"\"admin\":\"127.0.0.1:9103\"}}]}");
	json_object_put(o);
	json_object_put(up->node[1].addresses);
	free(up);
	CHECK(is_right);
}
