/* services/ingest/internal.h - what the files of an ingest share. */
#ifndef WEIR_INGEST_INTERNAL_H
#define WEIR_INGEST_INTERNAL_H

#include "common/io/handover.h"
#include "common/member/gate.h"
#include "services/ingest/publish.h"

struct ingest_stats {
	uint64_t connections, publishers, in_bytes, in_frames;
	uint64_t accepted, refused, dropped, corrupt, clamped, jumps;
	uint64_t unsupported, protocol_errors, timeouts;
	uint64_t handed, handed_faults, given;
	uint64_t pulls, pull_starts, pull_fails;
	struct stat_histogram age;
};

struct rtmp_door;
struct handed;
struct pulls;

struct ingest {
	struct svc *svc;
	struct loop *loop;
	struct logger *log;
	struct member *member;
	struct gate *gate;
	struct writers *writers;
	const struct ingest_settings *settings;
	const struct member_cluster_settings *rules;
	struct batch *batch; /* of publishers' sockets; NULL: each alone */
	struct rtmp_door *rtmp;
	struct handed *handed;
	struct pulls *pulls;
	struct list publishes;
	struct ingest_stats stats;
	uint64_t in_before; /* bytes, a second ago */
	struct stat_series series;
	struct timer *drain;
	bool is_draining;
	uint64_t drain_ms; /* when that began */
	size_t drain_total, drain_done;
	size_t giving_count;
};

extern const struct log_event ingest_pull_start, ingest_pull_run,
	ingest_pull_fail, ingest_pull_end, ingest_pull_fault;
extern const struct log_event ingest_publish_start, ingest_publish_end,
	ingest_peer_closed, ingest_peer_handed, ingest_handover_fault;

/* publish.c: each open publish, for calls of dispatch; one page. */
void publish_sessions_json(const struct ingest *in, const char *stream,
			   struct member_page *page);
void publish_streams_json(const struct ingest *in, struct member_page *page);
/* … and its session, in no order. */
void publish_each_session(const struct ingest *in,
			  void (*fn)(void *ctx, struct session *s), void *ctx);
/* Once a second: count publishers and their frames. */
void publish_on_second(struct ingest *in);
/* The query that the publisher of a stream came with; NULL: it is not here. */
const char *publish_query_of(const struct ingest *in, const char *stream);
/* Somebody wanted to publish, and was refused: for the stream's history. */
void publish_visit(struct ingest *in, const struct stream_key *key,
		   const char *protocol, const struct net_addr *peer,
		   enum reason why, const char *detail);
/* Those whose maker waits: settle what is due; the next time. */
int64_t publish_tick_all(struct ingest *in, int64_t now_ms);
/* giving.c: while this process drains. */
#define INGEST_WORK_LIVE "publishing" /* handover_offer.work */
struct giving;
void giving_start(struct publish *p); /* done in a while, or not at all */
/* What was saved for it is old: as if it had not been offered yet. */
void giving_take_back(struct publish *p);
void giving_free(struct giving **g);
/* Begin with so many of those that were not offered yet. */
void publish_give_some(struct ingest *in, size_t count);
/* Those with a connection; and ask so many of them to go. */
size_t publish_open_count(const struct ingest *in);
void publish_end_some(struct ingest *in, size_t count, enum reason why);
/* At the end of the process, when the doors are gone. */
void publish_free_all(struct ingest *in);

/* rtmp.c */
WEIR_MUST_CHECK int rtmp_door_new(struct rtmp_door **out, struct ingest *in);
void rtmp_door_free(struct rtmp_door **d);
void rtmp_door_close(struct rtmp_door *d); /* accept nobody any more */
bool rtmp_door_is_empty(const struct rtmp_door *d);
/* A connection that waits for its publish to be decided. Takes `fd`; `goods` is
 * borrowed. */
void rtmp_door_take_over(struct rtmp_door *d, int fd,
			 const struct handover_goods *goods);

/* One that publishes, in the middle of it. */
void rtmp_door_take_live(struct rtmp_door *d, int fd,
			 const struct handover_goods *goods,
			 const struct stream_key *key);

/* handed.c: publishers that edges of this machine hand over. *out stays NULL
 * without cluster.run_dir. */
WEIR_MUST_CHECK int handed_new(struct handed **out, struct ingest *in);
void handed_free(struct handed **h);

#endif
