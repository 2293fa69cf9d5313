/* proto/rtmp/server_state.h - the server session's inside, shared by server.c,
 * server_command.c and server_save.c. Private to proto/rtmp.
 */
#ifndef WEIR_RTMP_SERVER_STATE_H
#define WEIR_RTMP_SERVER_STATE_H

#include "proto/rtmp/link.h"
#include "proto/rtmp/server.h"

#define RTMP_STREAMS_MAX 16 /* createStream without deleteStream */

/* Saved by number: never renumber. */
enum rtmp_phase {
	RTMP_PHASE_NEW = 0, /* before connect */
	RTMP_PHASE_IDLE = 1,
	RTMP_PHASE_ASKS_PUBLISH = 2,
	RTMP_PHASE_ASKS_PLAY = 3,
	RTMP_PHASE_PUBLISHES = 4,
	RTMP_PHASE_PLAYS = 5,
	RTMP_PHASE_REFUSED = 6, /* its connect was: all is thrown away */
};

struct rtmp_server {
	struct rtmp_server_events events;
	struct rtmp_link link;
	uint8_t phase;        /* enum rtmp_phase */
	bool drops_media;     /* there was a publish: more may be on its way */
	bool wants_fcpublish; /* FCPublish came: onFCPublish is expected */
	bool is_connecting;   /* inside on_connect */
	bool is_parked;       /* the feed ends because somebody must decide */
	uint32_t streams;     /* bit n: stream id n + 1 is in use */
	const char *cluster;  /* borrowed; NULL: none */
	double transaction;   /* of connect, while is_connecting */
	struct rtmp_connect connect;
	struct rtmp_request request;
	struct buf connect_text; /* what connect's and request's spans */
	struct buf request_text; /* point to */
};

/* A command message has come. */
int rtmp_server_on_command(struct rtmp_server *s,
			   const struct rtmp_message *msg);

/* Append onStatus on a message stream. */
void rtmp_server_put_status(struct rtmp_server *s, uint32_t stream_id,
			    const char *level, const char *code,
			    const char *description);

/* The texts of connect and request, for keeping and saving. */
#define RTMP_CONNECT_TEXTS(c)                                                  \
	{                                                                      \
		&(c)->app, &(c)->tc_url, &(c)->flash_ver, &(c)->page_url,      \
			&(c)->swf_url                                          \
	}
#define RTMP_REQUEST_TEXTS(r)                                                  \
	{                                                                      \
		&(r)->app, &(r)->app_query, &(r)->name, &(r)->query,           \
			&(r)->type                                             \
	}

#endif
