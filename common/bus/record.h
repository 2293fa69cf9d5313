/* common/bus/record.h - records of the bus: decode and encode. Pure.
 *
 * README.md is the layout; records.def the list.
 */
#ifndef WEIR_BUS_RECORD_H
#define WEIR_BUS_RECORD_H

#include "common/base/buf.h"
#include "common/media/frame.h"
#include "common/media/key.h"

#define RECORD_HEADER_BYTES   32u
#define RECORD_FRAGMENT_BYTES 65536u
#define RECORD_BYTES_MAX      66048u
#define RECORD_FRAME_COST     88u /* of a first fragment, beside its payload */
#define NODE_ID_SIZE          64  /* with NUL */
#define NODE_URL_SIZE         128 /* with NUL */
#define ROLE_SIZE             16  /* with NUL */

enum record_type {
#define RECORD(name, number, connection, sender, receiver)                     \
	RECORD_##name = (number),
#include "common/bus/records.def"
#undef RECORD
};

const char *record_name(uint16_t type); /* "unknown" */

/* Where a type may travel: 1 media, 2 control, 3 both; 0: unknown type. */
uint8_t record_connection(uint16_t type);

/* Raised when the writer changes or the home moves. */
struct term {
	uint64_t number;
	struct uuid by; /* instance that raised it */
};

static inline bool term_eq(const struct term *a, const struct term *b)
{
	return a->number == b->number && uuid_eq(&a->by, &b->by);
}

enum record_flags {
	PUB_HOME = 1,
	PUB_REPLICA = 2,
	PUB_LOCAL = 4,
	PUB_MOVED = 8,
	RESUME_KNOWN = 1,
	RESUME_WANTED = 2,
	RESUME_GOES_ON = 4,
	RESUME_AT_JOIN = 8,
	HOME_LIVE = 1,
	HOME_LOCAL = 4,
	WANTED_YES = 1,
	SUB_FROM_POSITION = 1,
	SUB_FROM_JOIN = 2,
	SUB_FROM_OLDEST = 3,
	SUB_FROM_MASK = 3,
	SUB_EXACT = 4,
	SUB_WANTING = 8,
	FRAME_FIRST = 1,
	FRAME_LAST = 2,
	REP_MORE = 1, /* another piece of this answer follows */
};

/* One record, decoded. Which fields count depends on the type; the rest is
 * zero. Texts are NUL-terminated copies; spans are borrowed. */
struct record {
	uint16_t type;
	uint16_t flags;
	uint32_t sid;
	uint32_t offset;      /* FRAME, STATE */
	uint64_t term_number; /* of the header */
	uint64_t sequence;    /* of the header */

	struct term term;         /* PUB RESUME FENCED HOME MOVED */
	struct position position; /* epoch for PUB FENCED HOME MOVED */
	uint16_t reason;          /* FENCED END SKIP */
	uint32_t ms;              /* END WRITER_LOST */
	uint64_t count;           /* SKIP: frames; SUB, WHERE: term number */
	int64_t start_us;         /* PUB HOME */
	struct stream_key key;    /* PUB HOME SUB WHERE */
	char node[NODE_ID_SIZE];  /* HOME MOVED HELLO */
	char url[NODE_URL_SIZE];  /* HOME MOVED HELLO */
	char kind[ROLE_SIZE];     /* PUB: publish, pull; HELLO: role */

	int64_t end_dts_ns; /* RESUME */
	uint64_t incarnation, segment, discontinuity;
	uint32_t target_ms;

	uint16_t track; /* FEEDBACK */
	uint8_t what;
	uint32_t value;

	struct frame frame;   /* FRAME, STATE: head; payload = fragment */
	uint32_t payload_len; /* whole payload, first fragment only */

	uint64_t id; /* REQ REP */
	uint32_t deadline_ms;
	struct span json;

	uint16_t version; /* HELLO */
	uint8_t connection, identity;
	struct uuid instance, boot;
	uint8_t nonce[32]; /* HELLO; PROOF: the proof */
	char cluster[NODE_ID_SIZE];
};

/* How long is the record that begins here? Returns 0 and *out_len;
 * WEIR_ESHORT: fewer than 4 bytes; WEIR_EPROTO: a length out of range. */
WEIR_MUST_CHECK int record_length(size_t *out_len, struct span in);

/* Is the record that begins here, by its header (at least RECORD_HEADER_BYTES), a
 * FRAME? Then *sid is whose. Nothing is checked. */
bool record_is_frame(struct span in, uint32_t *sid);

/* Decode exactly one whole record. Returns 0; WEIR_EPROTO with *why (static
 * text); WEIR_EUNSUPPORTED for an unknown type (skip it). Fields that a FRAME or
 * STATE has not are left as they were, those of other types are zero. */
WEIR_MUST_CHECK int record_read(struct record *out, struct span whole,
				const char **why);

/* Append a record that is no FRAME or STATE. Errors are the buffer's;
 * WEIR_ELIMIT: longer than RECORD_BYTES_MAX. */
void record_write(struct buf *out, const struct record *r);

/* Append one fragment of `f` from payload offset `offset`; `type` is
 * RECORD_FRAME or RECORD_STATE. Returns how many payload bytes went in. */
uint32_t record_write_frame(struct buf *out, uint16_t type, uint32_t sid,
			    uint64_t term_number, const struct frame *f,
			    uint32_t offset);

/* Puts fragments together: one per stream and connection. Memory follows bytes
 * received. All zero is the empty state. */
struct reassembly {
	struct buf payload;
	struct frame head;
	uint16_t type;
	uint32_t want; /* payload bytes in all */
	bool is_open;
};

/* Take a FRAME or STATE record, as record_read gave it. Returns 0 and *out (one
 * reference, or NULL while more fragments are to come); WEIR_EPROTO: a fragment
 * is out of place; WEIR_ENOMEM. */
WEIR_MUST_CHECK int reassembly_take(struct reassembly *ra, struct frame **out,
				    const struct record *r);
void reassembly_fini(struct reassembly *ra);

#endif
