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
void publish_log_end(struct publish *p, enum reason why, const char *detail);
void publish_log_start(const struct publish *p);

#endif
