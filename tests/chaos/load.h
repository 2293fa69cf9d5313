/* tests/chaos/load.h - publishers and recording viewers of the chaos tests.
 *
 * One process publishes many streams and plays them in many ways. Each frame
 * says in itself which one it is (stream, session of its publisher, counter) and
 * has a hash over that and its content, so that a recording of any protocol can
 * be compared with what was published.
 */
#ifndef WEIR_CHAOS_LOAD_H
#define WEIR_CHAOS_LOAD_H

#include <stdio.h>

#include "common/base/buf.h"
#include "common/io/loop.h"

/* ---- mark.c: what a frame says of itself ---- */

#define MARK_BYTES 64 /* no zero byte: nothing has to be escaped */

struct mark {
	uint32_t stream, session, counter;
	uint32_t body_bytes; /* the end of the unit */
	bool is_whole;       /* the hash is right */
};

void mark_write(uint8_t out[MARK_BYTES], const struct mark *m,
		struct span body);
/* Find it in a unit of any form. Returns false when there is none. */
bool mark_read(struct mark *out, struct span unit);

/* ---- trace.c: what happened when, in a file ---- */

enum trace_kind {
	TRACE_VIDEO = 'v',
	TRACE_AUDIO = 'a',
	TRACE_SILENCE = 's', /* put there by an output, over a seam */
	TRACE_WRONG = '?',   /* not what was published, or not decodable */
	TRACE_OPEN = 'O',    /* published, or playing */
	TRACE_END = 'E',     /* the connection ended by itself */
};

enum { TRACE_KEY = 1 };

struct trace {          /* as in the file */
	uint64_t at_us; /* monotonic; of a published frame: when the kernel
			   had taken its last byte */
	uint32_t session, counter, ms;
	uint8_t kind, flags;
	uint16_t stream;
};

struct tracer {
	FILE *file;
	uint16_t stream;  /* 0, of a viewer: any */
	uint64_t count;   /* of frames */
	uint64_t last_us; /* of the newest frame */
	struct {
		uint32_t session, counter;
	} last[2]; /* pictures, sounds; session 0: none yet */
};

WEIR_MUST_CHECK int tracer_open(struct tracer *t, const char *file,
				uint16_t stream);
void tracer_put(struct tracer *t, uint8_t kind, uint8_t flags, uint32_t session,
		uint32_t counter, uint32_t ms);
/* A unit that came: find its mark and write down what it is. */
void tracer_unit(struct tracer *t, uint8_t kind, uint32_t ms, struct span unit);
void tracer_close(struct tracer *t);
/* Append what it has come to: "last_us", "video", "audio". */
void tracer_say(const struct tracer *t, struct buf *out);
/* Append words as the inside of a JSON string; what would need an escape is
 * left out. */
void say_text(struct buf *out, const char *words);

/* ---- tsread.c: a transport stream's units, by no code of weir's ---- */

struct tsread {
	uint8_t packet[188];
	size_t have;
	struct {
		uint16_t pid;
		uint8_t kind;   /* enum trace_kind; 0: not ours */
		int continuity; /* -1: none yet */
		uint32_t ms;
		size_t whole; /* bytes of the PES, 0: open */
		struct buf pes;
	} lane[4];
	struct tracer *tracer;
};

void tsread_init(struct tsread *r, struct tracer *t);
void tsread_feed(struct tsread *r, struct span in);
/* What is open is whole: nothing follows. */
void tsread_end(struct tsread *r);
void tsread_fini(struct tsread *r);

/* ---- publisher.c ---- */

struct publisher;

struct publisher_options {
	uint16_t stream;
	char kinds; /* 'v', 'a', 'b': both */
	unsigned kbps, gop_ms, retry_ms;
	const char *trace;
	char **url; /* tried in turn, copied */
	size_t url_count;
};

WEIR_MUST_CHECK int publisher_new(struct publisher **out, struct loop *loop,
				  const struct publisher_options *o);
/* Take leave, as an encoder that is switched off; no return. */
void publisher_leave(struct publisher *p);
/* It takes its connection for dead: dials again, and says nothing on the old
 * one, which stays open. */
void publisher_abandon(struct publisher *p);
/* Appends a JSON array. */
void publisher_say(struct publisher *p, struct buf *out);
void publisher_free(struct publisher **p);

/* ---- viewer.c ---- */

struct viewer;

/* `proto`: rtmp, flv, ts, wsflv, wsts. */
WEIR_MUST_CHECK int viewer_new(struct viewer **out, struct loop *loop,
			       uint16_t stream, const char *proto,
			       const char *url, const char *trace);
void viewer_say(struct viewer *v, struct buf *out);
void viewer_free(struct viewer **v);

#endif
