/* Vector table and start-up, shared by the boot loader and the application. */
#include "device.h"

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);

void halt(void)
{
    for (;;) {
        GPIOD_BSRR = MOTOR_PIN << 16; /* motor off: the safe state */
    }
}

void reset(void)
{
    uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    main();
    halt();
}

__attribute__((section(".vectors"), used)) static const handler vectors[16 + 82] = {
    (handler)stack_top, reset, halt, halt, halt, halt, halt, 0, 0, 0, 0, halt, halt, 0, halt, halt,
    [16 ... 16 + 81] = halt,
};
