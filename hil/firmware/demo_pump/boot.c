/* Boot loader of the demonstration pump: starts whatever stands in the application slot. */
#include "device.h"

#define SLOT        0x08010000u
#define IMAGE_MAGIC 0x96f3b83du

const char banner[] = "Demo pump boot loader 1.0 (MCUboot image format, hash only)";

static void start(uint32_t vectors)
{
    SCB_VTOR = vectors;
    const uint32_t *table = (const uint32_t *)vectors;
    __asm volatile("msr msp, %0\n bx %1" : : "r"(table[0]), "r"(table[1]));
}

int main(void)
{
    const uint32_t *header = (const uint32_t *)SLOT;
    uint32_t header_bytes = header[2] & 0xFFFFu;
    if (header[0] == IMAGE_MAGIC) {
        start(SLOT + header_bytes);
    }
    for (const char *c = banner; *c != 0; c++) {
        USART2_DR = (uint32_t)*c;
    }
    return 0;
}
