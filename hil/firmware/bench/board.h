/* What loader and program need of the board: a console, the time and flash. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "control.h"

#define FLASH 0x21010000u
#define SLOT_BYTES 8192u
#define COUNTER_BYTES 256u
#define COUNTER_AT (2 * SLOT_BYTES)
#define ERASED 0xffu

void board_start(void);
uint32_t board_now_ms(void);
bool board_receive(uint8_t *byte);
void board_send(const char *text, uint32_t size);
void board_idle(uint32_t due_ms); /* returns after a byte, after 10 ms, or at `due_ms`, whichever is first */
void board_watch(void); /* from now on a program that does not come to board_idle within 4 s is started anew */
void board_restart(void) __attribute__((noreturn));
const uint8_t *flash_at(uint32_t place);
void flash_erase(uint32_t place, uint32_t size);
void flash_write(uint32_t place, const void *data, uint32_t size); /* can only take bits away, as flash does */

#endif
