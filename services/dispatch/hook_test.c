/* services/dispatch/hook_test.c - what the webhook's answers mean. */
#include "services/dispatch/hook.h"

#include "common/test/check.h"

TEST(status_and_body_decide)
{
	static const struct {
		int err;
		unsigned status;
		const char *body;
		const char *verdict;
	} answer[] = {
		{0, 200, "", "{\"allow\":true}"},
		{0, 204, "", "{\"allow\":true}"},
		{0, 200, "OK", "{\"allow\":true}"},
		{0, 200, "{}", "{\"allow\":true}"},
		{0, 200, "[]", "{\"allow\":true}"},
		{0, 200, "{\"allow\":true}", "{\"allow\":true}"},
		{0, 200, "{\"user\":\"bob\"}",
		 "{\"allow\":true,\"user\":\"bob\"}"},
		{0, 200, "{\"allow\":false}", "{\"allow\":false}"},
		{0, 200, "{\"allow\":0}", "{\"allow\":false}"},
		{0, 200, "{\"allow\":1}", "{\"allow\":true}"},
		{0, 200, "{\"allow\":\"false\"}", "{\"allow\":false}"},
		{0, 200, "{\"allow\":[false]}", "{\"allow\":false}"},
		{0, 200, "{\"allow\":fal", "{\"error\":\"no answer of use\"}"},
		{0, 200, " {\"allow\":false},}", "{\"allow\":false}"},
		{0, 200, "{\"allow\":null}", "{\"allow\":false}"},
		{0, 201, "{\"allow\":false,\"reason\":\"not paid\"}",
		 "{\"allow\":false,\"reason\":\"not paid\"}"},
		{0, 403, "", "{\"allow\":false}"},
		{0, 401, "{\"allow\":true,\"reason\":\"who?\"}",
		 "{\"allow\":false,\"reason\":\"who?\"}"},
		{0, 302, "", "{\"error\":\"no answer of use\"}"},
		{0, 500, "{\"allow\":true}",
		 "{\"error\":\"no answer of use\"}"},
		{WEIR_ETIMEOUT, 0, "", "{\"error\":\"no answer in time\"}"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(answer); i++) {
		struct json_object *o =
			hook_verdict(answer[i].err, answer[i].status,
				     span_str(answer[i].body));

		CHECK(o);
		CHECK_STR(json_object_to_json_string_ext(
				  o, JSON_C_TO_STRING_PLAIN),
			  answer[i].verdict);
		json_object_put(o);
	}
}
