/* proto/flv/metadata_test.c - metadata agrees with the tracks. */
#include "common/media/amf0.h"
#include "common/test/check.h"
#include "proto/flv/flv.h"

static const struct tracks both = {
	2,
	{{.kind = FRAME_VIDEO,
	  .codec = CODEC_H264,
	  .width = 1280,
	  .height = 720,
	  .fps_x100 = 2997},
	 {.kind = FRAME_AUDIO,
	  .codec = CODEC_AAC,
	  .rate = 48000,
	  .channels = 2}},
};

static void put_value(struct buf *out, const struct amf0_walk *w)
{
	buf_put(out, w->key);
	if (w->value.type == AMF0_NUMBER || w->value.type == AMF0_DATE)
		buf_printf(out, "=%g ", w->value.number);
	else if (w->value.type == AMF0_BOOLEAN)
		buf_printf(out, "=%s ", w->value.boolean ? "true" : "false");
	else
		buf_printf(out, "='%.*s' ", (int)w->value.text.len,
			   (const char *)w->value.text.data);
}

/* Write metadata, read it again, and compare it as text. */
static void check_metadata(const struct tracks *tracks, struct span meta,
			   const char *want)
{
	struct buf out = {0};
	struct buf text = {0};
	struct flv_unit u;
	struct amf0_value object;
	struct amf0_walk w;
	uint32_t count = 0;

	CHECK_EQ(flv_metadata_write(&out, tracks, meta), 0);
	flv_body_parse(&u, FLV_SCRIPT, buf_span(&out));
	CHECK_EQ(u.what, FLV_META);
	CHECK_EQ(u.payload.data + u.payload.len - out.data, out.len);
	CHECK_EQ(u.payload.data[0], AMF0_ECMA_ARRAY);
	CHECK_EQ(amf0_read(&object, &u.payload, NULL), 0);
	w = amf0_walk_of(&object);
	for (; amf0_walk_next(&w); count++)
		put_value(&text, &w);
	CHECK_STR(buf_text(&text), want);
	/* the count stands behind the name and the marker */
	CHECK_EQ(out.data[13 + 1 + 3], count);
	buf_fini(&out);
	buf_fini(&text);
}

TEST(metadata_is_made_from_the_tracks)
{
	struct tracks t = both;

	check_metadata(&both, (struct span){0},
		       "width=1280 height=720 framerate=29.97 videocodecid=7 "
		       "audiocodecid=10 audiosamplerate=48000 audiochannels=2 "
		       "stereo=true encoder='weir' ");
	t.track[0].codec = CODEC_H265;
	t.track[0].fps_x100 = 0;
	t.track[1].channels = 1;
	check_metadata(&t, (struct span){0},
		       "width=1280 height=720 videocodecid=12 audiocodecid=10 "
		       "audiosamplerate=48000 audiochannels=1 stereo=false "
		       "encoder='weir' ");
	t.count = 1;
	t.track[0].codec = CODEC_AV1; /* which FLV cannot carry */
	check_metadata(&t, SPAN_LIT("not AMF0"), "encoder='weir' ");
}

/* What a publisher of a file might send. */
static void put_publishers(struct buf *b)
{
	amf0_put_object(b);
	amf0_put_key(b, "duration");
	amf0_put_number(b, 60);
	amf0_put_key(b, "Width");
	amf0_put_number(b, 99);
	amf0_put_key(b, "framerate");
	amf0_put_number(b, 25);
	amf0_put_key(b, "title");
	amf0_put_text(b, "a film");
	amf0_put_key(b, "encoder");
	amf0_put_text(b, "OBS");
	amf0_put_key(b, "videodatarate");
	amf0_put_number(b, 2500);
	amf0_put_key(b, "audiodatarate");
	amf0_put_number(b, 160);
	amf0_put_key(b, "is4k");
	amf0_put_bool(b, false);
	amf0_put_key(b, "made");
	amf0_put_date(b, 1e12);
	amf0_put_key(b, "keyframes");
	amf0_put_object(b);
	amf0_put_key(b, "times");
	amf0_put_strict_array(b, 0);
	amf0_put_object_end(b);
	amf0_put_key(b, "nothing");
	amf0_put_null(b);
	amf0_put_object_end(b);
	CHECK_EQ(buf_error(b), 0);
}

TEST(what_the_publisher_says_is_kept_where_it_is_true)
{
	struct tracks t = both;
	struct buf meta = {0};

	put_publishers(&meta);
	check_metadata(&both, buf_span(&meta),
		       "width=1280 height=720 framerate=29.97 videocodecid=7 "
		       "audiocodecid=10 audiosamplerate=48000 audiochannels=2 "
		       "stereo=true title='a film' encoder='OBS' "
		       "videodatarate=2500 audiodatarate=160 is4k=false "
		       "made=1e+12 ");
	/* A frame rate that we do not know is the publisher's. */
	t.track[0].fps_x100 = 0;
	check_metadata(&t, buf_span(&meta),
		       "width=1280 height=720 videocodecid=7 audiocodecid=10 "
		       "audiosamplerate=48000 audiochannels=2 stereo=true "
		       "framerate=25 title='a film' encoder='OBS' "
		       "videodatarate=2500 audiodatarate=160 is4k=false "
		       "made=1e+12 ");
	/* Nothing is said of video when there is none. */
	t.track[0] = t.track[1];
	t.count = 1;
	check_metadata(&t, buf_span(&meta),
		       "audiocodecid=10 audiosamplerate=48000 audiochannels=2 "
		       "stereo=true title='a film' encoder='OBS' "
		       "audiodatarate=160 is4k=false made=1e+12 ");
	buf_fini(&meta);
}

TEST(names_before_the_object_are_passed_over)
{
	struct tracks none = {0};
	struct buf meta = {0};

	amf0_put_text(&meta, "@setDataFrame");
	amf0_put_text(&meta, "onMetaData");
	amf0_put_object(&meta);
	amf0_put_key(&meta, "title");
	amf0_put_text(&meta, "x");
	amf0_put_object_end(&meta);
	CHECK_EQ(buf_error(&meta), 0);
	check_metadata(&none, buf_span(&meta), "title='x' encoder='weir' ");
	buf_fini(&meta);
}
