/* services/cli/import_lal_test.c - with lal's shipped settings and others. */
#include "services/cli/import_lal.h"

#include <stdio.h>

#include "common/access/ruleset.h"
#include "common/conf/conf.h"
#include "common/test/check.h"
#include "common/test/vector.h"
#include "services/cli/shell_test.h"
#include "services/cli/tool.h"

#define SHIPPED "services/cli/vectors/lalserver.conf.json"

/* What comes of JSON with ' for "; the caller's. "": there was no memory. */
static struct buf import(const char *text, unsigned *lost_count)
{
	struct buf out = {0};
	char json[4096];
	int err;

	snprintf(json, sizeof(json), "%s", text);
	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	err = import_lal(&out, span_str(json), lost_count);
	if (err)
		buf_fini(&out);
	CHECK_EQ(err, 0);
	return out;
}

static void check_has(struct buf *out, const char *text)
{
	if (!strstr(buf_text(out), text))
		fprintf(stderr, "%s\nlacks: %s\n", buf_text(out), text);
	CHECK(buf_error(out) || strstr(buf_text(out), text));
}

static void check_lacks(struct buf *out, const char *text)
{
	CHECK(!strstr(buf_text(out), text));
}

TEST(what_lal_ships_is_translated)
{
	struct buf in = {0}, out = {0};
	unsigned lost_count = 0;
	int err;

	vector_load(&in, SHIPPED);
	err = import_lal(&out, buf_span(&in), &lost_count);
	buf_fini(&in);
	if (!err)
		vector_check(SHIPPED ".txt", buf_span(&out));
	buf_fini(&out);
	CHECK_EQ(err, 0);
	CHECK_EQ(lost_count, 24);
}

/* Put the result of `json` into a file, and have all processes look at it. */
static void check_accepted(const char *json)
{
	static const char *const roles[] = {"ingest", "origin", "edge",
					    "packager", "dispatch"};
	char own[512], command[2048], said[512];
	char file[TEST_PATH_SIZE];
	unsigned lost_count;
	struct buf out = import(json, &lost_count);
	FILE *f;

	test_path(file);
	f = fopen(file, "w");
	CHECK(f);
	CHECK_EQ(fwrite(out.data, 1, out.len, f), out.len);
	CHECK_EQ(fclose(f), 0);
	CHECK_EQ(tool_own_dir(own, sizeof(own)), 0);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(roles); i++) {
		snprintf(command, sizeof(command),
			 "%s/../../../bin/weir-%s --check %s", own, roles[i],
			 file);
		shell_run(said, sizeof(said), command);
	}
	buf_fini(&out);
}

/* Runs processes: not for each allocation that could fail. */
TEST_NO_OOM(all_processes_take_the_result)
{
	check_accepted("{}");
	check_accepted(
		"{'rtmp':{'enable':true,'addr':'127.0.0.1:1935'},"
		"'default_http':{'http_listen_addr':':80'},"
		"'httpflv':{'enable':true},'httpts':{'enable':true},"
		"'hls':{'enable':true,'fragment_duration_ms':60000,"
		"'fragment_num':3,'sub_session_timeout_ms':0},"
		"'relay_push':{'enable':true,'addr_list':['a:1','b']},"
		"'static_relay_pull':{'enable':true,'addr':'10.0.0.1:1935'},"
		"'http_api':{'enable':true,'addr':':8083'},'server_id':'x',"
		"'simple_auth':{'key':'k','dangerous_lal_secret':'\\u00e4',"
		"'pub_rtmp_enable':true},'log':{'level':3}}");
}

TEST(what_is_not_said_is_off_as_in_lal)
{
	unsigned lost_count = 7;
	struct buf out = import("{}", &lost_count);

	check_has(&out, "\"stream_identity\": \"name\"");
	check_has(&out, "\"rtmp.listen\": \"\"");
	check_has(&out, "\"http.listen\": \"\"");
	check_has(&out, "\"api.listen\": \"\"");
	check_has(&out, "\"mode\": \"on_demand\"");
	check_lacks(&out, "rules");
	check_lacks(&out, "lal.key");
	CHECK_EQ(lost_count, 0);
	buf_fini(&out);
}

TEST(relays_become_rules_that_can_be_read)
{
	static const char json[] =
		"{'relay_push':{'enable':true,'addr_list':['a:1','b','c','d',"
		"'e','f','g','h','i:9', '/', 7]},'static_relay_pull':"
		"{'enable':true,'addr':'o:1935'}}";
	unsigned lost_count;
	struct buf out = import(json, &lost_count);
	char text[4096];
	const char *at = strstr(buf_text(&out), "\"rules\": ");
	struct ruleset *rs = NULL;
	struct rule_fault fault;
	size_t len;

	CHECK(at);
	at += strlen("\"rules\": ");
	len = (size_t)(strstr(at, "\n\t\t]") - at) + 4;
	snprintf(text, sizeof(text), "%.*s", (int)len, at);
	check_has(&out, "relay_push.addr_list: one of its entries");
	buf_fini(&out);
	CHECK_EQ(lost_count, 3);
	CHECK_EQ(ruleset_new(&rs, 1), 0);
	CHECK_EQ(ruleset_load(rs, RULES_SETTINGS, span_str(text), &fault), 0);
	CHECK_EQ(ruleset_count(rs, RULE_PUSH), 2);
	CHECK_STR(ruleset_at(rs, RULE_PUSH, 1, NULL)->push.url[0],
		  "rtmp://i:9/$key");
	CHECK(ruleset_at(rs, RULE_PUSH, 0, NULL)->push.is_query_forwarded);
	CHECK_STR(ruleset_at(rs, RULE_PULL, 0, NULL)->pull.url[0],
		  "rtmp://o:1935/$key");
	CHECK_EQ(ruleset_at(rs, RULE_PULL, 0, NULL)->pull.auto_stop_ms, 0);
	ruleset_free(&rs);
}

TEST(one_port_and_one_certificate_are_left_of_several)
{
	unsigned lost_count;
	struct buf out = import(
		"{'default_http':{'http_listen_addr':':80',"
		"'https_cert_file':'a.pem','https_key_file':'a.key'},"
		"'httpflv':{'enable':true,'http_listen_addr':':81'},"
		"'hls':{'enable':true,'enable_https':true,"
		"'https_listen_addr':':443'},"
		"'rtmp':{'rtmps_enable':true,'rtmps_addr':'nowhere.example:1',"
		"'rtmps_cert_file':'b.pem','rtmps_key_file':'a.key'}}",
		&lost_count);

	check_has(&out, "\"http.listen\": \":81\"");
	check_has(&out, "\"https.listen\": \":443\"");
	check_has(&out,
		  "default_http.http_listen_addr: an edge has one such "
		  "port");
	check_has(&out, "httpts.enable: off; the port has");
	check_has(&out, "httpflv.enable_https: off; the port has");
	check_has(&out, "\"tls.cert\": \"a.pem\"");
	check_has(&out, "rtmp.rtmps_cert_file: an edge has one certificate");
	check_has(&out, "rtmp.rtmps_addr: no address that can be listened at");
	check_lacks(&out, "rtmps.listen");
	buf_fini(&out);
}

TEST(numbers_that_weir_does_not_take_are_told)
{
	unsigned lost_count;
	struct buf out =
		import("{'hls':{'enable':true,'fragment_num':5000,"
		       "'fragment_duration_ms':100,"
		       "'sub_session_timeout_ms':'x'},"
		       "'log':{'level':9}}",
		       &lost_count);

	check_has(&out, "hls.fragment_num: hls.fragment_num takes 1 to 1000");
	check_has(&out,
		  "hls.fragment_duration_ms: "
		  "cluster.fragment_duration_ms takes 200 to 60000");
	check_has(&out, "hls.sub_session_timeout_ms: ");
	check_lacks(&out, "\"log\"");
	buf_fini(&out);
}

TEST(what_hls_viewers_have_by_default_is_computed_as_lal_does)
{
	unsigned lost_count;
	struct buf out =
		import("{'hls':{'enable':true,'fragment_num':4,"
		       "'fragment_duration_ms':2000,"
		       "'sub_session_timeout_ms':0}}",
		       &lost_count);

	check_has(&out, "\"sub_session_timeout_ms\": 16000");
	check_has(&out, "\"max_fragment_ms\": 20000");
	buf_fini(&out);
}

TEST(hls_viewers_are_sessions_where_lal_has_a_key_for_them)
{
	unsigned lost_count;
	struct buf out =
		import("{'hls':{'enable':true,"
		       "'sub_session_timeout_ms':20000,"
		       "'sub_session_hash_key':'q191201771'}}",
		       &lost_count);

	check_has(&out, "\"session\": true");
	check_has(&out, "\"session_key\": \"q191201771\"");
	check_has(&out, "\"sub_session_timeout_ms\": 20000");
	buf_fini(&out);
	out = import("{'hls':{'enable':true,'sub_session_hash_key':''}}",
		     &lost_count);
	check_lacks(&out, "\"session");
	buf_fini(&out);
	out = import("{'hls':{'enable':false,'sub_session_hash_key':'k'}}",
		     &lost_count);
	check_lacks(&out, "\"session");
	buf_fini(&out);
}

TEST(nothing_that_stands_in_a_file_breaks_out_of_the_comments)
{
	static const struct conf_table *const none[] = {NULL};
	unsigned lost_count;
	struct buf out =
		import("{'a\\n{':1,'b':{'c\\r\\n':2},'conf_version':"
		       "'1\\n\\u0000{','record':{'enable_flv':'\\n'}}",
		       &lost_count);
	struct conf *c = NULL;
	int err;

	check_has(&out, "//   a {: not known as a setting of lal\n");
	check_has(&out, "//   record.enable_flv =  : recording");
	CHECK_EQ(lost_count, 3);
	err = conf_new(&c, "none", none, 0);
	if (!err)
		err = conf_load_text(c, "lal", buf_span(&out));
	buf_fini(&out);
	conf_free(&c);
	CHECK_EQ(err, 0);
}

TEST(what_is_no_object_is_refused)
{
	static const char *const cases[] = {"", "[]", "1", "{", "null", "x"};
	static char longest[IMPORT_BYTES_MAX + 1];
	struct buf out = {0};
	unsigned lost_count;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++)
		CHECK_EQ(import_lal(&out, span_str(cases[i]), &lost_count),
			 WEIR_EINVAL);
	CHECK_EQ(import_lal(&out, SPAN(longest), &lost_count), WEIR_ELIMIT);
	CHECK_EQ(out.len, 0);
}
