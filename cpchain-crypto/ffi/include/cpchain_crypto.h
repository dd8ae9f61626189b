/* Seal, sign and hash IoT readings on a device: the C interface of cpchain-crypto.
 *
 * No heap, no libc: every buffer is yours. Functions answer CPC_STATUS_OK (0) or say why nothing was done;
 * cpc_error_text says it in words. README.md beside this folder leads to a first sealed reading.
 *
 * Made by cbindgen from the Rust source: edit that, then run ./header.sh. */

#ifndef CPCHAIN_CRYPTO_H
#define CPCHAIN_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

/** The domain under which cpc_finish_upload signs the root. */
#define CPC_UPLOAD_DOMAIN "cpchain/crypto-ffi/upload/v1"

/**
 * Version of this interface: a change that breaks compiled callers raises it.
 */
#define CPC_ABI_VERSION 1

/**
 * Bytes of a symmetric key, a seed, a secret, a public key.
 */
#define CPC_KEY_LEN 32

/**
 * Bytes of a nonce.
 */
#define CPC_NONCE_LEN 12

/**
 * Bytes of an authentication tag.
 */
#define CPC_TAG_LEN 16

/**
 * Bytes of a digest, a root, a key commitment.
 */
#define CPC_DIGEST_LEN 32

/**
 * Bytes of a signature.
 */
#define CPC_SIGNATURE_LEN 64

/**
 * Bytes of the header of a sealed block.
 */
#define CPC_HEADER_LEN 104

/**
 * Body bytes that one leaf takes.
 */
#define CPC_LEAF_LEN 4096

/**
 * Bytes of the commitment of a leaf.
 */
#define CPC_COMMITMENT_LEN 64

/**
 * Longest body of a block, bytes.
 */
#define CPC_MAX_BODY_LEN 67108864

/**
 * Bytes of the durable counter's record.
 */
#define CPC_COUNTER_LEN 32

/**
 * What `load` answers when nothing was ever stored.
 */
#define CPC_COUNTER_NONE 1

/**
 * 64-bit words of a context.
 */
#define CPC_CTX_WORDS 336

/**
 * 64-bit words of a hasher.
 */
#define CPC_HASHER_WORDS 241

/**
 * What a function answers: 0, or why nothing was done. The numbers never change; new ones may be added.
 */
enum cpc_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is done.
     */
    CPC_STATUS_OK = 0,
    /**
     * A pointer is NULL that must not be.
     */
    CPC_STATUS_NULL = 1,
    /**
     * A length that no object in memory has, or a body above 64 MiB.
     */
    CPC_STATUS_LENGTH = 2,
    /**
     * The output does not fit; the length that it needs is reported where the function says so.
     */
    CPC_STATUS_BUFFER = 3,
    /**
     * Two memory areas overlap that must not.
     */
    CPC_STATUS_OVERLAP = 4,
    /**
     * Not an initialised context: never initialised, closed, moved, copied, or misaligned.
     */
    CPC_STATUS_CONTEXT = 5,
    /**
     * The context is in use: a callback called back into it.
     */
    CPC_STATUS_BUSY = 6,
    /**
     * The configuration is of another interface version, or says zero blocks per interval.
     */
    CPC_STATUS_CONFIG = 7,
    /**
     * A domain has 1 to 255 bytes of UTF-8 before its NUL.
     */
    CPC_STATUS_DOMAIN = 8,
    /**
     * The public key is one that no signature can satisfy.
     */
    CPC_STATUS_KEY = 9,
    /**
     * The signature does not match key, domain and message.
     */
    CPC_STATUS_SIGNATURE = 10,
    /**
     * Not opened: wrong key, or the bytes are not what was sealed. The output is wiped.
     */
    CPC_STATUS_OPEN = 11,
    /**
     * Not a sealed block of a version that this library reads.
     */
    CPC_STATUS_FORMAT = 12,
    /**
     * The entropy callback failed, or gave nothing but equal bytes.
     */
    CPC_STATUS_ENTROPY = 13,
    /**
     * The counter callback failed. Nothing was sealed; the call may be repeated.
     */
    CPC_STATUS_STORE = 14,
    /**
     * The durable counter is damaged or gone, so nobody can tell which keys were used.
     */
    CPC_STATUS_COUNTER = 15,
    /**
     * The position is older than what this stream has sealed.
     */
    CPC_STATUS_POSITION = 16,
    /**
     * The stream has used all its intervals or block numbers.
     */
    CPC_STATUS_EXHAUSTED = 17,
    /**
     * There is no block in this upload.
     */
    CPC_STATUS_EMPTY = 18,
    /**
     * No such node in the key tree, or the interval is not below it.
     */
    CPC_STATUS_NODE = 19,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum cpc_status cpc_status;
#else
typedef int32_t cpc_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A stream that is being sealed, in the caller's memory. Treat it as opaque; never copy or move it. One thread at a time.
 */
typedef struct cpc_ctx {
    uint64_t opaque[CPC_CTX_WORDS];
} cpc_ctx;

/**
 * The readings of one period.
 */
typedef struct cpc_readings {
    /**
     * Start of the period, milliseconds since 1970-01-01 UTC.
     */
    uint64_t start_ms;
    /**
     * How many readings there are.
     */
    uint32_t count;
    /**
     * How the body is encoded, by the numbers that the stream's owner uses.
     */
    uint16_t codec;
    /**
     * The readings, encoded; at most 64 MiB.
     */
    const uint8_t *body;
    /**
     * Bytes of the body.
     */
    size_t body_len;
} cpc_readings;

/**
 * Where a sealed block goes: the caller's memory, and how much of it was used.
 */
typedef struct cpc_block {
    /**
     * Memory for the sealed block: `cpc_sealed_len` bytes.
     */
    uint8_t *sealed;
    /**
     * Bytes of that memory.
     */
    size_t sealed_cap;
    /**
     * Bytes of the sealed block: written on success, and with `BUFFER`.
     */
    size_t sealed_len;
    /**
     * Memory for the commitments of the leaves: `cpc_leaf_count` times `CPC_COMMITMENT_LEN` bytes.
     */
    uint8_t *commitments;
    /**
     * Bytes of that memory.
     */
    size_t commitments_cap;
    /**
     * Bytes of the commitments: written on success, and with `BUFFER`.
     */
    size_t commitments_len;
} cpc_block;

/**
 * Where the chain of a stream stands: what the next block carries.
 */
typedef struct cpc_position {
    /**
     * Number of the next block.
     */
    uint64_t next_block;
    /**
     * Hash of the block before it; zero for the first.
     */
    uint8_t previous[CPC_DIGEST_LEN];
} cpc_position;

/**
 * Reads the record that was stored last into `record` (`len` is `CPC_COUNTER_LEN`) and answers 0; answers
 * `CPC_COUNTER_NONE` only if nothing was ever stored; any other answer is a failure.
 */
typedef int (*cpc_load_fn)(void *user, uint8_t *record, size_t len);

/**
 * Replaces the stored record and answers 0 once it would survive a power cut; any other answer is a failure.
 */
typedef int (*cpc_store_fn)(void *user, const uint8_t *record, size_t len);

/**
 * What `cpc_init` needs to know. Begin with `cpc_config config = {0}`, so that fields you do not set are 0.
 */
typedef struct cpc_config {
    /**
     * `CPC_ABI_VERSION` of the header that you compiled with.
     */
    uint32_t abi;
    /**
     * Blocks that share a key (the white paper's encryption interval e): 1 or more.
     */
    uint32_t blocks_per_interval;
    /**
     * No interval below this one is used, whatever the counter says. 0, unless the counter was lost: then above all intervals that were
     * ever used, and 0 again once a block is sealed, since a counter that is lost again would begin at the same interval.
     */
    uint32_t first_interval;
    /**
     * Name of the stream: 32 bytes, the stream's digest as its owner registered it.
     */
    const uint8_t *stream;
    /**
     * Secret of the stream, 32 bytes, copied.
     */
    const uint8_t *stream_secret;
    /**
     * Seed of the device's signing key, 32 bytes, copied.
     */
    const uint8_t *signing_seed;
    /**
     * Where the chain stands; NULL at the beginning of a stream.
     */
    const struct cpc_position *position;
    /**
     * Reads the durable counter.
     */
    cpc_load_fn load;
    /**
     * Stores the durable counter.
     */
    cpc_store_fn store;
    /**
     * Handed to `load` and `store`.
     */
    void *user;
} cpc_config;

/**
 * A hash over several parts, in the caller's memory. Treat it as opaque; never copy or move it between the calls.
 */
typedef struct cpc_hasher {
    uint64_t opaque[CPC_HASHER_WORDS];
} cpc_hasher;

/**
 * Fills all of `out` with unpredictable bytes (a hardware generator, after its health test) and answers 0; anything else is a failure.
 */
typedef int (*cpc_entropy_fn)(void *user, uint8_t *out, size_t len);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The interface version of the library that is linked: compare it with `CPC_ABI_VERSION` of the header.
 */
uint32_t cpc_abi_version(void);

/**
 * The release of the library, for example "0.1.0".
 */
const char *cpc_version(void);

/**
 * Encrypts `buffer` in place with ChaCha20-Poly1305 (RFC 8439) and writes the tag.
 *
 * The same nonce must never seal two messages under one key: for readings take `cpc_next_block`, which sees to it.
 * `associated` is bound to the message and not encrypted; NULL with length 0 for none.
 *
 * Answers `NULL`, `LENGTH`, `OVERLAP`.
 *
 * # Safety
 * `key` (32 bytes), `nonce` (12) and `associated` can be read, `buffer` and `tag` (16) read and written, and no other thread touches them meanwhile.
 */
cpc_status cpc_seal(const uint8_t *key,
                    const uint8_t *nonce,
                    const uint8_t *associated,
                    size_t associated_len,
                    uint8_t *buffer,
                    size_t buffer_len,
                    uint8_t *tag);

/**
 * Checks the tag and decrypts `buffer` in place. If anything was changed, `buffer` is wiped.
 *
 * Answers `NULL`, `LENGTH`, `OVERLAP`, `OPEN`.
 *
 * # Safety
 * `key` (32 bytes), `nonce` (12), `associated` and `tag` (16) can be read, `buffer` read and written, and no other thread touches them meanwhile.
 */
cpc_status cpc_open(const uint8_t *key,
                    const uint8_t *nonce,
                    const uint8_t *associated,
                    size_t associated_len,
                    uint8_t *buffer,
                    size_t buffer_len,
                    const uint8_t *tag);

/**
 * Leaves of a block whose body has `body_len` bytes: 1 for up to 4096 bytes. 0 if a body cannot be so long.
 */
size_t cpc_leaf_count(size_t body_len);

/**
 * Bytes of a sealed block whose body has `body_len` bytes. 0 if a body cannot be so long.
 */
size_t cpc_sealed_len(size_t body_len);

/**
 * Seals the readings as the next block of the stream.
 *
 * When the block begins an encryption interval, the counter is stored first: if `store` fails, nothing is sealed and the call may be
 * repeated. The sealed block is what hosts may hold; the commitments are published by the owner and may be public.
 *
 * Answers `NULL`, `LENGTH`, `BUFFER`, `OVERLAP`, `CONTEXT`, `BUSY`, `STORE`, `EXHAUSTED`. Any of them changes no output but the two lengths.
 *
 * # Safety
 * `context` is memory of a `cpc_ctx` that no other thread uses; `readings` and its body can be read; `block` and its two memories
 * can be read and written.
 */
cpc_status cpc_next_block(struct cpc_ctx *context,
                          const struct cpc_readings *readings,
                          struct cpc_block *block);

/**
 * Ends the upload: writes the Merkle root over the leaves of its blocks and commitments, and the device's signature over the root under
 * `CPC_UPLOAD_DOMAIN`. The next block begins a new upload and a new interval.
 *
 * In Rust: `RootBuilder` over `LeafCommitment::merkle_leaf` of every leaf, and `PublicKey::verify`.
 *
 * Answers `NULL`, `OVERLAP`, `CONTEXT`, `BUSY`, `EMPTY`.
 *
 * # Safety
 * `context` is memory of a `cpc_ctx` that no other thread uses; `root` (32 bytes) and `signature` (64 bytes) can be written.
 */
cpc_status cpc_finish_upload(struct cpc_ctx *context,
                             uint8_t *root,
                             uint8_t *signature);

/**
 * Opens a sealed block with the key of its interval. `body_len` says how long the body is, also with `BUFFER`.
 *
 * That a block opens says that it is what the holder of the key sealed; that it is the right block say its place in the chain and the signature.
 *
 * Answers `NULL`, `LENGTH`, `BUFFER`, `OVERLAP`, `FORMAT`, `OPEN` (the body is wiped then).
 *
 * # Safety
 * `key` (32 bytes) and `sealed` can be read, `body` (`body_cap` bytes) and `body_len` read and written.
 */
cpc_status cpc_open_block(const uint8_t *key,
                          const uint8_t *sealed,
                          size_t sealed_len,
                          uint8_t *body,
                          size_t body_cap,
                          size_t *body_len);

/**
 * Begins or resumes a stream in `context`. What `config` points to is copied and may be wiped afterwards.
 *
 * The first block after this begins an encryption interval that was never used, also after a crash. Initialising a context that is
 * in use abandons it; its secrets stay in memory until they are overwritten: call `cpc_close` before.
 *
 * Answers `NULL`, `OVERLAP`, `CONTEXT` (misaligned), `CONFIG`, `STORE`, `COUNTER`, `POSITION`.
 *
 * # Safety
 * `context` is memory for a `cpc_ctx` that no call is using, no callback of its own either; `config` and what it points to can be read;
 * `load` and `store` may be called with `user`, from here until `cpc_close`. No other context seals the same stream meanwhile: the one
 * that comes second is answered `COUNTER`.
 */
cpc_status cpc_init(struct cpc_ctx *context,
                    const struct cpc_config *config);

/**
 * Writes where the chain stands. Keep it with the last block: `cpc_init` needs it after a restart.
 *
 * Answers `NULL`, `OVERLAP`, `CONTEXT`, `BUSY`.
 *
 * # Safety
 * `context` is memory of a `cpc_ctx` that no other thread uses; `position` can be written.
 */
cpc_status cpc_get_position(struct cpc_ctx *context, struct cpc_position *position);

/**
 * Writes the position after a sealed block that was kept, for `cpc_init` after a restart. The block is not opened: it must be your own.
 *
 * Answers `NULL`, `LENGTH`, `FORMAT`, `EXHAUSTED`.
 *
 * # Safety
 * `sealed` can be read, `position` written.
 */
cpc_status cpc_position_after(const uint8_t *sealed,
                              size_t sealed_len,
                              struct cpc_position *position);

/**
 * Ends a context and wipes its secrets. It may be initialised again.
 *
 * Answers `NULL`, `CONTEXT`, `BUSY`.
 *
 * # Safety
 * `context` is memory of a `cpc_ctx` that no other thread uses.
 */
cpc_status cpc_close(struct cpc_ctx *context);

/**
 * Hashes one message under a domain with BLAKE3, the same digest as `Digest::of(domain, &[message])` in Rust.
 *
 * `domain` names what the bytes are for, for example "my-company/thermometer/v1": a hash under one domain is worth nothing under another.
 *
 * Answers `NULL`, `LENGTH`, `DOMAIN`.
 *
 * # Safety
 * `domain` is a string literal (or lives as long as the program); `message` can be read, `digest` (32 bytes) written.
 */
cpc_status cpc_hash(const char *domain_name,
                    const uint8_t *message,
                    size_t message_len,
                    uint8_t *digest);

/**
 * Begins a hash over parts under a domain.
 *
 * Answers `NULL`, `DOMAIN`, `CONTEXT` (misaligned).
 *
 * # Safety
 * `hasher` is memory for a `cpc_hasher`; `domain` is a string literal (or lives as long as the program).
 */
cpc_status cpc_hasher_init(struct cpc_hasher *hasher,
                           const char *domain_name);

/**
 * Adds the next part. Its length is hashed before it, so that ("ab", "c") and ("a", "bc") differ.
 *
 * Answers `NULL`, `LENGTH`, `OVERLAP`, `CONTEXT`.
 *
 * # Safety
 * `hasher` was begun by `cpc_hasher_init` and is not used elsewhere meanwhile; `part` can be read.
 */
cpc_status cpc_hasher_part(struct cpc_hasher *hasher, const uint8_t *part, size_t part_len);

/**
 * Writes the digest and ends the hasher, which is wiped: begin it anew for another hash.
 *
 * The digest is that of `Digest::of(domain, &[parts...])` in Rust.
 *
 * Answers `NULL`, `OVERLAP`, `CONTEXT`.
 *
 * # Safety
 * As for `cpc_hasher_part`; `digest` (32 bytes) can be written.
 */
cpc_status cpc_hasher_finish(struct cpc_hasher *hasher, uint8_t *digest);

/**
 * Makes 32 secret bytes: the seed of a signing key, or the secret of a stream. Once in a device's life; keep them where only the device reads.
 *
 * Answers `NULL`, `ENTROPY` (nothing is written then).
 *
 * # Safety
 * `entropy` may be called with `user`; `secret` (32 bytes) can be written.
 */
cpc_status cpc_generate_secret(cpc_entropy_fn entropy,
                               void *user,
                               uint8_t *secret);

/**
 * Writes the key of an encryption interval: what opens its blocks. Give it to nobody but a buyer of that interval.
 *
 * Answers `NULL`.
 *
 * # Safety
 * `stream_secret` (32 bytes) can be read, `key` (32 bytes) written.
 */
cpc_status cpc_interval_key(const uint8_t *stream_secret,
                            uint32_t interval,
                            uint8_t *key);

/**
 * Writes the public commitment to an interval key, which is published before any sale.
 *
 * Answers `NULL`.
 *
 * # Safety
 * `key` (32 bytes) can be read, `commitment` (32 bytes) written.
 */
cpc_status cpc_key_commitment(const uint8_t *key, uint8_t *commitment);

/**
 * Writes the seed of a key tree node: it opens the intervals below the node and nothing else.
 *
 * `depth` 32 is one interval, each level up doubles the number; `index` counts the nodes of a depth from 0. The root (depth 0) is never given.
 *
 * Answers `NULL`, `NODE`.
 *
 * # Safety
 * `stream_secret` (32 bytes) can be read, `seed` (32 bytes) written.
 */
cpc_status cpc_node_seed(const uint8_t *stream_secret,
                         uint8_t depth,
                         uint32_t index,
                         uint8_t *seed);

/**
 * Writes the key of an interval from the seed of a node above it.
 *
 * Answers `NULL`, `NODE`.
 *
 * # Safety
 * `seed` (32 bytes) can be read, `key` (32 bytes) written.
 */
cpc_status cpc_interval_key_from_seed(uint8_t depth,
                                      uint32_t index,
                                      const uint8_t *seed,
                                      uint32_t interval,
                                      uint8_t *key);

/**
 * Wipes bytes in a way that no compiler removes.
 *
 * Answers `NULL`, `LENGTH`.
 *
 * # Safety
 * `bytes` can be written, and nothing else uses them meanwhile.
 */
cpc_status cpc_zeroize(uint8_t *bytes, size_t len);

/**
 * Stops here, so that a watchdog resets the device. Its symbol shows whether a program can panic at all: the linker
 * drops it if nothing can, and the firmware example checks that.
 */
void cpc_panicked(void);

/**
 * Writes the public key of a 32-byte Ed25519 seed.
 *
 * Answers `NULL`.
 *
 * # Safety
 * `seed` (32 bytes) can be read, `public_key` (32 bytes) written.
 */
cpc_status cpc_public_key(const uint8_t *seed, uint8_t *public_key);

/**
 * Signs a message under a domain with Ed25519. Needs no randomness. Sign roots of many blocks rather than single ones.
 *
 * Answers `NULL`, `LENGTH`, `DOMAIN`.
 *
 * # Safety
 * `seed` (32 bytes) and `message` can be read, `signature` (64 bytes) written; `domain` is a string literal (or lives as long as the program).
 */
cpc_status cpc_sign(const uint8_t *seed,
                    const char *domain_name,
                    const uint8_t *message,
                    size_t message_len,
                    uint8_t *signature);

/**
 * Does the signature belong to this key, domain and message?
 *
 * Answers `NULL`, `LENGTH`, `DOMAIN`, `KEY`, `SIGNATURE`.
 *
 * # Safety
 * `public_key` (32 bytes), `message` and `signature` (64 bytes) can be read; `domain` is a string literal (or lives as long as the program).
 */
cpc_status cpc_verify(const uint8_t *public_key,
                      const char *domain_name,
                      const uint8_t *message,
                      size_t message_len,
                      const uint8_t *signature);

/**
 * Says in English what a status means and what to do. Any number may be asked; the text lives as long as the program.
 */
const char *cpc_error_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CPCHAIN_CRYPTO_H */
