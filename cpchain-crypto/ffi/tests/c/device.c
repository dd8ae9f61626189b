#include "device.h"

int seen[32];
const uint8_t stream[CPC_DIGEST_LEN] = {3}, stream_secret[CPC_KEY_LEN] = {4}, signing_seed[CPC_KEY_LEN] = {5};

int page_load(void *user, uint8_t *record, size_t len) {
    struct page *page = user;
    HOLDS(len == sizeof page->record);
    if (page->load_fails) return -1;
    if (!page->is_written) return CPC_COUNTER_NONE;
    memcpy(record, page->record, len);
    return 0;
}

int page_store(void *user, const uint8_t *record, size_t len) {
    struct page *page = user;
    HOLDS(len == sizeof page->record);
    if (page->reenters != NULL) {
        cpc_position position;
        page->reentered = cpc_get_position(page->reenters, &position);
    }
    if (page->store_fails) return -1;
    memcpy(page->record, record, len);
    page->is_written = 1;
    page->writes++;
    return 0;
}

cpc_config device_config(struct page *page, uint32_t blocks_per_interval) {
    cpc_config config = {0};
    config.abi = CPC_ABI_VERSION;
    config.blocks_per_interval = blocks_per_interval;
    config.stream = stream;
    config.stream_secret = stream_secret;
    config.signing_seed = signing_seed;
    config.load = page_load;
    config.store = page_store;
    config.user = page;
    return config;
}

cpc_status device_seal(cpc_ctx *context, const void *body, size_t body_len, cpc_block *block) {
    const cpc_readings readings = {.start_ms = 1000, .count = 1, .codec = 0, .body = body, .body_len = body_len};
    /* Exactly as long as needed, from the heap: a byte too many would be somebody else's. */
    *block = (cpc_block){.sealed_cap = cpc_sealed_len(body_len), .commitments_cap = cpc_leaf_count(body_len) * CPC_COMMITMENT_LEN};
    block->sealed = malloc(block->sealed_cap);
    block->commitments = malloc(block->commitments_cap);
    HOLDS(block->sealed != NULL && block->commitments != NULL);
    const cpc_status status = cpc_next_block(context, &readings, block);
    if (status != CPC_STATUS_OK) block_free(block);
    return status;
}

void block_free(cpc_block *block) {
    free(block->sealed);
    free(block->commitments);
    block->sealed = block->commitments = NULL;
}
