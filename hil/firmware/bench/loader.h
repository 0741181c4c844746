/* What the parts of the loader share. */
#ifndef LOADER_H
#define LOADER_H

#include <stdint.h>

extern uint32_t loader_slot; /* from which the program that runs was taken; NO_SLOT in recovery */

void recover(void); /* takes a signed update over the console; returns never */
void load(void); /* the loader; returns only when the program does */

#endif
