#include "p256.h"

#define WORDS 8u
#define WORD_BITS 32u
#define NUMBER_BYTES 32u
#define BITS 256u

/* A number of 256 bits, its lowest word first. Those of the field are kept multiplied by 2 to the 256 (Montgomery). */
typedef uint32_t number[WORDS];

struct modulus {
    number value;
    number square; /* 2 to the 512 */
    uint32_t inverse; /* of -value, modulo 2 to the 32 */
};

static const struct modulus field = {
    {0xffffffff, 0xffffffff, 0xffffffff, 0x00000000, 0x00000000, 0x00000000, 0x00000001, 0xffffffff},
    {0x00000003, 0x00000000, 0xffffffff, 0xfffffffb, 0xfffffffe, 0xffffffff, 0xfffffffd, 0x00000004},
    1,
};
static const struct modulus order = {
    {0xfc632551, 0xf3b9cac2, 0xa7179e84, 0xbce6faad, 0xffffffff, 0xffffffff, 0x00000000, 0xffffffff},
    {0xbe79eea2, 0x83244c95, 0x49bd6fa6, 0x4699799c, 0x2b6bec59, 0x2845b239, 0xf3d95620, 0x66e12d94},
    0xee00bc4f,
};
static const number curve_b = {0x29c4bddf, 0xd89cdf62, 0x78843090, 0xacf005cd,
                               0xf7212ed6, 0xe5a220ab, 0x04874834, 0xdc30061d};

/* Jacobian coordinates: x / z^2, y / z^3; z is zero at infinity. */
struct point {
    number x, y, z;
};

static const struct point base = {
    {0x18a9143c, 0x79e730d4, 0x5fedb601, 0x75ba95fc, 0x77622510, 0x79fb732b, 0xa53755c6, 0x18905f76},
    {0xce95560a, 0xddf25357, 0xba19e45c, 0x8b4ab8e4, 0xdd21f325, 0xd2e88688, 0x25885d85, 0x8571ff18},
    {0x00000001, 0x00000000, 0x00000000, 0xffffffff, 0xffffffff, 0xffffffff, 0xfffffffe, 0x00000000},
};

static bool is_zero(const uint32_t *a)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        all |= a[i];
    }
    return all == 0;
}

/* Subtract and return the borrow. */
static uint32_t minus(uint32_t *to, const uint32_t *a, const uint32_t *b)
{
    uint32_t borrow = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t word = (uint64_t)a[i] - b[i] - borrow;
        to[i] = (uint32_t)word;
        borrow = (uint32_t)(word >> WORD_BITS) & 1u;
    }
    return borrow;
}

/* Add and return the carry. */
static uint32_t plus(uint32_t *to, const uint32_t *a, const uint32_t *b)
{
    uint32_t carry = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t word = (uint64_t)a[i] + b[i] + carry;
        to[i] = (uint32_t)word;
        carry = (uint32_t)(word >> WORD_BITS);
    }
    return carry;
}

static bool is_less(const uint32_t *a, const uint32_t *b)
{
    number difference;
    return minus(difference, a, b) != 0;
}

static bool is_same(const uint32_t *a, const uint32_t *b)
{
    number difference;
    minus(difference, a, b);
    return is_zero(difference);
}

static void copy(uint32_t *to, const uint32_t *from)
{
    for (uint32_t i = 0; i < WORDS; i++) {
        to[i] = from[i];
    }
}

static void add(uint32_t *to, const uint32_t *a, const uint32_t *b)
{
    if (plus(to, a, b) != 0 || !is_less(to, field.value)) {
        minus(to, to, field.value);
    }
}

static void subtract(uint32_t *to, const uint32_t *a, const uint32_t *b)
{
    if (minus(to, a, b) != 0) {
        plus(to, to, field.value);
    }
}

/* t = (t + a * factor) of nine words and a tenth for the carry */
static void add_product(uint32_t t[WORDS + 2], const uint32_t *a, uint32_t factor)
{
    uint64_t word = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        word = (uint64_t)a[i] * factor + t[i] + (uint32_t)(word >> WORD_BITS);
        t[i] = (uint32_t)word;
    }
    word = (uint64_t)t[WORDS] + (uint32_t)(word >> WORD_BITS);
    t[WORDS] = (uint32_t)word;
    t[WORDS + 1] += (uint32_t)(word >> WORD_BITS);
}

/* Montgomery's product: a * b / 2 to the 256. One of a and b must be less than the modulus. */
static void multiply_by(uint32_t *to, const uint32_t *a, const uint32_t *b, const struct modulus *m)
{
    uint32_t t[WORDS + 2] = {0};
    for (uint32_t i = 0; i < WORDS; i++) {
        add_product(t, a, b[i]);
        add_product(t, m->value, t[0] * m->inverse);
        for (uint32_t k = 0; k < WORDS + 1; k++) {
            t[k] = t[k + 1];
        }
        t[WORDS + 1] = 0;
    }
    if (t[WORDS] != 0 || !is_less(t, m->value)) {
        minus(t, t, m->value);
    }
    copy(to, t);
}

static void multiply(uint32_t *to, const uint32_t *a, const uint32_t *b)
{
    multiply_by(to, a, b, &field);
}

/* One over a, modulo the order: a to the order less 2 (Fermat). */
static void invert(uint32_t *to, const uint32_t *a)
{
    static const number two = {2};
    number exponent, result;
    minus(exponent, order.value, two);
    copy(result, a);
    for (uint32_t i = BITS - 1; i-- > 0;) {
        multiply_by(result, result, result, &order);
        if ((exponent[i / WORD_BITS] >> i % WORD_BITS & 1u) != 0) {
            multiply_by(result, result, a, &order);
        }
    }
    copy(to, result);
}

static void twice(struct point *to, const struct point *p)
{
    number delta, gamma, beta, alpha, t;
    multiply(delta, p->z, p->z);
    multiply(gamma, p->y, p->y);
    multiply(beta, p->x, gamma);
    subtract(t, p->x, delta);
    add(alpha, p->x, delta);
    multiply(t, t, alpha);
    add(alpha, t, t);
    add(alpha, alpha, t); /* 3 (x - z^2) (x + z^2), as a is -3 */
    add(t, p->y, p->z);
    multiply(t, t, t);
    subtract(t, t, gamma);
    subtract(to->z, t, delta);
    add(beta, beta, beta);
    add(beta, beta, beta); /* 4 x y^2 */
    multiply(t, alpha, alpha);
    subtract(t, t, beta);
    subtract(to->x, t, beta);
    subtract(t, beta, to->x);
    multiply(t, t, alpha);
    multiply(gamma, gamma, gamma);
    for (uint32_t i = 0; i < 3; i++) {
        add(gamma, gamma, gamma);
    }
    subtract(to->y, t, gamma);
}

static void sum(struct point *to, const struct point *p, const struct point *q)
{
    number h, r, u, s, t;
    if (is_zero(p->z) || is_zero(q->z)) {
        *to = is_zero(p->z) ? *q : *p;
        return;
    }
    multiply(t, q->z, q->z);
    multiply(u, p->x, t);
    multiply(t, t, q->z);
    multiply(s, p->y, t);
    multiply(t, p->z, p->z);
    multiply(h, q->x, t);
    multiply(t, t, p->z);
    multiply(r, q->y, t);
    subtract(h, h, u);
    subtract(r, r, s);
    if (is_zero(h) && is_zero(r)) {
        twice(to, p);
        return;
    }
    multiply(t, p->z, q->z);
    multiply(to->z, t, h); /* zero where h is: then q is -p, and the sum is at infinity */
    multiply(t, h, h);
    multiply(u, u, t);
    multiply(h, h, t);
    multiply(t, r, r);
    subtract(t, t, h);
    subtract(t, t, u);
    subtract(to->x, t, u);
    subtract(u, u, to->x);
    multiply(u, u, r);
    multiply(s, s, h);
    subtract(to->y, u, s);
}

static bool is_on_curve(const struct point *p)
{
    number left, right, t;
    multiply(right, p->x, p->x);
    multiply(right, right, p->x);
    for (uint32_t i = 0; i < 3; i++) {
        subtract(right, right, p->x);
    }
    copy(t, curve_b);
    add(right, right, t);
    multiply(left, p->y, p->y);
    return is_same(left, right);
}

static void read_number(uint32_t *to, const uint8_t *at, uint32_t size)
{
    for (uint32_t i = 0; i < WORDS; i++) {
        to[i] = 0;
    }
    for (uint32_t i = 0; i < size; i++) {
        to[i / 4] |= (uint32_t)at[size - 1 - i] << 8 * (i % 4);
    }
}

/* Read one INTEGER of DER, which must be from 1 to the order less 1; return what is behind it, 0 where it is wrong. */
static const uint8_t *read_integer(uint32_t *to, const uint8_t *at, const uint8_t *end)
{
    if (end - at < 3 || at[0] != 0x02 || at[1] == 0 || at[1] > end - at - 2) {
        return 0;
    }
    uint32_t size = at[1];
    at += 2;
    if ((at[0] & 0x80) != 0 || (at[0] == 0 && (size == 1 || (at[1] & 0x80) == 0))) {
        return 0; /* negative, zero, or not as short as it can be */
    }
    if (at[0] == 0) {
        at++;
        size--;
    }
    if (size > NUMBER_BYTES) {
        return 0;
    }
    read_number(to, at, size);
    return is_less(to, order.value) ? at + size : 0;
}

static bool read_signature(uint32_t *r, uint32_t *s, const uint8_t *at, uint32_t size)
{
    if (size < 2 || at[0] != 0x30 || (at[1] & 0x80) != 0 || at[1] != size - 2) {
        return false;
    }
    const uint8_t *end = at + size;
    at = read_integer(r, at + 2, end);
    return at != 0 && read_integer(s, at, end) == end;
}

/* first * base + second * key, both at once, bit by bit from the top */
static void combine(struct point *to, const uint32_t *first, const uint32_t *second, const struct point *key)
{
    struct point both;
    sum(&both, &base, key);
    copy(to->z, (number){0});
    for (uint32_t i = BITS; i-- > 0;) {
        uint32_t one = first[i / WORD_BITS] >> i % WORD_BITS & 1u, two = second[i / WORD_BITS] >> i % WORD_BITS & 1u;
        twice(to, to);
        if ((one | two) != 0) {
            sum(to, to, one == 0 ? key : two == 0 ? &base : &both);
        }
    }
}

static bool read_key(struct point *to, const uint8_t key[P256_KEY_BYTES])
{
    read_number(to->x, key, NUMBER_BYTES);
    read_number(to->y, key + NUMBER_BYTES, NUMBER_BYTES);
    if (!is_less(to->x, field.value) || !is_less(to->y, field.value)) {
        return false;
    }
    multiply(to->x, to->x, field.square);
    multiply(to->y, to->y, field.square);
    copy(to->z, base.z); /* one */
    return is_on_curve(to);
}

/* Tell whether the x of a point, modulo the order, is r: without dividing by z^2, r is multiplied by it. */
static bool has_x(const struct point *p, const uint32_t *r)
{
    number wanted, t;
    if (is_zero(p->z)) {
        return false;
    }
    multiply(t, p->z, p->z);
    multiply(wanted, r, field.square);
    multiply(wanted, wanted, t);
    if (is_same(wanted, p->x)) {
        return true;
    }
    if (plus(wanted, r, order.value) != 0 || !is_less(wanted, field.value)) {
        return false;
    }
    multiply(wanted, wanted, field.square);
    multiply(wanted, wanted, t);
    return is_same(wanted, p->x);
}

bool p256_verify(const uint8_t key[P256_KEY_BYTES], const uint8_t *digest, const uint8_t *signature,
                 uint32_t signature_size)
{
    struct point q, found;
    number r, s, first;
    if (!read_signature(r, s, signature, signature_size) || !read_key(&q, key)) {
        return false;
    }
    multiply_by(s, s, order.square, &order);
    invert(s, s);
    read_number(first, digest, NUMBER_BYTES);
    multiply_by(first, first, s, &order);
    multiply_by(s, r, s, &order);
    combine(&found, first, s, &q);
    return has_x(&found, r);
}
