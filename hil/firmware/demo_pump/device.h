/* The registers of an STM32F4 microcontroller that the demonstration pump uses. Source: ST RM0090. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define RCC_AHB1ENR REGISTER(0x40023830u) /* clocks of the ports */
#define RCC_APB1ENR REGISTER(0x40023840u) /* clocks of USART2 and TIM2 */
#define GPIOA_MODER REGISTER(0x40020000u)
#define GPIOA_AFRL  REGISTER(0x40020020u)
#define GPIOD_BSRR  REGISTER(0x40020C18u) /* motor driver and alarm buzzer */
#define USART2_SR   REGISTER(0x40004400u)
#define USART2_DR   REGISTER(0x40004404u)
#define USART2_BRR  REGISTER(0x40004408u)
#define USART2_CR1  REGISTER(0x4000440Cu)
#define TIM2_CR1    REGISTER(0x40000000u)
#define TIM2_CNT    REGISTER(0x40000024u)
#define SCB_VTOR    REGISTER(0xE000ED08u)

#define MOTOR_PIN  (1u << 12)
#define BUZZER_PIN (1u << 13)

extern uint32_t stack_top[];
void reset(void);
void halt(void);

typedef void (*handler)(void);

#endif
