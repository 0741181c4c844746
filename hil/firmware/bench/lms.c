#include "lms.h"
#include "sha256.h"

#define IDENTIFIER 16u
#define FOR_PUBLIC_KEY 0x8080u
#define FOR_MESSAGE 0x8181u
#define FOR_LEAF 0x8282u
#define FOR_NODE 0x8383u

/* One tree: size of its hashes, height, bits of a step in a chain, number of chains. */
struct parameters {
    uint32_t hash_bytes, height, width, chains, check_shift;
};

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Find the parameters by the type codes of tree and one-time signature: RFC 8554, 3.2; SP 800-208, 4. */
static bool find_parameters(uint32_t tree_type, uint32_t one_time_type, struct parameters *found)
{
    static const uint8_t check_chains[2][4] = {{9, 5, 3, 2}, {8, 5, 3, 2}};
    bool is_short = tree_type >= 0x0a;
    uint32_t height = tree_type - (is_short ? 0x0a : 0x05), width = one_time_type - (is_short ? 5 : 1);
    if (height > 4 || width > 3) {
        return false;
    }
    found->hash_bytes = is_short ? 24 : 32;
    found->height = 5 * (height + 1);
    found->width = 1u << width;
    found->chains = 8 * found->hash_bytes / found->width + check_chains[is_short][width];
    found->check_shift = 16 - check_chains[is_short][width] * found->width;
    return true;
}

/* Start a hash over the name of the tree, a number of 32 bits and one of 16. */
static void start(struct sha256 *hash, const uint8_t *identifier, uint32_t number, uint32_t purpose)
{
    uint8_t text[6] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                       (uint8_t)number,         (uint8_t)(purpose >> 8), (uint8_t)purpose};
    sha256_start(hash);
    sha256_take(hash, identifier, IDENTIFIER);
    sha256_take(hash, text, sizeof text);
}

/* Return step number `index` of width bits; behind the hash stands its check sum. */
static uint32_t step(const uint8_t *text, uint32_t index, uint32_t width)
{
    uint32_t per_byte = 8 / width;
    return text[index / per_byte] >> (width * (per_byte - 1 - index % per_byte)) & ((1u << width) - 1);
}

static void add_check(uint8_t *text, const struct parameters *p)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 8 * p->hash_bytes / p->width; i++) {
        sum += (1u << p->width) - 1 - step(text, i, p->width);
    }
    sum <<= p->check_shift;
    text[p->hash_bytes] = (uint8_t)(sum >> 8);
    text[p->hash_bytes + 1] = (uint8_t)sum;
}

/* Turn a one-time signature into the leaf it is for: RFC 8554, 4.6 and 5.4.2. */
static void leaf_of(const struct parameters *p, const uint8_t *identifier, uint32_t number, const uint8_t *steps,
                    const uint8_t *chains, uint8_t *leaf)
{
    struct sha256 all, one;
    uint8_t value[SHA256_BYTES], turn;
    start(&all, identifier, number, FOR_PUBLIC_KEY);
    for (uint32_t i = 0; i < p->chains; i++) {
        const uint8_t *at = chains + i * p->hash_bytes;
        for (uint32_t j = step(steps, i, p->width); j < (1u << p->width) - 1; j++) {
            turn = (uint8_t)j;
            start(&one, identifier, number, i);
            sha256_take(&one, &turn, 1);
            sha256_take(&one, at, p->hash_bytes);
            sha256_end(&one, value);
            at = value;
        }
        sha256_take(&all, at, p->hash_bytes);
    }
    sha256_end(&all, value);
    start(&all, identifier, (1u << p->height) + number, FOR_LEAF);
    sha256_take(&all, value, p->hash_bytes);
    sha256_end(&all, leaf);
}

/* Climb from a leaf to the root. */
static void climb(const struct parameters *p, const uint8_t *identifier, uint32_t number, const uint8_t *path,
                  uint8_t *value)
{
    struct sha256 hash;
    for (uint32_t node = (1u << p->height) + number; node > 1; node /= 2) {
        start(&hash, identifier, node / 2, FOR_NODE);
        sha256_take(&hash, node % 2 ? path : value, p->hash_bytes);
        sha256_take(&hash, node % 2 ? value : path, p->hash_bytes);
        sha256_end(&hash, value);
        path += p->hash_bytes;
    }
}

bool lms_verify(const uint8_t *key, uint32_t key_size, const uint8_t *message, uint32_t message_size,
                const uint8_t *signature, uint32_t signature_size)
{
    struct parameters p;
    struct sha256 hash;
    uint8_t value[SHA256_BYTES + 2]; /* the hash, and two bytes of check sum */
    if (key_size < 12 || big_endian(key) != 1 || !find_parameters(big_endian(key + 4), big_endian(key + 8), &p)) {
        return false;
    }
    uint32_t one_time_size = 4 + p.hash_bytes * (1 + p.chains);
    if (key_size != 12 + IDENTIFIER + p.hash_bytes
        || signature_size != 4 + 4 + one_time_size + 4 + p.hash_bytes * p.height) {
        return false;
    }
    const uint8_t *identifier = key + 12, *root = identifier + IDENTIFIER;
    const uint8_t *one_time = signature + 8, *tree = one_time + one_time_size;
    const uint8_t *random = one_time + 4, *chains = random + p.hash_bytes;
    uint32_t number = big_endian(signature + 4);
    if (big_endian(signature) != 0 || big_endian(one_time) != big_endian(key + 8)
        || big_endian(tree) != big_endian(key + 4) || number >> p.height != 0) {
        return false;
    }
    start(&hash, identifier, number, FOR_MESSAGE);
    sha256_take(&hash, random, p.hash_bytes);
    sha256_take(&hash, message, message_size);
    sha256_end(&hash, value);
    add_check(value, &p);
    leaf_of(&p, identifier, number, value, chains, value);
    climb(&p, identifier, number, tree + 4, value);
    uint32_t different = 0;
    for (uint32_t i = 0; i < p.hash_bytes; i++) {
        different |= value[i] ^ root[i];
    }
    return different == 0;
}
