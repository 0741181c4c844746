#include "slots.h"
#include "weakness.h"

#define PIECE_BYTES 512u
#define SPARE_RAM 0x20030000u

bool slot_is(uint32_t slot, enum flag flag)
{
    return *flash_at(slot * SLOT_BYTES + flag) == 0;
}

void slot_mark(uint32_t slot, enum flag flag)
{
    static const uint8_t set = 0;
    if (!slot_is(slot, flag)) {
        flash_write(slot * SLOT_BYTES + flag, &set, 1);
    }
}

bool slot_read(uint32_t slot, struct image *image)
{
    return image_read(flash_at(slot * SLOT_BYTES), image);
}

/* One bit for each step: a bit can be taken away at any time, and given back only by erasing, which nobody does. */
uint32_t counter_value(void)
{
    const uint8_t *at = flash_at(COUNTER_AT);
    uint32_t value = 0;
    while (value < 8 * COUNTER_BYTES && (at[value / 8] >> value % 8 & 1u) == 0) {
        value++;
    }
    return value;
}

void counter_raise(uint32_t value)
{
    for (uint32_t now = counter_value(); now < value; now = counter_value()) {
        uint32_t end = (now / 8 + 1) * 8;
        uint8_t bits = (uint8_t)(0xffu << (value < end ? value - (end - 8) : 8));
        flash_write(COUNTER_AT + now / 8, &bits, 1);
    }
}

const char *not_ours(const struct image *image)
{
    if (!image->is_for_us && !IS_WEAK(NO_MODEL_CHECK)) {
        return "!model";
    }
    bool forgets = IS_WEAK(NO_ROLLBACK_CHECK) || IS_WEAK(FORGETS_UPDATES);
    return image->counter < counter_value() && !forgets ? "!older" : 0;
}

static bool is_startable(uint32_t slot, struct image *image)
{
    return slot_read(slot, image) && image_refusal(image) == 0 && not_ours(image) == 0;
}

static bool is_on_trial(uint32_t slot)
{
    return slot_is(slot, PENDING) && !slot_is(slot, TRIED) && !slot_is(slot, CONFIRMED);
}

static uint32_t version(const struct image *image)
{
    return image->major << 24 | image->minor << 16 | image->revision;
}

/* Of two confirmed ones the newer first. */
static uint32_t newer_slot(struct image *image)
{
    struct image other;
    if (!slot_read(1, &other)) {
        return 0;
    }
    bool is_first = slot_read(0, image)
                    && (image->counter > other.counter
                        || (image->counter == other.counter && version(image) >= version(&other)));
    return is_first ? 0 : 1;
}

uint32_t slot_to_start(struct image *image)
{
    uint32_t slots = IS_WEAK(IN_PLACE_UPDATE) ? 1 : 2;
    for (uint32_t slot = 0; slot < slots; slot++) {
        if (is_on_trial(slot) && is_startable(slot, image)) {
            return slot;
        }
    }
    uint32_t first = slots == 1 ? 0 : newer_slot(image);
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t slot = first ^ i;
        if (slot_is(slot, CONFIRMED) && is_startable(slot, image)) {
            return slot;
        }
    }
    return NO_SLOT;
}

/* As the weak one does it: in between there is nothing to start from. */
void slots_exchange(void)
{
    uint8_t *copy = (uint8_t *)SPARE_RAM;
    for (uint32_t i = 0; i < 2 * SLOT_BYTES; i++) {
        copy[i] = *flash_at(i);
    }
    for (uint32_t slot = 0; slot < 2; slot++) {
        flash_erase(slot * SLOT_BYTES, SLOT_BYTES);
        for (uint32_t at = 0; at < SLOT_BYTES; at += PIECE_BYTES) {
            flash_write(slot * SLOT_BYTES + at, copy + (1 - slot) * SLOT_BYTES + at, PIECE_BYTES);
        }
    }
}
