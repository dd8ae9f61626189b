/* The least that a device needs: seal, sign, hash. Built for its size and for what it must not contain. */

#include "cpchain_crypto.h"

int main(void) {
    static uint8_t reading[64], key[CPC_KEY_LEN], nonce[CPC_NONCE_LEN];
    static uint8_t tag[CPC_TAG_LEN], digest[CPC_DIGEST_LEN], signature[CPC_SIGNATURE_LEN];
    int failed = cpc_seal(key, nonce, NULL, 0, reading, sizeof reading, tag);
    failed |= cpc_hash("example/size/v1", reading, sizeof reading, digest);
    failed |= cpc_sign(key, "example/size/v1", digest, sizeof digest, signature);
    return failed;
}
