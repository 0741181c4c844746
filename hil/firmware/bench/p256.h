/* Verifying ECDSA signatures over the curve P-256. Sources: FIPS 186-5, 6.4.2; SP 800-186, 3.2.1.3. */
#ifndef P256_H
#define P256_H

#include <stdbool.h>
#include <stdint.h>

#define P256_KEY_BYTES 64u

/* key: x and y, big-endian. digest: 32 bytes. signature: r and s in DER, and nothing else. Any bytes may be given.
 * All of it is public, so the time it takes may depend on it. */
bool p256_verify(const uint8_t key[P256_KEY_BYTES], const uint8_t *digest, const uint8_t *signature,
                 uint32_t signature_size);

#endif
