/* Reset for a Cortex-M4F: vectors, memory, floating point, then main. */

#include "board.h"

#define UNUSED 0xA5A5A5A5u

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
int main(void);

void reset(void) {
    /* Give the floating point unit to the program (CPACR): the ABI passes and copies in its registers. */
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm volatile("dsb\n isb");
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) *to++ = *from++;
    for (volatile uint32_t *to = &bss_start; to < &bss_end;) *to++ = 0;
    /* What the stack has not reached yet is marked, up to a little below this function's own. */
    uint32_t here;
    for (volatile uint32_t *to = &bss_end; to < &here - 16;) *to++ = UNUSED;
    finish(main());
}

uint32_t stack_used(void) {
    const volatile uint32_t *lowest = &bss_end;
    while (lowest < &stack_top && *lowest == UNUSED) lowest++;
    return (uint32_t)((const volatile char *)&stack_top - (const volatile char *)lowest);
}

/* A fault ends the program; a product would log it and let the watchdog reset. */
static void fault(void) { finish(255); }

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))&stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault,
};
