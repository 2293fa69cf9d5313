/* common/log/logger.h - lines of events: time, level, event, facts.
 *
 *	2026-01-02T03:04:05.678Z info publish.start stream=live/a proto=rtmp
 *
 * A service declares its events in one table (log.c), and says them:
 *
 *	const struct log_event ingest_publish_start = {
 *		"publish.start", LOG_INFO, "stream session peer proto",
 *		"A publisher was let in."};
 *	…
 *	logger_event(lg, &ingest_publish_start, kv_str("stream", key),
 *		     kv_uuid("session", &id), kv_addr("peer", &peer));
 *
 * Fields are made only if the level is on; nothing is allocated. All text is
 * taken to come from a peer: what is not plain is quoted and escaped, control
 * characters and broken UTF-8 never reach the output. A line is at most 4 kB.
 *
 * Writing never blocks: when the reader of a full pipe does not read, lines are
 * dropped, counted, and the next line that fits is preceded by log.dropped. One
 * event may say `per_second` lines a second; what it says beyond that is
 * counted, and its next line carries suppressed=N.
 *
 * (`struct log` and log_… are the stream log of common/media.)
 */
#ifndef WEIR_LOG_LOGGER_H
#define WEIR_LOG_LOGGER_H

#include "common/base/buf.h"
#include "common/base/uuid.h"
#include "common/io/net.h"

enum log_level {
	LOG_ERROR, /* a person must act */
	LOG_WARN,  /* something is lacking; it goes on */
	LOG_INFO,  /* sessions begin and end */
	LOG_DEBUG, /* for finding faults */
};

struct log_event {
	const char *name; /* "publish.start" */
	enum log_level level;
	const char *fields; /* names, one space between */
	const char *sentence;
};

enum kv_type {
	KV_STR,
	KV_INT,
	KV_UINT,
	KV_BOOL,
	KV_ADDR,
	KV_UUID,
	KV_ERR,
};

/* One fact; borrowed pointers, alive during the call only. */
struct kv {
	const char *name;
	enum kv_type type;
	union {
		struct span text;
		int64_t i;
		uint64_t u;
		const struct net_addr *addr;
		const struct uuid *uuid;
	};
};

static inline struct kv kv_span(const char *name, struct span text)
{
	return (struct kv){.name = name, .type = KV_STR, .text = text};
}

static inline struct kv kv_str(const char *name, const char *text)
{
	return kv_span(name, text ? span_str(text) : (struct span){0});
}

static inline struct kv kv_int(const char *name, int64_t i)
{
	return (struct kv){.name = name, .type = KV_INT, .i = i};
}

static inline struct kv kv_uint(const char *name, uint64_t u)
{
	return (struct kv){.name = name, .type = KV_UINT, .u = u};
}

static inline struct kv kv_bool(const char *name, bool is_so)
{
	return (struct kv){.name = name, .type = KV_BOOL, .u = is_so};
}

static inline struct kv kv_addr(const char *name, const struct net_addr *a)
{
	return (struct kv){.name = name, .type = KV_ADDR, .addr = a};
}

static inline struct kv kv_uuid(const char *name, const struct uuid *u)
{
	return (struct kv){.name = name, .type = KV_UUID, .uuid = u};
}

/* The meaning of a WEIR_E… or -errno. */
static inline struct kv kv_err(const char *name, int err)
{
	return (struct kv){.name = name, .type = KV_ERR, .i = err};
}

struct logger;

struct logger_options {
	int fd;               /* borrowed; -1: nowhere */
	enum log_level level; /* this and more urgent ones */
	unsigned per_second;  /* lines of one event; 0: 50 */
};

struct logger_stats {
	uint64_t lines_count[4]; /* written, by level */
	uint64_t dropped_count;  /* the output was full */
	uint64_t suppressed_count;
};

/* Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int logger_new(struct logger **out,
			       const struct logger_options *options);
void logger_free(struct logger **lg);

/* A logger that may be NULL says nothing. */
bool logger_is_on(const struct logger *lg, enum log_level level);
void logger_set_level(struct logger *lg, enum log_level level);

#define logger_event(lg, ev, ...)                                              \
	do {                                                                   \
		if (logger_is_on((lg), (ev)->level)) {                         \
			const struct kv kv_[] = {__VA_ARGS__};                 \
			logger_write((lg), (ev), kv_, WEIR_ARRAY_LEN(kv_));    \
		}                                                              \
	} while (0)
void logger_write(struct logger *lg, const struct log_event *ev,
		  const struct kv *kv, size_t count);

/* The same, however many there are in a second: what has a limit of its own, and
 * must be found in the log. */
#define logger_event_each(lg, ev, ...)                                         \
	do {                                                                   \
		if (logger_is_on((lg), (ev)->level)) {                         \
			const struct kv kv_[] = {__VA_ARGS__};                 \
			logger_write_each((lg), (ev), kv_,                     \
					  WEIR_ARRAY_LEN(kv_));                \
		}                                                              \
	} while (0)
void logger_write_each(struct logger *lg, const struct log_event *ev,
		       const struct kv *kv, size_t count);

void logger_stats(const struct logger *lg, struct logger_stats *out);

/* The line alone, without time and newline: for rings of recent events. At most
 * 4 kB are appended. */
void logger_format(struct buf *out, const struct log_event *ev,
		   const struct kv *kv, size_t count);

/* The rows of a page for docs: event, level, fields, sentence. */
void logger_print_docs(struct buf *out, const struct log_event *const *events,
		       size_t count);

#endif
