/* Reset for a Cortex-M4F: vectors, memory, floating point, then main. */

#include <stdint.h>

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
int main(void);
void finish(int code);

void reset(void) {
    /* Give the floating point unit to the program (CPACR): the ABI passes and copies in its registers. */
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm volatile("dsb\n isb");
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) *to++ = *from++;
    for (volatile uint32_t *to = &bss_start; to < &bss_end;) *to++ = 0;
    finish(main());
}

/* A fault ends the program; a product would log it and let the watchdog reset. */
static void fault(void) { finish(255); }

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))&stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault,
};
