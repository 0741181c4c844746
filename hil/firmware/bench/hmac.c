#include "hmac.h"

/* Hash the key, each byte turned over by `pad`, and the message behind it. */
static void keyed(const struct services *loader, const char *key, uint32_t key_size, uint8_t pad, const uint8_t *message,
                  uint32_t size, uint8_t digest[SHA256_BYTES])
{
    struct sha256 hash;
    loader->sha256_start(&hash);
    for (uint32_t i = 0; i < SHA256_BLOCK; i++) {
        uint8_t byte = (uint8_t)((i < key_size ? (uint8_t)key[i] : 0) ^ pad);
        loader->sha256_take(&hash, &byte, 1);
    }
    loader->sha256_take(&hash, message, size);
    loader->sha256_end(&hash, digest);
}

void hmac_sha256(const struct services *loader, const char *key, uint32_t key_size, const uint8_t *message, uint32_t size,
                 uint8_t mac[SHA256_BYTES])
{
    keyed(loader, key, key_size, 0x36, message, size, mac);
    keyed(loader, key, key_size, 0x5c, mac, SHA256_BYTES, mac);
}
