/* services/edge/hls_viewers.h - the HLS viewers of an edge, as sessions.
 *
 * Who is let in gets a token for its addresses (hls_token.h), and is known by that
 * together with the address that it comes from. Any edge takes any token: who is
 * not known here was let in elsewhere, and is taken over (struct access_request,
 * since_ms). A token of another address, or of more than a day ago, is no proof:
 * its bearer is judged as one who is new.
 *
 * A viewer counts where it asks for playlists; an edge that only sends it
 * segments has it in its list too, and does not count it. Connections of one
 * player may come to several edges: who takes a viewer over says so
 * (hls_viewers_claim), and the others count it no more; of two that both give it
 * playlists, the one with the lower name does. It leaves by not asking any more.
 * Who is kicked is told no by its token from then
 * on, also where it was not known.
 *
 * Pure but for the gate: no sockets, no clock.
 */
#ifndef WEIR_EDGE_HLS_VIEWERS_H
#define WEIR_EDGE_HLS_VIEWERS_H

#include "common/base/map.h"
#include "common/member/gate.h"
#include "services/edge/hls_token.h"

#define HLS_PROBE_MS   10000 /* who did not ask twice is gone after that */
#define HLS_KICKS_MAX  1000  /* that are remembered, and for how long: */
#define HLS_TOKEN_LIFE (INT64_C(86400) * 1000) /* ms */

enum hls_viewer_state {
	HLS_VIEWER_PASSING, /* only by segments, or counted elsewhere */
	HLS_VIEWER_ASKING,  /* the gate has not decided yet */
	HLS_VIEWER_IN,      /* and is counted */
};

struct hls_viewers;

struct hls_viewer {
	struct list link; /* in viewers->probing, ->going or ->passing */
	struct hls_viewers *all;
	struct hls_token token;
	char text[HLS_TOKEN_SIZE];
	struct ip_addr ip;
	struct stream_key key;
	struct net_addr peer;
	struct session session;
	struct gate_pass pass;
	uint8_t state;        /* enum hls_viewer_state */
	uint8_t asked_count;  /* with its token, up to 2 */
	bool has_played;      /* the owner's: it was in here, and was said */
	int64_t since_ms;     /* UTC, let in elsewhere; 0: nowhere yet */
	struct list claim;    /* in viewers->claims */
	int64_t asked_ms;     /* its last request, */
	int64_t listed_ms;    /* for a playlist; 0: none with its token */
	int64_t elsewhere_ms; /* until then another edge counts it */
	struct list requests; /* those that wait: the owner's */
};

/* Called with the owner's ctx; never from inside hls_viewers_segment. */
struct hls_viewers_ops {
	/* It is in, and counts from now on; it may have requests. */
	void (*on_in)(void *ctx, struct hls_viewer *v);
	/* It was in, and counts elsewhere now; it may stay. */
	void (*on_elsewhere)(void *ctx, struct hls_viewer *v);
	/* It goes: its requests must leave the list. REASON_peer_left: it did
	 * not ask any more. */
	void (*on_out)(void *ctx, struct hls_viewer *v, enum reason why,
		       const char *detail);
	/* Is there room for one more? */
	bool (*has_room)(void *ctx);
};

struct hls_viewers_start {
	struct gate *gate;
	struct span secret; /* not empty */
	/* The secret is no secret: no token proves that its bearer was let in.
	 */
	bool is_guessable;
	const char *node; /* whose viewers these are */
	int64_t timeout_ms;
	size_t max; /* viewers; those that are not counted make room */
	uint64_t seed;
	const struct hls_viewers_ops *ops;
	void *ctx;
};

struct hls_viewers {
	struct hls_viewers_start start; /* all borrowed */
	struct map by_token;
	struct list probing; /* asked once at most: the longest silent first */
	struct list going;   /* likewise */
	struct list passing; /* not counted: likewise */
	struct list claims;  /* viewers that others are to hear of */
	struct list kicks;   /* the oldest first */
	size_t kick_count;
};

void hls_viewers_init(struct hls_viewers *vs,
		      const struct hls_viewers_start *start);
/* All go, unsaid; they have no requests any more. */
void hls_viewers_fini(struct hls_viewers *vs);
size_t hls_viewers_count(const struct hls_viewers *vs);

/* One request; all borrowed for the call. */
struct hls_asked {
	struct span token;
	struct access_request
		*rq; /* without session_id and since_ms: set here */
	const struct net_addr *peer;
	int64_t now_ms; /* the loop's */
	int64_t utc_ms;
};

enum hls_word {
	HLS_YES,
	HLS_NO,      /* *why says it */
	HLS_WAITS,   /* on_in or on_out comes: put the request into its list */
	HLS_UNKNOWN, /* the token is none of this cluster's */
};

/* One comes without a token: once it is in, it has one (`text`). */
WEIR_MUST_CHECK enum hls_word hls_viewers_begin(struct hls_viewers *vs,
						struct hls_viewer **out,
						struct gate_answer *why,
						const struct hls_asked *a);
/* A playlist is asked for. *out is set on HLS_YES and HLS_WAITS. */
WEIR_MUST_CHECK enum hls_word hls_viewers_playlist(struct hls_viewers *vs,
						   struct hls_viewer **out,
						   struct gate_answer *why,
						   const struct hls_asked *a);
/* A segment is. HLS_YES with NULL in *out: it may, and is not kept. */
WEIR_MUST_CHECK enum hls_word hls_viewers_segment(struct hls_viewers *vs,
						  struct hls_viewer **out,
						  struct gate_answer *why,
						  const struct hls_asked *a);

/* It came, and got nothing: the next tick lets it go, unless it asks by then or
 * has asked with its token. From anywhere. */
void hls_viewers_give_up(struct hls_viewer *v);

/* Let go those that have not asked in time. */
void hls_viewers_tick(struct hls_viewers *vs, int64_t now_ms, int64_t utc_ms);

#define HLS_CLAIM_SIZE (CIDR_TEXT_SIZE + 24)

/* One that all other edges are to hear of: a text for hls_viewers_moved. Returns
 * false when there is none. Each comes once. */
bool hls_viewers_claim(struct hls_viewers *vs, char out[HLS_CLAIM_SIZE]);
/* Another edge has said so. What is no claim is passed over. */
void hls_viewers_moved(struct hls_viewers *vs, struct span claim,
		       const char *node, int64_t now_ms);

/* A kick has come: the gate ends who is here; who is not, and fits, is told no
 * if its token is of before. Without memory that is not remembered. */
void hls_viewers_kicked(struct hls_viewers *vs, const struct gate_match *who,
			int64_t utc_ms);

/* Those of one stream, or (NULL) all; none may leave meanwhile. */
void hls_viewers_each(struct hls_viewers *vs, const char *stream,
		      void (*fn)(void *ctx, struct session *s), void *ctx);

#endif
