/* What the loader does for the program that it starts: the program gets a pointer to this table. */
#ifndef SERVICES_H
#define SERVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"
#include "text.h"

#define UNCOUNTED __attribute__((section(".uncounted"))) /* has loops that end, and takes no time worth counting */

struct running {
    uint32_t major, minor, revision, counter;
};

struct services {
    const struct running *running;
    uint32_t (*now_ms)(void);
    bool (*receive)(uint8_t *byte);
    void (*send)(const char *text, uint32_t size);
    void (*idle)(uint32_t due_ms);
    void (*restart)(void);
    /* Commands: each gets what stands behind its word and returns its answer. */
    const char *(*begin)(struct text rest);
    const char *(*block)(struct text rest);
    const char *(*install)(void);
    const char *(*confirm)(void);
    void (*sha256_start)(struct sha256 *hash);
    void (*sha256_take)(struct sha256 *hash, const void *data, uint32_t size);
    void (*sha256_end)(struct sha256 *hash, uint8_t digest[SHA256_BYTES]);
    bool (*p256_verify)(const uint8_t *key, const uint8_t *digest, const uint8_t *signature, uint32_t signature_size);
    bool (*lms_verify)(const uint8_t *key, uint32_t key_size, const uint8_t *message, uint32_t message_size,
                       const uint8_t *signature, uint32_t signature_size);
};

extern const struct services services;

#endif
