/* services/cli/import_lal.h - settings of lal as settings of weir. Pure. */
#ifndef WEIR_CLI_IMPORT_LAL_H
#define WEIR_CLI_IMPORT_LAL_H

#include "common/base/buf.h"

#define IMPORT_BYTES_MAX (1u << 20)

/* Append the settings of weir that do what lalserver.conf.json says, as JSON;
 * in comments above them stand lal's settings that have no equivalent, each with
 * why, those in use first. *lost_count: how many of them are in use. Keys that
 * the file does not have are off, as in lal. Returns 0; WEIR_EINVAL: it is no
 * JSON object; WEIR_ELIMIT: it is too long; WEIR_ENOMEM. */
WEIR_MUST_CHECK int import_lal(struct buf *out, struct span json,
			       unsigned *lost_count);

#endif
