/* proto/ts/mux_tables.c - PAT and PMT (2.4.4). */
#include "proto/ts/mux_priv.h"

#define PROGRAM_NUMBER 1
#define STREAM_ID      1 /* transport_stream_id */

/* Fields of a section, one behind the other. */
struct section {
	uint8_t *bytes;
	size_t len;
};

static void put_uint(struct section *s, uint32_t v, unsigned bytes)
{
	BUG_ON(s->len + bytes > SECTION_BYTES_MAX);
	for (unsigned i = bytes; i-- > 0;)
		s->bytes[s->len++] = (uint8_t)(v >> (8 * i));
}

/* What all tables begin with; the length is filled in by section_close. */
static void section_open(struct section *s, uint8_t table, uint16_t id)
{
	put_uint(s, table, 1);
	put_uint(s, 0xb000, 2);
	put_uint(s, id, 2);
	put_uint(s, 0xc1, 1); /* version 0, current */
	put_uint(s, 0, 2);    /* the only section */
}

/* Returns the CRC, which ends the section. */
static uint32_t section_close(struct section *s, uint8_t version)
{
	size_t length = s->len + 4 - 3;
	uint32_t crc;

	s->bytes[1] = (uint8_t)(0xb0 | length >> 8);
	s->bytes[2] = (uint8_t)length;
	s->bytes[5] = (uint8_t)(0xc1 | version << 1);
	crc = ts_crc32(span_of(s->bytes, s->len));
	put_uint(s, crc, 4);
	return crc;
}

static void put_stream(struct section *s, const struct ts_es *es)
{
	bool is_opus = es->codec == CODEC_OPUS;

	put_uint(s, es->stream_type, 1);
	put_uint(s,
		 0xe000u | (uint32_t)(TS_PID_VIDEO + es->index - INDEX_MEDIA),
		 2);
	put_uint(s, 0xf000u | (is_opus ? 10 : 0), 2);
	if (!is_opus)
		return;
	put_uint(s, 0x0504, 2); /* registration descriptor */
	put_uint(s, 0x4f707573, 4);
	put_uint(s, 0x7f0280, 3); /* extension descriptor: Opus audio */
	put_uint(s, es->channels ? es->channels : 2, 1);
}

static uint16_t pcr_pid(const struct ts_mux *m)
{
	if (!m->pcr_index)
		return TS_PID_NULL;
	return (uint16_t)(TS_PID_VIDEO + m->pcr_index - INDEX_MEDIA);
}

static uint32_t build_pmt(struct ts_mux *m, uint8_t version)
{
	struct section s = {m->pmt, 0};
	uint32_t crc;

	section_open(&s, 2, PROGRAM_NUMBER);
	put_uint(&s, 0xe000u | pcr_pid(m), 2);
	put_uint(&s, 0xf000, 2);
	for (uint8_t i = 0; i < m->es_count; i++)
		if (es_is_listed(&m->es[i]))
			put_stream(&s, &m->es[i]);
	crc = section_close(&s, version);
	m->pmt_len = s.len;
	return crc;
}

static uint8_t find_pcr_index(const struct ts_mux *m)
{
	uint8_t audio = 0;

	for (uint8_t i = 0; i < m->es_count; i++) {
		const struct ts_es *es = &m->es[i];

		if (!es_is_listed(es))
			continue;
		if (es->kind == FRAME_VIDEO)
			return es->index;
		if (!audio)
			audio = es->index;
	}
	return audio;
}

static void choose_pcr(struct ts_mux *m)
{
	uint8_t index = find_pcr_index(m);

	if (m->pcr_index == index)
		return;
	m->pcr_index = index;
	m->clock.has_pcr = false;
	m->clock.is_new_base = true;
}

/* The first version follows from the content, so that of two segments with
 * different tracks nearly always the version differs too; then it counts. */
void mux_refresh_pmt(struct ts_mux *m)
{
	uint32_t crc;

	if (!m->is_pmt_stale && m->has_pmt)
		return;
	choose_pcr(m);
	crc = build_pmt(m, 0);
	if (!m->has_pmt)
		m->pmt_version = crc & 31;
	else if (crc != m->pmt_crc)
		m->pmt_version = (m->pmt_version + 1) & 31;
	if (!m->has_pmt || crc != m->pmt_crc)
		m->clock.has_tables = false;
	(void)build_pmt(m, m->pmt_version);
	m->pmt_crc = crc;
	m->has_pmt = true;
	m->is_pmt_stale = false;
}

void mux_put_tables(struct ts_mux *m, struct buf *out, int64_t at_ns)
{
	uint8_t bytes[SECTION_BYTES_MAX];
	struct section pat = {bytes, 0};

	section_open(&pat, 0, STREAM_ID);
	put_uint(&pat, PROGRAM_NUMBER, 2);
	put_uint(&pat, 0xe000 | TS_PID_PMT, 2);
	(void)section_close(&pat, 0);
	packets_write_section(out, &m->counters, INDEX_PAT,
			      span_of(pat.bytes, pat.len));
	packets_write_section(out, &m->counters, INDEX_PMT,
			      span_of(m->pmt, m->pmt_len));
	m->clock.has_tables = true;
	m->clock.tables_ns = at_ns;
}
