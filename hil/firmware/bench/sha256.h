/* SHA-256 and HMAC-SHA-256 of short messages. Sources: FIPS 180-4, RFC 2104. */
#ifndef SHA256_H
#define SHA256_H

#include <stdint.h>

#define SHA256_BYTES 32u
#define SHA256_BLOCK 64u
#define SHA256_LONGEST 192u /* of a message, in bytes */

void sha256(const uint8_t *message, uint32_t size, uint8_t digest[SHA256_BYTES]);

/* key_size at most SHA256_BLOCK, size at most SHA256_LONGEST - SHA256_BLOCK */
void hmac_sha256(const char *key, uint32_t key_size, const uint8_t *message, uint32_t size,
                 uint8_t mac[SHA256_BYTES]);

#endif
