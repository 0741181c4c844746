/* Text that is not ended by a zero: taking it apart and putting it together. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct text {
    const char *at;
    uint32_t size;
};

bool is_same(struct text text, const char *word);
struct text before(struct text *rest, char mark); /* what stands before `mark`; `rest` is then what stands behind it */
int32_t number(struct text text); /* -1 where there is none, and 1000000 for all that are greater */
int32_t hex_bytes(struct text text, uint8_t *to, uint32_t room); /* how many; -1 where it is no such text */
uint32_t put_number(char *to, uint32_t value);
uint32_t put(char *to, const char *word);

#endif
