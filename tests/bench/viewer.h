/* tests/bench/viewer.h - one viewer of a load: RTMP, HTTP-FLV, HTTP-TS, WS-FLV,
 * plainly or by TLS.
 *
 * Everything is read until the first key frame is whole; then a bulk viewer
 * only counts bytes, which the kernel throws away (MSG_TRUNC), and a probe goes
 * on reading all and notes how old each picture is.
 */
#ifndef WEIR_BENCH_VIEWER_H
#define WEIR_BENCH_VIEWER_H

#include <netinet/in.h>

#include "tests/bench/clip.h"

enum viewer_form { FORM_RTMP, FORM_FLV, FORM_TS, FORM_WS };

struct viewer_target {
	enum viewer_form form;
	struct sockaddr_in addr;
	char host[32]; /* "127.0.0.1:8080" */
	bool has_tls;
};

/* "rtmp:127.0.0.1:1935", "flv:…", "ts:…", "ws:…", and with an s behind the form
 * ("rtmps:…") by TLS, whose certificate nobody looks at. Ends the process when it is
 * not understood; only loopback is taken. */
void viewer_target_parse(struct viewer_target *t, const char *text);

/* What probes have seen. */
struct samples {
	uint32_t *us;
	size_t count, room;
	uint64_t missed; /* pictures */
	uint64_t faults; /* bytes that were wrong */
};

struct rtmp_client;
struct flv_reader;
struct ssl_st;

struct viewer {
	int fd; /* -1: closed */
	const struct viewer_target *target;
	struct samples *samples; /* a probe's; NULL: bulk */
	unsigned stream;
	struct ssl_st *tls; /* NULL: none, or not needed any more */
	bool is_connected, is_greeted, has_head, has_key;
	int64_t opened_ns, key_ns;
	uint64_t bytes;      /* received, ever */
	uint64_t bytes_mark; /* … when the window began */
	int64_t heard_ns;    /* last byte */
	struct rtmp_client *rtmp;
	struct flv_reader *flv;
	struct buf in;       /* what is not read yet */
	uint64_t ws_left;    /* of a frame of WebSocket */
	struct buf pictures; /* TS: payload of the video since its last start */
	uint32_t last_number;
	bool has_number;
};

/* Connect; false: the system says no. */
bool viewer_open(struct viewer *v, const struct viewer_target *target,
		 unsigned stream, struct samples *samples);
/* The connection stands, or there are bytes. */
void viewer_run(struct viewer *v);
void viewer_close(struct viewer *v);

#endif
