/* common/registry/redis.h - one connection to a Redis server: commands out,
 * replies in order, messages.
 *
 * common/io carries the bytes (names are resolved elsewhere, nothing blocks),
 * hiredis reads the replies. Time-outs are the owner's: redis_waiting_ms.
 */
#ifndef WEIR_REGISTRY_REDIS_H
#define WEIR_REGISTRY_REDIS_H

#include <hiredis/hiredis.h>

#include "common/io/loop.h"
#include "common/registry/where.h"

struct redis;
struct redis_slot; /* a command that has no reply yet */

struct redis_options {
	const char *host;
	unsigned port;
	unsigned connect_ms;
	unsigned pending_max; /* commands without a reply */
	size_t reply_bytes;   /* one reply: longer ones close the connection */
};

/* A reply, an error reply too; borrowed. */
typedef void redis_reply_fn(void *ctx, const redisReply *reply);

struct redis_events {
	void (*on_open)(void *ctx);
	/* What comes without having been asked: subscriptions' messages. */
	void (*on_push)(void *ctx, const redisReply *reply);
	/* Lost. Commands without a reply will have none. The last callback. */
	void (*on_close)(void *ctx, int reason);
};

/* Dial. Callbacks follow later, in which the connection may be freed. Returns
 * 0, WEIR_ENOMEM, WEIR_EINVAL or -errno. */
WEIR_MUST_CHECK int redis_new(struct redis **out, struct loop *loop,
			      const struct redis_options *options,
			      const struct redis_events *events, void *ctx);

/* Close at once; nothing is called any more. NULL is fine. */
void redis_free(struct redis **r);

#define REDIS_ARGS_MAX 40

/* A command, word by word; words are borrowed until it is sent. */
struct redis_command {
	struct span word[REDIS_ARGS_MAX];
	size_t count;
	bool is_too_long; /* more words than fit */
};

void redis_add(struct redis_command *c, struct span word);
void redis_add_str(struct redis_command *c, const char *word);

/* Queue a command, before on_open too. *slot (may be NULL) lives until the
 * reply. Returns 0; WEIR_ELIMIT: pending_max, too many words, or the server
 * reads nothing; WEIR_ECLOSED; WEIR_ENOMEM. */
WEIR_MUST_CHECK int redis_send(struct redis *r, struct redis_slot **slot,
			       const struct redis_command *c,
			       redis_reply_fn *fn, void *ctx);

/* As redis_send, for SUBSCRIBE: every reply is an on_push. */
WEIR_MUST_CHECK int redis_send_push(struct redis *r,
				    const struct redis_command *c);

/* The reply will be read and dropped: counted in redis_late. */
void redis_forget(struct redis_slot *slot);

/* Age of the oldest command without a reply; 0: none. */
uint64_t redis_waiting_ms(const struct redis *r);
/* Time since the last byte came. */
uint64_t redis_silent_ms(const struct redis *r);
uint64_t redis_late(const struct redis *r);
size_t redis_pending(const struct redis *r);
int redis_fd(const struct redis *r); /* -1: not connected */

#endif
