/* common/conf/conf.h - settings: tables of keys, JSON files, overrides.
 *
 * A table describes the settings of one section and where each value stands in
 * a plain struct; from it come the defaults, the check, --print-conf, the
 * sample files and the page in docs/conf:
 *
 *	struct bus_settings {
 *		int64_t flush_ms;
 *		const char *listen;
 *	};
 *	static const struct conf_key keys[] = {
 *		CONF_INT(struct bus_settings, flush_ms, "ms", 0, 1000, 3,
 *			 CONF_FIXED, "How long records may wait for others."),
 *		CONF_ADDR(struct bus_settings, listen, ":7100", CONF_FIXED,
 *			  "Where other nodes reach this one."),
 *	};
 *	const struct conf_table bus_conf = CONF_TABLE(
 *		"bus", "Between the processes of a cluster.",
 *		struct bus_settings, keys);
 *	…
 *	const struct bus_settings *s = conf_get(conf, &bus_conf);
 *
 * Several tables may share a section. A key's name may have
 * one dot ("rtmp.listen" in section "ingest" is {"ingest": {"rtmp": {"listen":
 * …}}}; {"ingest": {"rtmp.listen": …}} is the same).
 *
 * One file serves all processes: sections that other roles own are skipped; in
 * the section of a role, any shared section may stand again, and wins there:
 * {"admin": {"listen": ":9100"}, "edge": {"admin": {"listen": ":9200"}}}.
 *
 * The file is JSON with comments (C and C++ style), at most 1 MB, 16 deep.
 * Texts in settings live as long as the conf, also when a later load replaces
 * them.
 */
#ifndef WEIR_CONF_CONF_H
#define WEIR_CONF_CONF_H

#include "common/base/buf.h"

enum conf_type {
	CONF_TYPE_BOOL,   /* bool */
	CONF_TYPE_INT,    /* int64_t */
	CONF_TYPE_STRING, /* const char *, never NULL, UTF-8; min and max are its
			     length in bytes */
	CONF_TYPE_ADDR,   /* const char *: "host:port" or ":port"; "" is none */
	CONF_TYPE_ENUM,   /* int: place in `choices` */
	CONF_TYPE_LIST,   /* struct conf_list; min and max are its length */
	CONF_TYPE_OBJECTS, /* const char *, never NULL: a list of objects as
			      JSON text, which `check` has accepted */
};

enum conf_flag {
	CONF_FIXED = 0,
	CONF_RELOAD = 1, /* may change while running */
	CONF_SECRET = 2, /* never printed */
};

struct conf_list {
	const char *const *item;
	size_t count;
};

/* What is wrong within a list of objects. */
struct conf_fault {
	char where[64]; /* "[2].urls[0]"; "": all of it */
	char what[128]; /* what is expected there; shows no secret */
};

/* May this list of objects be a setting? The text is strict JSON from a file, or
 * anything from a command line. false: *fault says why not. */
typedef bool conf_check_fn(struct span json, struct conf_fault *fault);

struct conf_key {
	const char *name; /* within the section */
	enum conf_type type;
	unsigned flags;
	const char *unit; /* "ms", "bytes", "count", …; "" for text */
	int64_t min;
	int64_t max;
	int64_t initial_int;  /* default of INT and BOOL */
	const char *initial;  /* default of the others; a list as "a,b" */
	const char *choices;  /* enum only: "h264|h265" */
	const char *sentence; /* what it does; ends with a full stop */
	size_t offset;        /* of the value in the settings struct */
	conf_check_fn *check; /* objects only */
};

struct conf_table {
	const char *section;
	const char *sentence;
	const struct conf_key *key;
	size_t key_count;
	size_t settings_bytes;
};

#define CONF_TABLE(section, sentence, type, keys)                              \
	{                                                                      \
		section, sentence, keys, WEIR_ARRAY_LEN(keys), sizeof(type)    \
	}

/* offsetof, once the compiler has seen that the member has the type. */
#define CONF_AT(s, m, t)                                                       \
	(offsetof(s, m) + 0 * sizeof(_Generic(((__typeof__(s) *)0)->m, t : 0)))

/* The member's name is the key's name; the _NAMED form gives another. */
#define CONF_INT(s, m, unit, min, max, def, flags, sentence)                   \
	CONF_INT_NAMED(#m, s, m, unit, min, max, def, flags, sentence)
#define CONF_INT_NAMED(name, s, m, unit, min, max, def, flags, sentence)       \
	{                                                                      \
		name, CONF_TYPE_INT, flags, unit, min, max, def, 0, 0,         \
			sentence, CONF_AT(s, m, int64_t), 0                    \
	}
#define CONF_BOOL(s, m, def, flags, sentence)                                  \
	CONF_BOOL_NAMED(#m, s, m, def, flags, sentence)
#define CONF_BOOL_NAMED(name, s, m, def, flags, sentence)                      \
	{                                                                      \
		name, CONF_TYPE_BOOL, flags, "", 0, 1, def, 0, 0, sentence,    \
			CONF_AT(s, m, bool), 0                                 \
	}
#define CONF_STRING(s, m, min, max, def, flags, sentence)                      \
	CONF_STRING_NAMED(#m, s, m, min, max, def, flags, sentence)
#define CONF_STRING_NAMED(name, s, m, min, max, def, flags, sentence)          \
	{                                                                      \
		name, CONF_TYPE_STRING, flags, "", min, max, 0, def, 0,        \
			sentence, CONF_AT(s, m, const char *), 0               \
	}
#define CONF_ADDR(s, m, def, flags, sentence)                                  \
	CONF_ADDR_NAMED(#m, s, m, def, flags, sentence)
#define CONF_ADDR_NAMED(name, s, m, def, flags, sentence)                      \
	{                                                                      \
		name, CONF_TYPE_ADDR, flags, "", 0, 255, 0, def, 0, sentence,  \
			CONF_AT(s, m, const char *), 0                         \
	}
#define CONF_ENUM(s, m, choices, def, flags, sentence)                         \
	CONF_ENUM_NAMED(#m, s, m, choices, def, flags, sentence)
#define CONF_ENUM_NAMED(name, s, m, choices, def, flags, sentence)             \
	{                                                                      \
		name, CONF_TYPE_ENUM, flags, "", 0, 0, 0, def, choices,        \
			sentence, CONF_AT(s, m, int), 0                        \
	}
#define CONF_LIST(s, m, min, max, def, flags, sentence)                        \
	CONF_LIST_NAMED(#m, s, m, min, max, def, flags, sentence)
#define CONF_LIST_NAMED(name, s, m, min, max, def, flags, sentence)            \
	{                                                                      \
		name, CONF_TYPE_LIST, flags, "", min, max, 0, def, 0,          \
			sentence, CONF_AT(s, m, struct conf_list), 0           \
	}

#define CONF_OBJECTS(s, m, check, flags, sentence)                             \
	CONF_OBJECTS_NAMED(#m, s, m, check, flags, sentence)
#define CONF_OBJECTS_NAMED(name, s, m, check, flags, sentence)                 \
	{                                                                      \
		name, CONF_TYPE_OBJECTS, flags, "", 0, 0, 0, "[]", 0,          \
			sentence, CONF_AT(s, m, const char *), check           \
	}

/* The roles; their sections are skipped by the others. */
#define CONF_ROLES "ingest|origin|edge|packager|dispatch"
/* The sections that all may have; skipped by who has no table for them. */
#define CONF_SHARED "cluster|redis|bus|hls|auth|limits|log|admin"

struct conf;

/* Take the tables (borrowed for the life of the conf; `count` pointers) with
 * their defaults in force. `role`: whose section may overrule shared ones.
 * Returns 0; WEIR_ENOMEM; a table that contradicts itself is a bug. */
WEIR_MUST_CHECK int conf_new(struct conf **out, const char *role,
			     const struct conf_table *const *tables,
			     size_t count);
void conf_free(struct conf **c);

/* Another default for one key, before anything is loaded ("admin.listen"
 * differs per role). Returns 0, WEIR_ENOMEM; a bad one is a bug. */
WEIR_MUST_CHECK int conf_default(struct conf *c, const char *path,
				 const char *text);

/* Load over what is in force; later calls win. `name` stands in messages.
 * Every mistake is listed, not only the first. After an error the settings are
 * those of before. Return 0; WEIR_ECONF: see conf_messages; WEIR_ENOMEM;
 * conf_load_file also -errno (in the messages too). */
WEIR_MUST_CHECK int conf_load_file(struct conf *c, const char *file);
WEIR_MUST_CHECK int conf_load_text(struct conf *c, const char *name,
				   struct span json);

/* "edge.rtmp.listen=:1935" from a command line: value as in JSON, or text as it
 * is; a list as "a,b". */
WEIR_MUST_CHECK int conf_override(struct conf *c, const char *assignment);

/* One line per mistake of all failed loads, "" if none; borrowed until the next
 * load:
 *   weir.json:12:3: edge.flush_mss: unknown key; did you mean edge.flush_ms?
 *   weir.json:7:5: bus.flush_ms: 5000 is not allowed: a whole number from 0 to
 *   1000 ms
 */
const char *conf_messages(const struct conf *c);

/* The settings of a table that was given to conf_new; borrowed, filled anew by
 * each successful load. */
const void *conf_get(const struct conf *c, const struct conf_table *table);

/* What is in force, as JSON with comments that loads again; secrets appear only
 * as a comment that says whether they are set. */
void conf_print(const struct conf *c, struct buf *out);

/* The page of docs/conf. */
void conf_print_docs(const struct conf *c, struct buf *out);

#endif
