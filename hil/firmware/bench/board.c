/* Board MPS2 with design AN385. Sources: Arm Application Note 385 (addresses, interrupts, 25 MHz), Cortex-M System Design
 * Kit Technical Reference Manual (registers of timer and UART), Armv7-M Architecture Reference Manual (SysTick, NVIC). */
#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define TIMER_CONTROL REGISTER(0x40000000u)
#define TIMER_VALUE REGISTER(0x40000004u)
#define TIMER_RELOAD REGISTER(0x40000008u)
#define UART_DATA REGISTER(0x40004000u)
#define UART_STATE REGISTER(0x40004004u)
#define UART_CONTROL REGISTER(0x40004008u)
#define UART_INTERRUPT REGISTER(0x4000400cu)
#define UART_DIVISOR REGISTER(0x40004010u)
#define SYSTICK_CONTROL REGISTER(0xe000e010u)
#define SYSTICK_RELOAD REGISTER(0xe000e014u)
#define SYSTICK_VALUE REGISTER(0xe000e018u)
#define INTERRUPT_ENABLE REGISTER(0xe000e100u)

#define TICKS_PER_MS 25000u
#define IDLE_MS 10u
#define BAUD 115200u
#define TRANSMIT_FULL 1u
#define RECEIVE_FULL 2u
#define RECEIVE_INTERRUPT 2u
#define UART_ON 0xbu /* send, receive, interrupt on receipt */
#define SYSTICK_ON 7u /* processor clock, interrupt, enabled */

extern uint32_t stack_top[], bss_start[], bss_end[];
int main(void);
void board_wait(void);

static uint32_t last_ticks, spare_ticks, now_ms;

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
    main();
    halt();
}

void board_start(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
    TIMER_RELOAD = 0xffffffffu;
    TIMER_VALUE = 0xffffffffu;
    TIMER_CONTROL = 1u;
    last_ticks = 0xffffffffu;
    UART_DIVISOR = TICKS_PER_MS * 1000u / BAUD;
    UART_CONTROL = UART_ON;
    SYSTICK_RELOAD = IDLE_MS * TICKS_PER_MS - 1u;
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
    return now_ms;
}

bool board_receive(uint8_t *byte)
{
    if ((UART_STATE & RECEIVE_FULL) == 0) {
        return false;
    }
    *byte = (uint8_t)UART_DATA;
    return true;
}

void board_send(const char *text, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        while ((UART_STATE & TRANSMIT_FULL) != 0) {
        }
        UART_DATA = (uint8_t)text[i];
    }
}

/* Interrupts are off while we look and wait, so that a byte between the two wakes us; then they are let in once. */
void board_idle(void)
{
    if ((UART_STATE & RECEIVE_FULL) == 0) {
        board_wait();
    }
    __asm__ volatile("cpsie i\n\tisb\n\tcpsid i" ::: "memory");
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const handler vectors[16 + 32] = {
    (handler)stack_top, reset, halt, halt, halt, halt, halt, board_wait, 0, 0, 0, halt, halt, 0, halt, on_systick,
    on_uart_receive, [17 ... 47] = halt,
};
