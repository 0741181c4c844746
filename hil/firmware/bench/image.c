/* Sources: MCUboot, boot/bootutil/include/bootutil/image.h (header, records), docs/design.md (RAM loading). */
#include "image.h"
#include "board.h"
#include "identity.h"
#include "lms.h"
#include "p256.h"
#include "weakness.h"

#define MAGIC 0x96f3b83du
#define PROTECTED 0x6908u
#define UNPROTECTED 0x6907u
#define RUNS_IN_RAM 0x20u
#define RECORD_HEAD 4u
#define MOST_RECORDS 64u

enum kind { KEY_HASH = 0x01, HASH = 0x10, P256_SIGNATURE = 0x22, COUNTER = 0x50, VENDOR = 0x74, CLASS = 0x75, LMS_SIGNATURE = 0xa1 };

static uint32_t half(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t word(const uint8_t *at)
{
    return half(at) | half(at + 2) << 16;
}

static bool is_equal(const uint8_t *a, const uint8_t *b, uint32_t size)
{
    uint32_t different = 0;
    for (uint32_t i = 0; i < size; i++) {
        different |= a[i] ^ b[i];
    }
    return different == 0;
}

static bool is_record(const struct record *record, const uint8_t *wanted, uint32_t size)
{
    return record->at != 0 && record->size == size && is_equal(record->at, wanted, size);
}

/* Read the record area at `place`; `found[i]` becomes the last record of kind `kinds[i]`. Return where the area ends,
 * 0 where it is none. */
static uint32_t read_area(const uint8_t *at, uint32_t place, uint32_t magic, const uint8_t *kinds, struct record **found)
{
    uint32_t left = MOST_IMAGE_BYTES - place;
    if (left < RECORD_HEAD || half(at + place) != magic) {
        return 0;
    }
    uint32_t size = half(at + place + 2);
    if (size < RECORD_HEAD || size > left) {
        return 0;
    }
    uint32_t end = place + size;
    place += RECORD_HEAD;
    for (uint32_t count = 0; place < end; count++) {
        if (count == MOST_RECORDS || end - place < RECORD_HEAD || half(at + place + 2) > end - place - RECORD_HEAD) {
            return 0;
        }
        struct record record = {at + place + RECORD_HEAD, half(at + place + 2)};
        for (uint32_t i = 0; kinds[i] != 0; i++) {
            if (half(at + place) == kinds[i]) {
                *found[i] = record;
            }
        }
        place += RECORD_HEAD + record.size;
    }
    return end;
}

/* The lengths are believed only within MOST_IMAGE_BYTES, and where header and records agree about them. */
static bool read_header(const uint8_t *at, struct image *image)
{
    image->program_bytes = word(at + 12);
    image->major = at[20];
    image->minor = at[21];
    image->revision = half(at + 22);
    return word(at) == MAGIC && half(at + 8) == HEADER_BYTES && word(at + 4) == LOAD_ADDRESS && word(at + 16) == RUNS_IN_RAM
           && image->program_bytes <= MOST_IMAGE_BYTES - HEADER_BYTES;
}

bool image_read(const uint8_t *at, struct image *image)
{
    static const uint8_t protected_kinds[] = {COUNTER, VENDOR, CLASS, 0};
    static const uint8_t other_kinds[] = {HASH, KEY_HASH, P256_SIGNATURE, LMS_SIGNATURE, 0};
    struct record counter = {0}, vendor = {0}, class = {0};
    struct sha256 hash;
    *image = (struct image){0};
    if (!read_header(at, image)) {
        return false;
    }
    uint32_t start = HEADER_BYTES + image->program_bytes;
    uint32_t middle = read_area(at, start, PROTECTED, protected_kinds, (struct record *[]){&counter, &vendor, &class});
    if (middle == 0 || half(at + 10) != middle - start || counter.size != 4) {
        return false;
    }
    image->size = read_area(at, middle, UNPROTECTED, other_kinds,
                            (struct record *[]){&image->hash, &image->key_hash, &image->p256_signature, &image->lms_signature});
    if (image->size == 0) {
        return false;
    }
    image->counter = word(counter.at);
    image->is_for_us = is_record(&vendor, vendor_id, sizeof vendor_id) && is_record(&class, class_id, sizeof class_id);
    sha256_start(&hash);
    sha256_take(&hash, at, middle);
    sha256_end(&hash, image->digest);
    return image->counter <= 8 * COUNTER_BYTES;
}

static bool is_signed(const struct image *image)
{
    const struct record *hash = &image->hash, *p256 = &image->p256_signature, *lms = &image->lms_signature;
    if (hash->size != SHA256_BYTES) {
        return false;
    }
    if (is_record(&image->key_hash, p256_key_hash, SHA256_BYTES)) {
        return p256->at != 0 && p256_verify(p256_key, hash->at, p256->at, p256->size);
    }
    return is_record(&image->key_hash, lms_key_hash, SHA256_BYTES) && lms->at != 0
           && lms_verify(lms_key, sizeof lms_key, hash->at, SHA256_BYTES, lms->at, lms->size);
}

const char *image_refusal(const struct image *image)
{
    if (!is_record(&image->hash, image->digest, SHA256_BYTES) && !IS_WEAK(ACCEPTS_ALTERED)) {
        return "!image";
    }
    if (IS_WEAK(ACCEPTS_UNSIGNED) && image->p256_signature.at == 0 && image->lms_signature.at == 0) {
        return 0;
    }
    if (IS_WEAK(ACCEPTS_ANY_KEY) && image->key_hash.at != 0
        && !is_record(&image->key_hash, p256_key_hash, SHA256_BYTES)) {
        return 0;
    }
    return is_signed(image) ? 0 : "!signature";
}
