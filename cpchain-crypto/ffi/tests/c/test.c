/* The library as C sees it: what works, every status, and misuse. Run by run.sh, also under sanitizers. */

#include "device.h"

#define DOMAIN "test/c/v1"

static void versions_agree(void) {
    HOLDS(cpc_abi_version() == CPC_ABI_VERSION);
    HOLDS(strlen(cpc_version()) >= 5);
    HOLDS(strcmp(cpc_error_text(CPC_STATUS_OK), "done") == 0);
    HOLDS(strcmp(cpc_error_text(-7), cpc_error_text(1000)) == 0);
}

static void seals_and_opens(void) {
    const uint8_t key[CPC_KEY_LEN] = {1}, nonce[CPC_NONCE_LEN] = {2};
    uint8_t tag[CPC_TAG_LEN], wrong[CPC_TAG_LEN];
    char text[] = "21.5 C";
    const size_t len = sizeof text;
    uint8_t *buffer = (uint8_t *)text;
    ANSWERS(cpc_seal(key, nonce, (const uint8_t *)"t", 1, buffer, len, tag), CPC_STATUS_OK);
    HOLDS(strcmp(text, "21.5 C") != 0);
    ANSWERS(cpc_open(key, nonce, (const uint8_t *)"t", 1, buffer, len, tag), CPC_STATUS_OK);
    HOLDS(strcmp(text, "21.5 C") == 0);
    memcpy(wrong, tag, sizeof wrong);
    wrong[15] ^= 0x80;
    ANSWERS(cpc_open(key, nonce, (const uint8_t *)"t", 1, buffer, len, wrong), CPC_STATUS_OPEN);
    for (size_t i = 0; i < len; i++) HOLDS(text[i] == 0);

    ANSWERS(cpc_seal(NULL, nonce, NULL, 0, buffer, len, tag), CPC_STATUS_NULL);
    ANSWERS(cpc_seal(key, NULL, NULL, 0, buffer, len, tag), CPC_STATUS_NULL);
    ANSWERS(cpc_seal(key, nonce, NULL, 1, buffer, len, tag), CPC_STATUS_NULL);
    ANSWERS(cpc_seal(key, nonce, NULL, 0, NULL, len, tag), CPC_STATUS_NULL);
    ANSWERS(cpc_seal(key, nonce, NULL, 0, buffer, len, NULL), CPC_STATUS_NULL);
    ANSWERS(cpc_open(key, nonce, NULL, 0, buffer, len, NULL), CPC_STATUS_NULL);
    ANSWERS(cpc_seal(key, nonce, buffer, 1, buffer, len, tag), CPC_STATUS_OVERLAP);
    ANSWERS(cpc_seal(key, nonce, NULL, 0, tag, CPC_TAG_LEN, tag), CPC_STATUS_OVERLAP);
    ANSWERS(cpc_open(key, nonce, NULL, 0, tag, CPC_TAG_LEN, tag), CPC_STATUS_OVERLAP);
    ANSWERS(cpc_seal(key, nonce, NULL, 0, NULL, 0, tag), CPC_STATUS_OK);
    ANSWERS(cpc_open(key, nonce, NULL, 0, NULL, 0, tag), CPC_STATUS_OK);
    /* Key material may be anywhere: it is copied before anything is written. */
    uint8_t both[CPC_KEY_LEN] = {9};
    ANSWERS(cpc_seal(both, nonce, NULL, 0, both, sizeof both, tag), CPC_STATUS_OK);
}

static void hashes(void) {
    uint8_t once[CPC_DIGEST_LEN], parts[CPC_DIGEST_LEN], other[CPC_DIGEST_LEN];
    cpc_hasher hasher;
    memset(&hasher, 0xa5, sizeof hasher);
    ANSWERS(cpc_hash(DOMAIN, (const uint8_t *)"abc", 3, once), CPC_STATUS_OK);
    ANSWERS(cpc_hasher_part(&hasher, (const uint8_t *)"abc", 3), CPC_STATUS_CONTEXT);
    ANSWERS(cpc_hasher_init(&hasher, DOMAIN), CPC_STATUS_OK);
    ANSWERS(cpc_hasher_part(&hasher, (const uint8_t *)"abc", 3), CPC_STATUS_OK);
    ANSWERS(cpc_hasher_finish(&hasher, parts), CPC_STATUS_OK);
    HOLDS(memcmp(once, parts, sizeof once) == 0);
    ANSWERS(cpc_hasher_finish(&hasher, parts), CPC_STATUS_CONTEXT);
    ANSWERS(cpc_hash("test/c/v2", (const uint8_t *)"abc", 3, other), CPC_STATUS_OK);
    HOLDS(memcmp(once, other, sizeof once) != 0);
    ANSWERS(cpc_hash(NULL, NULL, 0, once), CPC_STATUS_NULL);
    ANSWERS(cpc_hash("", NULL, 0, once), CPC_STATUS_DOMAIN);
    ANSWERS(cpc_hash(DOMAIN, (const uint8_t *)"abc", SIZE_MAX, once), CPC_STATUS_LENGTH);
    ANSWERS(cpc_hash(DOMAIN, NULL, 0, NULL), CPC_STATUS_NULL);
}

static void signs(void) {
    uint8_t key[CPC_KEY_LEN], signature[CPC_SIGNATURE_LEN];
    const uint8_t message[] = "root";
    ANSWERS(cpc_public_key(signing_seed, key), CPC_STATUS_OK);
    ANSWERS(cpc_sign(signing_seed, DOMAIN, message, 4, signature), CPC_STATUS_OK);
    ANSWERS(cpc_verify(key, DOMAIN, message, 4, signature), CPC_STATUS_OK);
    ANSWERS(cpc_verify(key, DOMAIN, message, 3, signature), CPC_STATUS_SIGNATURE);
    ANSWERS(cpc_verify(key, "test/c/v2", message, 4, signature), CPC_STATUS_SIGNATURE);
    const uint8_t weak[CPC_KEY_LEN] = {1};
    ANSWERS(cpc_verify(weak, DOMAIN, message, 4, signature), CPC_STATUS_KEY);
    ANSWERS(cpc_sign(NULL, DOMAIN, message, 4, signature), CPC_STATUS_NULL);
    ANSWERS(cpc_verify(key, DOMAIN, message, 4, NULL), CPC_STATUS_NULL);
}

static int good_entropy(void *user, uint8_t *out, size_t len) {
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(i + *(uint8_t *)user);
    return 0;
}

static int broken_entropy(void *user, uint8_t *out, size_t len) {
    (void)user, (void)out, (void)len;
    return -1;
}

static int stuck_entropy(void *user, uint8_t *out, size_t len) {
    (void)user;
    memset(out, 0xff, len);
    return 0;
}

static void makes_and_derives_keys(void) {
    uint8_t start = 7, secret[CPC_KEY_LEN] = {0}, seed[CPC_KEY_LEN], key[CPC_KEY_LEN], again[CPC_KEY_LEN];
    ANSWERS(cpc_generate_secret(broken_entropy, NULL, secret), CPC_STATUS_ENTROPY);
    ANSWERS(cpc_generate_secret(stuck_entropy, NULL, secret), CPC_STATUS_ENTROPY);
    ANSWERS(cpc_generate_secret(NULL, NULL, secret), CPC_STATUS_NULL);
    HOLDS(secret[1] == 0);
    ANSWERS(cpc_generate_secret(good_entropy, &start, secret), CPC_STATUS_OK);
    HOLDS(secret[1] == 8);
    ANSWERS(cpc_node_seed(secret, 31, 1, seed), CPC_STATUS_OK);
    ANSWERS(cpc_interval_key(secret, 3, key), CPC_STATUS_OK);
    ANSWERS(cpc_interval_key_from_seed(31, 1, seed, 3, again), CPC_STATUS_OK);
    HOLDS(memcmp(key, again, sizeof key) == 0);
    ANSWERS(cpc_interval_key_from_seed(31, 1, seed, 4, again), CPC_STATUS_NODE);
    ANSWERS(cpc_node_seed(secret, 0, 0, seed), CPC_STATUS_NODE);
    ANSWERS(cpc_key_commitment(key, again), CPC_STATUS_OK);
    ANSWERS(cpc_zeroize(secret, sizeof secret), CPC_STATUS_OK);
    HOLDS(secret[1] == 0 && secret[31] == 0);
}

static void chains_blocks(void) {
    struct page page = {0};
    cpc_ctx context;
    cpc_config config = device_config(&page, 2);
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_OK);
    uint8_t body[9000], opened[9000], key[CPC_KEY_LEN];
    for (size_t i = 0; i < sizeof body; i++) body[i] = (uint8_t)(i * 31);
    const size_t lens[] = {0, 1, 4096, 4097, 9000};
    for (uint32_t i = 0; i < 5; i++) {
        cpc_block block;
        cpc_position after, now;
        ANSWERS(device_seal(&context, body, lens[i], &block), CPC_STATUS_OK);
        HOLDS(block.sealed_len == block.sealed_cap && block.commitments_len == block.commitments_cap);
        ANSWERS(cpc_position_after(block.sealed, block.sealed_len, &after), CPC_STATUS_OK);
        ANSWERS(cpc_get_position(&context, &now), CPC_STATUS_OK);
        HOLDS(after.next_block == i + 1 && now.next_block == after.next_block);
        HOLDS(memcmp(after.previous, now.previous, sizeof now.previous) == 0);
        size_t len = 0;
        ANSWERS(cpc_interval_key(stream_secret, i / 2, key), CPC_STATUS_OK);
        ANSWERS(cpc_open_block(key, block.sealed, block.sealed_len, opened, lens[i], &len), CPC_STATUS_OK);
        HOLDS(len == lens[i] && memcmp(opened, body, len) == 0);
        if (len > 0) {
            ANSWERS(cpc_open_block(key, block.sealed, block.sealed_len, opened, len - 1, &len), CPC_STATUS_BUFFER);
            ANSWERS(cpc_open_block(key, block.sealed, block.sealed_len, block.sealed, len, &len), CPC_STATUS_OVERLAP);
        }
        ANSWERS(cpc_interval_key(stream_secret, 100, key), CPC_STATUS_OK);
        ANSWERS(cpc_open_block(key, block.sealed, block.sealed_len, opened, sizeof opened, &len), CPC_STATUS_OPEN);
        ANSWERS(cpc_open_block(key, block.sealed, block.sealed_len - 1, opened, sizeof opened, &len), CPC_STATUS_FORMAT);
        ANSWERS(cpc_position_after(block.sealed, 50, &after), CPC_STATUS_FORMAT);
        block_free(&block);
    }
    HOLDS(page.writes == 3);
    uint8_t root[CPC_DIGEST_LEN], signature[CPC_SIGNATURE_LEN], public_key[CPC_KEY_LEN];
    ANSWERS(cpc_finish_upload(&context, root, root), CPC_STATUS_OVERLAP);
    ANSWERS(cpc_finish_upload(&context, NULL, signature), CPC_STATUS_NULL);
    ANSWERS(cpc_finish_upload(&context, root, signature), CPC_STATUS_OK);
    ANSWERS(cpc_public_key(signing_seed, public_key), CPC_STATUS_OK);
    ANSWERS(cpc_verify(public_key, CPC_UPLOAD_DOMAIN, root, sizeof root, signature), CPC_STATUS_OK);
    ANSWERS(cpc_finish_upload(&context, root, signature), CPC_STATUS_EMPTY);
    ANSWERS(cpc_close(&context), CPC_STATUS_OK);
}

static void restarts(void) {
    struct page page = {0};
    cpc_ctx context;
    cpc_config config = device_config(&page, 10);
    cpc_block block;
    cpc_position position;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_OK);
    page.store_fails = 1;
    ANSWERS(device_seal(&context, "a", 1, &block), CPC_STATUS_STORE);
    page.store_fails = 0;
    ANSWERS(device_seal(&context, "a", 1, &block), CPC_STATUS_OK);
    ANSWERS(cpc_position_after(block.sealed, block.sealed_len, &position), CPC_STATUS_OK);
    block_free(&block);
    memset(&context, 0xff, sizeof context); /* power cut */
    config.position = &position;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_OK);
    ANSWERS(device_seal(&context, "b", 1, &block), CPC_STATUS_OK);
    uint8_t key[CPC_KEY_LEN], body[1];
    size_t len;
    ANSWERS(cpc_interval_key(stream_secret, 1, key), CPC_STATUS_OK);
    ANSWERS(cpc_open_block(key, block.sealed, block.sealed_len, body, 1, &len), CPC_STATUS_OK);
    block_free(&block);
    ANSWERS(cpc_close(&context), CPC_STATUS_OK);

    position.next_block = 0;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_POSITION);
    position.next_block = 2;
    page.record[9] ^= 1;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_COUNTER);
    config.first_interval = 5;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_OK);
    ANSWERS(cpc_close(&context), CPC_STATUS_OK);
    config.first_interval = 0;
    page.is_written = 0;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_COUNTER);
    page.load_fails = 1;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_STORE);
    page.load_fails = 0;
    config.first_interval = UINT32_MAX;
    config.blocks_per_interval = 1;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_OK);
    ANSWERS(device_seal(&context, "c", 1, &block), CPC_STATUS_OK);
    block_free(&block);
    ANSWERS(device_seal(&context, "d", 1, &block), CPC_STATUS_EXHAUSTED);
    ANSWERS(cpc_close(&context), CPC_STATUS_OK);
}

static void refuses_misuse(void) {
    struct page page = {0};
    cpc_ctx context, copy;
    cpc_config config = device_config(&page, 1);
    cpc_block block;
    cpc_position position;
    memset(&context, 0, sizeof context);
    ANSWERS(device_seal(&context, "x", 1, &block), CPC_STATUS_CONTEXT);
    memset(&context, 0x5a, sizeof context);
    ANSWERS(device_seal(&context, "x", 1, &block), CPC_STATUS_CONTEXT);
    ANSWERS(cpc_close(&context), CPC_STATUS_CONTEXT);
    ANSWERS(cpc_init(NULL, &config), CPC_STATUS_NULL);
    ANSWERS(cpc_init(&context, NULL), CPC_STATUS_NULL);
    ANSWERS(cpc_init((cpc_ctx *)((char *)&copy + 4), &config), CPC_STATUS_CONTEXT);
    ANSWERS(cpc_init(&context, (const cpc_config *)&context), CPC_STATUS_OVERLAP);
    config.abi = CPC_ABI_VERSION + 1;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_CONFIG);
    config.abi = CPC_ABI_VERSION;
    config.blocks_per_interval = 0;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_CONFIG);
    config.blocks_per_interval = 1;
    config.load = NULL;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_NULL);
    config.load = page_load;
    ANSWERS(cpc_init(&context, &config), CPC_STATUS_OK);

    /* A copy would seal the same number again. */
    memcpy(&copy, &context, sizeof copy);
    ANSWERS(device_seal(&copy, "x", 1, &block), CPC_STATUS_CONTEXT);

    uint8_t memory[400], commitments[CPC_COMMITMENT_LEN];
    memset(memory, 0xee, sizeof memory);
    cpc_readings readings = {.count = 1, .body = memory, .body_len = 10};
    cpc_block out = {.sealed = memory, .sealed_cap = sizeof memory, .commitments = commitments, .commitments_cap = sizeof commitments};
    ANSWERS(cpc_next_block(&context, NULL, &out), CPC_STATUS_NULL);
    ANSWERS(cpc_next_block(&context, &readings, NULL), CPC_STATUS_NULL);
    ANSWERS(cpc_next_block(NULL, &readings, &out), CPC_STATUS_NULL);
    ANSWERS(cpc_next_block(&context, &readings, &out), CPC_STATUS_OVERLAP);
    readings.body = (const uint8_t *)"0123456789";
    out.sealed = (uint8_t *)&context;
    ANSWERS(cpc_next_block(&context, &readings, &out), CPC_STATUS_OVERLAP);
    out.sealed = memory;
    out.sealed_cap = cpc_sealed_len(10) - 1;
    ANSWERS(cpc_next_block(&context, &readings, &out), CPC_STATUS_BUFFER);
    HOLDS(out.sealed_len == cpc_sealed_len(10) && out.commitments_len == CPC_COMMITMENT_LEN);
    readings.body_len = (size_t)CPC_MAX_BODY_LEN + 1;
    ANSWERS(cpc_next_block(&context, &readings, &out), CPC_STATUS_LENGTH);
    readings.body_len = SIZE_MAX;
    HOLDS(cpc_next_block(&context, &readings, &out) != CPC_STATUS_OK);
    HOLDS(page.writes == 0);
    for (size_t i = 0; i < sizeof memory; i++) HOLDS(memory[i] == 0xee);
    ANSWERS(cpc_get_position(&context, (cpc_position *)&context), CPC_STATUS_OVERLAP);
    ANSWERS(cpc_get_position(&context, NULL), CPC_STATUS_NULL);
    ANSWERS(cpc_get_position(&context, &position), CPC_STATUS_OK);

    page.reenters = &context;
    ANSWERS(device_seal(&context, "x", 1, &block), CPC_STATUS_OK);
    ANSWERS(page.reentered, CPC_STATUS_BUSY);
    block_free(&block);
    ANSWERS(cpc_close(&context), CPC_STATUS_OK);
    ANSWERS(cpc_close(&context), CPC_STATUS_CONTEXT);
}

int main(void) {
    versions_agree();
    seals_and_opens();
    hashes();
    signs();
    makes_and_derives_keys();
    chains_blocks();
    restarts();
    refuses_misuse();
    for (int status = 0; status <= CPC_STATUS_NODE; status++) {
        if (!seen[status]) fprintf(stderr, "never answered: %s\n", cpc_error_text(status));
        HOLDS(seen[status]);
    }
    puts("c interface: all tests passed, every status seen");
    return 0;
}
