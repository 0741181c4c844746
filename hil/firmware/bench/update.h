/* Taking an update, block by block. Each command returns its answer. */
#ifndef UPDATE_H
#define UPDATE_H

#include "services.h"

const char *update_begin(struct text rest);
const char *update_block(struct text rest);
const char *update_install(void);
const char *update_confirm(void);

#endif
