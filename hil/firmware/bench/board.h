/* What the pump needs of its board: a console, the time, and memory that outlives a loss of power. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

struct retained {
    uint32_t magic; /* RETAINED_MAGIC once it has been filled */
    uint32_t nonces;
    uint32_t broken_starts;
    uint32_t starting; /* 1 while a start is not finished */
};

#define RETAINED_MAGIC 0x70756d70u
#define RETAINED ((volatile struct retained *)0x21000000u) /* PSRAM of the board */

void board_start(void);
uint32_t board_now_ms(void);
bool board_receive(uint8_t *byte);
void board_send(const char *text, uint32_t size);
void board_idle(void); /* returns after a byte or after 10 ms, whichever is first */

#endif
