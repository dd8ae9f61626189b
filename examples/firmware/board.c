/* The emulated board mps2-an386: a UART to write to, and semihosting to end the run with a code. */

#include "board.h"

#define UART0_DATA (*(volatile uint32_t *)0x40004000u)
#define UART0_STATE (*(volatile uint32_t *)0x40004004u)
#define UART0_CONTROL (*(volatile uint32_t *)0x40004008u)

void put(const char *text) {
    UART0_CONTROL = 1; /* transmit */
    for (; *text != 0; text++) {
        while (UART0_STATE & 1u) {}
        UART0_DATA = (uint8_t)*text;
    }
}

void put_hex(const uint8_t *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        const char pair[3] = {digits[bytes[i] >> 4], digits[bytes[i] & 15], 0};
        put(pair);
    }
}

void put_number(uint32_t number) {
    char text[11] = {0};
    size_t at = sizeof text - 1;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    put(text + at);
}

void finish(int code) {
    /* SYS_EXIT_EXTENDED with ADP_Stopped_ApplicationExit. */
    const uint32_t reason[2] = {0x20026u, (uint32_t)code};
    register uint32_t operation __asm("r0") = 0x20u;
    register const uint32_t *argument __asm("r1") = reason;
    __asm volatile("bkpt 0xAB" : "+r"(operation) : "r"(argument) : "memory");
    for (;;) {}
}
