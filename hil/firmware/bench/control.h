/* A piece of memory that outlives a loss of power and that the board shares with the bench: hil/bench_board.py. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdint.h>

struct control {
    uint32_t magic; /* CONTROL_MAGIC once it has been filled */
    uint32_t nonces;
    uint32_t broken_starts;
    uint32_t starting; /* 1 while a start is not finished */
    uint32_t flash_writes; /* and erasures, since the board was made */
    uint32_t cut_at; /* the power fails in this one of them; 0: in none */
    uint32_t torn_bytes; /* of which so many bytes are done */
    uint32_t is_cut; /* 1 when that has happened: the bench takes the power away */
    uint32_t is_driven; /* 1: time passes only as the bench says, so that nobody waits */
    uint32_t until_ms; /* so far it may go on */
    uint32_t heard; /* bytes that the bench has heard since power-on */
    uint32_t sent; /* bytes that the bench has sent since power-on */
    uint32_t now_ms; /* since power-on */
    uint32_t said; /* bytes that the board has sent since power-on */
    uint32_t received; /* bytes that the board has taken since power-on */
    uint32_t spare;
};

#define CONTROL_MAGIC 0x70756d70u
#define CONTROL ((volatile struct control *)0x21000000u) /* PSRAM of the board */

#endif
