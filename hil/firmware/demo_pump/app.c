/* Application of the demonstration pump: a therapy loop, an alarm and a serial console without a log-in. */
#include "device.h"

#define BAUD_DIVIDER 0x8Bu /* 115200 baud from a 16 MHz clock */
#define LINE_BYTES   32

static const char *const about[] = {
    "Demo infusion pump, software 2.1.0",
    "FreeRTOS Kernel V10.4.3",
    "mbed TLS 2.16.3",
    "lwIP/2.0.3 (http://savannah.nongnu.org/projects/lwip)",
    "service password: 4711",
};

static uint32_t rate_ml_per_h = 50;
static uint32_t delivered_ul;
static char line[LINE_BYTES];
static uint32_t line_used;

static void put(char c)
{
    while ((USART2_SR & 0x80u) == 0) {
    }
    USART2_DR = (uint32_t)c;
}

static void print(const char *text)
{
    while (*text != 0) {
        put(*text++);
    }
    put('\r');
    put('\n');
}

static void print_number(uint32_t value)
{
    char digits[11];
    int at = 10;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    print(&digits[at]);
}

static int same(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static void obey(const char *command)
{
    if (same(command, "about")) {
        for (unsigned i = 0; i < sizeof about / sizeof about[0]; i++) {
            print(about[i]);
        }
    } else if (same(command, "rate")) {
        print_number(rate_ml_per_h);
    } else if (same(command, "volume")) {
        print_number(delivered_ul / 1000u);
    } else if (same(command, "faster")) {
        rate_ml_per_h += 10u;
    } else if (same(command, "stop")) {
        rate_ml_per_h = 0;
    } else {
        print("unknown command");
    }
}

static void listen(void)
{
    if ((USART2_SR & 0x20u) == 0) {
        return;
    }
    char c = (char)USART2_DR;
    if (c == '\r' || line_used == LINE_BYTES - 1u) {
        line[line_used] = 0;
        line_used = 0;
        obey(line);
    } else {
        line[line_used++] = c;
    }
}

static void deliver(uint32_t elapsed_us)
{
    delivered_ul += rate_ml_per_h * elapsed_us / 3600000u;
    GPIOD_BSRR = rate_ml_per_h != 0 ? MOTOR_PIN : MOTOR_PIN << 16;
    if (delivered_ul > 100000u) {
        rate_ml_per_h = 0;
        GPIOD_BSRR = BUZZER_PIN;
        print("ALARM: volume limit reached");
    }
}

int main(void)
{
    RCC_AHB1ENR |= 0x9u;
    RCC_APB1ENR |= 0x20001u;
    GPIOA_MODER |= 0xA0u;
    GPIOA_AFRL |= 0x7700u;
    USART2_BRR = BAUD_DIVIDER;
    USART2_CR1 = 0x200Cu;
    TIM2_CR1 = 1u;
    print(about[0]);
    for (;;) {
        uint32_t before = TIM2_CNT;
        listen();
        deliver(TIM2_CNT - before);
    }
}
