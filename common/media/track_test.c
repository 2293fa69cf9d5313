/* common/media/track_test.c */
#include "common/media/track.h"

#include "common/test/check.h"

static const struct tracks two = {
	.count = 2,
	.track = {{.id = 1,
		   .kind = FRAME_VIDEO,
		   .codec = CODEC_H265,
		   .form = FORM_LEGACY_ID12,
		   .is_default = true,
		   .group = 3,
		   .width = 1920,
		   .height = 1080,
		   .fps_x100 = 2997},
		  {.id = 2,
		   .kind = FRAME_AUDIO,
		   .codec = CODEC_AAC,
		   .channels = 2,
		   .rate = 44100,
		   .language = "deu",
		   .label = "caf\xc3\xa9"}},
};

/* clang-format off */
static const uint8_t two_bytes[] = {
	1, 2,
	1, 0, FRAME_VIDEO, CODEC_H265, 1, 1, 0x80, 7, 0x38, 4, 0, 0, 0, 0,
	0, 3, 0xb5, 0x0b, 0, 0,
	2, 0, FRAME_AUDIO, CODEC_AAC, 0, 0, 0, 0, 0, 0, 0x44, 0xac, 0, 0,
	2, 0, 0, 0, 3, 'd', 'e', 'u', 5, 'c', 'a', 'f', 0xc3, 0xa9,
};
/* clang-format on */

TEST(tracks_are_written_byte_by_byte_as_the_header_says)
{
	struct buf b = {0};

	tracks_write(&b, &two);
	CHECK_EQ(buf_error(&b), 0);
	CHECK_SPAN(buf_span(&b), SPAN(two_bytes));
	buf_fini(&b);
}

TEST(tracks_are_read_as_they_were_written)
{
	struct tracks t;

	memset(&t, 0xff, sizeof(t));
	CHECK_EQ(tracks_read(&t, SPAN(two_bytes)), 0);
	CHECK_EQ(t.count, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct track *a = &t.track[i], *b = &two.track[i];

		CHECK(a->id == b->id && a->kind == b->kind);
		CHECK(a->codec == b->codec && a->form == b->form);
		CHECK(a->is_default == b->is_default && a->group == b->group);
		CHECK(a->width == b->width && a->height == b->height);
		CHECK(a->fps_x100 == b->fps_x100 && a->rate == b->rate);
		CHECK(a->channels == b->channels);
		CHECK_STR(a->language, b->language);
		CHECK_STR(a->label, b->label);
	}
}

TEST(an_empty_list_of_tracks_is_a_list)
{
	struct tracks t;

	CHECK_EQ(tracks_read(&t, SPAN_LIT("\1\0")), 0);
	CHECK_EQ(t.count, 0);
	CHECK(!tracks_first(&t, FRAME_VIDEO));
}

TEST(a_list_that_was_cut_off_anywhere_is_refused)
{
	struct tracks t = {.count = 77};

	for (size_t len = 0; len < sizeof(two_bytes); len++)
		CHECK_EQ(tracks_read(&t, span_of(two_bytes, len)), WEIR_EPROTO);
	CHECK_EQ(t.count, 77);
}

/* The good bytes with one byte changed, at these places. */
struct bad_byte {
	size_t at;
	uint8_t value;
	int err;
	const char *why;
};

TEST(a_list_with_one_wrong_byte_is_refused_for_the_right_reason)
{
	static const struct bad_byte bad[] = {
		{0, 0, WEIR_EUNSUPPORTED, "version 0"},
		{0, 2, WEIR_EUNSUPPORTED, "version 2"},
		{1, 1, WEIR_EPROTO, "bytes behind the last track"},
		{1, 3, WEIR_EPROTO, "fewer tracks than counted"},
		{1, TRACKS_MAX + 1, WEIR_ELIMIT, "too many tracks"},
		{2, 0, WEIR_EPROTO, "track id 0"},
		{2, 2, WEIR_EPROTO, "track id 2 twice"},
		{4, 0, WEIR_EPROTO, "kind 0"},
		{4, FRAME_RAW + 1, WEIR_EPROTO, "kind 5"},
		{4, FRAME_TRACKS, WEIR_EPROTO, "a state kind"},
		{7, 2, WEIR_EPROTO, "is_default 2"},
		{43, 0, WEIR_EPROTO, "NUL in the language"},
		{43, 0xff, WEIR_EPROTO, "language not UTF-8"},
		{40, 16, WEIR_EPROTO, "language longer than what is there"},
		{49, 0xc3, WEIR_EPROTO, "label not UTF-8"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		uint8_t bytes[sizeof(two_bytes)];
		struct tracks t;

		memcpy(bytes, two_bytes, sizeof(bytes));
		bytes[bad[i].at] = bad[i].value;
		if (tracks_read(&t, SPAN(bytes)) != bad[i].err)
			CHECK_STR(bad[i].why, "");
	}
}

TEST(texts_have_limits)
{
	struct tracks t;
	uint8_t bytes[24 + 16 + 32] = {1, 1, 1, 0, FRAME_DATA};

	bytes[20] = 16; /* one more than fits beside a NUL */
	memset(bytes + 21, 'x', 16);
	CHECK_EQ(tracks_read(&t, span_of(bytes, 38)), WEIR_ELIMIT);
	bytes[20] = 15;
	bytes[36] = 31;
	memset(bytes + 37, 'y', 31);
	CHECK_EQ(tracks_read(&t, span_of(bytes, 68)), 0);
	CHECK_EQ(strlen(t.track[0].language), 15);
	CHECK_EQ(strlen(t.track[0].label), 31);
	bytes[36] = 32;
	bytes[68] = 'y';
	CHECK_EQ(tracks_read(&t, span_of(bytes, 69)), WEIR_ELIMIT);
}

TEST(what_is_written_can_be_read_whatever_the_texts_hold)
{
	struct tracks t = {.count = 1,
			   .track = {{.id = 1, .kind = FRAME_DATA}}};
	struct buf b = {0};

	memset(t.track[0].language, 'x', sizeof(t.track[0].language));
	memset(t.track[0].label, 0xc3, sizeof(t.track[0].label));
	memcpy(t.track[0].label, "caf\xc3", 4); /* cut in the middle */
	tracks_write(&b, &t);
	CHECK_EQ(buf_error(&b), 0);
	CHECK_EQ(tracks_read(&t, buf_span(&b)), 0);
	CHECK_EQ(strlen(t.track[0].language), 15);
	CHECK_STR(t.track[0].label, "caf");
	buf_fini(&b);
}

TEST(codecs_and_forms_of_later_versions_are_carried)
{
	uint8_t bytes[sizeof(two_bytes)];
	struct tracks t;

	memcpy(bytes, two_bytes, sizeof(bytes));
	bytes[5] = 200;
	bytes[6] = 201;
	CHECK_EQ(tracks_read(&t, SPAN(bytes)), 0);
	CHECK(t.track[0].codec == 200 && t.track[0].form == 201);
}

TEST(tracks_are_found_by_kind_and_by_id)
{
	CHECK(tracks_first(&two, FRAME_VIDEO) == &two.track[0]);
	CHECK(tracks_first(&two, FRAME_AUDIO) == &two.track[1]);
	CHECK(!tracks_first(&two, FRAME_DATA));
	CHECK(tracks_find(&two, 2) == &two.track[1]);
	CHECK(!tracks_find(&two, 3));
}

TEST(codecs_have_names_for_people_and_for_the_api)
{
	CHECK_STR(codec_name(CODEC_H264), "H.264");
	CHECK_STR(codec_api_name(CODEC_H264), "H264");
	CHECK_STR(codec_api_name(CODEC_H265), "H265");
	CHECK_STR(codec_api_name(CODEC_AAC), "AAC");
	CHECK_STR(codec_api_name(CODEC_MP3), "MP3");
	CHECK_STR(codec_api_name(CODEC_OPUS), "OPUS");
	CHECK_STR(codec_api_name(CODEC_PCMA), "PCMA");
	CHECK_STR(codec_api_name(CODEC_PCMU), "PCMU");
	CHECK_STR(codec_name(CODEC_NONE), "unknown");
	CHECK_STR(codec_api_name(200), "");
}

TEST(only_some_codecs_need_a_configuration_first)
{
	CHECK(codec_has_config(CODEC_H264) && codec_has_config(CODEC_H265));
	CHECK(codec_has_config(CODEC_AV1) && codec_has_config(CODEC_AAC));
	CHECK(!codec_has_config(CODEC_MP3) && !codec_has_config(CODEC_OPUS));
	CHECK(!codec_has_config(CODEC_PCMA) && !codec_has_config(CODEC_PCMU));
	CHECK(!codec_has_config(CODEC_NONE) && !codec_has_config(200));
}
