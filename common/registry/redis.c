/* common/registry/redis.c - one connection to a Redis server. */
#include "common/registry/redis.h"

#include <stdlib.h>

#include "common/io/conn.h"

/* All rules at once, when the registry has lost them. */
#define SEND_BYTES_MAX ((size_t)12 << 20)

struct redis_slot {
	struct redis_slot *next;
	uint64_t sent_ms;
	redis_reply_fn *fn; /* NULL: nobody waits any more */
	void *ctx;
};

struct redis {
	struct loop *loop;
	struct conn *conn;
	redisReader *reader;
	struct redis_events events;
	void *ctx;
	struct redis_slot *first, *last; /* waiting, the oldest first */
	size_t waiting_count;
	unsigned pending_max;
	size_t reply_bytes;
	size_t unread_bytes; /* since the last whole reply */
	uint64_t late;
	bool is_reading; /* in on_data: freeing must wait */
	bool is_freed;
};

/* ---- what comes in ---- */

static bool is_push(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2 &&
	       reply->element[0]->type == REDIS_REPLY_STRING &&
	       (!strcmp(reply->element[0]->str, "message") ||
		!strcmp(reply->element[0]->str, "subscribe"));
}

static void take_reply(struct redis *r, const redisReply *reply)
{
	struct redis_slot *s = r->first;
	redis_reply_fn *fn;
	void *ctx;

	if (is_push(reply) || !s) {
		r->events.on_push(r->ctx, reply);
		return;
	}
	fn = s->fn;
	ctx = s->ctx;
	r->first = s->next;
	r->waiting_count--;
	free(s);
	if (fn)
		fn(ctx, reply);
	else
		r->late++;
}

/* Returns 0 or why the connection must end. */
static int take_replies(struct redis *r)
{
	void *reply = NULL;

	while (!r->is_freed) {
		if (redisReaderGetReply(r->reader, &reply) != REDIS_OK)
			return WEIR_EPROTO;
		if (!reply)
			return r->unread_bytes > r->reply_bytes ? WEIR_ELIMIT
								: 0;
		r->unread_bytes = 0;
		take_reply(r, reply);
		freeReplyObject(reply);
	}
	return 0;
}

static void destroy(struct redis *r)
{
	redisReaderFree(r->reader);
	free(r);
}

static int64_t on_data(void *ctx, struct span in)
{
	struct redis *r = ctx;
	int64_t verdict = (int64_t)in.len;
	int err;

	if (redisReaderFeed(r->reader, (const char *)in.data, in.len) !=
	    REDIS_OK)
		return WEIR_ENOMEM;
	r->unread_bytes += in.len;
	r->is_reading = true;
	err = take_replies(r);
	r->is_reading = false;
	if (r->is_freed)
		destroy(r);
	else if (err)
		verdict = err;
	return verdict;
}

static void on_open(void *ctx)
{
	struct redis *r = ctx;

	r->events.on_open(r->ctx);
}

static void on_close(void *ctx, int reason)
{
	struct redis *r = ctx;

	r->events.on_close(r->ctx, reason);
}

/* ---- life ---- */

static const struct conn_ops ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_close = on_close,
};

static const struct conn_limits limits = {
	.send_bytes = SEND_BYTES_MAX,
	.linger_ms = 1,
};

int redis_new(struct redis **out, struct loop *loop,
	      const struct redis_options *options,
	      const struct redis_events *events, void *ctx)
{
	struct redis *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return WEIR_ENOMEM;
	r->loop = loop;
	r->events = *events;
	r->ctx = ctx;
	r->pending_max = options->pending_max;
	r->reply_bytes = options->reply_bytes;
	r->reader = redisReaderCreate();
	err = r->reader
		      ? conn_dial(&r->conn, loop, options->host, options->port,
				  options->connect_ms, &limits, &ops, r)
		      : WEIR_ENOMEM;
	if (err)
		redis_free(&r);
	else
		*out = r;
	return err;
}

void redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	if (!r)
		return;
	*rp = NULL;
	conn_free(&r->conn);
	while (r->first) {
		struct redis_slot *next = r->first->next;

		free(r->first);
		r->first = next;
	}
	r->is_freed = true;
	if (!r->is_reading)
		destroy(r);
}

/* ---- what goes out ---- */

void redis_add(struct redis_command *c, struct span word)
{
	if (c->count == REDIS_ARGS_MAX)
		c->is_too_long = true;
	else
		c->word[c->count++] = word;
}

void redis_add_str(struct redis_command *c, const char *word)
{
	redis_add(c, span_str(word));
}

static int put_command(struct redis *r, const struct redis_command *c)
{
	struct buf out = {0};
	int err;

	if (c->is_too_long)
		return WEIR_ELIMIT;
	buf_printf(&out, "*%zu\r\n", c->count);
	for (size_t i = 0; i < c->count; i++) {
		buf_printf(&out, "$%zu\r\n", c->word[i].len);
		buf_put(&out, c->word[i]);
		buf_put(&out, SPAN_LIT("\r\n"));
	}
	err = buf_error(&out);
	if (!err)
		err = conn_send(r->conn, buf_span(&out));
	buf_fini(&out);
	return err;
}

int redis_send(struct redis *r, struct redis_slot **slot,
	       const struct redis_command *c, redis_reply_fn *fn, void *ctx)
{
	struct redis_slot *s;
	int err;

	if (r->waiting_count >= r->pending_max)
		return WEIR_ELIMIT;
	s = malloc(sizeof(*s));
	if (!s)
		return WEIR_ENOMEM;
	err = put_command(r, c);
	if (err) {
		free(s);
		return err;
	}
	s->sent_ms = loop_now_ms(r->loop);
	s->fn = fn;
	s->ctx = ctx;
	s->next = NULL;
	if (r->first)
		r->last->next = s;
	else
		r->first = s;
	r->last = s;
	r->waiting_count++;
	if (slot)
		*slot = s;
	return 0;
}

int redis_send_push(struct redis *r, const struct redis_command *c)
{
	return put_command(r, c);
}

void redis_forget(struct redis_slot *slot)
{
	slot->fn = NULL;
}

/* ---- how it is ---- */

uint64_t redis_waiting_ms(const struct redis *r)
{
	return r->first ? loop_now_ms(r->loop) - r->first->sent_ms : 0;
}

uint64_t redis_silent_ms(const struct redis *r)
{
	struct conn_stats st;

	conn_stats(r->conn, &st);
	return loop_now_ms(r->loop) - WEIR_MAX(st.last_in_ms, st.opened_ms);
}

uint64_t redis_late(const struct redis *r)
{
	return r->late;
}

size_t redis_pending(const struct redis *r)
{
	return r->waiting_count;
}

int redis_fd(const struct redis *r)
{
	return conn_fd(r->conn);
}
