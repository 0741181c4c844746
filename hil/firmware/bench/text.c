#include "text.h"

bool is_same(struct text text, const char *word)
{
    uint32_t i = 0;
    for (; i < text.size && word[i] != 0; i++) {
        if (text.at[i] != word[i]) {
            return false;
        }
    }
    return i == text.size && word[i] == 0;
}

struct text before(struct text *rest, char mark)
{
    struct text first = {rest->at, 0};
    while (first.size < rest->size && rest->at[first.size] != mark) {
        first.size++;
    }
    uint32_t used = first.size + (first.size < rest->size ? 1u : 0u);
    rest->at += used;
    rest->size -= used;
    return first;
}

int32_t number(struct text text)
{
    int32_t value = text.size == 0 ? -1 : 0;
    for (uint32_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.at[i] - '0');
        value = value > 1000000 ? 1000000 : value;
    }
    return value;
}

static int32_t digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20; /* small letters */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int32_t hex_bytes(struct text text, uint8_t *to, uint32_t room)
{
    if (text.size == 0 || text.size % 2 != 0 || text.size / 2 > room) {
        return -1;
    }
    for (uint32_t i = 0; i < text.size; i += 2) {
        int32_t high = digit(text.at[i]), low = digit(text.at[i + 1]);
        if (high < 0 || low < 0) {
            return -1;
        }
        to[i / 2] = (uint8_t)(high << 4 | low);
    }
    return (int32_t)(text.size / 2);
}

uint32_t put_number(char *to, uint32_t value)
{
    char digits[10];
    uint32_t count = 0, size = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        to[size++] = digits[--count];
    }
    return size;
}

uint32_t put(char *to, const char *word)
{
    uint32_t size = 0;
    for (; word[size] != 0; size++) {
        to[size] = word[size];
    }
    return size;
}
