#include "sha256.h"

static const uint32_t round_words[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t start_words[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t turn(uint32_t word, uint32_t bits)
{
    return word >> bits | word << (32 - bits);
}

/* The words of the message schedule take the place of those that are no longer needed. */
static void take_block(struct sha256 *hash)
{
    uint32_t w[16], v[8];
    for (uint32_t i = 0; i < 16; i++) {
        const uint8_t *b = hash->block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (uint32_t i = 0; i < 8; i++) {
        v[i] = hash->state[i];
    }
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t word = w[i & 15], next = w[(i + 1) & 15], late = w[(i + 14) & 15];
        uint32_t s1 = turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_words[i] + word;
        uint32_t s0 = turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        w[i & 15] = word + (turn(next, 7) ^ turn(next, 18) ^ next >> 3) + w[(i + 9) & 15]
                    + (turn(late, 17) ^ turn(late, 19) ^ late >> 10);
        for (uint32_t k = 7; k > 0; k--) {
            v[k] = v[k - 1];
        }
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (uint32_t i = 0; i < 8; i++) {
        hash->state[i] += v[i];
    }
}

static void take_byte(struct sha256 *hash, uint8_t byte)
{
    hash->block[hash->size++ % SHA256_BLOCK] = byte;
    if (hash->size % SHA256_BLOCK == 0) {
        take_block(hash);
    }
}

void sha256_start(struct sha256 *hash)
{
    for (uint32_t i = 0; i < 8; i++) {
        hash->state[i] = start_words[i];
    }
    hash->size = 0;
}

void sha256_take(struct sha256 *hash, const void *data, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        take_byte(hash, ((const uint8_t *)data)[i]);
    }
}

void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES])
{
    uint32_t bits = hash->size * 8;
    take_byte(hash, 0x80);
    while (hash->size % SHA256_BLOCK != SHA256_BLOCK - 8) {
        take_byte(hash, 0);
    }
    for (uint32_t i = 0; i < 8; i++) {
        take_byte(hash, i < 4 ? 0 : (uint8_t)(bits >> (56 - 8 * i))); /* no message here has 2 to the 32 bits */
    }
    for (uint32_t i = 0; i < SHA256_BYTES; i++) {
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}
