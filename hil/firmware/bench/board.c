/* Board MPS2 with design AN385. Sources: Arm Application Note 385 (addresses, interrupts, 25 MHz), Cortex-M System Design
 * Kit Technical Reference Manual (registers of timer, UART and watchdog), Armv7-M Architecture Reference Manual (SysTick,
 * NVIC, AIRCR). What stands for flash is the board's PSRAM, which an emulator keeps in a file. */
#include "board.h"
#include "loader.h"
#include "services.h"
#include "weakness.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define TIMER_CONTROL REGISTER(0x40000000u)
#define TIMER_VALUE REGISTER(0x40000004u)
#define TIMER_RELOAD REGISTER(0x40000008u)
#define UART_DATA REGISTER(0x40004000u)
#define UART_STATE REGISTER(0x40004004u)
#define UART_CONTROL REGISTER(0x40004008u)
#define UART_INTERRUPT REGISTER(0x4000400cu)
#define UART_DIVISOR REGISTER(0x40004010u)
#define WATCHDOG_LOAD REGISTER(0x40008000u)
#define WATCHDOG_CONTROL REGISTER(0x40008008u)
#define SYSTICK_CONTROL REGISTER(0xe000e010u)
#define SYSTICK_RELOAD REGISTER(0xe000e014u)
#define SYSTICK_VALUE REGISTER(0xe000e018u)
#define INTERRUPT_ENABLE REGISTER(0xe000e100u)
#define RESET_CONTROL REGISTER(0xe000ed0cu)

#define TICKS_PER_MS 25000u
#define IDLE_MS 10u
#define DRIVEN_IDLE_MS 1u /* so that the bench is soon heard */
#define MOST_TURNS_UNHEARD 200u /* then a byte was lost on the way, in a restart for instance */
#define BAUD 115200u
#define TRANSMIT_FULL 1u
#define RECEIVE_FULL 2u
#define RECEIVE_INTERRUPT 2u
#define UART_ON 0xbu /* send, receive, interrupt on receipt */
#define SYSTICK_ON 7u /* processor clock, interrupt, enabled */
#define WATCHDOG_TICKS (2000u * TICKS_PER_MS) /* the first time it warns, the second time it restarts */
#define WATCHDOG_ON 3u /* count, and restart */
#define RESET_NOW 0x05fa0004u

extern uint32_t stack_top[], bss_start[], bss_end[], uncounted_start[];
void board_wait(void);

static uint32_t last_ticks, spare_ticks, now_ms, turns_unheard;
static bool is_watched;

/* A function of its own, whose address is in the vector table: an emulator without interrupts stops here. */
__attribute__((naked, noinline)) void board_wait(void)
{
    __asm__ volatile("wfi\n\tbx lr");
}

static void halt(void)
{
    for (;;) {
    }
}

static void on_systick(void)
{
}

static void on_uart_receive(void)
{
    UART_INTERRUPT = RECEIVE_INTERRUPT;
}

static void reset(void)
{
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    load();
    halt();
}

void board_start(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
    if (CONTROL->magic != CONTROL_MAGIC) {
        CONTROL->nonces = CONTROL->broken_starts = CONTROL->starting = 0;
        CONTROL->magic = CONTROL_MAGIC;
    }
    now_ms = CONTROL->now_ms;
    TIMER_RELOAD = 0xffffffffu;
    TIMER_VALUE = 0xffffffffu;
    TIMER_CONTROL = 1u;
    last_ticks = 0xffffffffu;
    UART_DIVISOR = TICKS_PER_MS * 1000u / BAUD;
    UART_CONTROL = UART_ON;
    SYSTICK_RELOAD = (CONTROL->is_driven != 0 ? DRIVEN_IDLE_MS : IDLE_MS) * TICKS_PER_MS - 1u;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = SYSTICK_ON;
    INTERRUPT_ENABLE = 1u; /* 0: UART 0, receipt */
}

uint32_t board_now_ms(void)
{
    uint32_t ticks = TIMER_VALUE; /* counts down and wraps after 171 s */
    spare_ticks += last_ticks - ticks;
    last_ticks = ticks;
    now_ms += spare_ticks / TICKS_PER_MS;
    spare_ticks %= TICKS_PER_MS;
    CONTROL->now_ms = now_ms;
    return now_ms;
}

bool board_receive(uint8_t *byte)
{
    if ((UART_STATE & RECEIVE_FULL) == 0) {
        return false;
    }
    *byte = (uint8_t)UART_DATA;
    CONTROL->received++;
    turns_unheard = 0;
    return true;
}

void board_send(const char *text, uint32_t size)
{
    CONTROL->said += size;
    for (uint32_t i = 0; i < size; i++) {
        while ((UART_STATE & TRANSMIT_FULL) != 0) {
        }
        UART_DATA = (uint8_t)text[i];
    }
}

/* Where the bench drives the time, it goes on only when neither side has said something that the other has not heard. */
static bool is_all_heard(void)
{
    if (CONTROL->received != CONTROL->sent) {
        if (++turns_unheard <= MOST_TURNS_UNHEARD) {
            return false;
        }
        CONTROL->received = CONTROL->sent;
    }
    return CONTROL->said == CONTROL->heard;
}

static bool pass_time(uint32_t due_ms)
{
    if (!is_all_heard()) {
        return false;
    }
    uint32_t left_ms = CONTROL->until_ms - now_ms, wanted_ms = due_ms - now_ms; /* only now: the bench sets it first */
    if ((int32_t)left_ms <= 0) {
        return false;
    }
    now_ms += wanted_ms < left_ms ? wanted_ms : left_ms;
    CONTROL->now_ms = now_ms;
    return true;
}

static void feed_watchdog(void)
{
    if (is_watched) {
        WATCHDOG_LOAD = WATCHDOG_TICKS;
    }
}

/* Interrupts are off while we look and wait, so that a byte between the two wakes us; then they are let in once. */
void board_idle(uint32_t due_ms)
{
    feed_watchdog();
    board_now_ms();
    if ((UART_STATE & RECEIVE_FULL) == 0 && !(CONTROL->is_driven != 0 && pass_time(due_ms))) {
        board_wait();
    }
    if (CONTROL->is_driven != 0) { /* waiting for the bench takes no time */
        last_ticks = TIMER_VALUE;
    }
    __asm__ volatile("cpsie i\n\tisb\n\tcpsid i" ::: "memory");
}

void board_watch(void)
{
    is_watched = !IS_WEAK(NO_WATCHDOG);
    feed_watchdog();
    WATCHDOG_CONTROL = is_watched ? WATCHDOG_ON : 0;
}

void board_restart(void)
{
    RESET_CONTROL = RESET_NOW;
    halt();
    __builtin_unreachable();
}

/* Flash */

UNCOUNTED const uint8_t *flash_at(uint32_t place)
{
    return (const uint8_t *)(FLASH + place);
}

/* Put the bytes there; `data` is 0 for erased ones. */
UNCOUNTED static void change(uint32_t place, const uint8_t *data, uint32_t size)
{
    volatile uint8_t *to = (volatile uint8_t *)(FLASH + place);
    bool is_cut = ++CONTROL->flash_writes == CONTROL->cut_at;
    size = is_cut && CONTROL->torn_bytes < size ? CONTROL->torn_bytes : size;
    for (uint32_t i = 0; i < size; i++) {
        to[i] = data == 0 ? ERASED : to[i] & data[i];
    }
    if (is_cut) {
        CONTROL->is_cut = 1;
        for (;;) {
            board_wait();
        }
    }
}

void flash_erase(uint32_t place, uint32_t size)
{
    change(place, 0, size);
}

void flash_write(uint32_t place, const void *data, uint32_t size)
{
    change(place, data, size);
}

typedef void (*handler)(void);

/* Words 7 to 10 are reserved by the architecture; an emulator and the bench look there. */
__attribute__((section(".vectors"), used)) static const handler vectors[16 + 32] = {
    (handler)stack_top, reset, halt, halt, halt, halt, halt, board_wait, 0, (handler)&services, (handler)uncounted_start,
    halt, halt, 0, halt, on_systick, on_uart_receive, [17 ... 47] = halt,
};
