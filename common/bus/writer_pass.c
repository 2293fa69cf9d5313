/* common/bus/writer_pass.c - a writer goes on in another process of its machine:
 * the same epoch, the next term.
 *
 * Version 2, little-endian: u8 version, u64 when it was saved (ms), epoch (u64,
 * uuid), term (u64, uuid), the stored term (the same), u64 start, u64 birth, u8
 * flags, uuid of the home's instance, then four texts (u32 length and bytes):
 * kind, credential, home's id and url.
 */
#include <stdlib.h>

#include "common/base/reader.h"
#include "common/bus/writer_priv.h"

#define VERSION 2

enum passed_flags {
	PASSED_LOCAL = 1 << 0,
	PASSED_CONTINUES = 1 << 1,
	PASSED_MUST_SETTLE = 1 << 2,
};

bool writer_can_pass(const struct writer *w)
{
	return w->state == WRITER_FEEDING && w->has_epoch && !w->is_leaving &&
	       !w->is_checking;
}

static void put_uuid(struct buf *out, const struct uuid *u)
{
	buf_put(out, SPAN(u->byte));
}

static void put_text(struct buf *out, const char *text)
{
	struct span s = span_str(text);

	buf_put_u32_le(out, (uint32_t)s.len);
	buf_put(out, s);
}

static void put_term(struct buf *out, const struct term *t)
{
	buf_put_u64_le(out, t->number);
	put_uuid(out, &t->by);
}

void writer_pass(const struct writer *w, struct buf *out, int64_t now_ms)
{
	const struct stream_entry *e = &w->entry;
	uint8_t flags = 0;

	BUG_ON(!writer_can_pass(w));
	flags |= e->is_local ? PASSED_LOCAL : 0;
	flags |= w->continues ? PASSED_CONTINUES : 0;
	flags |= w->must_settle ? PASSED_MUST_SETTLE : 0;
	buf_put_u8(out, VERSION);
	buf_put_u64_le(out, (uint64_t)now_ms);
	buf_put_u64_le(out, e->epoch.counter);
	put_uuid(out, &e->epoch.writer);
	put_term(out, &e->term);
	put_term(out, &w->stored);
	buf_put_u64_le(out, (uint64_t)e->start_us);
	buf_put_u64_le(out, (uint64_t)e->birth_ms);
	buf_put_u8(out, flags);
	put_uuid(out, &e->home_instance);
	put_text(out, e->kind);
	put_text(out, w->credential);
	put_text(out, e->home_node);
	put_text(out, e->home_url);
}

void writer_passed(struct writer **w, int64_t now_ms)
{
	writer_remember_passed(*w, now_ms);
	writer_free(w);
}

static void take_uuid(struct reader *in, struct uuid *out)
{
	struct span s = read_span(in, sizeof(out->byte));

	if (s.len == sizeof(out->byte))
		memcpy(out->byte, s.data, s.len);
}

static void take_term(struct reader *in, struct term *out)
{
	out->number = read_u64_le(in);
	take_uuid(in, &out->by);
}

static bool take_text(struct reader *in, char *out, size_t size)
{
	struct span s = read_span(in, read_u32_le(in));

	if (s.len >= size || (s.len && memchr(s.data, 0, s.len)))
		return false;
	memset(out, 0, size);
	if (s.len)
		memcpy(out, s.data, s.len);
	return true;
}

static int take(struct writer *w, int64_t *saved_ms, struct reader *in)
{
	struct stream_entry *e = &w->entry;
	uint8_t flags;

	if (read_u8(in) != VERSION)
		return WEIR_EUNSUPPORTED;
	*saved_ms = (int64_t)read_u64_le(in);
	e->epoch.counter = read_u64_le(in);
	take_uuid(in, &e->epoch.writer);
	take_term(in, &e->term);
	take_term(in, &w->stored);
	e->start_us = (int64_t)read_u64_le(in);
	e->birth_ms = (int64_t)read_u64_le(in);
	flags = read_u8(in);
	take_uuid(in, &e->home_instance);
	if (!take_text(in, e->kind, sizeof(e->kind)) ||
	    !take_text(in, w->credential, sizeof(w->credential)) ||
	    !take_text(in, e->home_node, sizeof(e->home_node)) ||
	    !take_text(in, e->home_url, sizeof(e->home_url)) ||
	    reader_failed(in) || !e->epoch.counter || !e->term.number ||
	    e->term.number == UINT64_MAX)
		return WEIR_EPROTO;
	e->is_local = flags & PASSED_LOCAL;
	w->continues = flags & PASSED_CONTINUES;
	return 0;
}

/* It speaks for the stream from now on: with a term that is higher than that of
 * the process which had it, whose last words are then refused. */
static void become(struct writer *w, int64_t saved_ms, int64_t now_ms)
{
	const struct world *world = w->ws->world;
	const struct node_ref *self = &world->self;
	struct stream_entry *e = &w->entry;

	e->is_live = true;
	if (!(world->mutants & MUTANT_SAME_TERM)) {
		e->term.number++;
		e->term.by = self->instance;
	}
	e->writer_instance = self->instance;
	memcpy(e->writer_node, self->id, sizeof(e->writer_node));
	w->session = e->epoch.writer;
	w->has_epoch = w->must_settle = true;
	w->state = WRITER_WAITING;
	w->due_ms = now_ms;
	writer_remember(w);
	writer_event(w, "writer.passed", REASON_none, e->home_node);
	/* One of both slept: its claim may be lost, as behind any sleep. */
	if (now_ms < saved_ms || now_ms - saved_ms > world->loop_away_ms)
		writer_check(w, now_ms);
}

int writer_take(struct writer **out, struct writers *ws,
		const struct writer_request *request, struct span passed,
		const struct writer_events *events, void *ctx, int64_t now_ms)
{
	struct reader in = reader_of(passed);
	struct writer *w;
	int64_t saved_ms;
	int err = writer_make(&w, ws, request, events, ctx, now_ms);

	if (err)
		return err;
	err = take(w, &saved_ms, &in);
	if (err) {
		writer_free(&w);
		return err;
	}
	become(w, saved_ms, now_ms);
	*out = w;
	return 0;
}
