/* Images in the layout of MCUboot, as hil/demo_image.py makes them. */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"

#define HEADER_BYTES 32u
#define MOST_IMAGE_BYTES (SLOT_BYTES - 16u)

/* A record of the image. */
struct record {
    const uint8_t *at; /* 0: there is none */
    uint32_t size;
};

/* An image taken apart; nothing of it is believed yet. */
struct image {
    uint32_t major, minor, revision, counter;
    uint32_t program_bytes;
    uint32_t size; /* of all */
    bool is_for_us;
    struct record hash, key_hash, p256_signature, lms_signature;
    uint8_t digest[SHA256_BYTES]; /* of what is there */
};

bool image_read(const uint8_t *at, struct image *image); /* false when there is none in the first MOST_IMAGE_BYTES */
const char *image_refusal(const struct image *image); /* why it is not to be believed: an answer; 0 where it is */

#endif
