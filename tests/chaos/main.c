/* tests/chaos/main.c - chaos-load: told line by line what to publish and play.
 *
 *	pub ID STREAM KINDS KBPS GOP_MS RETRY_MS TRACE URL…
 *	leave ID
 *	view ID STREAM PROTO TRACE URL
 *	abandon ID              its connection is dead, it takes for granted
 *	close ID                of a viewer
 *	say                     one line of JSON about all
 *	sweep FILE TRACE STREAM  a file's transport stream, as a viewer's trace
 *
 * IDs are small numbers, of publishers and of viewers. Each line is answered by
 * one line. It ends with its input. STREAM is the number that frames carry; 0,
 * of a viewer: any.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/chaos/load.h"

#define EACH_MAX  4096
#define WORDS_MAX 32
#define LINE_MAX_ 8192

struct load {
	struct loop *loop;
	struct loop_watch *input;
	char line[LINE_MAX_];
	size_t len;
	struct publisher *pub[EACH_MAX];
	struct viewer *view[EACH_MAX];
};

static unsigned number(const char *word)
{
	return (unsigned)strtoul(word, NULL, 10);
}

static const char *do_pub(struct load *l, char **w, size_t count)
{
	const struct publisher_options o = {
		.stream = (uint16_t)number(w[2]),
		.kinds = w[3][0],
		.kbps = number(w[4]),
		.gop_ms = number(w[5]),
		.retry_ms = number(w[6]),
		.trace = w[7],
		.url = w + 8,
		.url_count = count - 8,
	};
	unsigned id = number(w[1]);

	if (id >= EACH_MAX || l->pub[id])
		return "no such place";
	return publisher_new(&l->pub[id], l->loop, &o) ? "failed" : "ok";
}

static const char *do_view(struct load *l, char **w)
{
	unsigned id = number(w[1]);

	if (id >= EACH_MAX || l->view[id])
		return "no such place";
	return viewer_new(&l->view[id], l->loop, (uint16_t)number(w[2]), w[3],
			  w[5], w[4])
		       ? "failed"
		       : "ok";
}

static const char *do_sweep(char **w)
{
	struct tracer tracer;
	struct tsread ts;
	uint8_t part[65536];
	FILE *f = fopen(w[1], "re");
	size_t n;

	if (!f)
		return "failed";
	if (tracer_open(&tracer, w[2], (uint16_t)number(w[3]))) {
		fclose(f);
		return "failed";
	}
	tsread_init(&ts, &tracer);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		tsread_feed(&ts, span_of(part, n));
	tsread_end(&ts);
	tsread_fini(&ts);
	tracer_close(&tracer);
	fclose(f);
	return "ok";
}

static void say(const struct load *l)
{
	struct buf out = {0};

	buf_printf(&out, "{\"pub\":{");
	for (unsigned i = 0, n = 0; i < EACH_MAX; i++) {
		if (!l->pub[i])
			continue;
		buf_printf(&out, "%s\"%u\":", n++ ? "," : "", i);
		publisher_say(l->pub[i], &out);
	}
	buf_printf(&out, "},\"view\":{");
	for (unsigned i = 0, n = 0; i < EACH_MAX; i++) {
		if (!l->view[i])
			continue;
		buf_printf(&out, "%s\"%u\":", n++ ? "," : "", i);
		viewer_say(l->view[i], &out);
	}
	buf_printf(&out, "}}");
	puts(buf_text(&out));
	buf_fini(&out);
}

static const char *obey(struct load *l, char **w, size_t count)
{
	unsigned id = count > 1 ? number(w[1]) : 0;

	if (count == 1 && !strcmp(w[0], "say")) {
		say(l);
		return NULL;
	}
	if (count >= 9 && !strcmp(w[0], "pub"))
		return do_pub(l, w, count);
	if (count == 6 && !strcmp(w[0], "view"))
		return do_view(l, w);
	if (count == 4 && !strcmp(w[0], "sweep"))
		return do_sweep(w);
	if (id >= EACH_MAX)
		return "no such place";
	if (!strcmp(w[0], "leave") && l->pub[id])
		publisher_leave(l->pub[id]);
	else if (!strcmp(w[0], "abandon") && l->pub[id])
		publisher_abandon(l->pub[id]);
	else if (!strcmp(w[0], "close") && l->view[id])
		viewer_free(&l->view[id]);
	else
		return "what?";
	return "ok";
}

static void take_line(struct load *l, char *line)
{
	char *word[WORDS_MAX], *rest = NULL;
	const char *answer;
	size_t count = 0;

	for (char *w = strtok_r(line, " ", &rest); w && count < WORDS_MAX;
	     w = strtok_r(NULL, " ", &rest))
		word[count++] = w;
	answer = count ? obey(l, word, count) : "what?";
	if (answer)
		puts(answer);
	fflush(stdout);
}

static void on_input(struct load *l, unsigned events)
{
	ssize_t n = read(0, l->line + l->len, sizeof(l->line) - l->len);
	char *end;

	(void)events;
	if (n <= 0) {
		loop_stop(l->loop);
		return;
	}
	l->len += (size_t)n;
	while ((end = memchr(l->line, '\n', l->len))) {
		size_t used = (size_t)(end - l->line) + 1;

		*end = '\0';
		take_line(l, l->line);
		memmove(l->line, l->line + used, l->len - used);
		l->len -= used;
	}
}

int main(void)
{
	struct load *l = calloc(1, sizeof(*l));
	int err = l ? loop_new(&l->loop) : WEIR_ENOMEM;

	if (!err)
		err = loop_add(&l->input, l->loop, 0, LOOP_READABLE, on_input,
			       l);
	if (!err)
		err = loop_run(l->loop);
	if (!l)
		return 1;
	for (size_t i = 0; i < EACH_MAX; i++) {
		publisher_free(&l->pub[i]);
		viewer_free(&l->view[i]);
	}
	loop_remove(&l->input);
	loop_free(&l->loop);
	free(l);
	return err ? 1 : 0;
}
