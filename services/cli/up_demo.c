/* services/cli/up_demo.c - a test picture and tone, published by ffmpeg. */
#include <stdio.h>
#include <stdlib.h>

#include "services/cli/tool.h"
#include "services/cli/up.h"

static void describe(struct up_proc *p, struct child_desc *d)
{
	static const char *const words[] = {
		"ffmpeg",   "-hide_banner",
		"-nostdin", "-loglevel",
		"warning",  "-re",
		"-f",       "lavfi",
		"-i",       "testsrc2=size=1280x720:rate=30",
		"-f",       "lavfi",
		"-i",       "sine=frequency=440:sample_rate=48000",
		"-c:v",     "libx264",
		"-preset",  "ultrafast",
		"-pix_fmt", "yuv420p",
		"-g",       "60",
		"-b:v",     "2000k",
		"-maxrate", "2000k",
		"-bufsize", "2000k",
		"-c:a",     "aac",
		"-b:a",     "96k",
		"-f",       "flv",
	};

	d->file = "ffmpeg";
	for (size_t i = 0; i < WEIR_ARRAY_LEN(words); i++)
		child_arg(d, words[i]);
	child_arg(d, up_proc_text(p, "rtmp://%s/live/demo", p->up->rtmp.addr));
}

static void on_ready(struct up_proc *p, struct span line)
{
	(void)p;
	(void)line;
}

int up_demo_init(struct up *up)
{
	up->demo.describe = describe;
	up->demo.on_ready = on_ready;
	return up_proc_init(&up->demo, up, "demo");
}

void up_demo_start(struct up *up)
{
	if (!up->o.is_demo)
		return;
	if (!tool_is_installed("ffmpeg")) {
		printf("Demo      left out: ffmpeg is not installed "
		       "(apt install ffmpeg)\n");
		return;
	}
	up->demo.was_ready = true; /* its end is no failure of the start */
	up_proc_start(&up->demo);
	printf("Demo      live/demo is being published; play "
	       "http://%s/live/demo.flv\n"
	       "          or rtmp://%s/live/demo\n\n",
	       up->http.addr, up->rtmp.addr);
	fflush(stdout);
}
