/* Seals a first reading, opens it again, and verifies the device's signature. See README.md. */

#include <stdio.h>
#include <string.h>

#include "cpchain_crypto.h"

#define TRY(call) \
    do { \
        const cpc_status status = (call); \
        if (status != CPC_STATUS_OK) { \
            fprintf(stderr, "%s: %s\n", #call, cpc_error_text(status)); \
            return 1; \
        } \
    } while (0)

/* The operating system's generator. On a device: the hardware's, after its health test. */
static int entropy(void *user, uint8_t *out, size_t len) {
    (void)user;
    FILE *file = fopen("/dev/urandom", "rb");
    if (file == NULL) return -1;
    const size_t got = fread(out, 1, len, file);
    fclose(file);
    return got == len ? 0 : -1;
}

/* The durable counter. Here it lives as long as the program, so the stream must too; on a device: a page of flash. */
static uint8_t counter[CPC_COUNTER_LEN];
static int is_stored;

static int load(void *user, uint8_t *record, size_t len) {
    (void)user;
    if (!is_stored) return CPC_COUNTER_NONE;
    memcpy(record, counter, len);
    return 0;
}

static int store(void *user, const uint8_t *record, size_t len) {
    (void)user;
    memcpy(counter, record, len);
    is_stored = 1;
    return 0;
}

int main(void) {
    /* Once in a device's life. */
    uint8_t signing_seed[CPC_KEY_LEN], stream_secret[CPC_KEY_LEN], stream[CPC_DIGEST_LEN], public_key[CPC_KEY_LEN];
    TRY(cpc_generate_secret(entropy, NULL, signing_seed));
    TRY(cpc_generate_secret(entropy, NULL, stream_secret));
    TRY(cpc_public_key(signing_seed, public_key));
    TRY(cpc_hash("my-company/stream/v1", (const uint8_t *)"roof", 4, stream));

    /* Once per start. The context must stay where it is. */
    static cpc_ctx context;
    cpc_config config = {0};
    config.abi = CPC_ABI_VERSION;
    config.blocks_per_interval = 24; /* a key for each day of hourly blocks */
    config.stream = stream;
    config.stream_secret = stream_secret;
    config.signing_seed = signing_seed;
    config.load = load;
    config.store = store;
    TRY(cpc_init(&context, &config));

    /* Once per period: the readings in, a sealed block out. */
    const char text[] = "21.5;21.6;21.4";
    uint8_t sealed[256], commitments[CPC_COMMITMENT_LEN];
    cpc_readings readings = {0};
    readings.start_ms = 1767225600000u;
    readings.count = 3;
    readings.body = (const uint8_t *)text;
    readings.body_len = sizeof text;
    cpc_block block = {0};
    block.sealed = sealed;
    block.sealed_cap = sizeof sealed;
    block.commitments = commitments;
    block.commitments_cap = sizeof commitments;
    TRY(cpc_next_block(&context, &readings, &block));
    printf("sealed %zu bytes into %zu\n", sizeof text, block.sealed_len);

    /* Once per upload: one signature over all of its blocks. */
    uint8_t root[CPC_DIGEST_LEN], signature[CPC_SIGNATURE_LEN];
    TRY(cpc_finish_upload(&context, root, signature));
    TRY(cpc_verify(public_key, CPC_UPLOAD_DOMAIN, root, sizeof root, signature));

    /* Whoever has the key of interval 0 opens it. */
    uint8_t key[CPC_KEY_LEN];
    char opened[64];
    size_t opened_len;
    TRY(cpc_interval_key(stream_secret, 0, key));
    TRY(cpc_open_block(key, block.sealed, block.sealed_len, (uint8_t *)opened, sizeof opened, &opened_len));
    printf("opened and verified: %s\n", opened);
    return cpc_close(&context);
}
