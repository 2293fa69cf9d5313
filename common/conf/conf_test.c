/* common/conf/conf_test.c - settings: what is taken, what is refused and how. */
#include "common/conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/conf/json.h"
#include "common/test/check.h"

struct bus_settings {
	int64_t flush_ms;
	const char *key;
};

struct admin_settings {
	const char *listen;
	bool is_open;
};

struct edge_settings {
	const char *rtmp_listen;
	int64_t rtmp_chunk_bytes;
	int codec;
	struct conf_list hosts;
	int64_t max;
	const char *rules;
};

/* Takes lists without "bad" in them. */
static bool rules_check(struct span json, struct conf_fault *fault)
{
	bool is_bad = memmem(json.data, json.len, "bad", 3) != NULL;

	snprintf(fault->where, sizeof(fault->where), "%s",
		 is_bad ? "[1].name" : "");
	snprintf(fault->what, sizeof(fault->what), "a list of good ones");
	return !is_bad && json.len && json.data[0] == '[';
}

static const struct conf_key bus_keys[] = {
	CONF_INT(struct bus_settings, flush_ms, "ms", 0, 1000, 3, CONF_RELOAD,
		 "How long records may wait for others."),
	CONF_STRING(struct bus_settings, key, 0, 64, "", CONF_SECRET,
		    "What nodes prove to each other."),
};
static const struct conf_key admin_keys[] = {
	CONF_ADDR(struct admin_settings, listen, "127.0.0.1:9100", CONF_FIXED,
		  "Where health and metrics are served."),
	CONF_BOOL(struct admin_settings, is_open, false, CONF_FIXED,
		  "Whether everybody may look."),
};
static const struct conf_key edge_keys[] = {
	CONF_ADDR_NAMED("rtmp.listen", struct edge_settings, rtmp_listen,
			":1935", CONF_FIXED, "Where RTMP viewers connect."),
	CONF_INT_NAMED("rtmp.chunk_bytes", struct edge_settings,
		       rtmp_chunk_bytes, "bytes", 128, 65536, 4096, CONF_FIXED,
		       "Size of the chunks that are sent."),
	CONF_ENUM(struct edge_settings, codec, "h264|h265", "h264", CONF_FIXED,
		  "Which codec is preferred."),
	CONF_LIST(struct edge_settings, hosts, 0, 3, "a.example,b.example",
		  CONF_FIXED, "Names of this node."),
	CONF_INT(struct edge_settings, max, "count", 1, INT64_MAX, 100,
		 CONF_FIXED, "How many viewers are let in."),
	CONF_OBJECTS(struct edge_settings, rules, rules_check, CONF_SECRET,
		     "What holds here."),
};
static const struct conf_table bus_table =
	CONF_TABLE("bus", "Between the processes of a cluster.",
		   struct bus_settings, bus_keys);
static const struct conf_table admin_table = CONF_TABLE(
	"admin", "Health and metrics.", struct admin_settings, admin_keys);
static const struct conf_table edge_table = CONF_TABLE(
	"edge", "What viewers connect to.", struct edge_settings, edge_keys);
static const struct conf_table *const tables[] = {&bus_table, &admin_table,
						  &edge_table};

static struct conf *begin(void)
{
	struct conf *c = NULL;

	CHECK_EQ(conf_new(&c, "edge", tables, 3), 0);
	return c;
}

static int load(struct conf *c, const char *json)
{
	return conf_load_text(c, "weir.json", span_str(json));
}

/* Load must give `err`; the conf is freed before a check can end the test. */
static void check_load(const char *json, int err, const char *messages)
{
	struct conf *c = begin();
	int got = load(c, json);
	char text[1024];

	snprintf(text, sizeof(text), "%s", conf_messages(c));
	conf_free(&c);
	CHECK_EQ(got, err);
	CHECK_STR(text, messages);
}

TEST(defaults_are_in_force_at_first)
{
	struct conf *c = begin();
	const struct bus_settings *bus = conf_get(c, &bus_table);
	const struct edge_settings *edge = conf_get(c, &edge_table);

	CHECK_EQ(bus->flush_ms, 3);
	CHECK_STR(bus->key, "");
	CHECK_STR(edge->rtmp_listen, ":1935");
	CHECK_EQ(edge->codec, 0);
	CHECK_EQ(edge->hosts.count, 2);
	CHECK_STR(edge->hosts.item[1], "b.example");
	CHECK_STR(conf_messages(c), "");
	conf_free(&c);
}

TEST(a_file_with_comments_is_taken)
{
	struct conf *c = begin();
	const struct bus_settings *bus = conf_get(c, &bus_table);
	const struct edge_settings *edge = conf_get(c, &edge_table);

	(void)load(c,
		   "// first\n{ /* all */ \"bus\": {\"flush_ms\": 1000,"
		   " \"key\": \"s\\u00e9cret\"},\n"
		   "\"edge\": {\"rtmp\": {\"listen\": \"[::1]:1936\"},"
		   " // end\n \"rtmp.chunk_bytes\": 128,"
		   " \"codec\": \"h265\", \"hosts\": [\"x\"]},\n"
		   "\"ingest\": {\"whatever\": 1}, \"redis\": {\"a\": 2}"
		   "}\n// last");
	CHECK_STR(conf_messages(c), "");
	CHECK_EQ(bus->flush_ms, 1000);
	CHECK_STR(bus->key,
		  "s\xc3\xa9"
		  "cret");
	CHECK_STR(edge->rtmp_listen, "[::1]:1936");
	CHECK_EQ(edge->rtmp_chunk_bytes, 128);
	CHECK_EQ(edge->codec, 1);
	CHECK_EQ(edge->hosts.count, 1);
	CHECK_STR(edge->hosts.item[0], "x");
	CHECK_EQ(edge->max, 100);
	conf_free(&c);
}

TEST(what_stands_in_the_section_of_the_role_wins)
{
	struct conf *c = begin();
	const struct admin_settings *admin = conf_get(c, &admin_table);

	CHECK_EQ(load(c,
		      "{\"edge\": {\"admin\": {\"listen\": \":2\"}},"
		      " \"admin\": {\"listen\": \":1\", \"is_open\": true}"
		      "}"),
		 0);
	CHECK_STR(admin->listen, ":2");
	CHECK(admin->is_open);
	conf_free(&c);
}

TEST(mistakes_are_named_with_place_path_and_what_is_expected)
{
	static const struct {
		const char *json;
		const char *message;
	} bad[] = {
		{"{\"bus\": {\"flush_ms\": 5000}}",
		 "weir.json:1:10: bus.flush_ms: 5000 is not allowed: a whole "
		 "number from 0 to 1000 ms\n"},
		{"{\"bus\": {\n\t\"flush_ms\": \"3\"}}",
		 "weir.json:2:2: bus.flush_ms: \"3\" is not allowed: a whole "
		 "number from 0 to 1000 ms\n"},
		{"{\"bus\": {\"flush_ms\": 1.5}}",
		 "weir.json:1:10: bus.flush_ms: 1.5 is not allowed: a whole "
		 "number from 0 to 1000 ms\n"},
		{"{\"bus\": {\"flush_ms\": null}}",
		 "weir.json:1:10: bus.flush_ms: null is not allowed: a whole "
		 "number from 0 to 1000 ms\n"},
		{"{\"edge\": {\"max\": 0}}",
		 "weir.json:1:11: edge.max: 0 is not allowed: a whole number "
		 "from 1 to 9223372036854775807\n"},
		{"{\"bus\": {\"key\": 17}}",
		 "weir.json:1:10: bus.key: (secret) is not allowed: text of at "
		 "most 64 bytes\n"},
		{"{\"admin\": {\"listen\": \"nowhere\"}}",
		 "weir.json:1:12: admin.listen: \"nowhere\" is not allowed: an "
		 "address such as 127.0.0.1:1935, [::1]:80 or :8080, or \"\" "
		 "for none\n"},
		{"{\"admin\": {\"is_open\": 1}}",
		 "weir.json:1:12: admin.is_open: 1 is not allowed: true or "
		 "false\n"},
		{"{\"edge\": {\"codec\": \"vp8\"}}",
		 "weir.json:1:11: edge.codec: \"vp8\" is not allowed: one of "
		 "h264, h265\n"},
		{"{\"edge\": {\"hosts\": [\"a\",\"b\",\"c\",\"d\"]}}",
		 "weir.json:1:11: edge.hosts: [\"a\",\"b\",\"c\",\"d\"] is not "
		 "allowed: a list of at most 3 texts\n"},
		{"{\"edge\": {\"hosts\": [1]}}",
		 "weir.json:1:11: edge.hosts: [1] is not allowed: a list of at "
		 "most 3 texts\n"},
		{"{\"edge\": {\"admin\": {\"listen\": 5}}}",
		 "weir.json:1:21: edge.admin.listen: 5 is not allowed: an "
		 "address such as 127.0.0.1:1935, [::1]:80 or :8080, or \"\" "
		 "for none\n"},
		{"{\"edge\": {\"rtmp\": {\"listen\": \"a\\u0000b\"}}}",
		 "weir.json:1:20: edge.rtmp.listen: \"a\\u0000b\" is not "
		 "allowed: an address such as 127.0.0.1:1935, [::1]:80 or "
		 ":8080, or \"\" for none\n"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
		check_load(bad[i].json, WEIR_ECONF, bad[i].message);
}

TEST(unknown_keys_are_named_with_the_nearest_known_one)
{
	check_load("{\"bus\": {\"flush_mss\": 5}}", WEIR_ECONF,
		   "weir.json:1:10: bus.flush_mss: unknown key; did you mean "
		   "bus.flush_ms?\n");
	check_load("{\"edge\": {\"rtmp\": {\"lisen\": 5}}}", WEIR_ECONF,
		   "weir.json:1:20: edge.rtmp.lisen: unknown key; did you mean "
		   "edge.rtmp.listen?\n");
	check_load("{\"edge\": {\"something_else\": 5}}", WEIR_ECONF,
		   "weir.json:1:11: edge.something_else: unknown key\n");
	check_load("{\"bsu\": {}}", WEIR_ECONF,
		   "weir.json:1:2: bsu: unknown section; there are "
		   "cluster|redis|bus|hls|auth|limits|log|admin|ingest|origin|"
		   "edge|packager|"
		   "dispatch\n");
	check_load("{\"edge\": {\"bus\": 1}}", WEIR_ECONF,
		   "weir.json:1:11: edge.bus: an object {…} is expected\n");
	check_load("{\"edge\": 1}", WEIR_ECONF,
		   "weir.json:1:2: edge: an object {…} is expected\n");
}

TEST(all_mistakes_are_listed_and_nothing_of_such_a_file_is_taken)
{
	struct conf *c = begin();
	const struct bus_settings *bus = conf_get(c, &bus_table);

	CHECK_EQ(load(c,
		      "{\"bus\": {\"flush_ms\": 7, \"x\": 1},\n"
		      " \"edge\": {\"max\": -1}}"),
		 WEIR_ECONF);
	CHECK_STR(conf_messages(c),
		  "weir.json:1:25: bus.x: unknown key\n"
		  "weir.json:2:11: edge.max: -1 is not allowed: a whole number "
		  "from 1 to 9223372036854775807\n");
	CHECK_EQ(bus->flush_ms, 3);
	conf_free(&c);
}

TEST(what_is_not_json_is_refused_with_its_place)
{
	check_load("{\"bus\": {\n  \"flush_ms\" 3}}", WEIR_ECONF,
		   "weir.json:2:14: not JSON: object property name separator "
		   "':' expected\n");
	check_load("{\"bus\": {", WEIR_ECONF,
		   "weir.json:1:10: not JSON: it ends too early\n");
	check_load("", WEIR_ECONF,
		   "weir.json:1:1: not JSON: it ends too early\n");
	check_load("{} // fine\n  x", WEIR_ECONF,
		   "weir.json:2:3: not JSON: something follows after the "
		   "end\n");
	check_load("[1]", WEIR_ECONF, "weir.json: an object {…} is expected\n");
}

static void nest(struct buf *out, const char *open, const char *close)
{
	for (int i = 0; i < 1000; i++)
		buf_printf(out, "%s", open);
	for (int i = 0; i < 1000; i++)
		buf_printf(out, "%s", close);
}

TEST(a_file_that_is_too_deep_is_refused)
{
	struct conf *c = begin();
	struct buf deep = {0};

	nest(&deep, "{\"edge\":", "}");
	CHECK_EQ(load(c, buf_text(&deep)), WEIR_ECONF);
	CHECK(strstr(conf_messages(c), "not JSON: nesting too deep") != NULL);
	buf_fini(&deep);
	conf_free(&c);
}

TEST(overrides_come_from_the_command_line)
{
	struct conf *c = begin();
	const struct bus_settings *bus = conf_get(c, &bus_table);
	const struct edge_settings *edge = conf_get(c, &edge_table);
	const struct admin_settings *admin = conf_get(c, &admin_table);

	CHECK_EQ(conf_override(c, "bus.flush_ms=9"), 0);
	CHECK_EQ(conf_override(c, "edge.rtmp.listen=127.0.0.1:0"), 0);
	CHECK_EQ(conf_override(c, "edge.hosts=x,y,z"), 0);
	CHECK_EQ(conf_override(c, "edge.codec=h265"), 0);
	CHECK_EQ(conf_override(c, "admin.is_open=true"), 0);
	CHECK_EQ(conf_override(c, "edge.admin.listen="), 0);
	CHECK_EQ(conf_override(c, "ingest.anything=1"), 0);
	CHECK_EQ(bus->flush_ms, 9);
	CHECK_STR(edge->rtmp_listen, "127.0.0.1:0");
	CHECK_EQ(edge->hosts.count, 3);
	CHECK_STR(edge->hosts.item[2], "z");
	CHECK_EQ(edge->codec, 1);
	CHECK(admin->is_open);
	CHECK_STR(admin->listen, "");
	conf_free(&c);
}

TEST(wrong_overrides_are_refused)
{
	static const char *const bad[][2] = {
		{"bus.flush_ms=1x",
		 "--set: bus.flush_ms: 1x is not allowed: a "
		 "whole number from 0 to 1000 ms\n"},
		{"bus.flush_ms=99999999999999999999",
		 "--set: bus.flush_ms: 99999999999999999999 is not allowed: a "
		 "whole number from 0 to 1000 ms\n"},
		{"bus.flush_m=1",
		 "--set: bus.flush_m: unknown key; did you "
		 "mean bus.flush_ms?\n"},
		{"nonsense", "--set: nonsense: PATH=VALUE is expected\n"},
		{"admin.is_open=yes",
		 "--set: admin.is_open: yes is not allowed: true or false\n"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct conf *c = begin();
		int err = conf_override(c, bad[i][0]);
		char text[256];

		snprintf(text, sizeof(text), "%s", conf_messages(c));
		conf_free(&c);
		CHECK_EQ(err, WEIR_ECONF);
		CHECK_STR(text, bad[i][1]);
	}
}

TEST(a_list_of_objects_is_kept_as_its_text)
{
	struct conf *c = begin();
	const struct edge_settings *e = conf_get(c, &edge_table);

	CHECK_STR(e->rules, "[]");
	CHECK_EQ(load(c,
		      "{\"edge\": {\"rules\": [ // two\n"
		      "{\"name\": \"a\", \"n\": [1, 2]}, {}]}}"),
		 0);
	CHECK_STR(e->rules, "[{\"name\":\"a\",\"n\":[1,2]},{}]");
	CHECK_EQ(conf_override(c, "edge.rules=[{\"name\":\"b\"}]"), 0);
	CHECK_STR(e->rules, "[{\"name\":\"b\"}]");
	conf_free(&c);
}

TEST(who_checks_a_list_of_objects_says_what_is_wrong_in_it_and_where)
{
	struct conf *c = begin();
	const struct edge_settings *e = conf_get(c, &edge_table);

	CHECK_EQ(load(c,
		      "{\"edge\": {\n \"rules\": [{}, {\"name\":"
		      "\"bad\"}]}}"),
		 WEIR_ECONF);
	CHECK_STR(conf_messages(c),
		  "weir.json:2:2: edge.rules: [1].name: a "
		  "list of good ones\n");
	CHECK_EQ(conf_override(c, "edge.rules=x"), WEIR_ECONF);
	CHECK(strstr(conf_messages(c),
		     "--set: edge.rules: a list of good ones\n"));
	CHECK_EQ(load(c, "{\"edge\": {\"rules\": {}}}"), WEIR_ECONF);
	CHECK(strstr(conf_messages(c),
		     "edge.rules: (secret) is not allowed: a "
		     "list of objects\n"));
	CHECK_STR(e->rules, "[]");
	conf_free(&c);
}

TEST(a_default_can_differ_by_role)
{
	struct conf *c = begin();
	const struct admin_settings *admin = conf_get(c, &admin_table);

	CHECK_EQ(conf_default(c, "admin.listen", ":9103"), 0);
	CHECK_STR(admin->listen, ":9103");
	conf_free(&c);
}

TEST(what_is_printed_loads_again_and_keeps_secrets)
{
	struct conf *a = begin();
	struct conf *b = begin();
	struct buf first = {0};
	struct buf second = {0};

	CHECK_EQ(conf_override(a, "bus.key=hush"), 0);
	CHECK_EQ(conf_override(a, "edge.hosts=\"q\\,r"), 0);
	CHECK_EQ(conf_override(a, "edge.rtmp.chunk_bytes=999"), 0);
	conf_print(a, &first);
	CHECK(strstr(buf_text(&first), "hush") == NULL);
	CHECK(strstr(buf_text(&first), "// \"key\": secret, set\n") != NULL);
	CHECK(strstr(buf_text(&first), "\t\t\"rtmp\": {\n") != NULL);
	CHECK(strstr(buf_text(&first), "\t\t\t\"chunk_bytes\": 999\n\t\t}\n") !=
	      NULL);
	CHECK_EQ(conf_load_text(b, "again", buf_span(&first)), 0);
	CHECK_EQ(conf_override(b, "bus.key=hush"), 0);
	conf_print(b, &second);
	CHECK_SPAN(buf_span(&first), buf_span(&second));
	buf_fini(&first);
	buf_fini(&second);
	conf_free(&a);
	conf_free(&b);
}

TEST(comments_that_are_printed_stay_within_80_columns)
{
	struct conf *c = begin();
	struct buf out = {0};
	unsigned column = 0;

	conf_print(c, &out);
	for (size_t i = 0; i < out.len; i++) {
		column += out.data[i] == '\t' ? 8 : 1;
		if (out.data[i] == '\n')
			column = 0;
		CHECK(column <= 80);
	}
	buf_fini(&out);
	conf_free(&c);
}

TEST(the_docs_have_a_row_for_each_key)
{
	struct conf *c = begin();
	struct buf out = {0};

	conf_print_docs(c, &out);
	CHECK_EQ(buf_error(&out), 0);
	CHECK(strstr(buf_text(&out),
		     "| `bus.flush_ms` | number | a whole number from 0 to "
		     "1000 ms | `3` | yes | How long records may wait for "
		     "others. |\n") != NULL);
	CHECK(strstr(buf_text(&out), "| none, secret | no |") != NULL);
	buf_fini(&out);
	conf_free(&c);
}

TEST(files_are_read_and_their_absence_is_said)
{
	struct conf *c = begin();
	const struct bus_settings *bus = conf_get(c, &bus_table);
	char name[TEST_PATH_SIZE], expected[128];
	int fd;

	test_path(name);
	fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_EQ(write(fd, "{\"bus\":{\"flush_ms\":8}}", 22), 22);
	close(fd);
	CHECK_EQ(conf_load_file(c, name), 0);
	CHECK_EQ(bus->flush_ms, 8);
	unlink(name);
	CHECK_EQ(conf_load_file(c, name), -ENOENT);
	snprintf(expected, sizeof(expected), "%s: No such file or directory\n",
		 name);
	CHECK_STR(conf_messages(c), expected);
	conf_free(&c);
}

/* ---- json.h ---- */

TEST(keys_are_found_whatever_stands_around_them)
{
	const struct span text = SPAN_LIT(
		"{ // \"a\": {\"b\": 0}\n"
		"  \"x\": [{\"a\": {\"b\": 1}}, \"a\"], \"y\": \"\\\"a\",\n"
		"  \"a\": {\"c\": {\"b\": 2}, /* \"b\" */\n"
		"    \"b\": 3}, \"d.e\": {\"f\": 1} }");
	struct json_place p = json_place_of(text, json_find_key(text, "a.b"));

	CHECK_EQ(p.line, 4);
	CHECK_EQ(p.column, 5);
	p = json_place_of(text, json_find_key(text, "d.e.f"));
	CHECK_EQ(p.line, 4);
	CHECK_EQ(p.column, 22);
	CHECK_EQ(json_find_key(text, "a.z"), SIZE_MAX);
	CHECK_EQ(json_find_key(text, "b"), SIZE_MAX);
	CHECK_EQ(json_find_key(SPAN_LIT("{\"a"), "a"), SIZE_MAX);
}

TEST(strings_are_escaped_as_json_wants_it)
{
	struct buf out = {0};

	json_put_string(&out, SPAN_LIT("a\"\\\n\x01\x7f\xff\xc3\xa9"));
	CHECK_EQ(buf_error(&out), 0);
	CHECK_STR(buf_text(&out),
		  "\"a\\\"\\\\\\u000a\\u0001\\u007f\xef\xbf\xbd\xc3\xa9\"");
	buf_fini(&out);
}
