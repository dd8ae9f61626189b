/* A device of the tests: where its counter lives, and what may go wrong with it. */

#ifndef DEVICE_H
#define DEVICE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpchain_crypto.h"

/** Stops the test with the line that did not hold. */
#define HOLDS(what) \
    do { \
        if (!(what)) { fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); exit(1); } \
    } while (0)

/** The status of a call; what was answered is noted, so that the end can tell whether every status was seen. */
#define ANSWERS(call, expected) \
    do { \
        const cpc_status answered_ = (call); \
        seen[answered_ & 31] = 1; \
        if (answered_ != (expected)) { \
            fprintf(stderr, "%s:%d: %s answered %d (%s)\n", __FILE__, __LINE__, #call, (int)answered_, cpc_error_text(answered_)); \
            exit(1); \
        } \
    } while (0)

extern int seen[32];

/** Memory of the durable counter. */
struct page {
    uint8_t record[CPC_COUNTER_LEN];
    int is_written, writes, store_fails, load_fails;
    /** A context that `store` calls back into, and what that answered. */
    cpc_ctx *reenters;
    cpc_status reentered;
};

int page_load(void *user, uint8_t *record, size_t len);
int page_store(void *user, const uint8_t *record, size_t len);
cpc_config device_config(struct page *page, uint32_t blocks_per_interval);
/** Seals `body` with the context into new memory of exactly the right size, which the caller frees. */
cpc_status device_seal(cpc_ctx *context, const void *body, size_t body_len, cpc_block *block);
void block_free(cpc_block *block);

extern const uint8_t stream[CPC_DIGEST_LEN], stream_secret[CPC_KEY_LEN], signing_seed[CPC_KEY_LEN];

#endif
