/* proto/rtmp/chunk_fuzz.c - a chunk reader: the same messages whole and cut, and
 * also when the state moves at the cut. A recorded peer's handshake, should the
 * input begin with one, is skipped. */
#include "common/base/hash.h"
#include "proto/rtmp/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int see(void *ctx, const struct rtmp_message *msg)
{
	uint64_t *hash = ctx;
	const uint64_t facts[] = {*hash, msg->timestamp_ms, msg->stream_id,
				  msg->type, hash_bytes(1, msg->payload)};

	*hash = hash_bytes(2, SPAN(facts));
	return 0;
}

/* What a reader sees of `in`, fed up to `cut` and then moved. */
static uint64_t read_moved(struct span in, size_t cut)
{
	const struct rtmp_chunk_limits limits = {70000, 100000, 8};
	struct rtmp_chunk_reader *rd, *moved;
	struct buf saved = {0};
	uint64_t hash = 0;
	size_t used;

	if (rtmp_chunk_reader_new(&rd, &limits, see, &hash) ||
	    rtmp_chunk_reader_new(&moved, &limits, see, &hash))
		return 0;
	if (!rtmp_chunk_reader_feed(rd, span_first(in, cut), &used)) {
		struct reader r;

		rtmp_chunk_reader_save(rd, &saved);
		r = reader_of(buf_span(&saved));
		BUG_ON(rtmp_chunk_reader_load(moved, &r));
		if (rtmp_chunk_reader_feed(moved, span_from(in, cut), &used))
			hash++;
	} else {
		hash++;
	}
	rtmp_chunk_reader_free(&rd);
	rtmp_chunk_reader_free(&moved);
	buf_fini(&saved);
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_of(span_of(data, len));
	size_t cut = read_u16(&r);
	struct span in = span_from(span_of(data, len), len > 3073 ? 3073 : 2);

	BUG_ON(read_moved(in, cut % (in.len + 1)) != read_moved(in, in.len));
	return 0;
}
