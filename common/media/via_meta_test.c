/* common/media/via_meta_test.c - weirVia in the metadata of a relayed
 * stream. */
#include "common/media/via_meta.h"

#include "common/media/amf0.h"
#include "common/test/check.h"

static void put_meta(struct buf *out, const char *via)
{
	amf0_put_text(out, "onMetaData");
	amf0_put_object(out);
	amf0_put_key(out, "width");
	amf0_put_number(out, 640);
	if (via) {
		amf0_put_key(out, VIA_KEY);
		amf0_put_text(out, via);
	}
	amf0_put_key(out, "title");
	amf0_put_text(out, "a title");
	amf0_put_object_end(out);
}

/* The metadata that `self` makes of what says `via` and came from `from`. */
static int mark(struct buf *out, const char *via, const char *from,
		const char *self)
{
	struct buf in = {0};
	int err;

	put_meta(&in, via);
	err = buf_error(&in);
	if (!err)
		err = via_mark_metadata(out, buf_span(&in), span_str(from),
					self);
	buf_fini(&in);
	return err;
}

static void check_marked(const char *via, const char *from, const char *marked)
{
	struct amf0_value name, object;
	struct buf out = {0};
	struct span in;
	int err = mark(&out, via, from, "here");

	CHECK_EQ(err, 0);
	in = buf_span(&out);
	if (!err) {
		CHECK_EQ(amf0_read(&name, &in, NULL), 0);
		CHECK_SPAN(name.text, SPAN_LIT("onMetaData"));
		CHECK_EQ(amf0_read(&object, &in, NULL), 0);
		CHECK_EQ(in.len, 0);
		CHECK_SPAN(amf0_find_string(&object, VIA_KEY),
			   span_str(marked));
		CHECK_SPAN(amf0_find_string(&object, "title"),
			   SPAN_LIT("a title"));
		CHECK(amf0_find_number(&object, "width", 0) == 640);
	}
	buf_fini(&out);
}

TEST(who_sent_it_and_who_got_it_stand_in_the_metadata)
{
	check_marked(NULL, "", "here");
	check_marked(NULL, "paris", "paris,here");
	check_marked("lyon,paris", "paris", "lyon,paris,here");
}

TEST(what_has_been_here_before_is_refused)
{
	struct buf out = {0};
	int err = mark(&out, "lyon,here,paris", "paris", "here");

	CHECK(err == WEIR_EPROTO || err == WEIR_ENOMEM);
	err = mark(&out, NULL, "here", "here");
	CHECK(err == WEIR_EPROTO || err == WEIR_ENOMEM);
	CHECK_EQ(out.len, 0);
	buf_fini(&out);
}

TEST(other_scripts_stay_as_they_are)
{
	static const uint8_t cut[] = {2,   0,   10,  'o', 'n', 'M', 'e',
				      't', 'a', 'D', 'a', 't', 'a'};
	struct buf in = {0}, out = {0};

	amf0_put_text(&in, "onTextData");
	put_meta(&in, NULL);
	if (!buf_error(&in))
		CHECK_EQ(via_mark_metadata(&out, buf_span(&in),
					   (struct span){0}, "here"),
			 0);
	CHECK_EQ(via_mark_metadata(&out, span_of(cut, sizeof(cut)),
				   (struct span){0}, "here"),
		 0);
	CHECK_EQ(out.len, 0);
	buf_fini(&in);
	buf_fini(&out);
}
