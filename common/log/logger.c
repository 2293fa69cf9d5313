/* common/log/logger.c - lines of events, written without ever waiting. */
#include "common/log/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/clock.h"
#include "common/log/line.h"

#define PER_SECOND  50
#define EVENT_SLOTS 256 /* a power of two; events beyond are not limited */

enum outlet {
	OUTLET_NONE,
	OUTLET_WRITE,  /* never waits: a file, or opened so by us */
	OUTLET_SOCKET, /* asked not to wait at each call */
	OUTLET_POLL,   /* asked beforehand, which is all that is left */
};

/* How often an event was said in the present second. */
struct event_slot {
	const struct log_event *event;
	uint64_t second;
	unsigned count;
	uint64_t suppressed_count;
};

struct logger {
	enum outlet outlet;
	int fd;
	enum log_level level;
	unsigned per_second;
	struct logger_stats stats;
	uint64_t dropped_count; /* not yet reported */
	struct event_slot slot[EVENT_SLOTS];
	size_t rest_len; /* of a line that was written in part */
	char rest[LINE_BYTES];
};

static const struct log_event dropped_event = {
	"log.dropped", LOG_WARN, "count",
	"Lines were lost because nobody read the output."};

static const char *const level_name[] = {"error", "warn", "info", "debug"};

/* Non-blocking is a property of what is open, which we share with others (a
 * terminal with its shell): open the same pipe or terminal once more, for us
 * alone. */
static int open_again(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path,
		    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_APPEND);
}

static void choose_outlet(struct logger *lg, int fd)
{
	struct stat st;

	lg->fd = -1;
	if (fd < 0 || fstat(fd, &st))
		return;
	lg->outlet = OUTLET_WRITE;
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		lg->fd = open_again(fd);
	if (lg->fd >= 0)
		return;
	lg->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (S_ISSOCK(st.st_mode))
		lg->outlet = OUTLET_SOCKET;
	else if (!S_ISREG(st.st_mode))
		lg->outlet = OUTLET_POLL;
	if (lg->fd < 0)
		lg->outlet = OUTLET_NONE;
}

int logger_new(struct logger **out, const struct logger_options *options)
{
	struct logger *lg = calloc(1, sizeof(*lg));

	if (!lg)
		return WEIR_ENOMEM;
	lg->level = options->level;
	lg->per_second = options->per_second ? options->per_second : PER_SECOND;
	choose_outlet(lg, options->fd);
	*out = lg;
	return 0;
}

void logger_free(struct logger **p)
{
	struct logger *lg = *p;

	if (!lg)
		return;
	*p = NULL;
	if (lg->fd >= 0)
		close(lg->fd);
	free(lg);
}

bool logger_is_on(const struct logger *lg, enum log_level level)
{
	return lg && level <= lg->level;
}

void logger_set_level(struct logger *lg, enum log_level level)
{
	lg->level = level;
}

/* ---- writing ---- */

/* Returns how many bytes were taken; 0: none now, or none ever. */
static size_t write_some(struct logger *lg, const char *text, size_t len)
{
	struct pollfd p = {.fd = lg->fd, .events = POLLOUT};
	ssize_t n = -1;

	if (lg->outlet == OUTLET_SOCKET)
		n = send(lg->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (lg->outlet == OUTLET_WRITE || poll(&p, 1, 0) == 1)
		n = write(lg->fd, text, len);
	return n > 0 ? (size_t)n : 0;
}

/* Finish the line that was taken in part. */
static bool write_rest(struct logger *lg)
{
	size_t n;

	if (lg->rest_len == 0)
		return true;
	n = write_some(lg, lg->rest, lg->rest_len);
	memmove(lg->rest, lg->rest + n, lg->rest_len - n);
	lg->rest_len -= n;
	return lg->rest_len == 0;
}

static bool write_line(struct logger *lg, const struct line *l)
{
	size_t n;

	if (!write_rest(lg))
		return false;
	n = write_some(lg, l->text, l->len);
	if (n == 0)
		return false;
	lg->rest_len = l->len - n;
	memcpy(lg->rest, l->text + n, lg->rest_len);
	return true;
}

static void put_head(struct line *l, enum log_level level)
{
	char text[IO_UTC_TEXT_SIZE];

	line_put_str(l, io_utc_text(text, io_utc_us()));
	line_put(l, " ", 1);
	line_put_str(l, level_name[level]);
	line_put(l, " ", 1);
}

static bool report_dropped(struct logger *lg)
{
	struct kv count = kv_uint("count", lg->dropped_count);
	struct line l = {.len = 0};

	if (lg->dropped_count == 0)
		return true;
	put_head(&l, dropped_event.level);
	line_put_event(&l, &dropped_event, &count, 1);
	line_end(&l, "\n");
	if (!write_line(lg, &l))
		return false;
	lg->dropped_count = 0;
	return true;
}

/* ---- how often ---- */

static struct event_slot *find_slot(struct logger *lg,
				    const struct log_event *ev)
{
	size_t at = (uintptr_t)ev / sizeof(void *) * 2654435761u;

	for (size_t i = 0; i < EVENT_SLOTS; i++) {
		struct event_slot *slot = &lg->slot[(at + i) % EVENT_SLOTS];

		if (!slot->event)
			slot->event = ev;
		if (slot->event == ev)
			return slot;
	}
	return NULL;
}

/* May it be said once more in this second? *held: how many were not. */
static bool may_say(struct logger *lg, const struct log_event *ev,
		    uint64_t *held)
{
	struct event_slot *slot = find_slot(lg, ev);
	uint64_t second = io_mono_ms() / 1000;

	*held = 0;
	if (!slot)
		return true;
	if (slot->second != second) {
		slot->second = second;
		slot->count = 0;
	}
	if (slot->count >= lg->per_second) {
		slot->suppressed_count++;
		lg->stats.suppressed_count++;
		return false;
	}
	slot->count++;
	*held = slot->suppressed_count;
	slot->suppressed_count = 0;
	return true;
}

/* ---- saying ---- */

static void say(struct logger *lg, const struct log_event *ev,
		const struct kv *kv, size_t count, uint64_t held)
{
	struct line l;

	l.len = 0;
	l.is_cut = false;
	put_head(&l, ev->level);
	line_put_event(&l, ev, kv, count);
	if (held) {
		struct kv suppressed = kv_uint("suppressed", held);

		line_put_kv(&l, &suppressed);
	}
	line_end(&l, "\n");
	if (report_dropped(lg) && write_line(lg, &l)) {
		lg->stats.lines_count[ev->level]++;
		return;
	}
	lg->dropped_count++;
	lg->stats.dropped_count++;
}

static bool is_heard(const struct logger *lg, const struct log_event *ev)
{
	return logger_is_on(lg, ev->level) && lg->outlet != OUTLET_NONE;
}

void logger_write(struct logger *lg, const struct log_event *ev,
		  const struct kv *kv, size_t count)
{
	uint64_t held;

	if (is_heard(lg, ev) && may_say(lg, ev, &held))
		say(lg, ev, kv, count, held);
}

void logger_write_each(struct logger *lg, const struct log_event *ev,
		       const struct kv *kv, size_t count)
{
	if (is_heard(lg, ev))
		say(lg, ev, kv, count, 0);
}

void logger_stats(const struct logger *lg, struct logger_stats *out)
{
	*out = lg->stats;
}

void logger_format(struct buf *out, const struct log_event *ev,
		   const struct kv *kv, size_t count)
{
	struct line l;

	l.len = 0;
	l.is_cut = false;
	line_put_event(&l, ev, kv, count);
	line_end(&l, "");
	buf_put(out, span_of(l.text, l.len));
}

void logger_print_docs(struct buf *out, const struct log_event *const *events,
		       size_t count)
{
	buf_printf(out,
		   "| event | level | fields | when |\n|---|---|---|---|\n");
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "| `%s` | %s | %s | %s |\n", events[i]->name,
			   level_name[events[i]->level], events[i]->fields,
			   events[i]->sentence);
}
