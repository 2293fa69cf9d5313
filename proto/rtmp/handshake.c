/* proto/rtmp/handshake.c - RTMP handshake, both sides, simple and with digests. */
#include "proto/rtmp/handshake.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "common/base/hash.h"

#define PART         RTMP_HANDSHAKE_PART
#define DIGEST_BYTES 32
#define VERSION      3
#define VERSION_MAX  31 /* above: text, says the spec */
#define STATE_SAVED  1  /* version of the saved form */

/* The keys of the digests: a sentence, and 32 bytes that every player and
 * server of this protocol holds. */
#define PLAYER_SENTENCE "Genuine Adobe Flash Player 001"
#define SERVER_SENTENCE "Genuine Adobe Flash Media Server 001"
#define KEY_TAIL                                                               \
	"\xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57"     \
	"\x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae"

static const char player_key[] = PLAYER_SENTENCE KEY_TAIL;
static const char server_key[] = SERVER_SENTENCE KEY_TAIL;

#define PLAYER_SENTENCE_KEY span_of(player_key, sizeof(PLAYER_SENTENCE) - 1)
#define SERVER_SENTENCE_KEY span_of(server_key, sizeof(SERVER_SENTENCE) - 1)
#define PLAYER_KEY          span_of(player_key, sizeof(player_key) - 1)
#define SERVER_KEY          span_of(server_key, sizeof(server_key) - 1)

enum stage {
	STAGE_VERSION, /* C0 or S0 */
	STAGE_FIRST,   /* C1 or S1 */
	STAGE_SECOND,  /* C2 or S2 */
	STAGE_DONE,
};

struct rtmp_handshake {
	bool is_server;
	uint8_t stage; /* enum stage */
	uint8_t form;  /* enum rtmp_handshake_form */
	uint32_t time_ms;
	uint64_t seed;
	uint64_t drawn;     /* random words so far */
	uint32_t got_bytes; /* of this stage's part */
	uint8_t part[PART]; /* C1 or S1 as it comes; STAGE_SECOND: unused */
};

static int hmac(uint8_t out[DIGEST_BYTES], struct span key, struct span text)
{
	static const uint8_t nothing[1];
	unsigned len = DIGEST_BYTES;

	if (!HMAC(EVP_sha256(), key.data, (int)key.len,
		  text.len ? text.data : nothing, text.len, out, &len))
		return WEIR_ENOMEM;
	return 0;
}

static void fill_random(struct rtmp_handshake *hs, uint8_t *at, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++) {
		if (i % 8 == 0) {
			hs->drawn++;
			word = hash_bytes(hs->seed, SPAN(&hs->drawn));
		}
		at[i] = (uint8_t)(word >> (8 * (i % 8)));
	}
}

/* Where the digest of a part of that form stands: four bytes sum up to it. */
static size_t digest_at(const uint8_t *part, enum rtmp_handshake_form form)
{
	size_t base = form == RTMP_HANDSHAKE_DIGEST_FIRST ? 8 : 772;
	size_t sum = 0;

	for (size_t i = 0; i < 4; i++)
		sum += part[base + i];
	return base + 4 + sum % 728;
}

/* The digest of a whole part: over all of it but the digest itself. */
static int make_digest(uint8_t out[DIGEST_BYTES], const uint8_t *part,
		       size_t at, struct span key)
{
	uint8_t rest[PART - DIGEST_BYTES];

	memcpy(rest, part, at);
	memcpy(rest + at, part + at + DIGEST_BYTES, sizeof(rest) - at);
	return hmac(out, key, SPAN(rest));
}

/* Set *form to the form in which the peer's part has a right digest. */
static int find_form(const uint8_t *part, struct span key,
		     enum rtmp_handshake_form *form)
{
	uint8_t digest[DIGEST_BYTES];

	for (int f = RTMP_HANDSHAKE_DIGEST_FIRST; f <= RTMP_HANDSHAKE_KEY_FIRST;
	     f++) {
		size_t at = digest_at(part, f);
		int err = make_digest(digest, part, at, key);

		if (err)
			return err;
		if (!memcmp(digest, part + at, sizeof(digest))) {
			*form = f;
			return 0;
		}
	}
	*form = RTMP_HANDSHAKE_SIMPLE;
	return 0;
}

/* C1 or S1 of our own: time, version, random bytes, a digest. */
static int put_first(struct rtmp_handshake *hs, struct buf *send,
		     uint32_t version, struct span key)
{
	uint8_t part[PART] = {0};
	struct buf head = {.data = part, .cap = sizeof(part)};
	size_t at;
	int err;

	buf_put_u32(&head, hs->time_ms);
	buf_put_u32(&head, hs->form == RTMP_HANDSHAKE_SIMPLE ? 0 : version);
	fill_random(hs, part + 8, sizeof(part) - 8);
	if (hs->form != RTMP_HANDSHAKE_SIMPLE) {
		at = digest_at(part, hs->form);
		err = make_digest(part + at, part, at, key);
		if (err)
			return err;
	}
	buf_put(send, SPAN(part));
	return buf_error(send);
}

/* C2 or S2 in answer to a part with a digest: random bytes, signed with a key
 * that is made of the peer's digest. */
static int put_signed(struct rtmp_handshake *hs, struct buf *send,
		      struct span key)
{
	uint8_t part[PART];
	uint8_t derived[DIGEST_BYTES];
	uint8_t *digest = part + PART - DIGEST_BYTES;
	size_t at = digest_at(hs->part, hs->form);
	int err;

	fill_random(hs, part, PART - DIGEST_BYTES);
	err = hmac(derived, key, span_of(hs->part + at, DIGEST_BYTES));
	if (!err)
		err = hmac(digest, SPAN(derived),
			   span_of(part, PART - DIGEST_BYTES));
	if (err)
		return err;
	buf_put(send, SPAN(part));
	return buf_error(send);
}

/* C2 or S2: signed, or the peer's own part again (librtmp compares it). */
static int put_second(struct rtmp_handshake *hs, struct buf *send,
		      struct span key)
{
	if (hs->form != RTMP_HANDSHAKE_SIMPLE)
		return put_signed(hs, send, key);
	buf_put(send, SPAN(hs->part));
	return buf_error(send);
}

static int answer_client(struct rtmp_handshake *hs, struct buf *send)
{
	enum rtmp_handshake_form form = RTMP_HANDSHAKE_SIMPLE;
	struct reader r = reader_of(span_of(hs->part + 4, 4));
	int err = 0;

	/* A client without a version has no digest. */
	if (read_u32(&r) != 0)
		err = find_form(hs->part, PLAYER_SENTENCE_KEY, &form);
	if (err)
		return err;
	hs->form = form;
	buf_put_u8(send, VERSION);
	err = put_first(hs, send, 0x04050001, SERVER_SENTENCE_KEY);
	return err ? err : put_second(hs, send, SERVER_KEY);
}

static int answer_server(struct rtmp_handshake *hs, struct buf *send)
{
	enum rtmp_handshake_form form = RTMP_HANDSHAKE_SIMPLE;
	int err = 0;

	if (hs->form != RTMP_HANDSHAKE_SIMPLE)
		err = find_form(hs->part, SERVER_SENTENCE_KEY, &form);
	if (err)
		return err;
	hs->form = form;
	return put_second(hs, send, PLAYER_KEY);
}

static int new_side(struct rtmp_handshake **out, bool is_server, uint64_t seed,
		    uint32_t time_ms)
{
	struct rtmp_handshake *hs = calloc(1, sizeof(*hs));

	if (!hs)
		return WEIR_ENOMEM;
	hs->is_server = is_server;
	hs->seed = seed;
	hs->time_ms = time_ms;
	*out = hs;
	return 0;
}

int rtmp_handshake_new_server(struct rtmp_handshake **out, uint64_t seed,
			      uint32_t time_ms)
{
	return new_side(out, true, seed, time_ms);
}

int rtmp_handshake_new_client(struct rtmp_handshake **out, struct buf *send,
			      enum rtmp_handshake_form form, uint64_t seed,
			      uint32_t time_ms)
{
	struct rtmp_handshake *hs = NULL;
	int err;

	err = new_side(&hs, false, seed, time_ms);
	if (err)
		return err;
	hs->form = form;
	buf_put_u8(send, VERSION);
	err = put_first(hs, send, 0x09007c02, PLAYER_SENTENCE_KEY);
	if (err)
		rtmp_handshake_free(&hs);
	else
		*out = hs;
	return err;
}

void rtmp_handshake_free(struct rtmp_handshake **hs)
{
	free(*hs);
	*hs = NULL;
}

static int read_version(struct rtmp_handshake *hs, uint8_t version)
{
	if (version < VERSION || version > VERSION_MAX)
		return WEIR_EPROTO;
	hs->stage = STAGE_FIRST;
	return 0;
}

/* Take what `in` has of this stage's part; is the part whole then? */
static bool take_part(struct rtmp_handshake *hs, struct span in, size_t *used)
{
	struct span s = span_first(in, PART - hs->got_bytes);

	if (hs->stage == STAGE_FIRST && s.len)
		memcpy(hs->part + hs->got_bytes, s.data, s.len);
	hs->got_bytes += (uint32_t)s.len;
	*used += s.len;
	if (hs->got_bytes < PART)
		return false;
	hs->got_bytes = 0;
	hs->stage++;
	return true;
}

int rtmp_handshake_feed(struct rtmp_handshake *hs, struct span in, size_t *used,
			struct buf *send)
{
	int err = 0;

	*used = 0;
	if (hs->stage == STAGE_VERSION && in.len) {
		err = read_version(hs, in.data[0]);
		*used = 1;
	}
	if (!err && hs->stage == STAGE_FIRST &&
	    take_part(hs, span_from(in, *used), used))
		err = hs->is_server ? answer_client(hs, send)
				    : answer_server(hs, send);
	if (!err && hs->stage == STAGE_SECOND)
		take_part(hs, span_from(in, *used), used);
	return err;
}

bool rtmp_handshake_is_done(const struct rtmp_handshake *hs)
{
	return hs->stage == STAGE_DONE;
}

enum rtmp_handshake_form rtmp_handshake_form(const struct rtmp_handshake *hs)
{
	return hs->stage < STAGE_SECOND ? RTMP_HANDSHAKE_SIMPLE : hs->form;
}

void rtmp_handshake_save(const struct rtmp_handshake *hs, struct buf *out)
{
	size_t held = hs->stage == STAGE_FIRST ? hs->got_bytes : 0;

	buf_put_u8(out, STATE_SAVED);
	buf_put_u8(out, hs->stage);
	buf_put_u8(out, hs->form);
	buf_put_u32_le(out, hs->time_ms);
	buf_put_uint_le(out, hs->seed, 8);
	buf_put_u16_le(out, (uint16_t)hs->got_bytes);
	buf_put(out, span_of(hs->part, held));
}

static int load_fields(struct rtmp_handshake *hs, struct reader *in)
{
	struct span held;

	if (read_u8(in) != STATE_SAVED)
		return WEIR_EPROTO;
	hs->stage = read_u8(in);
	hs->form = read_u8(in);
	hs->time_ms = read_u32_le(in);
	hs->seed = read_u64_le(in);
	hs->got_bytes = read_u16_le(in);
	held = read_span(in, hs->stage == STAGE_FIRST ? hs->got_bytes : 0);
	if (reader_failed(in) || hs->stage > STAGE_DONE ||
	    hs->form > RTMP_HANDSHAKE_KEY_FIRST || hs->got_bytes >= PART)
		return WEIR_EPROTO;
	if (held.len)
		memcpy(hs->part, held.data, held.len);
	return 0;
}

int rtmp_handshake_load(struct rtmp_handshake **out, struct reader *in)
{
	struct rtmp_handshake *hs = NULL;
	int err;

	err = new_side(&hs, true, 0, 0);
	if (err)
		return err;
	err = load_fields(hs, in);
	if (err)
		rtmp_handshake_free(&hs);
	else
		*out = hs;
	return err;
}
