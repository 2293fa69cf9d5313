/* services/cli/recorder_test.c - recording tags into a file. */
#include "services/cli/recorder.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/test/check.h"

/* AVC: key frame, inter frame, configuration; AAC: configuration, frame. */
static const uint8_t key[] = {0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65};
static const uint8_t inter[] = {0x27, 1, 0, 0, 0, 0, 0, 0, 1, 0x41};
static const uint8_t avc[] = {0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff};
static const uint8_t asc[] = {0xaf, 0, 0x12, 0x10};
static const uint8_t aac[] = {0xaf, 1, 0x21, 0x10};

struct file {
	char path[TEST_PATH_SIZE];
	uint8_t data[4096];
	size_t len;
};

static void read_back(struct file *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, f->data, sizeof(f->data));

	if (fd >= 0)
		close(fd);
	f->len = n > 0 ? (size_t)n : 0;
}

TEST(tags_are_written_as_they_came_and_counted)
{
	struct buf want = {0};
	struct recorder r;
	struct recorded k, i;
	struct file f;
	int err, wrote;

	test_path(f.path);
	CHECK_EQ(recorder_open(&r, f.path, false), 0);
	recorder_put(&r, FLV_VIDEO, 0, SPAN(avc));
	recorder_put(&r, FLV_AUDIO, 0, SPAN(asc));
	i = recorder_put(&r, FLV_VIDEO, 0xfffffff0u, SPAN(inter));
	k = recorder_put(&r, FLV_VIDEO, 5, SPAN(key));
	recorder_put(&r, FLV_AUDIO, 7, SPAN(aac));
	err = recorder_close(&r);
	read_back(&f);
	wrote = flv_tag_write(&want, FLV_VIDEO, 0, SPAN(avc)) |
		flv_tag_write(&want, FLV_AUDIO, 0, SPAN(asc)) |
		flv_tag_write(&want, FLV_VIDEO, 0xfffffff0u, SPAN(inter)) |
		flv_tag_write(&want, FLV_VIDEO, 5, SPAN(key)) |
		flv_tag_write(&want, FLV_AUDIO, 7, SPAN(aac));
	if (!err && !wrote)
		CHECK(f.len == FLV_HEADER_BYTES + want.len &&
		      !memcmp(f.data + FLV_HEADER_BYTES, want.data, want.len));
	buf_fini(&want);
	CHECK_EQ(err, 0);
	CHECK_EQ(wrote, 0);
	CHECK_EQ(f.data[4], 5); /* both kinds, known at the end */
	CHECK(i.is_frame && !i.is_key && i.is_written);
	CHECK(k.is_frame && k.is_key && k.is_written);
	CHECK_EQ(r.video_count, 2);
	CHECK_EQ(r.audio_count, 1);
	CHECK_EQ(r.key_count, 1);
	CHECK_EQ(r.tag_count, 5);
	CHECK_EQ(r.byte_count, f.len);
}

TEST(a_start_on_a_key_frame_leaves_out_what_is_before_it)
{
	struct recorder r;
	struct recorded first;
	struct file f;
	int err;

	test_path(f.path);
	CHECK_EQ(recorder_open(&r, f.path, true), 0);
	recorder_put(&r, FLV_VIDEO, 0, SPAN(avc));
	first = recorder_put(&r, FLV_VIDEO, 0, SPAN(inter));
	recorder_put(&r, FLV_AUDIO, 0, SPAN(aac));
	recorder_put(&r, FLV_VIDEO, 40, SPAN(key));
	recorder_put(&r, FLV_AUDIO, 41, SPAN(aac));
	err = recorder_close(&r);
	read_back(&f);
	CHECK_EQ(err, 0);
	CHECK(!first.is_written);
	CHECK_EQ(r.tag_count, 3);
	CHECK_EQ(r.video_count, 1);
	CHECK_EQ(r.audio_count, 1);
}

TEST(sound_alone_needs_no_key_frame)
{
	struct recorder r;
	struct file f;
	int err;

	test_path(f.path);
	CHECK_EQ(recorder_open(&r, f.path, true), 0);
	recorder_put(&r, FLV_AUDIO, 0, SPAN(asc));
	recorder_put(&r, FLV_AUDIO, 0, SPAN(aac));
	err = recorder_close(&r);
	read_back(&f);
	CHECK_EQ(err, 0);
	CHECK_EQ(r.audio_count, 1);
	CHECK_EQ(f.data[4], 4);
}

TEST(a_full_disk_is_told)
{
	static const uint8_t much[100000] = {0x27, 1};
	struct recorder r;

	if (access("/dev/full", W_OK))
		return;
	CHECK_EQ(recorder_open(&r, "/dev/full", false), 0);
	recorder_put(&r, FLV_VIDEO, 0, SPAN(much));
	CHECK(recorder_close(&r) < 0);
}
