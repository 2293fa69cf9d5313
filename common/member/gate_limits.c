/* common/member/gate_limits.c - how many are in, and what the node still has. */
#include "common/member/gate_priv.h"

#define WINDOW_MS          10000
#define GUESSERS_MAX       10000
#define IPV6_PREFIX_BITS   64
#define BUSY_SECONDS       10
#define BUSY_LESS_PERMILLE 50

void limits_init(struct gate_limits *l,
		 const struct member_limits_settings *settings, uint64_t seed)
{
	const uint32_t most[COUNTS_KINDS] = {
		[COUNTS_STREAMS] = (uint32_t)settings->viewers_per_stream,
		[COUNTS_VIEWERS] = (uint32_t)settings->viewers_per_ip,
		[COUNTS_PUBLISHERS] = (uint32_t)settings->publishers_per_ip,
	};

	*l = (struct gate_limits){.settings = settings};
	gate_counts_init(&l->counts, most, seed);
	tally_init(&l->failures, ~seed);
}

void limits_fini(struct gate_limits *l)
{
	gate_counts_fini(&l->counts);
	tally_fini(&l->failures);
}

/* ---- who guesses ---- */

static struct span guesser(struct ip_addr *prefix, const struct ip_addr *ip)
{
	*prefix =
		ip_addr_is_v4(ip) ? *ip : ip_addr_prefix(ip, IPV6_PREFIX_BITS);
	return SPAN(prefix->byte);
}

/* A new window begins with nobody in it. */
static void turn_window(struct gate_limits *l, int64_t now_ms)
{
	uint64_t seed = l->failures.counts.seed;

	if (now_ms < l->window_ms)
		return;
	l->window_ms = now_ms + WINDOW_MS;
	tally_fini(&l->failures);
	tally_init(&l->failures, seed);
}

bool limits_may_try(struct gate_limits *l, const struct ip_addr *ip,
		    int64_t now_ms)
{
	size_t max = (size_t)l->settings->failures_per_ip;
	struct ip_addr prefix;

	if (!max || !ip)
		return true;
	turn_window(l, now_ms);
	return tally_of(&l->failures, guesser(&prefix, ip)) < max;
}

void limits_failed(struct gate_limits *l, const struct ip_addr *ip,
		   int64_t now_ms)
{
	struct ip_addr prefix;

	if (!l->settings->failures_per_ip || !ip)
		return;
	turn_window(l, now_ms);
	if (l->failures.counts.count < GUESSERS_MAX)
		(void)!tally_enter(&l->failures, guesser(&prefix, ip), 0);
}

/* ---- what the node still has ---- */

/* Those who came since the last second will send as much as the others do. */
static uint64_t expected_bps(const struct gate_limits *l)
{
	size_t before = l->viewer_count - l->new_viewers;

	if (!before)
		return l->load.out_bps;
	return l->load.out_bps + l->load.out_bps / before * l->new_viewers;
}

static bool is_over(uint64_t used, int64_t limit)
{
	return limit && used >= (uint64_t)limit;
}

static bool lacks_descriptors(const struct gate_limits *l)
{
	const struct gate_usage *u = &l->usage;

	return u->descriptors_max &&
	       is_over((uint64_t)u->descriptors * 100 / u->descriptors_max,
		       l->settings->descriptors_percent);
}

static bool lacks_memory(const struct gate_limits *l)
{
	const struct member_limits_settings *s = l->settings;
	uint64_t percent = l->usage.memory_max_bytes / 100;

	return is_over(l->load.memory_bytes, s->memory_bytes) ||
	       is_over(l->load.memory_bytes,
		       (int64_t)percent * s->memory_percent);
}

/* A crowd that comes at once keeps a loop busy for some seconds, and is let in.
 * Once it has been too much, it must be clearly less. */
static void look_at_time(struct gate_limits *l)
{
	int64_t limit = l->settings->busy_percent * 10;
	int64_t less = WEIR_MIN(BUSY_LESS_PERMILLE, limit / 2);
	bool is_over_now = is_over(l->load.busy_permille, limit);

	l->busy_seconds = is_over_now ? l->busy_seconds + 1 : 0;
	if (l->busy_seconds >= BUSY_SECONDS)
		l->is_busy = true;
	else if ((int64_t)l->load.busy_permille < limit - less)
		l->is_busy = false;
}

void limits_on_load(struct gate_limits *l, const struct node_load *load,
		    const struct gate_usage *usage)
{
	l->load = *load;
	l->usage = *usage;
	l->new_viewers = 0;
	look_at_time(l);
}

enum reason limits_budget(const struct gate_limits *l, enum access_op op,
			  const char **detail)
{
	const struct member_limits_settings *s = l->settings;

	*detail = "";
	if (op == ACCESS_PLAY && is_over(expected_bps(l), s->out_bps))
		*detail = "what it sends";
	else if (lacks_memory(l))
		*detail = "memory";
	else if (lacks_descriptors(l))
		*detail = "descriptors";
	else if (l->is_busy)
		*detail = "time";
	return **detail ? REASON_overloaded : REASON_none;
}

/* ---- how many are in ---- */

static int enter(struct gate_limits *l, enum counts_kind kind, const char *name,
		 bool has_moved)
{
	return has_moved ? gate_counts_move(&l->counts, kind, span_str(name))
			 : gate_counts_enter(&l->counts, kind, span_str(name));
}

static void leave(struct gate_limits *l, enum counts_kind kind,
		  const char *name)
{
	gate_counts_leave(&l->counts, kind, span_str(name));
}

static enum reason reason_of(int err, const char *whose, const char **detail)
{
	*detail = err == WEIR_ELIMIT ? whose : "";
	return err == WEIR_ELIMIT ? REASON_too_many
	       : err              ? REASON_no_resources
				  : REASON_none;
}

static enum reason enter_publisher(struct gate_limits *l, const char *ip,
				   const char **detail)
{
	int err = enter(l, COUNTS_PUBLISHERS, ip, false);

	return reason_of(err, "publishers from this address", detail);
}

static enum reason enter_viewer(struct gate_limits *l, const char *stream,
				const char *ip, bool has_moved,
				const char **detail)
{
	int err = enter(l, COUNTS_STREAMS, stream, has_moved);

	if (err)
		return reason_of(err, "viewers of this stream", detail);
	err = enter(l, COUNTS_VIEWERS, ip, has_moved);
	if (err) {
		leave(l, COUNTS_STREAMS, stream);
		return reason_of(err, "viewers from this address", detail);
	}
	l->viewer_count++;
	l->new_viewers++;
	return REASON_none;
}

enum reason limits_enter(struct gate_limits *l, enum access_op op,
			 const char *stream, const char *ip, bool has_moved,
			 const char **detail)
{
	enum reason why = limits_budget(l, op, detail);

	if (why)
		return why;
	return op == ACCESS_PUBLISH
		       ? enter_publisher(l, ip, detail)
		       : enter_viewer(l, stream, ip, has_moved, detail);
}

bool limits_adopt(struct gate_limits *l, const char *ip)
{
	return gate_counts_adopt(&l->counts, COUNTS_PUBLISHERS, span_str(ip)) ==
	       0;
}

void limits_leave(struct gate_limits *l, enum access_op op, const char *stream,
		  const char *ip)
{
	if (op == ACCESS_PUBLISH) {
		leave(l, COUNTS_PUBLISHERS, ip);
		return;
	}
	leave(l, COUNTS_STREAMS, stream);
	leave(l, COUNTS_VIEWERS, ip);
	l->viewer_count--;
	/* Of those who were there before the last second, when in doubt. */
	l->new_viewers = WEIR_MIN(l->new_viewers, l->viewer_count);
}
