/* services/cli/auth_doc_test.c - what docs/auth.md shows does what it says.
 *
 * The settings of its JSON are in force, its shell examples are run, and the
 * addresses that they print are judged.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/access/verdict.h"
#include "common/io/clock.h"
#include "common/test/check.h"
#include "common/test/vector.h"
#include "services/cli/shell_test.h"
#include "services/cli/tool.h"

#define DOC "docs/auth.md"

struct doc {
	struct buf text;
	struct conf *conf;
	const struct access_settings *settings;
	struct ruleset *rules;
};

/* The nth block of a language; the text of the document has a NUL behind it. */
static struct span block(const struct doc *d, const char *language, int n)
{
	const char *at = (const char *)d->text.data;
	const char *end = NULL;
	char fence[16];

	snprintf(fence, sizeof(fence), "\n```%s\n", language);
	for (; n >= 0 && at; n--) {
		at = strstr(at, fence);
		at = at ? at + strlen(fence) : NULL;
	}
	end = at ? strstr(at, "\n```") : NULL;
	CHECK(end);
	return span_of(at, (size_t)(end - at) + 1);
}

static void begin(struct doc *d)
{
	static const struct conf_table *const tables[] = {&access_conf,
							  &access_rules_conf};
	const struct access_rules_settings *r;
	struct rule_fault fault;

	*d = (struct doc){.conf = NULL};
	vector_load(&d->text, DOC);
	(void)buf_text(&d->text);
	CHECK_EQ(buf_error(&d->text), 0);
	CHECK_EQ(conf_new(&d->conf, "edge", tables, 2), 0);
	if (conf_load_text(d->conf, DOC, block(d, "json", 0)))
		CHECK_STR(conf_messages(d->conf), "");
	d->settings = conf_get(d->conf, &access_conf);
	r = conf_get(d->conf, &access_rules_conf);
	CHECK_EQ(ruleset_new(&d->rules, 1), 0);
	CHECK_EQ(ruleset_load(d->rules, RULES_SETTINGS, span_str(r->rules),
			      &fault),
		 0);
}

static void end(struct doc *d)
{
	ruleset_free(&d->rules);
	conf_free(&d->conf);
	buf_fini(&d->text);
}

/* The line that a shell prints for a block. `weir` is the one that was built
 * with this test: build/bin beside build/test/services/cli. */
static void run(char out[512], const struct doc *d, int n)
{
	struct span script = block(d, "sh", n);
	struct buf command = {0};
	char own[512];

	CHECK_EQ(tool_own_dir(own, sizeof(own)), 0);
	buf_printf(&command, "PATH=%s/../../../bin:$PATH\n%.*s", own,
		   (int)script.len, (const char *)script.data);
	shell_run(out, 512, buf_text(&command));
	out[strcspn(out, "\n")] = '\0';
	fprintf(stderr, "%s\n", out);
	buf_fini(&command);
}

static enum access_verdict decide(struct access_decision *out,
				  const struct doc *d, enum access_op op,
				  const char *key, const char *addr,
				  const char *url)
{
	const char *query = strchr(url, '?');
	struct stream_key stream;
	struct ip_addr ip;
	struct access_request rq = {
		.op = op,
		.protocol = op == ACCESS_PUBLISH ? ACCESS_RTMP : ACCESS_FLV,
		.key = &stream,
		.ip = &ip,
		.query = query ? span_str(query + 1) : (struct span){0},
	};

	CHECK_EQ(stream_key_from_path(&stream, span_str(key), IDENTITY_PATH),
		 0);
	CHECK_EQ(ip_addr_parse(&ip, span_str(addr)), 0);
	access_decide(out, &rq, d->settings, d->rules, io_utc_us() / 1000);
	fprintf(stderr, "%s\n", out->detail);
	return out->verdict;
}

/* These run shells: not for each allocation that could fail. */
TEST_NO_OOM(one_line_of_shell_signs_an_address)
{
	struct access_decision got;
	struct doc d;
	char url[512];

	begin(&d);
	run(url, &d, 0);
	CHECK(!strncmp(url, "rtmp://127.0.0.1/live/cam1?", 27));
	CHECK_EQ(
		decide(&got, &d, ACCESS_PUBLISH, "live/cam1", "127.0.0.1", url),
		ACCESS_YES);
	CHECK_EQ(
		decide(&got, &d, ACCESS_PUBLISH, "live/cam2", "127.0.0.1", url),
		ACCESS_NO);
	CHECK_EQ(decide(&got, &d, ACCESS_PUBLISH, "live/cam1", "127.0.0.1",
			"rtmp://127.0.0.1/live/cam1"),
		 ACCESS_NO);
	/* On no list of those who may publish. */
	CHECK_EQ(
		decide(&got, &d, ACCESS_PUBLISH, "live/cam1", "192.0.2.7", url),
		ACCESS_NO);
	CHECK_EQ(got.reason, REASON_denied);
	end(&d);
}

TEST_NO_OOM(weir_sign_does_the_same)
{
	static const char stream[] = "live/cam1";
	struct access_decision got;
	struct doc d;
	char url[512];

	begin(&d);
	run(url, &d, 1);
	CHECK(!strncmp(url, "http://127.0.0.1:8080/live/cam1.flv?", 36));
	CHECK_EQ(decide(&got, &d, ACCESS_PLAY, stream, "192.0.2.7", url),
		 ACCESS_YES);
	CHECK_STR(got.user, "bob & co");
	CHECK_EQ(decide(&got, &d, ACCESS_PLAY, stream, "192.0.3.7", url),
		 ACCESS_NO);
	CHECK_STR(got.detail, "the signature is for another address");
	/* Its key is for playing. */
	CHECK_EQ(decide(&got, &d, ACCESS_PUBLISH, stream, "127.0.0.1", url),
		 ACCESS_NO);
	CHECK_STR(got.detail, "the key is not for this");
	end(&d);
}

TEST_NO_OOM(lal_s_secret_is_made_by_md5sum)
{
	struct access_decision got;
	struct doc d;
	char url[512];

	begin(&d);
	run(url, &d, 2);
	CHECK_EQ(
		decide(&got, &d, ACCESS_PLAY, "live/test110", "192.0.2.7", url),
		ACCESS_YES);
	CHECK_EQ(
		decide(&got, &d, ACCESS_PLAY, "live/test111", "192.0.2.7", url),
		ACCESS_NO);
	end(&d);
}
