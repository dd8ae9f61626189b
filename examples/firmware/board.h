/* What the programs of this folder need from a board. */

#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

/** Writes text to the serial line. */
void put(const char *text);
/** Writes bytes in hex. */
void put_hex(const uint8_t *bytes, size_t len);
/** Writes a decimal number. */
void put_number(uint32_t number);
/** Ends the run with a code; 0 is success. */
void finish(int code);

/** The most stack that was used so far, bytes. */
uint32_t stack_used(void);

#endif
