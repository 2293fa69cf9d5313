/* common/bus/question.h - questions between nodes and their answers, as JSON.
 *
 * Pure. The JSON of REQ and REP (README.md) for struct question and struct
 * answer of world.h. Members with empty or zero values are left out; members
 * that a reader does not know are ignored; a member of the wrong form is
 * refused.
 *
 *   {"ask":"alive","key":"live/cam1","epoch":{"counter":5,"by":"32 hex"},
 *    "term":{"number":7,"by":"32 hex"},"start_us":0,"expected":{…},
 *    "credential":"","avoid":"origin-1"}
 *   {"error":-1006,"verdict":1,"granted":true,"known":true,"epoch":{…},
 *    "term":{…},"start_us":0,"node":"origin-2","url":"tcp://…",
 *    "instance":"32 hex","silent_ms":40,"live":true,"log":true,
 *    "top":5,"kind":"publish","writer_node":"ingest-1"}
 */
#ifndef WEIR_BUS_QUESTION_H
#define WEIR_BUS_QUESTION_H

#include "common/bus/world.h"

#define QUESTION_JSON_MAX 9216 /* bytes; no question or answer is longer */

const char *question_name(uint8_t kind); /* "alive"; "unknown" */

/* Append. Returns 0, WEIR_EINVAL: a value that JSON or the other side does not
 * take (an unknown kind, a text that is no UTF-8); WEIR_ENOMEM, WEIR_ELIMIT. */
WEIR_MUST_CHECK int question_write(struct buf *out, const struct question *q);
WEIR_MUST_CHECK int answer_write(struct buf *out, const struct answer *a);

/* Read one whole JSON text; on an error *out is untouched. Returns 0;
 * WEIR_EPROTO; WEIR_ELIMIT: longer than QUESTION_JSON_MAX; WEIR_EUNSUPPORTED:
 * it asks what is not in the list (a request of another kind); WEIR_ENOMEM. */
WEIR_MUST_CHECK int question_read(struct question *out, struct span json);
WEIR_MUST_CHECK int answer_read(struct answer *out, struct span json);

#endif
