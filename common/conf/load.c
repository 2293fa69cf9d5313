/* common/conf/load.c - JSON with comments (json-c) into the draft.
 *
 * json-c without its strict mode takes comments. Its objects are walked with a
 * stack of our own: a file may be 16 deep, which the parser holds to.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf/conf_priv.h"
#include "common/conf/json.h"

#define FILE_BYTES_MAX (1u << 20)
#define DEPTH_MAX      16
#define ITEMS_MAX      256

void conf_apply_json(struct conf *c, struct span json);

/* ---- values ---- */

static size_t read_items(struct conf_value *v, struct span item[ITEMS_MAX],
			 struct json_object *list)
{
	size_t count = json_object_array_length(list);

	if (count > ITEMS_MAX)
		return 0;
	v->item = item;
	for (size_t i = 0; i < count; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!json_object_is_type(o, json_type_string))
			return 0;
		item[i] = span_of(json_object_get_string(o),
				  (size_t)json_object_get_string_len(o));
	}
	v->item_count = count;
	v->type = CONF_TYPE_LIST;
	return count;
}

/* Their text lives as long as the list. */
static void read_objects(struct conf_value *v, struct json_object *list)
{
	v->type = CONF_TYPE_OBJECTS;
	v->text = span_str(
		json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
}

static void store(struct conf *c, const struct conf_key_ref *ref,
		  struct json_object *o, const char *path)
{
	/* A type that no key has, unless it is found to be one of ours. */
	struct conf_value v = {.type = (enum conf_type) - 1};
	struct span item[ITEMS_MAX];

	switch (json_object_get_type(o)) {
	case json_type_boolean:
		v.type = CONF_TYPE_BOOL;
		v.i = json_object_get_boolean(o);
		break;
	case json_type_int:
		v.type = CONF_TYPE_INT;
		v.i = json_object_get_int64(o);
		break;
	case json_type_string:
		v.type = CONF_TYPE_STRING;
		v.text = span_of(json_object_get_string(o),
				 (size_t)json_object_get_string_len(o));
		break;
	case json_type_array:
		if (ref->key->type == CONF_TYPE_OBJECTS)
			read_objects(&v, o);
		else
			(void)read_items(&v, item, o);
		break;
	default:
		break;
	}
	conf_store(c, ref, &v, path,
		   json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

/* ---- objects ---- */

/* One object that is being walked: section "edge", then maybe "rtmp.". */
struct frame {
	struct lh_entry *next;
	struct span section; /* whose keys these are; empty: the sections */
	size_t prefix_len;   /* of the path that is no part of the name */
	char path[CONF_PATH_BYTES];
};

struct walk {
	struct conf *c;
	struct frame frame[DEPTH_MAX];
	size_t depth;
};

static bool has_section(const struct conf *c, struct span name)
{
	for (size_t i = 0; i < c->slot_count; i++)
		if (span_eq_str(name, c->slot[i].table->section))
			return true;
	return span_eq_str(name, c->role);
}

static bool is_known_section(const struct conf *c, struct span name)
{
	return has_section(c, name) || conf_choice(CONF_ROLES, name) >= 0 ||
	       conf_choice(CONF_SHARED, name) >= 0;
}

/* Does some key of the section begin with "name."? */
static bool is_prefix(const struct conf *c, struct span section,
		      const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < c->slot_count; i++) {
		const struct conf_table *t = c->slot[i].table;

		for (size_t k = 0; k < t->key_count; k++)
			if (span_eq_str(section, t->section) &&
			    !strncmp(t->key[k].name, name, len) &&
			    t->key[k].name[len] == '.')
				return true;
	}
	return false;
}

/* Go on with what is in `o`, whose path is `path`. */
static void descend(struct walk *w, struct json_object *o, const char *path,
		    struct span section, size_t prefix_len)
{
	struct frame *f = &w->frame[w->depth];

	if (!json_object_is_type(o, json_type_object)) {
		conf_mistake(w->c, path, "an object {…} is expected");
		return;
	}
	if (w->depth == DEPTH_MAX)
		return;
	f->next = json_object_get_object(o)->head;
	f->section = section;
	f->prefix_len = prefix_len;
	snprintf(f->path, sizeof(f->path), "%s", path);
	w->depth++;
}

static void unknown(struct walk *w, const char *path)
{
	struct buf nearest = {0};

	conf_put_nearest(&nearest, w->c, path);
	conf_mistake(w->c, path, "unknown key%s", buf_text(&nearest));
	buf_fini(&nearest);
}

/* A shared section inside the section of our role. */
static void take_shared(struct walk *w, const struct frame *f,
			struct json_object *o, const char *path)
{
	size_t depth = w->depth;

	descend(w, o, path, (struct span){0}, strlen(path) + 1);
	if (w->depth > depth)
		w->frame[depth].section =
			span_str(w->frame[depth].path + f->prefix_len);
}

/* A key of a section. */
static void take_key(struct walk *w, const struct frame *f,
		     struct json_object *o, const char *path)
{
	const char *name = path + f->prefix_len;
	struct conf_key_ref ref;

	if (conf_find(w->c, &ref, f->section, span_str(name)))
		store(w->c, &ref, o, path);
	else if (is_prefix(w->c, f->section, name))
		descend(w, o, path, f->section, f->prefix_len);
	else if (span_eq_str(f->section, w->c->role) &&
		 has_section(w->c, span_str(name)) &&
		 conf_choice(CONF_SHARED, span_str(name)) >= 0)
		take_shared(w, f, o, path);
	else
		unknown(w, path);
}

static void take_entry(struct walk *w, struct frame *f, struct lh_entry *entry)
{
	struct json_object *o = (struct json_object *)(uintptr_t)entry->v;
	char path[2 * CONF_PATH_BYTES];

	snprintf(path, sizeof(path), "%s%s%.120s", f->path, *f->path ? "." : "",
		 (const char *)entry->k);
	if (strlen(path) >= CONF_PATH_BYTES ||
	    strlen((const char *)entry->k) > 120)
		unknown(w, path);
	else
		take_key(w, f, o, path);
}

/* Walk one section with all that is in it. */
static void take_section(struct conf *c, const char *name,
			 struct json_object *o)
{
	struct walk w = {.c = c};

	descend(&w, o, name, span_str(name), strlen(name) + 1);
	while (w.depth > 0) {
		struct frame *f = &w.frame[w.depth - 1];
		struct lh_entry *entry = f->next;

		if (!entry) {
			w.depth--;
			continue;
		}
		f->next = entry->next;
		take_entry(&w, f, entry);
	}
}

static void take_root(struct conf *c, struct json_object *root)
{
	struct json_object *own = NULL;

	if (!json_object_is_type(root, json_type_object)) {
		conf_mistake(c, "", "an object {…} is expected");
		return;
	}
	json_object_object_foreach(root, key, value)
	{
		if (!is_known_section(c, span_str(key)))
			conf_mistake(c, key, "unknown section; there are %s",
				     CONF_SHARED "|" CONF_ROLES);
		else if (!strcmp(key, c->role))
			own = value;
		else if (has_section(c, span_str(key)))
			take_section(c, key, value);
	}
	/* Last, because what stands there wins over the shared sections. */
	if (own)
		take_section(c, c->role, own);
}

/* ---- text ---- */

static void syntax_mistake(struct conf *c, size_t at, const char *what)
{
	struct json_place p = json_place_of(c->json, at);

	c->mistake_count++;
	buf_printf(&c->messages, "%s:%u:%u: not JSON: %s\n", c->source, p.line,
		   p.column, what);
}

void conf_apply_json(struct conf *c, struct span json)
{
	struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *root;
	size_t end;

	if (!tok) {
		c->is_out_of_memory = true;
		return;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_VALIDATE_UTF8);
	if (json.len > FILE_BYTES_MAX)
		json = span_first(json, 0);
	root = json_tokener_parse_ex(tok, (const char *)json.data,
				     (int)json.len);
	end = json_tokener_get_parse_end(tok);
	/* A comment in a last line without an end is not over for json-c. */
	if (json_tokener_get_error(tok) == json_tokener_continue)
		root = json_tokener_parse_ex(tok, "\n", 1);
	if (json_tokener_get_error(tok) == json_tokener_continue)
		syntax_mistake(c, end, "it ends too early");
	else if (json_tokener_get_error(tok) != json_tokener_success)
		syntax_mistake(
			c, end,
			json_tokener_error_desc(json_tokener_get_error(tok)));
	else if (json_skip_blank(json, end) < json.len)
		syntax_mistake(c, json_skip_blank(json, end),
			       "something follows after the end");
	else
		take_root(c, root);
	json_object_put(root);
	json_tokener_free(tok);
}

/* ---- files ---- */

static int read_file(struct buf *out, int fd)
{
	ssize_t n;

	do {
		if (buf_reserve(out, 4096))
			return buf_error(out);
		n = read(fd, out->data + out->len, 4096);
		if (n < 0 && errno != EINTR)
			return -errno;
		out->len += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	return 0;
}

static void file_message(struct conf *c, const char *file, int err)
{
	buf_printf(&c->messages, "%s: %s\n", file,
		   err == WEIR_ELIMIT ? "longer than 1 MB"
				      : weir_strerror(err));
	(void)buf_text(&c->messages);
}

int conf_load_file(struct conf *c, const char *file)
{
	struct buf text = {.limit_bytes = FILE_BYTES_MAX};
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : 0;

	if (!err)
		err = read_file(&text, fd);
	if (fd >= 0)
		close(fd);
	if (err)
		file_message(c, file, err);
	else
		err = conf_load_text(c, file, buf_span(&text));
	buf_fini(&text);
	return err;
}
