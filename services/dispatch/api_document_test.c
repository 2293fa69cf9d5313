/* services/dispatch/api_document_test.c - the table as an OpenAPI document. */
#include <json-c/json_pointer.h>

#include "common/test/check.h"
#include "services/dispatch/api.h"

static struct json_object *at(struct json_object *o, const char *path)
{
	struct json_object *v = NULL;

	CHECK_EQ(json_pointer_get(o, path, &v), 0);
	return v;
}

static const char *text_at(struct json_object *o, const char *path)
{
	return json_object_get_string(at(o, path));
}

static struct json_object *document(void)
{
	struct json_object *o = api_document(api_table, api_table_count, "1");

	CHECK(o != NULL);
	return o;
}

TEST(every_row_has_its_operation_but_old_names)
{
	struct json_object *o = document();
	struct json_object *paths = at(o, "/paths");
	size_t rows = 0, told = 0;

	for (size_t i = 0; i < api_table_count; i++)
		rows += !(api_table[i].flags & API_OLD);
	json_object_object_foreach(paths, path, operations)
	{
		CHECK_EQ(path[0], '/');
		told += (size_t)json_object_object_length(operations);
	}
	CHECK_EQ(told, rows);
	CHECK_STR(text_at(o, "/openapi"), "3.1.0");
	json_object_put(o);
}

TEST(names_of_operations_are_told_once)
{
	for (size_t i = 0; i < api_table_count; i++)
		for (size_t k = 0; k < i; k++)
			CHECK((api_table[k].flags & API_OLD) ||
			      (api_table[i].flags & API_OLD) ||
			      strcmp(api_table[i].name, api_table[k].name) !=
				      0);
}

TEST(fields_stand_where_they_are_sent)
{
	struct json_object *o = document();
	static const char drain[] =
		"/paths/~1api~1v1~1nodes~1{node}~1drain/post";
	static const char kick[] =
		"/paths/~1api~1ctrl~1kick_session/post/"
		"requestBody/content/application~1json/"
		"schema/required";

	CHECK_STR(text_at(at(o, drain), "/parameters/0/in"), "path");
	CHECK_STR(text_at(at(o, drain), "/x-weir-role"), "control");
	CHECK_STR(text_at(o, "/paths/~1api~1v1~1events/get/parameters/0/in"),
		  "query");
	CHECK_STR(json_object_to_json_string_ext(at(o, kick),
						 JSON_C_TO_STRING_PLAIN),
		  "[\"stream_name\",\"session_id\"]");
	json_object_put(o);
}

/* Each "$ref" leads to an object of the document. */
TEST(every_reference_leads_somewhere)
{
	struct json_object *o = document();
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	static const char mark[] = "\"$ref\":\"#";
	unsigned count = 0;

	for (const char *p = strstr(text, mark); p; p = strstr(p + 1, mark)) {
		char path[128] = "";

		p += strlen(mark);
		memcpy(path, p, WEIR_MIN(strcspn(p, "\""), sizeof(path) - 1));
		CHECK(json_object_is_type(at(o, path), json_type_object));
		count++;
	}
	CHECK(count > 20);
	json_object_put(o);
}

TEST(lals_answers_have_their_frame)
{
	struct json_object *o = document();
	static const char group[] =
		"/paths/~1api~1stat~1group/get/responses/"
		"200/content/application~1json/schema";
	static const char kick[] =
		"/paths/~1api~1ctrl~1kick_session/post/"
		"responses/200/content/application~1json/"
		"schema/properties";

	CHECK_STR(text_at(at(o, group), "/properties/data/anyOf/0/$ref"),
		  "#/components/schemas/StatGroup");
	CHECK_EQ(json_object_object_length(at(o, kick)), 2);
	json_object_put(o);
}
