/* common/media/via.c - the clusters that a stream has come through. */
#include "common/media/via.h"

#include <stdio.h>

static bool is_plain(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-';
}

static uint8_t plain(uint8_t c)
{
	return is_plain(c) ? c : '_';
}

/* The next name of the list, cut off it; false: none is left. */
static bool next_name(struct span *list, struct span *out)
{
	size_t len = 0;

	while (list->len && !is_plain(list->data[0]))
		*list = span_from(*list, 1);
	while (len < list->len && is_plain(list->data[len]))
		len++;
	*out = span_first(*list, len);
	*list = span_from(*list, len);
	return len > 0;
}

static bool is_name(struct span name, struct span id)
{
	if (name.len != id.len)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (name.data[i] != plain(id.data[i]))
			return false;
	return true;
}

static bool has(struct span via, struct span id)
{
	struct span name;

	while (next_name(&via, &name))
		if (is_name(name, id))
			return true;
	return false;
}

bool via_has(struct span via, const char *id)
{
	return has(via, span_str(id));
}

static bool put(char *to, size_t *len, struct span name)
{
	bool has_comma = *len > 0;

	if (*len + has_comma + name.len >= VIA_SIZE)
		return false;
	if (has_comma)
		to[(*len)++] = ',';
	for (size_t i = 0; i < name.len; i++)
		to[(*len)++] = (char)plain(name.data[i]);
	to[*len] = '\0';
	return true;
}

int via_add(char out[VIA_SIZE], struct span via, const char *id)
{
	char to[VIA_SIZE] = "";
	struct span name;
	size_t len = 0;

	while (next_name(&via, &name))
		if (!put(to, &len, name))
			return WEIR_ELIMIT;
	if (!put(to, &len, span_str(id)))
		return WEIR_ELIMIT;
	memcpy(out, to, len + 1);
	return 0;
}

void via_common(char out[VIA_SIZE], struct span a, struct span b)
{
	char to[VIA_SIZE] = "";
	struct span name;
	size_t len = 0;

	while (next_name(&a, &name))
		if (has(b, name) && !put(to, &len, name))
			break;
	memcpy(out, to, sizeof(to));
}
