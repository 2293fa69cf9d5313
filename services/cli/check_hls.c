/* services/cli/check_hls.c - `weir check-hls`: watch a live HLS stream and say
 * what it breaks.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "common/conf/json.h"
#include "common/io/clock.h"
#include "services/cli/args.h"
#include "services/cli/commands.h"
#include "services/cli/hls_follow.h"
#include "services/cli/signals.h"

#define LOOK_MS 200 /* how often it is asked whether all is over */

struct options {
	unsigned for_s, segments, playlists;
	unsigned date_ms, late_ms;
	bool is_json, may_be_absent;
};

struct check {
	struct options o;
	const char *const *url;
	unsigned count;
	struct loop *loop;
	struct signals signals;
	struct timer *end, *look;
	struct hls_watch *watch;
	struct hls_follow *follow;
	int64_t begin_ms;
	const char *reason;
};

#define AT(m) offsetof(struct options, m)

static const struct arg args[] = {
	{"for", ARG_UINT, "SECONDS", 1, 1000000, AT(for_s),
	 "watch so long, or until the stream has ended [30]"},
	{"segments", ARG_UINT, "N", 0, 1000000, AT(segments),
	 "fail when a replica showed fewer [3]"},
	{"playlists", ARG_UINT, "N", 0, 1000000, AT(playlists),
	 "fail when a replica answered fewer times [2]"},
	{"date-tolerance", ARG_UINT, "MS", 1, 1000000, AT(date_ms),
	 "how far a date may lie beside the one before and EXTINF [150]"},
	{"late-slack", ARG_UINT, "MS", 1, 1000000, AT(late_ms),
	 "what caches may add to 1.5 target durations [1000]"},
	{"may-be-absent", ARG_FLAG, "", 0, 0, AT(may_be_absent),
	 "a replica may be away while another one answers"},
	{"json", ARG_FLAG, "", 0, 0, AT(is_json),
	 "one object a line: complaints, replicas, the end"},
};

static const struct arg_table table = {
	.command = "check-hls",
	.operands = "URL [URL of a replica...]",
	.sentence =
		"Watches a live HLS stream as a player would, and says what "
		"breaks RFC 8216 or\nwhat weir promises: weir check-hls "
		"http://127.0.0.1:8080/live/cam1.m3u8",
	.operand_count = HLS_REPLICAS_MAX,
	.operands_optional = HLS_REPLICAS_MAX - 1,
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
	.more = "Up to four addresses of one stream are compared: equal names "
		"must have equal\nbytes and equal playlist lines. Each segment "
		"is fetched once from each, and once\nmore after it was "
		"removed. Status: 0 nothing is wrong; 1 something is, or too\n"
		"little was seen.\n",
};

/* ---- What is printed ---- */

static void print_json(struct json_object *o)
{
	if (o)
		printf("%s\n", json_object_to_json_string_ext(
				       o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void on_complaint(void *ctx, const struct hls_complaint *c)
{
	const struct check *k = ctx;
	uint64_t at_ms = (uint64_t)(c->at_ms - k->begin_ms);
	struct json_object *o;

	if (!k->o.is_json) {
		printf("%+.1fs replica %u %s%s (%s): %s\n",
		       (double)at_ms / 1000, c->replica + 1,
		       c->is_note ? "note " : "", hls_rule_name(c->rule),
		       hls_rule_section(c->rule), c->words);
		fflush(stdout);
		return;
	}
	o = json_object_new_object();
	json_add_text(o, "event", c->is_note ? "note" : "complaint");
	json_add_uint(o, "at_ms", at_ms);
	json_add_uint(o, "replica", c->replica + 1);
	json_add_text(o, "rule", hls_rule_name(c->rule));
	json_add_text(o, "section", hls_rule_section(c->rule));
	json_add_text(o, "words", c->words);
	print_json(o);
	fflush(stdout);
}

/* Names and values of the line about a replica. */
#define STATS(X)                                                               \
	X(playlists)                                                           \
	X(changes)                                                             \
	X(segments)                                                            \
	X(gaps)                                                                \
	X(fetched)                                                             \
	X(removed_fetched)                                                     \
	X(compared)                                                            \
	X(bytes)                                                               \
	X(complaints)                                                          \
	X(notes)

static void print_replica(const struct check *k, unsigned i,
			  const struct hls_watch_stats *st)
{
	struct json_object *o;

	if (!k->o.is_json) {
		printf("check-hls.replica n=%u", i + 1);
#define STAT_TEXT(name) printf(" " #name "=%" PRIu64, st->name);
		STATS(STAT_TEXT)
		printf(" url=%s\n", k->url[i]);
		return;
	}
	o = json_object_new_object();
	json_add_text(o, "event", "replica");
	json_add_uint(o, "replica", i + 1);
	json_add_text(o, "url", k->url[i]);
#define STAT_JSON(name) json_add_uint(o, #name, st->name);
	STATS(STAT_JSON)
	print_json(o);
}

static void print_end(const struct check *k, uint64_t complaints,
		      const char *verdict)
{
	uint64_t ms = io_mono_ms() - (uint64_t)k->begin_ms;
	struct json_object *o;

	if (!k->o.is_json) {
		printf("check-hls.end reason=%s ms=%" PRIu64
		       " complaints=%" PRIu64 " verdict=%s\n",
		       k->reason, ms, complaints, verdict);
		return;
	}
	o = json_object_new_object();
	json_add_text(o, "event", "end");
	json_add_text(o, "reason", k->reason);
	json_add_uint(o, "ms", ms);
	json_add_uint(o, "complaints", complaints);
	json_add_text(o, "verdict", verdict);
	print_json(o);
}

/* ---- The verdict ---- */

/* A stream that has ended may have been shorter. */
static bool has_seen_enough(const struct check *k, unsigned i,
			    const struct hls_watch_stats *st)
{
	uint64_t listed = st->segments - st->gaps;
	uint64_t least = k->o.segments;

	if (hls_watch_is_ended(k->watch, i))
		least = WEIR_MIN(least, listed);
	return st->fetched && st->fetched >= least &&
	       st->playlists >= k->o.playlists;
}

static int report(const struct check *k)
{
	uint64_t complaints = 0;
	bool is_enough = true;

	for (unsigned i = 0; i < k->count; i++) {
		struct hls_watch_stats st;

		hls_watch_get_stats(k->watch, i, &st);
		print_replica(k, i, &st);
		complaints += st.complaints;
		is_enough = is_enough && has_seen_enough(k, i, &st);
	}
	print_end(k, complaints,
		  complaints   ? "broken"
		  : !is_enough ? "too-little-seen"
			       : "good");
	return complaints || !is_enough ? 1 : 0;
}

/* ---- Life ---- */

static void stop(struct check *k, const char *reason)
{
	if (!k->reason)
		k->reason = reason;
	loop_stop(k->loop);
}

static void on_signal(void *ctx)
{
	stop(ctx, "signal");
}

static void on_end(struct check *k)
{
	stop(k, "time");
}

static void on_look(struct check *k)
{
	if (hls_follow_error(k->follow))
		stop(k, "error");
	else if (hls_follow_is_over(k->follow))
		stop(k, "ended");
}

static int start(struct check *k)
{
	const struct hls_watch_options o = {
		.replica_count = k->count,
		.date_tolerance_ms = k->o.date_ms,
		.late_slack_ms = k->o.late_ms,
		.may_be_absent = k->o.may_be_absent,
	};
	int err = loop_new(&k->loop);

	k->begin_ms = (int64_t)io_mono_ms();
	if (!err)
		err = timer_new(&k->end, k->loop, on_end, k);
	if (!err)
		err = timer_new(&k->look, k->loop, on_look, k);
	if (!err)
		err = signals_open(&k->signals, k->loop, on_signal, k);
	if (!err)
		err = hls_watch_new(&k->watch, &o, on_complaint, k);
	if (!err)
		err = hls_follow_new(&k->follow, k->loop, k->watch, k->url,
				     k->count);
	if (err)
		return err;
	timer_start(k->end, k->o.for_s * 1000ULL);
	timer_repeat(k->look, LOOK_MS);
	return 0;
}

static void finish(struct check *k)
{
	signals_close(&k->signals);
	hls_follow_free(&k->follow);
	hls_watch_free(&k->watch);
	timer_free(&k->end);
	timer_free(&k->look);
	loop_free(&k->loop);
}

static int run(struct check *k)
{
	int err = start(k);
	int status;

	if (!err)
		err = loop_run(k->loop);
	if (!err)
		err = hls_follow_error(k->follow);
	if (!err)
		return report(k);
	status = err == WEIR_EINVAL ? 2 : 1;
	fprintf(stderr, "weir check-hls: %s: %s\n", k->url[0],
		err == WEIR_EINVAL ? "no http or https address"
				   : weir_strerror(err));
	return status;
}

int command_check_hls(int argc, char **argv)
{
	struct check k = {.o = {.for_s = 30, .segments = 3, .playlists = 2}};
	struct arg_rest rest = {0};
	int status;

	if (args_take(&k.o, &rest, &table, argc, argv, &status))
		return status;
	k.url = rest.operand;
	k.count = (unsigned)rest.count;
	status = run(&k);
	finish(&k);
	return status;
}
