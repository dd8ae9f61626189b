/* The least that a device needs. Built for its size: run.sh defines what goes in. */

#include "cpchain_crypto.h"

int main(void) {
    static uint8_t reading[64], key[CPC_KEY_LEN], digest[CPC_DIGEST_LEN], signature[CPC_SIGNATURE_LEN];
    int failed = 0;
#ifdef SEAL
    static uint8_t nonce[CPC_NONCE_LEN], tag[CPC_TAG_LEN];
    failed |= cpc_seal(key, nonce, NULL, 0, reading, sizeof reading, tag);
#endif
#ifdef OPEN
    failed |= cpc_open(key, nonce, NULL, 0, reading, sizeof reading, tag);
#endif
#ifdef HASH
    failed |= cpc_hash("example/size/v1", reading, sizeof reading, digest);
#endif
#ifdef SIGN
    failed |= cpc_sign(key, "example/size/v1", digest, sizeof digest, signature);
#endif
#ifdef VERIFY
    failed |= cpc_verify(key, "example/size/v1", digest, sizeof digest, signature);
#endif
    (void)reading, (void)key, (void)digest, (void)signature;
    return failed;
}
