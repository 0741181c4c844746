/* HMAC-SHA-256 of short messages. Source: RFC 2104. */
#ifndef HMAC_H
#define HMAC_H

#include "services.h"

/* key_size at most SHA256_BLOCK */
void hmac_sha256(const struct services *loader, const char *key, uint32_t key_size, const uint8_t *message, uint32_t size,
                 uint8_t mac[SHA256_BYTES]);

#endif
