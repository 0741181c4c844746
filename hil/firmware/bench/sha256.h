/* SHA-256, piece by piece. Source: FIPS 180-4. */
#ifndef SHA256_H
#define SHA256_H

#include <stdint.h>

#define SHA256_BYTES 32u
#define SHA256_BLOCK 64u

struct sha256 {
    uint32_t state[8];
    uint32_t size; /* taken so far, in bytes */
    uint8_t block[SHA256_BLOCK];
};

void sha256_start(struct sha256 *hash);
void sha256_take(struct sha256 *hash, const void *data, uint32_t size);
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES]);

#endif
