/* A thermometer: seals its readings in chained blocks, signs them, survives a restart, and writes what it would send.
 *
 * Every line is "name value", for the verifier on the other side (cpchain-crypto/ffi/examples/verify_firmware.rs). */

#include "board.h"
#include "cpchain_crypto.h"

#define CHECK(call) check((call), __LINE__)

static void check(cpc_status status, int line) {
    if (status == CPC_STATUS_OK) return;
    put("error "), put(cpc_error_text(status)), put(" (line "), put_number((uint32_t)line), put(")\n");
    finish(1);
}

/* EMULATOR ONLY: the same bytes on every run. A product reads its hardware generator here, after the health test. */
static int entropy(void *user, uint8_t *out, size_t len) {
    uint32_t *state = user;
    for (size_t i = 0; i < len; i++) {
        *state = *state * 1664525u + 1013904223u;
        out[i] = (uint8_t)(*state >> 24);
    }
    return 0;
}

/* EMULATOR ONLY: RAM in the place of a flash page. A product writes the record to flash, reads it back, and only then answers 0. */
struct page { uint8_t record[CPC_COUNTER_LEN]; int is_written, writes; };

static int load(void *user, uint8_t *record, size_t len) {
    const struct page *page = user;
    if (!page->is_written) return CPC_COUNTER_NONE;
    for (size_t i = 0; i < len; i++) record[i] = page->record[i];
    return 0;
}

static int store(void *user, const uint8_t *record, size_t len) {
    struct page *page = user;
    for (size_t i = 0; i < len; i++) page->record[i] = record[i];
    page->is_written = 1;
    page->writes++;
    return 0;
}

/* The readings of one period as text: "21.50;21.75;...". */
static size_t measure(unsigned period, char *out, uint32_t count) {
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        const unsigned hundredths = 2150 + (period * 37 + i * 25) % 400;
        out[len++] = (char)('0' + hundredths / 1000);
        out[len++] = (char)('0' + hundredths / 100 % 10);
        out[len++] = '.';
        out[len++] = (char)('0' + hundredths / 10 % 10);
        out[len++] = (char)('0' + hundredths % 10);
        out[len++] = ';';
    }
    return len;
}

static void line(const char *name, const uint8_t *bytes, size_t len) {
    put(name), put(" "), put_hex(bytes, len), put("\n");
}

static cpc_ctx context;
static struct page page;
static uint8_t sealed[8192], commitments[2 * CPC_COMMITMENT_LEN];
static char body[6000];

/* Seals one period and sends it. Long periods make blocks of two leaves. */
static size_t send_block(unsigned period, uint32_t count) {
    const cpc_readings readings = {
        .start_ms = 1767225600000u + period * 3600000u, .count = count, .codec = 0,
        .body = (const uint8_t *)body, .body_len = measure(period, body, count),
    };
    cpc_block block = {
        .sealed = sealed, .sealed_cap = sizeof sealed, .commitments = commitments, .commitments_cap = sizeof commitments,
    };
    CHECK(cpc_next_block(&context, &readings, &block));
    line("block", block.sealed, block.sealed_len);
    line("commitments", block.commitments, block.commitments_len);
    return block.sealed_len;
}

static void finish_upload(void) {
    uint8_t root[CPC_DIGEST_LEN], signature[CPC_SIGNATURE_LEN];
    CHECK(cpc_finish_upload(&context, root, signature));
    line("root", root, sizeof root);
    line("signature", signature, sizeof signature);
}

int main(void) {
    /* Once in the device's life: its two secrets, and the name under which the owner registered the stream. */
    uint32_t seed_of_emulator = 2026;
    uint8_t signing_seed[CPC_KEY_LEN], stream_secret[CPC_KEY_LEN], stream[CPC_DIGEST_LEN], public_key[CPC_KEY_LEN];
    CHECK(cpc_generate_secret(entropy, &seed_of_emulator, signing_seed));
    CHECK(cpc_generate_secret(entropy, &seed_of_emulator, stream_secret));
    CHECK(cpc_public_key(signing_seed, public_key));
    CHECK(cpc_hash("example/thermometer/v1", (const uint8_t *)"greenhouse", 10, stream));
    line("stream", stream, sizeof stream);
    line("public", public_key, sizeof public_key);

    cpc_config config = {
        .abi = CPC_ABI_VERSION, .blocks_per_interval = 2, .stream = stream, .stream_secret = stream_secret,
        .signing_seed = signing_seed, .load = load, .store = store, .user = &page,
    };
    CHECK(cpc_init(&context, &config));
    size_t last = 0;
    for (unsigned period = 0; period < 3; period++) last = send_block(period, 24);
    finish_upload();

    /* The power fails. What is left: the counter's page, and the last block. */
    cpc_position position;
    CHECK(cpc_position_after(sealed, last, &position));
    CHECK(cpc_close(&context));
    config.position = &position;
    CHECK(cpc_init(&context, &config));
    send_block(3, 24);
    send_block(4, 1000);
    finish_upload();

    /* A product never writes this: the seed that opens intervals 0 to 3, as a buyer of them would get it. */
    uint8_t seed[CPC_KEY_LEN];
    CHECK(cpc_node_seed(stream_secret, 30, 0, seed));
    line("grant", seed, sizeof seed);
    for (uint32_t interval = 0; interval < 3; interval++) {
        uint8_t key[CPC_KEY_LEN], commitment[CPC_DIGEST_LEN];
        CHECK(cpc_interval_key(stream_secret, interval, key));
        CHECK(cpc_key_commitment(key, commitment));
        line("interval", commitment, sizeof commitment);
    }
    put("writes "), put_number((uint32_t)page.writes), put("\n");
    CHECK(cpc_close(&context));
    CHECK(cpc_zeroize(signing_seed, sizeof signing_seed));
    CHECK(cpc_zeroize(stream_secret, sizeof stream_secret));
    put("stack "), put_number(stack_used()), put("\n");
    put("end\n");
    return 0;
}
