/* services/dispatch/api_read_test.c - a request against its row: what is taken,
 * what is wrong and where. */
#include <stdio.h>

#include "common/test/check.h"
#include "services/dispatch/api.h"

/* clang-format off */
static const struct api_field of_all[] = {
	{"id", API_TEXT, API_NEEDED | API_IN_PATH, 1, 8, NULL, NULL, NULL, NULL},
	{"part", API_TEXT, API_IN_PATH, 0, 0, NULL, NULL, NULL, NULL},
	{"stream", API_KEY, API_IN_QUERY, 0, 0, NULL, NULL, NULL, NULL},
	{"limit", API_INT, API_IN_QUERY, 1, 100, NULL, "10", NULL, NULL},
	{"fast", API_BOOL, API_IN_QUERY, 0, 0, NULL, NULL, NULL, NULL},
	{"op", API_TEXT, API_IN_QUERY, 0, 0, "publish|play", NULL, NULL, NULL},
	{"note", API_TEXT, 0, 0, 6, NULL, NULL, NULL, NULL},
	{"count", API_INT, 0, -1, 5, NULL, "3", NULL, NULL},
	{"is_so", API_BOOL, 0, 0, 0, NULL, NULL, NULL, NULL},
	{"urls", API_TEXTS, 0, 1, 2, NULL, NULL, NULL, NULL},
	{"key", API_KEY, 0, 0, 0, NULL, NULL, NULL, NULL},
	{"more", API_ANY, 0, 0, 0, NULL, NULL, NULL, NULL},
};
static const struct api_schema all = {"", NULL, of_all, WEIR_ARRAY_LEN(of_all)};

static const struct api_field of_lal[] = {
	{"stream_name", API_TEXT, API_NEEDED, 1, 512, NULL, NULL, NULL, NULL},
	{"port", API_INT, 0, 0, 65535, NULL, "7", NULL, NULL},
};
static const struct api_schema lal = {"", NULL, of_lal, WEIR_ARRAY_LEN(of_lal)};
/* clang-format on */

static const struct api_route own_row = {
	"PUT", "/x/{part}/y/{id}", 0, "x", "", &all, NULL, NULL};
static const struct api_route lal_row = {NULL, "/lal", API_LAL, "lal",
					 "",   &lal,   NULL,    NULL};

/* "a=b&c=d" as the server would read it; nothing here is escaped. */
static const char *query(void *ctx, const char *name)
{
	static char value[64];
	const char *at = ctx;
	size_t len = strlen(name);

	while (at && (strncmp(at, name, len) != 0 || at[len] != '=')) {
		at = strchr(at, '&');
		at += at != NULL;
	}
	if (!at)
		return NULL;
	at += len + 1;
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "&"), at);
	return value;
}

static const char *part(void *ctx, unsigned n)
{
	static const char *const parts[] = {"first", "second"};

	(void)ctx;
	return n < WEIR_ARRAY_LEN(parts) ? parts[n] : "";
}

static int read_it(struct json_object **out, struct api_fault *fault,
		   const struct api_route *row, const char *query_text,
		   const char *body)
{
	static char text[64];
	const struct api_raw raw = {
		.part = part,
		.query = query,
		.ctx = text,
		.query_text = span_str(query_text),
		.body = span_str(body),
	};

	snprintf(text, sizeof(text), "%s", query_text);
	*fault = (struct api_fault){.field = "-"};
	return api_read(out, fault, row, &raw);
}

/* What the handler sees, as JSON; or "field: why". */
static void reads_as(const struct api_route *row, const char *query_text,
		     const char *body, const char *expected)
{
	struct json_object *o = NULL;
	struct api_fault fault;
	char said[256];

	if (read_it(&o, &fault, row, query_text, body)) {
		snprintf(said, sizeof(said), "%s: %s", fault.field, fault.why);
		CHECK_STR(said, expected);
		return;
	}
	CHECK_STR(json_object_to_json_string_ext(
			  o, JSON_C_TO_STRING_PLAIN |
				     JSON_C_TO_STRING_NOSLASHESCAPE),
		  expected);
	json_object_put(o);
}

TEST(fields_come_from_path_query_and_body_with_their_defaults)
{
	reads_as(&own_row, "", "",
		 "{\"id\":\"second\",\"part\":\"first\",\"limit\":10,"
		 "\"count\":3}");
	reads_as(&own_row, "stream=cam1&limit=100&fast=true&op=play",
		 "{\"note\":\"hello\",\"count\":-1,\"is_so\":false,"
		 "\"urls\":[\"a\",\"b\"],\"key\":\"//live//x\",\"more\":{}}",
		 "{\"id\":\"second\",\"part\":\"first\",\"stream\":\"live/"
		 "cam1\",\"limit\":100,\"fast\":true,\"op\":\"play\",\"note\":"
		 "\"hello\",\"count\":-1,\"is_so\":false,\"urls\":[\"a\","
		 "\"b\"],\"key\":\"live/x\",\"more\":{}}");
}

TEST(what_is_wrong_is_told_with_its_place)
{
	static const struct {
		const char *query, *body, *said;
	} bad[] = {
		{"limit=0", "", "limit: a whole number from 1 to 100"},
		{"limit=101", "", "limit: a whole number from 1 to 100"},
		{"limit=", "", "limit: no whole number"},
		{"limit=1x", "", "limit: no whole number"},
		{"limit=1.5", "", "limit: no whole number"},
		{"limit=99999999999999999999", "", "limit: no whole number"},
		{"fast=yes", "", "fast: neither true nor false"},
		{"op=look", "", "op: none of publish|play"},
		{"op=pub", "", "op: none of publish|play"},
		{"op=", "", "op: none of publish|play"},
		{"stream=a/../b", "", "stream: no stream: "},
		{"limt=1", "", "limt: there is no such field"},
		{"x", "", "x: there is no such field"},
		{"id=other", "", "id: there is no such field"},
		{"", "{", ": the body is no JSON object"},
		{"", "[]", ": the body is no JSON object"},
		{"", "{} {}", ": the body is no JSON object"},
		{"", "null", ": the body is no JSON object"},
		{"", "{\"note\":\"too long\"}", "note: a text of 0 to 6 bytes"},
		{"", "{\"note\":1}", "note: no text"},
		{"", "{\"note\":null}", "note: no text"},
		{"", "{\"note\":\"a\\u0000b\"}",
		 "note: not UTF-8 without control characters"},
		{"", "{\"note\":\"\xff\"}",
		 "note: not UTF-8 without control characters"},
		{"", "{\"count\":6}", "count: a whole number from -1 to 5"},
		{"", "{\"count\":\"1\"}", "count: no whole number"},
		{"", "{\"count\":1.0}", "count: no whole number"},
		{"", "{\"is_so\":1}", "is_so: neither true nor false"},
		{"", "{\"urls\":[]}", "urls: a list of 1 to 2 texts"},
		{"", "{\"urls\":[\"\"]}", "urls: a text of 1 to 2048 bytes"},
		{"", "{\"urls\":[1]}", "urls: a list of texts"},
		{"", "{\"urls\":\"a\"}", "urls: no list"},
		{"", "{\"more\":[]}", "more: no object"},
		{"", "{\"limit\":1}", "limit: there is no such field"},
		{"", "{\"nte\":\"\"}", "nte: there is no such field"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct json_object *o = NULL;
		struct api_fault fault;
		char said[256];

		CHECK_EQ(read_it(&o, &fault, &own_row, bad[i].query,
				 bad[i].body),
			 WEIR_EINVAL);
		snprintf(said, sizeof(said), "%s: %s", fault.field, fault.why);
		said[WEIR_MIN(strlen(said), strlen(bad[i].said))] = '\0';
		CHECK_STR(said, bad[i].said);
		CHECK(o == NULL);
	}
}

TEST(lals_rows_let_fields_pass_that_they_do_not_know)
{
	reads_as(&lal_row, "x=1", "{\"stream_name\":\"a\",\"y\":[1]}",
		 "{\"stream_name\":\"a\",\"port\":7}");
}

TEST(lals_default_is_of_an_absent_key_and_not_of_zero)
{
	reads_as(&lal_row, "", "{\"stream_name\":\"a\",\"port\":0}",
		 "{\"stream_name\":\"a\",\"port\":0}");
	reads_as(&lal_row, "", "{\"port\":0}", "stream_name: it is missing");
	reads_as(&lal_row, "", "{\"stream_name\":\"\"}",
		 "stream_name: a text of 1 to 512 bytes");
}

TEST(a_body_is_not_read_deeper_than_any_field_is)
{
	reads_as(&own_row, "",
		 "{\"more\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
		 "{}}}}}}}}}",
		 ": the body is no JSON object");
}
