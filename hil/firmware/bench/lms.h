/* Verifying LMS signatures. Sources: RFC 8554, NIST SP 800-208 (SHA-256/192). */
#ifndef LMS_H
#define LMS_H

#include <stdbool.h>
#include <stdint.h>

/* Key and signature are those of HSS with one level, as signing/lms makes them. Any bytes may be given. */
bool lms_verify(const uint8_t *key, uint32_t key_size, const uint8_t *message, uint32_t message_size,
                const uint8_t *signature, uint32_t signature_size);

#endif
