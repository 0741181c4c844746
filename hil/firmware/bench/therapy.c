#include "therapy.h"
#include "text.h"

#define TURN_MS 100u
#define PARTS_PER_ML 36000u /* of a turn: 1 ml/h delivers one part of a millilitre in 100 ms */
#define SILENCE_MS 120000u

uint32_t therapy_rate;
static uint32_t turns, next_ms, parts, delivered_ml, silent_since_ms;
static bool is_begun, is_running, is_silent;

void therapy_begin(uint32_t now_ms)
{
    is_begun = true;
    next_ms = now_ms + TURN_MS;
}

void therapy_start(void)
{
    is_running = true;
}

void therapy_stop(void)
{
    is_running = false;
}

void therapy_silence(uint32_t now_ms)
{
    is_silent = true;
    silent_since_ms = now_ms;
}

void therapy_turn(uint32_t now_ms)
{
    while (is_begun && (int32_t)(now_ms - next_ms) >= 0) {
        turns++;
        next_ms += TURN_MS;
        parts += is_running ? therapy_rate : 0;
        delivered_ml += parts / PARTS_PER_ML;
        parts %= PARTS_PER_ML;
    }
}

uint32_t therapy_due_ms(uint32_t else_ms)
{
    return is_begun ? next_ms : else_ms;
}

uint32_t therapy_status(char text[LONGEST_STATUS], uint32_t now_ms)
{
    uint32_t size = put(text, is_running ? "=running rate=" : "=idle rate=");
    bool is_alarm = is_running && therapy_rate == 0;
    is_silent &= now_ms - silent_since_ms < SILENCE_MS;
    size += put_number(text + size, therapy_rate);
    size += put(text + size, " delivered=");
    size += put_number(text + size, delivered_ml);
    size += put(text + size, is_alarm ? (is_silent ? " alarm=silenced" : " alarm=no-flow") : " alarm=off");
    size += put(text + size, " turns=");
    size += put_number(text + size, turns);
    return size + put(text + size, "\r\n");
}
