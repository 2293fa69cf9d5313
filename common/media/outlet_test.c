/* common/media/outlet_test.c - what a receiver gets of a log. */
#include "common/media/outlet.h"

#include "common/media/story_test.h"

struct scene {
	struct story story;
	struct outlet out;
	uint64_t next; /* ordinal */
};

static const char *takes_all(const struct track *track)
{
	(void)track;
	return NULL;
}

static const char *takes_sound(const struct track *track)
{
	return track->kind == FRAME_VIDEO ? "no pictures here" : NULL;
}

static void begin(struct scene *s, outlet_refusal_fn *refusal, int64_t ms)
{
	s->next = 0;
	outlet_init(&s->out, refusal);
	CHECK(story_begin(&s->story, true, true));
	s->story.ms = ms;
}

static void end(struct scene *s)
{
	outlet_fini(&s->out);
	log_free(&s->story.log);
}

/* One media frame, 40 ms after the last. */
static enum outlet_what tell(struct scene *s, uint8_t kind, bool is_join,
			     struct outlet_item *item)
{
	enum outlet_what what = OUTLET_NOTHING;

	*item = (struct outlet_item){0};
	CHECK(story_media(&s->story, kind, is_join, 8));
	s->story.ms += 40;
	while (s->next < log_next(s->story.log))
		what = outlet_take(&s->out, item, s->story.log, s->next++);
	return what;
}

static void write(struct scene *s, const struct outlet_item *item)
{
	outlet_wrote_headers(&s->out, item->set);
	outlet_wrote(&s->out, item);
	s->out.must_join = false;
	s->out.newest_ms = WEIR_MAX(s->out.newest_ms, item->ms);
}

TEST(nothing_is_written_before_a_join_and_all_headers_are_new_there)
{
	struct scene s;
	struct outlet_item item;

	begin(&s, takes_all, 5000);
	CHECK_EQ(tell(&s, FRAME_VIDEO, false, &item), OUTLET_EARLY);
	CHECK_EQ(tell(&s, FRAME_AUDIO, true, &item), OUTLET_EARLY);
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	CHECK(item.is_join);
	CHECK_EQ(item.ms, 5080);
	CHECK_EQ(outlet_changes(&s.out, item.set), OUTLET_META | OUTLET_VIDEO);
	write(&s, &item);
	CHECK_EQ(tell(&s, FRAME_AUDIO, true, &item), OUTLET_FRAME);
	CHECK_EQ(outlet_changes(&s.out, item.set), 0);
	end(&s);
}

TEST(a_configuration_that_changed_is_told_and_no_other)
{
	struct scene s;
	struct outlet_item item;

	begin(&s, takes_all, 0);
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	write(&s, &item);
	CHECK(story_config(&s.story));
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	CHECK_EQ(outlet_changes(&s.out, item.set), OUTLET_VIDEO);
	end(&s);
}

TEST(times_are_the_streams_but_near_zero_when_that_is_far)
{
	struct scene s;
	struct outlet_item item;

	begin(&s, takes_all, OUTLET_OLD_MS - 1);
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	CHECK_EQ(item.ms, OUTLET_OLD_MS - 1);
	write(&s, &item);
	CHECK_EQ(tell(&s, FRAME_AUDIO, true, &item), OUTLET_FRAME);
	CHECK_EQ(item.ms, OUTLET_OLD_MS + 39);
	end(&s);
	begin(&s, takes_all, OUTLET_OLD_MS + 7);
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	CHECK_EQ(item.ms, 1000);
	end(&s);
}

TEST(an_epoch_that_begins_before_the_end_of_the_last_is_put_behind_it)
{
	struct scene s;
	struct outlet_item item;

	begin(&s, takes_all, 9000);
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	write(&s, &item);
	s.story.ms = 0;
	CHECK(story_epoch(&s.story));
	CHECK(story_tracks(&s.story, true, true));
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	CHECK_EQ(item.ms, 9040);
	write(&s, &item);
	CHECK_EQ(tell(&s, FRAME_AUDIO, true, &item), OUTLET_FRAME);
	CHECK_EQ(item.ms, 9080);
	end(&s);
}

TEST(a_container_without_pictures_gets_sound_from_any_frame_on)
{
	struct scene s;
	struct outlet_item item;

	begin(&s, takes_sound, 0);
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_REFUSED);
	CHECK_EQ(tell(&s, FRAME_AUDIO, false, &item), OUTLET_FRAME);
	CHECK(item.is_join);
	CHECK(!s.out.why_not);
	end(&s);
}

TEST(behind_a_gap_a_join_is_waited_for)
{
	struct scene s;
	struct outlet_item item;

	begin(&s, takes_all, 0);
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	write(&s, &item);
	outlet_gap(&s.out);
	CHECK_EQ(tell(&s, FRAME_VIDEO, false, &item), OUTLET_EARLY);
	CHECK_EQ(tell(&s, FRAME_VIDEO, true, &item), OUTLET_FRAME);
	end(&s);
}
