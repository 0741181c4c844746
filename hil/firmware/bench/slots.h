/* The two places for a program in flash, and the counter that never goes back. */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "board.h"
#include "image.h"

enum flag { PENDING = SLOT_BYTES - 3, TRIED, CONFIRMED }; /* places in a slot: FF erased, 0 set */

#define NO_SLOT 2u

bool slot_is(uint32_t slot, enum flag flag);
void slot_mark(uint32_t slot, enum flag flag);
bool slot_read(uint32_t slot, struct image *image);
uint32_t slot_to_start(struct image *image); /* NO_SLOT where there is none; `image` is what stands there */
void slots_exchange(void);
const char *not_ours(const struct image *image);
uint32_t counter_value(void);
void counter_raise(uint32_t value);

#endif
