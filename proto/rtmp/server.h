/* proto/rtmp/server.h - the server's side of one RTMP connection, publisher or
 * player: bytes in, events and bytes to send out.
 *
 * Spec: Adobe RTMP 1.0, section 7.2; what the field does beyond it stands in
 * README.md. Pure code: no socket, clock, log; timeouts are the owner's.
 *
 *	feed … on_connect … on_publish | owner decides: accept_publish
 *	feed … on_media, on_media, … on_end
 *
 * Nothing that says "Start" is sent before the owner has accepted. Bytes that
 * follow a publish stay unread until then: see rtmp_server_feed().
 */
#ifndef WEIR_RTMP_SERVER_H
#define WEIR_RTMP_SERVER_H

#include "proto/rtmp/message.h"

struct rtmp_server; /* one per connection */

/* All borrowed: they live as long as the session. */
struct rtmp_connect {
	struct span app; /* as it came, its query included */
	struct span tc_url;
	struct span flash_ver;
	struct span page_url;
	struct span swf_url;
	struct span via;         /* weirVia, common/media/via.h; is not saved */
	uint8_t object_encoding; /* 0 or 3 */
	/* Enhanced RTMP: it told its capabilities; one of them is to connect
	 * anew when it is asked to. */
	bool has_caps, can_reconnect;
};

/* What a publish or play asks for. All borrowed: they live until the next
 * request on this connection. */
struct rtmp_request {
	struct span app;       /* without its query: "live", "a/b" */
	struct span app_query; /* of "app?vhost=x", behind the '?'; raw */
	struct span name;      /* up to the first '?'; never empty */
	struct span query;     /* behind that '?'; raw */
	struct span via;       /* of connect: common/media/via.h */
	struct span type; /* publish: "live", "record", "append" or empty */
	/* play: as it came. By the spec seconds, -1 live, -2 live or recorded;
	 * clients of the field send thousands of that. */
	double start_raw;
	uint32_t stream_id; /* message stream that it came on, often 1 */
};

enum rtmp_end {
	RTMP_END_DELETE = 1,    /* deleteStream */
	RTMP_END_CLOSE = 2,     /* closeStream */
	RTMP_END_UNPUBLISH = 3, /* FCUnpublish */
	RTMP_END_EOF = 4,       /* client only: StreamEOF, UnpublishNotify */
	RTMP_END_REFUSED = 5,   /* client only: after an error status */
};

/* Append all query that it has, joined by '&': the name's, then the app's. */
void rtmp_request_query(struct buf *out, const struct rtmp_request *r);

/* "deleteStream", …; for people. */
const char *rtmp_end_name(enum rtmp_end reason);

/* Callbacks return 0 to go on; any other value ends the call in progress, which
 * returns it. From inside one the session must not be freed, fed or saved;
 * accept and refuse may be called. Every slot is mandatory. */
struct rtmp_server_events {
	void *ctx;
	/* For the peer, in this order; borrowed: copy what cannot go out. */
	int (*on_send)(void *ctx, struct span bytes);
	/* Before it is answered: rtmp_server_refuse() here refuses it. */
	int (*on_connect)(void *ctx, const struct rtmp_connect *c);
	/* Decide, here or later. */
	int (*on_publish)(void *ctx, const struct rtmp_request *r);
	int (*on_play)(void *ctx, const struct rtmp_request *r);
	/* Only between accept_publish and on_end. */
	int (*on_media)(void *ctx, const struct rtmp_media *m);
	/* The peer is done with its stream, accepted or still asked for. It may
	 * publish or play again; media that is still on its way is dropped. */
	int (*on_end)(void *ctx, enum rtmp_end reason);
};

/* `events` is copied; `seed` makes the handshake's random bytes, `time_ms` its
 * time. Returns 0 and *out, owned by the caller; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int rtmp_server_new(struct rtmp_server **out,
				    const struct rtmp_server_events *events,
				    uint64_t seed, uint32_t time_ms);

void rtmp_server_free(struct rtmp_server **s); /* NULL is fine */

/* It will be fed soon: what that touches is to come nearer. Steps 0 to 2, each
 * when what the one before asked for is there. */
void rtmp_server_ahead(const struct rtmp_server *s, unsigned step);

/* The cluster that it speaks for: who asks for weirVia is told its name. `id` is
 * borrowed for the life of the session. Before the first feed. */
void rtmp_server_set_cluster(struct rtmp_server *s, const char *id);

/* Read `in` (borrowed, cut anywhere). *used says how much:
 *  - all of it, as a rule;
 *  - up to and with a publish or play that nobody has decided when its callback
 *    returns: the owner keeps the rest. While a publish is undecided a feed
 *    uses nothing, so media sent ahead is not lost: decide, then feed the rest.
 *    While a play is undecided a feed goes on: pings are answered, a close is
 *    seen. So this is also where a connection can be handed to another process:
 *    at a message boundary, with rtmp_server_save() and the unread bytes;
 *  - up to and with the message whose callback ended the feed.
 *
 * Returns 0; WEIR_EPROTO, WEIR_ELIMIT, WEIR_ENOMEM: the session is spent, see
 * rtmp_server_fault(); or the value of the callback, which leaves it whole. */
WEIR_MUST_CHECK int rtmp_server_feed(struct rtmp_server *s, struct span in,
				     size_t *used);

/* What the peer did wrong, in a few static words ("media before publish"). */
const char *rtmp_server_fault(const struct rtmp_server *s);

/* What waits for a decision. */
enum rtmp_wait { RTMP_WAIT_NONE, RTMP_WAIT_PUBLISH, RTMP_WAIT_PLAY };
enum rtmp_wait rtmp_server_waits_for(const struct rtmp_server *s);

/* The latest publish or play, and the connect; NULL before it came. */
const struct rtmp_request *rtmp_server_request(const struct rtmp_server *s);
const struct rtmp_connect *rtmp_server_connect(const struct rtmp_server *s);

/* Say yes to what waits. After accept_play the owner may send the stream's
 * messages itself (message stream rtmp_request.stream_id, chunks of
 * RTMP_CHUNK_BYTES_SENT), between whole on_sends.
 * Return 0; WEIR_EINVAL when nothing of that kind waits; WEIR_ENOMEM; or
 * on_send's value. */
WEIR_MUST_CHECK int rtmp_server_accept_publish(struct rtmp_server *s);
WEIR_MUST_CHECK int rtmp_server_accept_play(struct rtmp_server *s);

/* Say no to what waits, or inside on_connect to the connect, or end an accepted
 * publish: status "error" with the code ("NetStream.Publish.BadName",
 * "NetStream.Play.StreamNotFound", "NetConnection.Connect.Rejected") and a
 * sentence for people. The owner then closes, or lets the peer ask again (not
 * after a refused connect: what follows is thrown away).
 * Returns 0; WEIR_EINVAL when there is nothing to refuse; WEIR_ENOMEM; or
 * on_send's value. */
WEIR_MUST_CHECK int rtmp_server_refuse(struct rtmp_server *s, const char *code,
				       const char *description);

/* The owner has to end an accepted publish soon. Ask the peer to connect anew
 * (NetConnection.Connect.ReconnectRequest): it finishes what it is at and goes
 * by itself. Returns 0; WEIR_EUNSUPPORTED: it does not know that; WEIR_EINVAL
 * when it does not publish; WEIR_ENOMEM; or on_send's value. */
WEIR_MUST_CHECK int rtmp_server_ask_reconnect(struct rtmp_server *s,
					      const char *description);

/* The same status as refuse has, of an accepted publish, but what the peer has
 * sent until it hears that is still taken. Errors as refuse. */
WEIR_MUST_CHECK int rtmp_server_retire(struct rtmp_server *s, const char *code,
				       const char *description);

/* The stream that an accepted player watches is over: StreamEOF and
 * NetStream.Play.UnpublishNotify. Errors as accept. */
WEIR_MUST_CHECK int rtmp_server_play_eof(struct rtmp_server *s);

/* Send one message to an accepted player. (Owners with a wire log send that
 * instead.) Errors as accept; WEIR_ELIMIT for a payload beyond 16 MB. */
WEIR_MUST_CHECK int rtmp_server_write_media(struct rtmp_server *s,
					    const struct rtmp_media *m);

/* Names the form of what is saved: load understands what has its own. */
#define RTMP_SERVER_SAVED "rtmp/1"

/* The session as bytes, for another process to go on with: handshake, chunk
 * sizes, half-received messages, windows, counts, requests. Versioned, little-
 * endian. Not from inside a callback. Errors of save are the buffer's.
 * load returns 0 and *out; WEIR_EPROTO: damaged; WEIR_EUNSUPPORTED: another
 * version; WEIR_ELIMIT; or WEIR_ENOMEM. What waits for a decision still does:
 * rtmp_server_waits_for(); no callback is called for it again. */
void rtmp_server_save(const struct rtmp_server *s, struct buf *out);
WEIR_MUST_CHECK int rtmp_server_load(struct rtmp_server **out,
				     const struct rtmp_server_events *events,
				     struct span in);

#endif
