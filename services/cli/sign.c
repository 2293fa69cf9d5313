/* services/cli/sign.c - `weir sign`: make a signed address. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "common/access/text.h"
#include "common/io/clock.h"
#include "services/cli/args.h"
#include "services/cli/commands.h"
#include "services/cli/sign_url.h"

#define SECRET_VARIABLE "WEIR_SIGN_SECRET"
#define FOR_MAX_S       2000000000

struct options {
	const char *kid, *secret_file, *streams, *op, *ip, *user;
	unsigned for_s;
};

#define AT(m) offsetof(struct options, m)

static const struct arg args[] = {
	{"key", ARG_TEXT, "ID", 0, 0, AT(kid), "the key's id [k1]"},
	{"secret-file", ARG_TEXT, "FILE", 0, 0, AT(secret_file),
	 "its secret; - is standard input [$" SECRET_VARIABLE "]"},
	{"for", ARG_UINT, "SECONDS", 1, FOR_MAX_S, AT(for_s),
	 "how long it holds [3600]"},
	{"op", ARG_TEXT, "OP", 0, 0, AT(op), "play, publish or both [play]"},
	{"streams", ARG_TEXT, "PATTERN", 0, 0, AT(streams),
	 "other streams than that of the address: live/*"},
	{"ip", ARG_TEXT, "BLOCK", 0, 0, AT(ip), "for this address or block"},
	{"user", ARG_TEXT, "NAME", 0, 0, AT(user), "who it is for"},
};

static const struct arg_table table = {
	.command = "sign",
	.operands = "URL",
	.sentence =
		"Prints an address with its right to publish or play "
		"signed: weir sign --key k1\n--secret-file k1.secret "
		"http://h:8080/live/cam1.flv",
	.operand_count = 1,
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
	.more = "The secret is that of a rule of kind key; docs/auth.md says "
		"more.\n",
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "weir sign: %s: %s\n", what, why);
	return 2;
}

/* ---- the secret ---- */

/* The first line of a file. Returns whether it could be read. */
static bool read_line(char *out, size_t size, const char *file)
{
	bool is_stdin = !strcmp(file, "-");
	FILE *f = is_stdin ? stdin : fopen(file, "re");
	bool ok = f && fgets(out, (int)size, f);

	if (f && !is_stdin)
		fclose(f);
	if (ok)
		out[strcspn(out, "\r\n")] = '\0';
	return ok;
}

static int take_secret(char *out, size_t size, const struct options *o)
{
	const char *variable = getenv(SECRET_VARIABLE);

	if (o->secret_file && !read_line(out, size, o->secret_file))
		return complain(o->secret_file, "cannot be read");
	if (!o->secret_file && !variable)
		return complain("--secret-file",
				"is needed, or "
				"$" SECRET_VARIABLE);
	if (!o->secret_file)
		snprintf(out, size, "%s", variable);
	if (!text_is_secret(span_str(out), SIGN_SECRET_MIN, SIGN_SECRET_MAX))
		return complain("the secret",
				"16 to 256 printable characters, no blanks");
	return 0;
}

/* ---- the claims ---- */

static int take_streams(struct sign_claims *c, const char *pattern,
			const char *url)
{
	struct stream_key key;
	const char *why = "";

	if (!pattern && sign_url_key(&key, span_str(url)))
		return complain(url, "names no stream: say --streams");
	if (!pattern && strchr(key.text, '*'))
		return complain(url, "a * means many: say --streams");
	if (stream_pattern_parse(&c->streams,
				 span_str(pattern ? pattern : key.text), &why))
		return complain(pattern ? "--streams" : url, why);
	return 0;
}

static int take_claims(struct sign_claims *c, const struct options *o,
		       const char *url)
{
	*c = (struct sign_claims){
		.ops = access_ops_parse(span_str(o->op)),
		.exp_ms = ((int64_t)(io_utc_us() / 1000000) + o->for_s) * 1000,
		.has_ip = o->ip != NULL,
	};
	if (!c->ops)
		return complain("--op", "play, publish or both");
	if (!text_is_id(span_str(o->kid), SIGN_KID_MAX))
		return complain("--key", "the id of a key");
	if (o->ip && cidr_parse(&c->ip, span_str(o->ip)))
		return complain("--ip",
				"an address, or a block such as 10.0.0.0/8");
	if (!text_is_line(span_str(o->user), SIGN_USER_MAX))
		return complain("--user", "a name of at most 48 bytes");
	snprintf(c->kid, sizeof(c->kid), "%s", o->kid);
	snprintf(c->user, sizeof(c->user), "%s", o->user);
	return take_streams(c, o->streams, url);
}

static int print_signed(const char *url, const struct sign_claims *c,
			const char *secret)
{
	struct buf out = {0};
	const char *why = "";
	int err = sign_url(&out, span_str(url), c, span_str(secret), &why);

	if (!err)
		printf("%s\n", buf_text(&out));
	buf_fini(&out);
	if (err == WEIR_EINVAL)
		return complain(url, why);
	return err ? 1 : 0;
}

int command_sign(int argc, char **argv)
{
	struct options o = {
		.kid = "k1", .op = "play", .user = "", .for_s = 3600};
	char secret[SIGN_SECRET_MAX + 8] = "";
	struct arg_rest rest = {0};
	struct sign_claims c;
	int status;

	if (args_take(&o, &rest, &table, argc, argv, &status))
		return status;
	status = take_claims(&c, &o, rest.operand[0]);
	if (!status)
		status = take_secret(secret, sizeof(secret), &o);
	if (!status)
		status = print_signed(rest.operand[0], &c, secret);
	OPENSSL_cleanse(secret, sizeof(secret));
	return status;
}
