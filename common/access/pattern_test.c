/* common/access/pattern_test.c */
#include "common/access/pattern.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/test/check.h"

static struct stream_key key_of(const char *path)
{
	struct stream_key key = {""};

	CHECK_EQ(stream_key_from_path(&key, span_str(path), IDENTITY_PATH), 0);
	return key;
}

/* As a pattern of its shape. */
static bool is_found(const struct stream_pattern *p,
		     const struct stream_key *key)
{
	char shape[STREAM_SHAPE_SIZE];
	struct stream_pattern of;

	stream_pattern_shape(shape, p);
	return stream_pattern_of(&of, shape, key) && !strcmp(of.text, p->text);
}

TEST(a_star_is_one_element_and_two_are_the_rest)
{
	static const struct {
		const char *pattern, *key;
		bool fits;
	} cases[] = {
		{"live/cam1", "live/cam1", true},
		{"live/cam1", "live/cam12", false},
		{"live/cam1", "live/cam1/hd", false},
		{"live/cam1/hd", "live/cam1", false},
		{"cam1", "live/cam1", true},
		{"cam1", "other/cam1", false},
		{"live/*", "live/cam1", true},
		{"live/*", "live/cam1/hd", false},
		{"live/*", "liver/cam1", false},
		{"live/**", "live/cam1", true},
		{"live/**", "live/cam1/hd", true},
		{"live/**", "vod/cam1", false},
		{"live/cam1/**", "live/cam1", false},
		{"live/cam1/**", "live/cam1/hd", true},
		{"*/*", "live/cam1", true},
		{"*/*", "live/cam1/hd", false},
		{"*/cam1", "vod/cam1", true},
		{"*/cam1", "vod/cam2", false},
		{"a/*/c", "a/b/c", true},
		{"a/*/c", "a/b/d", false},
		{"*/**", "a/b", true},
		{"**", "live/cam1", true},
		{"**", "a/b/c/d", true},
		/* A name that looks like a pattern is only a name. */
		{"live/*", "live/*", true},
		{"live/cam1", "live/*", false},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct stream_key key = key_of(cases[i].key);
		struct stream_pattern p = {""};

		fprintf(stderr, "%s %s\n", cases[i].pattern, cases[i].key);
		CHECK_EQ(stream_pattern_parse(&p, span_str(cases[i].pattern),
					      NULL),
			 0);
		CHECK_EQ(stream_pattern_matches(&p, &key), cases[i].fits);
		CHECK_EQ(is_found(&p, &key), cases[i].fits);
	}
}

TEST(a_shape_has_a_letter_for_each_element)
{
	static const struct {
		const char *pattern, *shape, *of_key;
	} cases[] = {
		{"live/a/b", "===", "live/cam1/hd"},
		{"live/*/b", "=*=", "live/*/hd"},
		{"live/**", "=+", "live/**"},
		{"*/*/**", "**+", "*/*/**"},
		{"**", "+", "**"},
		{"live/cam1", "==", ""}, /* the key has one more */
		{"a/b/c/**", "===+", ""},
	};
	struct stream_key key = key_of("live/cam1/hd");

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		char shape[STREAM_SHAPE_SIZE];
		struct stream_pattern p = {""}, of = {""};
		bool is_there;

		CHECK_EQ(stream_pattern_parse(&p, span_str(cases[i].pattern),
					      NULL),
			 0);
		stream_pattern_shape(shape, &p);
		CHECK_STR(shape, cases[i].shape);
		is_there = stream_pattern_of(&of, shape, &key);
		CHECK_EQ(is_there, *cases[i].of_key != '\0');
		if (is_there)
			CHECK_STR(of.text, cases[i].of_key);
	}
}

TEST(the_longest_key_has_patterns_as_long_as_itself)
{
	struct stream_key key = {""};
	struct stream_pattern of = {""};

	memset(key.text, 'x', STREAM_KEY_MAX);
	key.text[1] = '/';
	CHECK(stream_pattern_of(&of, "==", &key));
	CHECK_STR(of.text, key.text);
	key.text[STREAM_KEY_MAX - 2] = '/';
	CHECK(stream_pattern_of(&of, "===", &key));
	CHECK(!stream_pattern_of(&of, "==+", &key)); /* it would be longer */
}

TEST(what_is_no_pattern_is_refused_with_words)
{
	static const char *const cases[] = {
		"",          "*",         "/",         "/live/a",   "live/",
		"live//a",   "live/a*",   "live/*a",   "live/***",  "**/a",
		"live/**/a", "live/./a",  "live/..",   "live/\x01", "live/\x7f",
		"live/\xff", "live/a\nb", "live/\xc2", "***",
	};
	char longest[STREAM_KEY_MAX + 2];
	struct stream_pattern p = {"untouched"};
	const char *why;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		fprintf(stderr, "\"%s\"\n", cases[i]);
		why = NULL;
		CHECK_EQ(stream_pattern_parse(&p, span_str(cases[i]), &why),
			 WEIR_EINVAL);
		CHECK(why && *why);
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "a/", 2);
	CHECK_EQ(stream_pattern_parse(&p, SPAN(longest), NULL), WEIR_EINVAL);
	/* With the app that it means it would be too long. */
	CHECK_EQ(stream_pattern_parse(&p, span_of(longest + 2, 510), NULL),
		 WEIR_EINVAL);
	CHECK_STR(p.text, "untouched");
	CHECK_EQ(stream_pattern_parse(&p, span_of(longest, 512), NULL), 0);
	CHECK(stream_pattern_is_exact(&p));
}

static const char *expand(struct buf *b, const char *text, const char *path)
{
	struct stream_key key = key_of(path);

	buf_clear(b);
	CHECK_EQ(url_template_check(span_str(text), "rtmp|rtmps|http|https",
				    NULL),
		 0);
	CHECK_EQ(url_template_expand(b, span_str(text), &key), 0);
	return buf_text(b);
}

TEST(addresses_are_made_of_the_name_of_a_stream)
{
	struct buf b = {0};

	CHECK_STR(expand(&b, "rtmp://h/live/$name", "x/cam1"),
		  "rtmp://h/live/cam1");
	CHECK_STR(expand(&b, "rtmp://h:1936/$app/$name?a=$key", "x/cam1/hd"),
		  "rtmp://h:1936/x/cam1/hd?a=x/cam1/hd");
	CHECK_STR(expand(&b, "http://u:p@h/$key.flv?c=$$1", "a/b"),
		  "http://u:p@h/a/b.flv?c=$1");
	CHECK_STR(expand(&b, "rtmp://[::1]/a/b", "a/b"), "rtmp://[::1]/a/b");
	CHECK_STR(expand(&b, "rtmp://h/$name_x", "a/b"), "rtmp://h/b_x");
	buf_fini(&b);
}

TEST(a_name_cannot_break_out_of_the_path)
{
	struct buf b = {0};

	CHECK_STR(
		expand(&b, "rtmp://h/live/$name", "x/a%3Fb=c&d%23 %25%22$app"),
		"rtmp://h/live/a%3Fb=c&d%23%20%25%22$app");
	/* HTTP has ASCII only, RTMP carries UTF-8. */
	CHECK_STR(expand(&b, "https://h/$key", "x/\xc3\xa4"),
		  "https://h/x/%C3%A4");
	CHECK_STR(expand(&b, "rtmps://h/$key", "x/\xc3\xa4"),
		  "rtmps://h/x/\xc3\xa4");
	buf_fini(&b);
}

TEST(an_address_that_grows_too_long_is_none)
{
	char longest[STREAM_KEY_MAX + 1];
	struct stream_key key;
	struct buf b = {0};

	memset(longest, '"', sizeof(longest));
	memcpy(longest, "a/", 2);
	longest[STREAM_KEY_MAX] = '\0';
	key = key_of(longest);
	buf_printf(&b, "before");
	CHECK_EQ(url_template_expand(&b, SPAN_LIT("http://h/$key"), &key),
		 test_is_starved() ? WEIR_ENOMEM : WEIR_ELIMIT);
	CHECK_STR(buf_text(&b), "before");
	CHECK_EQ(url_template_expand(&b, SPAN_LIT("http://h/$no"), &key),
		 WEIR_EINVAL);
	buf_fini(&b);
}

TEST(an_address_as_it_stands_has_no_places)
{
	const char *why = NULL;

	CHECK_EQ(url_check(SPAN_LIT("rtmp://u:$p@h/$x"), "rtmp|http", &why), 0);
	CHECK_EQ(url_check(SPAN_LIT("http://h"), "rtmp|http", &why), 0);
	CHECK_EQ(url_check(SPAN_LIT("rtmps://h/a"), "rtmp|http", &why),
		 WEIR_EINVAL);
	CHECK(why != NULL);
	CHECK_EQ(url_check(SPAN_LIT("rtmp:///a"), "rtmp", NULL), WEIR_EINVAL);
	CHECK_EQ(url_check(SPAN_LIT("rtmp://h/a b"), "rtmp", NULL),
		 WEIR_EINVAL);
}

TEST(what_is_no_template_is_refused_with_words)
{
	static const char *const cases[] = {
		"",
		"h/live",
		"://h/a",
		"rtmp:/h/a",
		"ftp://h/a",
		"RTMP://h/a",
		"file:///etc/passwd",
		"rtmp:///a",
		"rtmp://u@/a",
		"rtmp://$name/a",
		"rtmp://$app.example/a",
		"rtmp://h",
		"rtmp://h/",
		"rtmp://h?a",
		"rtmp://h/a#b",
		"rtmp://h/$x",
		"rtmp://h/$",
		"rtmp://h/a b",
		"rtmp://h/\r\nX: y",
		"rtmp://h/\xff",
	};
	char longest[URL_BYTES_MAX + 1];
	const char *why;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		fprintf(stderr, "\"%s\"\n", cases[i]);
		why = NULL;
		CHECK_EQ(url_template_check(span_str(cases[i]), "rtmp|http",
					    &why),
			 WEIR_EINVAL);
		CHECK(why && *why);
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "rtmp://h/", 9);
	CHECK_EQ(url_template_check(SPAN(longest), "rtmp", NULL), WEIR_EINVAL);
	CHECK_EQ(url_template_check(span_of(longest, URL_BYTES_MAX), "rtmp",
				    NULL),
		 0);
}
