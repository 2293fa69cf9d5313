/* common/media/key_test.c - also of the tables in docs/addresses.md. */
#include "common/media/key.h"

#include <stdio.h>

#include "common/test/check.h"

struct path_case {
	const char *path;
	const char *key; /* NULL: refused */
	enum key_fault fault;
};

static void check_path(struct span path, enum stream_identity identity,
		       const char *want, enum key_fault fault)
{
	struct stream_key key = {"untouched"};

	CHECK_EQ(stream_key_from_path(&key, path, identity), fault);
	CHECK_STR(key.text, want ? want : "untouched");
}

static void check_paths(const struct path_case *c, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(stderr, "\"%s\"\n", c[i].path);
		check_path(span_str(c[i].path), IDENTITY_PATH, c[i].key,
			   c[i].fault);
	}
}

TEST(slashes_are_folded_and_a_single_element_is_of_the_app_live)
{
	static const struct path_case cases[] = {
		{"live/cam1", "live/cam1", 0},
		{"/live/cam1", "live/cam1", 0},
		{"///live///cam1///", "live/cam1", 0},
		{"%2Flive%2f/%2fcam1%2F", "live/cam1", 0},
		{"cam1", "live/cam1", 0},
		{"/cam1/", "live/cam1", 0},
		{"a/b/c", "a/b/c", 0},
		{"live", "live/live", 0},
		{"-", "live/-", 0},
		{"api/", "live/api", 0},
		{"-x/y", "-x/y", 0},
		{"hlsx/y", "hlsx/y", 0},
		{"HLS/y", "HLS/y", 0},
		{"x/hls", "x/hls", 0},
		{"...", "live/...", 0},
		{".a/b.", ".a/b.", 0},
	};

	check_paths(cases, WEIR_ARRAY_LEN(cases));
}

TEST(a_query_is_no_part_of_the_key)
{
	static const struct path_case cases[] = {
		{"live/a?b", "live/a", 0}, {"live/a?b?c/d%zz\xff", "live/a", 0},
		{"live/a/?", "live/a", 0}, {"live/a%3Fb", "live/a?b", 0},
		{"?a", NULL, KEY_EMPTY},   {"/?a", NULL, KEY_EMPTY},
	};

	check_paths(cases, WEIR_ARRAY_LEN(cases));
}

TEST(escapes_are_decoded_once)
{
	static const struct path_case cases[] = {
		{"live/%2525", "live/%25", 0},
		{"live/%25%32%35", "live/%25", 0},
		{"live/%61%4A%4a", "live/aJJ", 0},
		{"live/a%20b", "live/a b", 0},
		{"live/%", NULL, KEY_BAD_ESCAPE},
		{"live/%2", NULL, KEY_BAD_ESCAPE},
		{"live/%2?5", NULL, KEY_BAD_ESCAPE},
		{"live/%g0", NULL, KEY_BAD_ESCAPE},
		{"live/%0g", NULL, KEY_BAD_ESCAPE},
		{"live/%%41", NULL, KEY_BAD_ESCAPE},
		{"live/%-1", NULL, KEY_BAD_ESCAPE},
		{"live/% 1", NULL, KEY_BAD_ESCAPE},
	};

	check_paths(cases, WEIR_ARRAY_LEN(cases));
}

TEST(what_is_refused_is_refused_for_the_right_reason)
{
	static const struct path_case cases[] = {
		{"", NULL, KEY_EMPTY},
		{"/", NULL, KEY_EMPTY},
		{"//%2f/", NULL, KEY_EMPTY},
		{"live/\xff", NULL, KEY_BAD_UTF8},
		{"live/%ff", NULL, KEY_BAD_UTF8},
		{"live/%c0%af", NULL, KEY_BAD_UTF8},       /* overlong */
		{"live/%e0%80%af", NULL, KEY_BAD_UTF8},    /* overlong */
		{"live/%ed%a0%80", NULL, KEY_BAD_UTF8},    /* surrogate */
		{"live/%f4%90%80%80", NULL, KEY_BAD_UTF8}, /* > U+10FFFF */
		{"live/%e2%82", NULL, KEY_BAD_UTF8},       /* cut off */
		{"live/%e2/%82%ac", NULL, KEY_BAD_UTF8},
		{"live/a%00b", NULL, KEY_CONTROL},
		{"live/\n", NULL, KEY_CONTROL},
		{"live/%1f", NULL, KEY_CONTROL},
		{"live/%7f", NULL, KEY_CONTROL},
		{"live/%c2%80", NULL, KEY_CONTROL},
		{"live/%c2%9f", NULL, KEY_CONTROL},
		{"live/%c2%a0", "live/\xc2\xa0", 0}, /* just behind */
		{".", NULL, KEY_DOTS},
		{"live/.", NULL, KEY_DOTS},
		{"../a", NULL, KEY_DOTS},
		{"a/./b", NULL, KEY_DOTS},
		{"a/%2e%2e/b", NULL, KEY_DOTS},
		{"a%2f..%2fb", NULL, KEY_DOTS},
		{"hls/a", NULL, KEY_RESERVED_APP},
		{"/api/a", NULL, KEY_RESERVED_APP},
		{"-/a/b", NULL, KEY_RESERVED_APP},
		{"%2D/a", NULL, KEY_RESERVED_APP},
	};

	check_paths(cases, WEIR_ARRAY_LEN(cases));
}

TEST(a_key_holds_512_bytes_and_no_more)
{
	char path[3 * STREAM_KEY_MAX + 10];
	char want[STREAM_KEY_MAX + 1] = "live/";

	memset(path, 'x', sizeof(path));
	memset(want + 5, 'x', STREAM_KEY_MAX - 5);
	check_path(span_of(path, STREAM_KEY_MAX - 5), IDENTITY_PATH, want, 0);
	check_path(span_of(path, STREAM_KEY_MAX - 4), IDENTITY_PATH, NULL,
		   KEY_TOO_LONG);
	check_path(span_of(path, sizeof(path)), IDENTITY_PATH, NULL,
		   KEY_TOO_LONG);
	path[4] = '/';
	memcpy(want, "xxxx", 4);
	check_path(span_of(path, STREAM_KEY_MAX), IDENTITY_PATH, want, 0);
	check_path(span_of(path, STREAM_KEY_MAX + 1), IDENTITY_PATH, NULL,
		   KEY_TOO_LONG);
	/* what is folded away and decoded does not count */
	memset(path, '/', sizeof(path));
	memset(path + sizeof(path) - 7, 'x', 7);
	check_path(SPAN(path), IDENTITY_PATH, "live/xxxxxxx", 0);
	for (size_t i = 0; i < 512 - 5; i++)
		memcpy(path + 3 * i, "%78", 3);
	memset(want, 'x', STREAM_KEY_MAX);
	memcpy(want, "live/", 5);
	check_path(span_of(path, 3 * (512 - 5)), IDENTITY_PATH, want, 0);
}

TEST(the_text_of_a_key_is_that_key)
{
	static const char *const text[] = {"live/a?b", "live/50%41", "a/b/%"};
	struct stream_key key = {"untouched"};

	CHECK_EQ(stream_key_from_text(&key, SPAN_LIT("")), KEY_EMPTY);
	CHECK_EQ(stream_key_from_text(&key, SPAN_LIT("a/../b")), KEY_DOTS);
	CHECK_EQ(stream_key_from_text(&key, SPAN_LIT("api/b")),
		 KEY_RESERVED_APP);
	CHECK_STR(key.text, "untouched");
	for (size_t i = 0; i < WEIR_ARRAY_LEN(text); i++) {
		CHECK_EQ(stream_key_from_text(&key, span_str(text[i])), KEY_OK);
		CHECK_STR(key.text, text[i]);
	}
}

TEST(by_name_the_last_element_is_the_key)
{
	static const struct path_case cases[] = {
		{"any/app/x", "live/x", 0},   {"x", "live/x", 0},
		{"live/x/", "live/x", 0},     {"hls/x", "live/x", 0},
		{"a/hls", "live/hls", 0},     {"a%2fx?y/z", "live/x", 0},
		{"../x", NULL, KEY_DOTS},     {"%ff/x", NULL, KEY_BAD_UTF8},
		{"%0a/x", NULL, KEY_CONTROL}, {"/", NULL, KEY_EMPTY},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++)
		check_path(span_str(cases[i].path), IDENTITY_NAME, cases[i].key,
			   cases[i].fault);
}

TEST(rtmp_parts_are_joined_and_each_loses_its_query)
{
	static const char *const cases[][3] = {
		{"live", "cam1", "live/cam1"},
		{"a/b", "c/d", "a/b/c/d"},
		{"/live/", "/cam1", "live/cam1"},
		{"", "cam1", "live/cam1"},
		{"live?a=b/c", "cam1?d=/e", "live/cam1"},
		{"?x", "cam1", "live/cam1"},
		{"live", "", NULL},
		{"live/cam1", "", NULL},
		{"live", "?x", NULL},
		{"live", "///", NULL},
		{"", "", NULL},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct stream_key key = {"untouched"};
		enum key_fault fault = stream_key_from_rtmp(
			&key, span_str(cases[i][0]), span_str(cases[i][1]),
			IDENTITY_PATH);

		CHECK_EQ(fault, cases[i][2] ? KEY_OK : KEY_EMPTY);
		CHECK_STR(key.text, cases[i][2] ? cases[i][2] : "untouched");
	}
}

TEST(an_escape_does_not_reach_from_the_app_into_the_name)
{
	struct stream_key key;

	CHECK_EQ(stream_key_from_rtmp(&key, SPAN_LIT("live%4"), SPAN_LIT("1"),
				      IDENTITY_PATH),
		 KEY_BAD_ESCAPE);
	CHECK_EQ(stream_key_from_rtmp(&key, SPAN_LIT("a%c3"), SPAN_LIT("%a9"),
				      IDENTITY_PATH),
		 KEY_BAD_UTF8);
}

TEST(the_app_is_what_stands_before_the_first_slash)
{
	struct stream_key key;

	CHECK_EQ(stream_key_from_path(&key, SPAN_LIT("a1/b/c"), IDENTITY_PATH),
		 0);
	CHECK_EQ(stream_key_app_len(&key), 2);
}

TEST(every_fault_has_its_own_words)
{
	for (int i = KEY_OK; i <= KEY_RESERVED_APP; i++)
		for (int k = KEY_OK; k < i; k++)
			CHECK(strcmp(stream_key_why((enum key_fault)i),
				     stream_key_why((enum key_fault)k)) != 0);
	CHECK_STR(stream_key_why((enum key_fault)99), "unknown");
}

/* ---- the tables of docs/addresses.md ---- */

/* The text before the next `mark`, which is cut off with it. */
static struct span cut_before(struct span *s, char mark)
{
	const uint8_t *at = s->len ? memchr(s->data, mark, s->len) : NULL;
	struct span found =
		span_first(*s, at ? (size_t)(at - s->data) : s->len);

	*s = span_from(*s, found.len + 1);
	return found;
}

/* The next text that is quoted as code. */
static struct span cut_code(struct span *s)
{
	cut_before(s, '`');
	return cut_before(s, '`');
}

/* Where `what` begins in `s`; its end when it is not there. */
static size_t find(struct span s, const char *what)
{
	const uint8_t *at =
		s.len ? memmem(s.data, s.len, what, strlen(what)) : NULL;

	return at ? (size_t)(at - s.data) : s.len;
}

static bool starts_with(struct span s, const char *what)
{
	return span_eq_str(span_first(s, strlen(what)), what);
}

/* scheme://host/path -> path */
static struct span path_of(struct span address)
{
	struct span s = span_from(address, find(address, "://") + 3);

	return span_from(s, find(s, "/") + 1);
}

/* The path of an HTTP address without its suffix, and without its query. */
static struct span http_path_of(struct span address)
{
	static const char *const suffix[] = {".flv", ".ts", ".m3u8"};
	struct span s = path_of(address);

	s = span_first(s, find(s, "?"));
	for (size_t i = 0; i < WEIR_ARRAY_LEN(suffix); i++) {
		size_t len = strlen(suffix[i]);

		if (s.len > len &&
		    span_eq_str(span_from(s, s.len - len), suffix[i]))
			return span_first(s, s.len - len);
	}
	CHECK_STR("an address without a suffix", "");
	return s;
}

/* What one row promises. */
struct row {
	struct span protocol;
	struct span address;
	struct span name; /* RTMP's stream key, where it is typed apart */
	struct span want; /* a key, or the words of the refusal */
	bool is_refused;
	enum stream_identity identity;
};

static void check_result(const struct row *row, enum key_fault fault,
			 const struct stream_key *key)
{
	CHECK_EQ(fault != KEY_OK, row->is_refused);
	CHECK_SPAN(span_str(fault ? stream_key_why(fault) : key->text),
		   row->want);
}

static void check_rtmp(const struct row *row, struct span app, struct span name)
{
	struct stream_key key;

	check_result(row, stream_key_from_rtmp(&key, app, name, row->identity),
		     &key);
}

/* Clients cut one address into app and name where they like: each cut that
 * leaves a name gives the same key. */
static void check_rtmp_cuts(const struct row *row, struct span path)
{
	size_t slash = find(path, "/");

	if (slash == path.len)
		check_rtmp(row, path, (struct span){0});
	for (; slash < path.len; slash++)
		if (path.data[slash] == '/')
			check_rtmp(row, span_first(path, slash),
				   span_from(path, slash + 1));
}

static void check_row(const struct row *row)
{
	struct stream_key key;

	if (span_eq_str(row->protocol, "RTMP") && row->name.len)
		check_rtmp(row, path_of(row->address), row->name);
	else if (span_eq_str(row->protocol, "RTMP"))
		check_rtmp_cuts(row, path_of(row->address));
	else if (span_eq_str(row->protocol, "RTSP"))
		check_result(row,
			     stream_key_from_path(&key, path_of(row->address),
						  row->identity),
			     &key);
	else
		check_result(row,
			     stream_key_from_path(&key,
						  http_path_of(row->address),
						  row->identity),
			     &key);
}

/* | protocol | `address` and stream key `name` | `key` | */
static void read_row(struct row *row, struct span line)
{
	struct span cell;

	cut_before(&line, '|');
	cell = cut_before(&line, '|');
	row->protocol = span_of(cell.data + 1, cell.len - 2);
	cell = cut_before(&line, '|');
	row->address = cut_code(&cell);
	row->name = cut_code(&cell);
	cell = cut_before(&line, '|');
	row->is_refused = starts_with(cell, " refused: ");
	row->want = row->is_refused ? span_of(cell.data + 10, cell.len - 11)
				    : cut_code(&cell);
}

TEST_NO_OOM(the_tables_of_the_document_are_true) /* it reads a file */
{
	FILE *in = fopen("docs/addresses.md", "r");
	struct row row = {.identity = IDENTITY_PATH};
	bool is_table = false;
	char line[512];
	int count = 0;

	CHECK(in);
	while (fgets(line, sizeof(line), in)) {
		struct span s = span_first(span_str(line), strcspn(line, "\n"));

		if (starts_with(s, "| protocol |")) {
			is_table = true;
			row.identity = find(s, "by name") < s.len
					       ? IDENTITY_NAME
					       : IDENTITY_PATH;
		} else if (!starts_with(s, "|")) {
			is_table = false;
		} else if (is_table && starts_with(s, "| ")) {
			fprintf(stderr, "%s", line);
			read_row(&row, s);
			check_row(&row);
			count++;
		}
	}
	fclose(in);
	CHECK(count > 50 && row.identity == IDENTITY_NAME);
}
