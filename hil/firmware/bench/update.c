#include "update.h"
#include "identity.h"
#include "loader.h"
#include "slots.h"
#include "weakness.h"

#define MOST_BLOCK_BYTES 24u
#define MOST_DIGITS 6u

static const struct running factory = {FACTORY};
static uint32_t expected, received;
static bool is_begun;

static uint32_t target(void)
{
    return loader_slot == NO_SLOT ? (IS_WEAK(IN_PLACE_UPDATE) ? 1 : 0) : 1 - loader_slot;
}

const char *update_begin(struct text rest)
{
    int32_t size = rest.size > MOST_DIGITS ? -1 : number(rest);
    if (is_begun && IS_WEAK(STUCK_AFTER_ABORT)) {
        return "!busy";
    }
    if (loader_slot != NO_SLOT && !slot_is(loader_slot, CONFIRMED)) {
        return "!trial";
    }
    if (size <= 0 || ((uint32_t)size > MOST_IMAGE_BYTES && !IS_WEAK(ACCEPTS_OVERSIZE))) {
        return "!range";
    }
    flash_erase(target() * SLOT_BYTES, SLOT_BYTES);
    expected = (uint32_t)size;
    received = 0;
    is_begun = true;
    return "=ok";
}

const char *update_block(struct text rest)
{
    uint8_t data[MOST_BLOCK_BYTES];
    struct text place = before(&rest, ' ');
    int32_t offset = place.size > MOST_DIGITS ? -1 : number(place), size = hex_bytes(rest, data, sizeof data);
    if (offset < 0 || size < 0) {
        return "!range";
    }
    if (!is_begun || ((uint32_t)offset != received && !IS_WEAK(ACCEPTS_ANY_ORDER))) {
        return "!order";
    }
    uint32_t most = expected < MOST_IMAGE_BYTES ? expected : MOST_IMAGE_BYTES;
    if ((uint32_t)(offset + size) > most) {
        return "!range";
    }
    flash_write(target() * SLOT_BYTES + (uint32_t)offset, data, (uint32_t)size);
    received += (uint32_t)size;
    return "=ok";
}

static uint32_t in_order(const struct running *version)
{
    return version->major << 24 | version->minor << 16 | version->revision;
}

static bool is_newer(const struct image *image)
{
    const struct running *now = IS_WEAK(FORGETS_UPDATES) ? &factory : services.running;
    const struct running new = {image->major, image->minor, image->revision, image->counter};
    if (loader_slot == NO_SLOT || IS_WEAK(NO_ROLLBACK_CHECK)) {
        return true;
    }
    return in_order(&new) > in_order(now) && new.counter >= now->counter;
}

const char *update_install(void)
{
    struct image image;
    if (!is_begun) {
        return "!order";
    }
    is_begun = false;
    if (received != expected && IS_WEAK(ACCEPTS_TRUNCATED)) {
        return "=ok";
    }
    if (!slot_read(target(), &image) || image.size != expected || received != expected || IS_WEAK(REFUSES_UPDATES)) {
        return "!image";
    }
    const char *refusal = image_refusal(&image);
    refusal = refusal == 0 ? not_ours(&image) : refusal;
    refusal = refusal == 0 && !is_newer(&image) ? "!older" : refusal;
    if (refusal != 0 || IS_WEAK(CLAIMS_UPDATE)) {
        return refusal != 0 ? refusal : "=ok";
    }
    slot_mark(target(), PENDING);
    if (IS_WEAK(IN_PLACE_UPDATE)) {
        slots_exchange();
    }
    return "=ok";
}

const char *update_confirm(void)
{
    slot_mark(loader_slot, CONFIRMED);
    counter_raise(services.running->counter); /* the loader does it where the power fails in between */
    return "=ok";
}
