/* services/ingest/publish_priv.h - the inside of a publish, shared by publish.c
 * and publish_pass.c. Nobody else includes it.
 */
#ifndef WEIR_INGEST_PUBLISH_PRIV_H
#define WEIR_INGEST_PUBLISH_PRIV_H

#include "services/ingest/internal.h"

#define URL_PARAM_MAX 1024
#define SECONDS       32

struct publish {
	struct list link; /* in ingest.publishes */
	struct ingest *in;
	const struct publish_door *door; /* NULL: it has left */
	void *ctx;
	struct log *log;
	struct writer *writer;
	struct maker *maker; /* from on_granted on */
	struct maker_stats counted;
	uint64_t before_bytes; /* of the connection, when it began */
	bool has_input;
	struct session session;
	struct gate_pass pass;
	struct gate_answer refused; /* to be said at the next tick */
	int64_t hold_until_ms;      /* what we lack is waited for */
	int64_t retry_ms;           /* then it is claimed again; 0: not */
	struct stream_key key;
	struct net_addr peer;
	/* Video frames of each of the last seconds, newest first. */
	struct {
		int64_t unix_s;
		uint32_t count;
	} second[SECONDS];
	size_t second_count;
	uint64_t frames_before; /* this second */
	struct giving *giving;  /* to another ingest; NULL */
	bool was_offered;       /* that was tried, once */
	bool is_pull;           /* of pull.c, which says what becomes of it */
	bool is_retiring;       /* it was asked to go */
};

extern const struct maker_events publish_maker_events;
extern const struct writer_events publish_writer_events;

struct maker_limits publish_maker_limits(const struct ingest *in);
/* One with a log, without a writer; among the others. Returns 0 or WEIR_ENOMEM.
 */
WEIR_MUST_CHECK int publish_make(struct publish **out, struct ingest *in,
				 const struct publish_request *request,
				 const struct publish_door *door, void *ctx);
void publish_free(struct publish *p);
/* Begin to claim its stream. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int publish_claim(struct publish *p);
/* Tell the door, if it is still there, and be gone. */
void publish_end(struct publish *p, enum reason why, const char *detail);
/* Close the publisher, and leave as if it had left itself. */
void publish_close(struct publish *p, enum reason why, const char *detail);

/* publish_ask.c: ask the gate, then claim. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int publish_ask(struct publish *p, struct span query);
/* It was let in elsewhere. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int publish_adopt(struct publish *p,
				  const struct gate_names *names);
/* Its writer has ended for this reason: is it only to wait, and claim again? */
bool publish_hold(struct publish *p, enum reason why);
/* What is due; the next time. It may be gone then. */
int64_t publish_ask_tick(struct publish *p, int64_t now_ms);

void publish_log_end(struct publish *p, enum reason why, const char *detail);
void publish_log_start(const struct publish *p);

#endif
