/* The therapy loop: ten turns a second, each of which delivers its part; and the alarm when nothing can be delivered. */
#ifndef THERAPY_H
#define THERAPY_H

#include <stdbool.h>
#include <stdint.h>

#define LONGEST_STATUS 96u

extern uint32_t therapy_rate; /* ml/h */

void therapy_begin(uint32_t now_ms);
void therapy_start(void);
void therapy_stop(void);
void therapy_silence(uint32_t now_ms);
void therapy_turn(uint32_t now_ms); /* makes the turns that are due */
uint32_t therapy_due_ms(uint32_t else_ms); /* when the next one is */
uint32_t therapy_status(char text[LONGEST_STATUS], uint32_t now_ms);

#endif
