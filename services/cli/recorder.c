/* services/cli/recorder.c - writes what comes into an FLV file. */
#include "services/cli/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FLUSH_BYTES 65536

static void write_out(struct recorder *r)
{
	struct span s = buf_span(&r->out);

	if (!r->err)
		r->err = buf_error(&r->out);
	while (!r->err && s.len) {
		ssize_t n = write(r->fd, s.data, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r->err = -errno;
		else
			s = span_from(s, (size_t)n);
	}
	r->byte_count += r->out.len;
	buf_clear(&r->out);
}

/* The head says which kinds there are; it is known at the end. */
static void put_head(struct buf *out, const struct recorder *r)
{
	struct tracks t = {0};

	if (r->has_video)
		t.track[t.count++] = (struct track){
			.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_H264};
	if (r->has_audio)
		t.track[t.count++] = (struct track){
			.id = 2, .kind = FRAME_AUDIO, .codec = CODEC_AAC};
	flv_header_write(out, &t);
}

int recorder_open(struct recorder *r, const char *file, bool starts_on_key)
{
	*r = (struct recorder){.starts_on_key = starts_on_key};
	r->fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (r->fd < 0)
		return -errno;
	put_head(&r->out, r);
	return 0;
}

static struct recorded look_at(struct recorder *r, uint8_t type,
			       struct span body)
{
	struct recorded what = {0};
	struct flv_unit u;

	flv_body_parse(&u, type, body);
	r->has_video |= type == FLV_VIDEO;
	r->has_audio |= type == FLV_AUDIO;
	/* What we cannot carry is counted all the same: this is a recorder. */
	what.is_frame = u.what == FLV_FRAME ||
			(u.what == FLV_UNSUPPORTED && type != FLV_SCRIPT);
	what.is_key = what.is_frame && type == FLV_VIDEO && u.is_key;
	return what;
}

static bool may_start(const struct recorder *r, const struct recorded *what)
{
	/* Without video before the first sound there is no key to wait for. */
	return !r->starts_on_key || what->is_key || !r->has_video;
}

struct recorded recorder_put(struct recorder *r, uint8_t type,
			     uint32_t timestamp_ms, struct span body)
{
	struct recorded what = look_at(r, type, body);
	int err;

	if (what.is_frame && may_start(r, &what))
		r->has_started = true;
	what.is_written = !what.is_frame || r->has_started;
	if (!what.is_written)
		return what;
	r->tag_count++;
	r->video_count += what.is_frame && type == FLV_VIDEO;
	r->audio_count += what.is_frame && type == FLV_AUDIO;
	r->key_count += what.is_key;
	err = flv_tag_write(&r->out, type, timestamp_ms, body);
	if (err && !r->err)
		r->err = err;
	if (r->out.len >= FLUSH_BYTES)
		write_out(r);
	return what;
}

int recorder_close(struct recorder *r)
{
	struct buf head = {0};

	write_out(r);
	put_head(&head, r);
	if (!r->err)
		r->err = buf_error(&head);
	if (!r->err &&
	    pwrite(r->fd, head.data, head.len, 0) != (ssize_t)head.len)
		r->err = -errno;
	buf_fini(&head);
	buf_fini(&r->out);
	if (close(r->fd) && !r->err)
		r->err = -errno;
	r->fd = -1;
	return r->err;
}
