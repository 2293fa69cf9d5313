/* services/edge/bytelog.c - the bytes of a wire: blocks, and pieces of them. */
#include "services/edge/bytelog.h"

#include <stdlib.h>

#include "common/base/fetch.h"

#define NEAR_PIECES 4

/* What has been written here. */
struct bytelog_block {
	struct list link;
	uint64_t end; /* offset behind its last byte */
	uint32_t len, cap;
	uint8_t data[];
};

/* A run of bytes that lie together: of a block, or a frame's payload. */
struct piece {
	uint64_t end : 63; /* offset behind it */
	uint64_t is_payload : 1;
	const uint8_t *data;
};

static struct piece *piece_at(const struct bytelog *b, size_t i)
{
	return ring_at(&b->pieces, i);
}

/* The offset of its first byte. */
static uint64_t start_of(const struct bytelog *b, size_t i)
{
	return i ? piece_at(b, i - 1)->end : b->start;
}

void bytelog_init(struct bytelog *b)
{
	*b = (struct bytelog){0};
	list_init(&b->blocks);
	ring_init(&b->pieces, sizeof(struct piece));
}

static void free_blocks(struct list *blocks)
{
	list_each_safe (it, blocks) {
		struct bytelog_block *block =
			list_entry(it, struct bytelog_block, link);

		list_remove(it);
		free(block);
	}
}

static void drop_piece(struct bytelog *b)
{
	struct piece *p = piece_at(b, 0);

	if (p->is_payload) {
		struct frame *f = frame_of_payload(p->data);

		b->shared_bytes -= f->payload.len;
		frame_unref(&f);
	}
	b->start = p->end;
	b->dropped++;
	ring_drop(&b->pieces, 1);
}

void bytelog_fini(struct bytelog *b)
{
	while (b->pieces.count)
		drop_piece(b);
	free_blocks(&b->blocks);
	ring_fini(&b->pieces);
}

/* ---- writing ---- */

/* As many empty blocks as `len` bytes need beyond `room`: all or none. */
static int make_blocks(struct list *out, uint32_t cap, size_t len, size_t room)
{
	for (; room < len; room += cap) {
		struct bytelog_block *block = malloc(sizeof(*block) + cap);

		if (!block) {
			free_blocks(out);
			return WEIR_ENOMEM;
		}
		block->len = 0;
		block->cap = cap;
		list_append(out, &block->link);
	}
	return 0;
}

static int reserve_pieces(struct bytelog *b, size_t count)
{
	int err = 0;

	while (!err && b->pieces.cap < b->pieces.count + count)
		err = ring_grow(&b->pieces);
	return err;
}

/* Bytes at `data`, which may be right behind the last ones. */
static void note_bytes(struct bytelog *b, const uint8_t *data, size_t len)
{
	struct piece *last = ring_last(&b->pieces);
	const bool goes_on =
		last && !last->is_payload &&
		last->data + (last->end - start_of(b, b->pieces.count - 1)) ==
			data;

	b->end += len;
	if (goes_on)
		last->end = b->end;
	else
		*(struct piece *)ring_push(&b->pieces) =
			(struct piece){.end = b->end, .data = data};
}

static void note_payload(struct bytelog *b, struct frame *f)
{
	b->end += f->payload.len;
	b->shared_bytes += f->payload.len;
	*(struct piece *)ring_push(&b->pieces) = (struct piece){
		.end = b->end,
		.is_payload = true,
		.data = frame_ref(f)->payload.data,
	};
}

/* Take the next one, of which there are enough. */
static void next_block(struct bytelog *b, struct list *fresh)
{
	struct bytelog_block *block =
		list_entry(fresh->next, struct bytelog_block, link);

	BUG_ON(list_is_empty(fresh));
	list_remove(&block->link);
	list_append(&b->blocks, &block->link);
	b->kept_bytes += block->cap;
	b->filling = block;
}

static void fill_blocks(struct bytelog *b, struct list *fresh, struct span s)
{
	while (s.len) {
		struct bytelog_block *block;
		struct span part;

		if (!b->filling)
			next_block(b, fresh);
		block = b->filling;
		part = span_first(s, block->cap - block->len);
		memcpy(block->data + block->len, s.data, part.len);
		note_bytes(b, block->data + block->len, part.len);
		block->len += (uint32_t)part.len;
		block->end = b->end;
		if (block->len == block->cap)
			b->filling = NULL;
		s = span_from(s, part.len);
	}
}

int bytelog_put(struct bytelog *b, struct span s, struct frame *shared,
		size_t at)
{
	const size_t room = b->filling ? b->filling->cap - b->filling->len : 0;
	const uint32_t cap = shared && s.len <= BYTELOG_SMALL_BLOCK_BYTES
				     ? BYTELOG_SMALL_BLOCK_BYTES
				     : BYTELOG_BLOCK_BYTES;
	struct list fresh;

	list_init(&fresh);
	/* A piece of each block, one more where the payload parts them, and
	 * the payload. */
	if (reserve_pieces(b, s.len / cap + 4) ||
	    make_blocks(&fresh, cap, s.len, room))
		return WEIR_ENOMEM;
	fill_blocks(b, &fresh, shared ? span_first(s, at) : s);
	if (shared) {
		note_payload(b, shared);
		fill_blocks(b, &fresh, span_from(s, at));
	}
	BUG_ON(!list_is_empty(&fresh)); /* they were as many as it took */
	return 0;
}

/* ---- reading ---- */

static bool is_in_piece(const struct bytelog *b, uint64_t i, uint64_t offset)
{
	return i < b->pieces.count && offset >= start_of(b, i) &&
	       offset < piece_at(b, i)->end;
}

/* The first one that ends behind `offset`. */
static size_t search_piece(const struct bytelog *b, uint64_t offset)
{
	size_t lo = 0, hi = b->pieces.count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (piece_at(b, mid)->end > offset)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Most often the one where the last read began, or soon behind: a frame of which
 * the payload is shared makes two pieces. */
static size_t find_piece(const struct bytelog *b, uint64_t offset,
			 uint64_t hint)
{
	const uint64_t first = hint - b->dropped;

	for (uint64_t i = first; i < first + NEAR_PIECES; i++)
		if (is_in_piece(b, i, offset))
			return i;
	return search_piece(b, offset);
}

static struct span piece_from(const struct bytelog *b, size_t i,
			      uint64_t offset)
{
	const struct piece *p = piece_at(b, i);

	return span_of(p->data + (offset - start_of(b, i)), p->end - offset);
}

struct span bytelog_peek(const struct bytelog *b, uint64_t offset,
			 uint64_t *piece)
{
	size_t i;

	if (offset == b->end)
		return (struct span){0};
	BUG_ON(offset < b->start || offset > b->end);
	i = find_piece(b, offset, *piece);
	*piece = b->dropped + i;
	return piece_from(b, i, offset);
}

size_t bytelog_peek_all(const struct bytelog *b, uint64_t offset,
			uint64_t *piece, struct span *out, size_t max,
			size_t enough_bytes)
{
	struct span s = bytelog_peek(b, offset, piece);
	size_t i = *piece - b->dropped, count = 0, bytes = 0;

	while (s.len && count < max) {
		out[count++] = s;
		bytes += s.len;
		if (++i == b->pieces.count || bytes >= enough_bytes)
			break;
		s = piece_from(b, i, start_of(b, i));
	}
	return count;
}

/* ---- letting go ---- */

void bytelog_drop(struct bytelog *b, uint64_t offset)
{
	while (b->pieces.count && piece_at(b, 0)->end <= offset)
		drop_piece(b);
	list_each_safe (it, &b->blocks) {
		struct bytelog_block *block =
			list_entry(it, struct bytelog_block, link);

		if (block->len < block->cap || block->end > b->start)
			return;
		list_remove(it);
		b->kept_bytes -= block->cap;
		free(block);
	}
}

void bytelog_ahead(const struct bytelog *b)
{
	const struct bytelog_block *block = b->filling;

	if (block) {
		fetch(block);
		fetch(block->data + block->len);
	}
	if (b->pieces.count) {
		fetch(ring_last(&b->pieces));
		fetch(ring_at(&b->pieces, 0));
	}
}
