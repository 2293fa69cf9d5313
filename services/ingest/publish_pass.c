/* services/ingest/publish_pass.c - a publish as bytes, for another ingest of this
 * machine, and back: the writer, the maker, the session, the log.
 *
 * Version 2, little-endian: u8 version; texts (u32 length and bytes) of the
 * writer, the maker, the session's id, then of its user, its credential, and the
 * key it was signed with; u64 its start, u64 bytes read; u32 and so
 * many state frames that stand before the log, u32 and so many frames of the
 * log. A frame: u8 kind, u8 flags, u16 track, u64 sequence, dts, pts, arrival,
 * u32 length, payload.
 */
#include "common/base/reader.h"
#include "services/ingest/publish_priv.h"

#define VERSION   2
#define TEXT_SIZE 128

/* ---- saving ---- */

bool publish_can_pass(const struct publish *p)
{
	return p->door && p->door->conn && p->maker &&
	       maker_is_steady(p->maker) && writer_can_pass(p->writer);
}

static void put_frame(struct buf *out, const struct frame *f)
{
	buf_put_u8(out, f->kind);
	buf_put_u8(out, f->flags);
	buf_put_u16_le(out, f->track);
	buf_put_u64_le(out, f->position.sequence);
	buf_put_u64_le(out, (uint64_t)f->dts_ns);
	buf_put_u64_le(out, (uint64_t)f->pts_ns);
	buf_put_u64_le(out, (uint64_t)f->arrival_us);
	buf_put_u32_le(out, (uint32_t)f->payload.len);
	buf_put(out, f->payload);
}

static void put_log(struct buf *out, const struct log *log)
{
	uint64_t tail = log_tail(log), next = log_next(log);
	const struct stateset *set = log_state_before(log, tail);
	uint32_t count = set ? set->count : 0;

	buf_put_u32_le(out, count);
	for (uint32_t i = 0; i < count; i++)
		put_frame(out, set->frame[i]);
	buf_put_u32_le(out, (uint32_t)(next - tail));
	for (uint64_t i = tail; i < next; i++)
		put_frame(out, log_at(log, i));
}

void publish_put_part(struct buf *out, struct buf *part)
{
	buf_put_u32_le(out, (uint32_t)part->len);
	buf_put(out, buf_span(part));
	if (buf_error(part) && !out->err)
		out->err = buf_error(part);
	buf_clear(part);
}

static void put_text(struct buf *out, struct buf *part, const char *text)
{
	buf_put(part, span_str(text));
	publish_put_part(out, part);
}

static void put_names(const struct publish *p, struct buf *out,
		      struct buf *part)
{
	struct gate_names names;

	gate_names_of(&p->pass, &names);
	put_text(out, part, p->session.id);
	put_text(out, part, names.user);
	put_text(out, part, names.credential);
	put_text(out, part, names.kid);
}

void publish_pass(const struct publish *p, struct buf *out)
{
	struct buf part = {0};

	buf_put_u8(out, VERSION);
	writer_pass(p->writer, &part, member_now_ms(p->in->member));
	publish_put_part(out, &part);
	maker_save(p->maker, &part);
	publish_put_part(out, &part);
	put_names(p, out, &part);
	buf_put_u64_le(out, (uint64_t)p->session.start_us);
	buf_put_u64_le(out, p->session.read_bytes);
	put_log(out, p->log);
	buf_fini(&part);
}

/* ---- loading ---- */

static struct span take_part(struct reader *in)
{
	return read_span(in, read_u32_le(in));
}

static int take_frame(struct frame **out, struct reader *in,
		      const struct epoch *epoch)
{
	struct frame head = {.kind = read_u8(in), .flags = read_u8(in)};
	struct span payload;

	head.track = read_u16_le(in);
	head.position.epoch = *epoch;
	head.position.sequence = read_u64_le(in);
	head.dts_ns = (int64_t)read_u64_le(in);
	head.pts_ns = (int64_t)read_u64_le(in);
	head.arrival_us = (int64_t)read_u64_le(in);
	payload = take_part(in);
	if (reader_failed(in) || !head.kind)
		return WEIR_EPROTO;
	return frame_new(out, &head, payload);
}

typedef int keep_fn(struct log *log, struct frame *f);

static int take_frames(struct log *log, struct reader *in,
		       const struct epoch *epoch, bool is_state)
{
	uint32_t count = read_u32_le(in);
	int err = 0;

	for (uint32_t i = 0; !err && i < count; i++) {
		keep_fn *keep = is_state ? log_set_state
				: i      ? log_append
					 : log_append_gap;
		struct frame *f;

		err = take_frame(&f, in, epoch);
		if (err)
			break;
		err = is_state && !frame_is_state(f) ? WEIR_EPROTO
						     : keep(log, f);
		frame_unref(&f);
	}
	return err;
}

static int take_log(struct publish *p, struct reader *in)
{
	const struct epoch *epoch = &writer_entry(p->writer)->epoch;
	struct position last;
	int err = take_frames(p->log, in, epoch, true);

	if (!err)
		err = take_frames(p->log, in, epoch, false);
	if (!err && (reader_failed(in) || reader_left(in) ||
		     !log_last_position(p->log, &last) ||
		     last.sequence + 1 != maker_next_sequence(p->maker)))
		err = WEIR_EPROTO;
	return err;
}

/* Returns whether it fits. */
static bool take_text(char *out, size_t size, struct reader *in)
{
	struct span text = take_part(in);

	if (text.len >= size || (text.len && memchr(text.data, 0, text.len)))
		return false;
	if (text.len)
		memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return true;
}

/* It has been let in: here it is known, and may be put out. */
static int take_names(struct publish *p, struct reader *in)
{
	char user[TEXT_SIZE] = "", credential[TEXT_SIZE] = "";
	char kid[TEXT_SIZE] = "";
	const struct gate_names names = {user, credential, kid};

	if (!take_text(user, sizeof(user), in) ||
	    !take_text(credential, sizeof(credential), in) ||
	    !take_text(kid, sizeof(kid), in) || reader_failed(in))
		return WEIR_EPROTO;
	return publish_adopt(p, &names);
}

static int take_session(struct publish *p, struct reader *in)
{
	char id[SESSION_ID_SIZE];
	int err;

	if (!take_text(id, sizeof(id), in))
		return WEIR_EPROTO;
	err = take_names(p, in);
	if (err)
		return err;
	p->session.start_us = (int64_t)read_u64_le(in);
	p->session.read_bytes = read_u64_le(in);
	if (reader_failed(in) || !*id)
		return WEIR_EPROTO;
	memcpy(p->session.id, id, sizeof(id));
	return 0;
}

static int take(struct publish *p, struct reader *in)
{
	const struct maker_limits limits = publish_maker_limits(p->in);
	const struct writer_request rq = {.key = p->key, .log = p->log};
	struct span writer, maker;
	int err;

	if (read_u8(in) != VERSION)
		return WEIR_EUNSUPPORTED;
	writer = take_part(in);
	maker = take_part(in);
	err = writer_take(&p->writer, p->in->writers, &rq, writer,
			  &publish_writer_events, p,
			  member_now_ms(p->in->member));
	if (!err)
		err = maker_load(&p->maker, &limits,
				 &writer_entry(p->writer)->epoch,
				 &publish_maker_events, p, maker);
	if (!err)
		err = take_session(p, in);
	if (!err)
		err = take_log(p, in);
	return err;
}

int publish_take(struct publish **out, struct ingest *in,
		 const struct publish_request *request, struct span passed,
		 uint64_t total_bytes, const struct publish_door *door,
		 void *ctx)
{
	struct reader r = reader_of(passed);
	struct publish *p;
	int err = publish_make(&p, in, request, door, ctx);

	if (err)
		return err;
	err = take(p, &r);
	if (err) {
		publish_free(p);
		return err;
	}
	maker_get_stats(p->maker, &p->counted);
	p->has_input = true;
	p->before_bytes = total_bytes - p->session.read_bytes;
	in->stats.accepted++;
	publish_log_start(p);
	member_wake(in->member);
	*out = p;
	return 0;
}
