/* proto/ts/reader_tables.c - PAT and PMT, taken apart and checked (2.4.4). */
#include "common/base/reader.h"
#include "proto/ts/reader_priv.h"

#define TABLE_PAT 0
#define TABLE_PMT 2

static int section_mistake(struct ts_reader *rd, uint16_t pid, const char *text)
{
	return reader_mistake(rd, TS_MISTAKE_SECTION, pid, text);
}

/* ---- Descriptors ---- */

static uint8_t codec_of(uint8_t stream_type, bool is_opus)
{
	switch (stream_type) {
	case TS_TYPE_H264:
		return CODEC_H264;
	case TS_TYPE_H265:
		return CODEC_H265;
	case TS_TYPE_AAC_ADTS:
		return CODEC_AAC;
	case TS_TYPE_MPEG1_AUDIO:
	case TS_TYPE_MPEG2_AUDIO:
		return CODEC_MP3;
	case TS_TYPE_PRIVATE:
		return is_opus ? CODEC_OPUS : CODEC_NONE;
	default:
		return CODEC_NONE;
	}
}

/* Returns false when a descriptor goes past the end. */
static bool read_descriptors(struct ts_stream *s, struct span info)
{
	struct reader r = reader_of(info);
	bool is_opus = false;

	while (reader_left(&r)) {
		uint8_t tag = read_u8(&r);
		struct span body = read_span(&r, read_u8(&r));

		if (tag == 0x05 && span_eq_str(span_first(body, 4), "Opus"))
			is_opus = true;
		if (tag == 0x7f && body.len >= 2 && body.data[0] == 0x80)
			s->channels = body.data[1];
	}
	s->codec = codec_of(s->stream_type, is_opus);
	if (s->codec != CODEC_OPUS)
		s->channels = 0;
	return !reader_failed(&r);
}

/* ---- PMT ---- */

/* Returns what is wrong, or NULL. */
static const char *parse_pmt(struct ts_program *p, struct reader *r)
{
	p->pcr_pid = read_u16(r) & 0x1fff;
	(void)read_span(r, read_u16(r) & 0xfff);
	p->count = 0;
	while (reader_left(r)) {
		struct ts_stream s = {.stream_type = read_u8(r)};
		struct span info;

		s.pid = read_u16(r) & 0x1fff;
		info = read_span(r, read_u16(r) & 0xfff);
		if (reader_failed(r) || !read_descriptors(&s, info))
			return "a PMT whose lengths are broken";
		for (uint8_t i = 0; i < p->count; i++)
			if (p->stream[i].pid == s.pid)
				return "a PMT that names a PID twice";
		if (s.pid == p->pmt_pid || s.pid < 0x10)
			return "a PMT that gives a stream a PID of tables";
		if (p->count == TS_READER_STREAMS_MAX)
			return "a PMT with too many streams";
		p->stream[p->count++] = s;
	}
	return reader_failed(r) ? "a PMT whose lengths are broken" : NULL;
}

static bool stream_eq(const struct ts_stream *a, const struct ts_stream *b)
{
	return a->pid == b->pid && a->stream_type == b->stream_type &&
	       a->codec == b->codec && a->channels == b->channels;
}

static bool program_eq(const struct ts_program *a, const struct ts_program *b)
{
	if (a->number != b->number || a->pmt_pid != b->pmt_pid ||
	    a->pcr_pid != b->pcr_pid || a->count != b->count)
		return false;
	for (uint8_t i = 0; i < a->count; i++)
		if (!stream_eq(&a->stream[i], &b->stream[i]))
			return false;
	return true;
}

/* Take the stream's place over from the one that had the PID, if one had. */
static void inherit(struct reader_es *es, const struct ts_stream *s,
		    struct ts_reader *rd)
{
	*es = (struct reader_es){.stream = *s, .is_skipping = true};
	for (uint8_t i = 0; i < rd->program.count; i++) {
		struct reader_es *old = &rd->es[i];

		if (old->stream.pid != s->pid)
			continue;
		es->pid = old->pid;
		es->is_discontinuity = old->is_discontinuity;
		es->data = old->data;
		old->data = (struct buf){0};
	}
}

static int adopt(struct ts_reader *rd, const struct ts_program *p)
{
	struct reader_es es[TS_READER_STREAMS_MAX] = {0};

	for (uint8_t i = 0; i < rd->program.count; i++) {
		int err = reader_close_es(rd, &rd->es[i]);

		if (err)
			return err;
	}
	for (uint8_t i = 0; i < p->count; i++)
		inherit(&es[i], &p->stream[i], rd);
	for (uint8_t i = 0; i < rd->program.count; i++)
		buf_fini(&rd->es[i].data);
	memcpy(rd->es, es, sizeof(es));
	if (rd->program.pcr_pid != p->pcr_pid) {
		rd->pcr_pid = (struct reader_pid){0};
		rd->has_pcr = false;
	}
	rd->program = *p;
	rd->has_program = true;
	return 0;
}

static int take_pmt(struct ts_reader *rd, uint16_t number, uint8_t version,
		    struct reader *r)
{
	struct ts_program p = rd->program;
	const char *wrong;
	bool is_new;
	int err = 0;

	if (number != rd->program.number)
		return 0; /* of another program with the same PID */
	p.version = version;
	wrong = parse_pmt(&p, r);
	if (wrong)
		return section_mistake(rd, p.pmt_pid, wrong);
	is_new = !rd->has_program || !program_eq(&p, &rd->program);
	if (is_new && rd->has_program && version == rd->program.version)
		err = section_mistake(rd, p.pmt_pid,
				      "the PMT changes, its version does not");
	if (!err && is_new)
		err = adopt(rd, &p);
	rd->program.version = version;
	if (err || !rd->events.on_pmt)
		return err;
	return rd->events.on_pmt(rd->ctx, &rd->program, is_new, rd->offset);
}

/* ---- PAT ---- */

static int take_pat(struct ts_reader *rd, struct reader *r)
{
	uint16_t number = 0;
	uint16_t pid = 0;

	while (!number && reader_left(r)) {
		number = read_u16(r);
		pid = read_u16(r) & 0x1fff;
	}
	if (reader_failed(r) || !number || pid < 0x10)
		return section_mistake(rd, TS_PID_PAT,
				       "a PAT that names no program");
	if (rd->has_pat && pid != rd->program.pmt_pid)
		rd->pmt = (struct reader_table){0};
	rd->has_pat = true;
	rd->program.number = number;
	rd->program.pmt_pid = pid;
	return rd->events.on_pat ? rd->events.on_pat(rd->ctx, rd->offset) : 0;
}

/* ---- Sections ---- */

static int take_whole(struct ts_reader *rd, uint16_t pid, struct span section)
{
	struct reader r = reader_of(span_first(section, section.len - 4));
	uint8_t table = read_u8(&r);
	uint16_t id;
	uint8_t version;

	(void)read_u16(&r); /* length */
	id = read_u16(&r);
	version = read_u8(&r);
	if (read_u16(&r) || reader_failed(&r))
		return section_mistake(rd, pid, "a table of several sections");
	if (ts_crc32(section))
		return reader_mistake(rd, TS_MISTAKE_CRC, pid,
				      "the CRC of a section does not agree");
	if (!(version & 1))
		return 0; /* not in force yet */
	if (table != (pid == TS_PID_PAT ? TABLE_PAT : TABLE_PMT))
		return section_mistake(rd, pid, "a table of another kind");
	if (table == TABLE_PAT)
		return take_pat(rd, &r);
	return take_pmt(rd, id, version >> 1 & 31, &r);
}

/* How long the section is; 3, its head, while that is not known. */
static size_t section_bytes(const struct reader_table *t)
{
	if (t->len < 3)
		return 3;
	return 3 + (size_t)((t->bytes[1] & 0xf) << 8 | t->bytes[2]);
}

/* Take from the front of *in what belongs to the section. */
static int add_bytes(struct ts_reader *rd, struct reader_table *t, uint16_t pid,
		     struct span *in)
{
	while (in->len && t->len < section_bytes(t)) {
		size_t len = WEIR_MIN(in->len, section_bytes(t) - t->len);

		memcpy(t->bytes + t->len, in->data, len);
		t->len += len;
		*in = span_from(*in, len);
		if (section_bytes(t) > SECTION_MAX ||
		    !(t->len < 3 || section_bytes(t) > 11)) {
			t->is_open = false;
			return section_mistake(rd, pid,
					       "a section of no sane length");
		}
	}
	if (t->len < 3 || t->len < section_bytes(t))
		return 0;
	t->is_open = false;
	return take_whole(rd, pid, span_of(t->bytes, t->len));
}

/* Behind the pointer: sections one after the other, then 0xff. */
static int begin_sections(struct ts_reader *rd, struct reader_table *t,
			  uint16_t pid, struct span in)
{
	int err = 0;

	while (!err && in.len && in.data[0] != 0xff) {
		t->len = 0;
		t->is_open = true;
		err = add_bytes(rd, t, pid, &in);
		if (!err && !t->is_open && t->len < section_bytes(t))
			return 0; /* its end cannot be found */
	}
	return err;
}

int reader_take_section(struct ts_reader *rd, const struct ts_packet *p)
{
	struct reader_table *t = p->pid == TS_PID_PAT ? &rd->pat : &rd->pmt;
	struct span in = p->payload;
	struct span before = in;
	int err = 0;

	if (p->is_start) {
		if (!in.len || in.data[0] >= in.len)
			return section_mistake(rd, p->pid,
					       "a pointer past its packet");
		before = span_first(span_from(in, 1), in.data[0]);
		in = span_from(in, 1 + (size_t)in.data[0]);
	}
	if (t->is_open)
		err = add_bytes(rd, t, p->pid, &before);
	if (err || !p->is_start)
		return err;
	return begin_sections(rd, t, p->pid, in);
}
