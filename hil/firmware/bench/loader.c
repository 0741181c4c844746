/* The boot loader: starts the newest program that proves itself, and takes back an update that nobody has confirmed. */
#include "loader.h"
#include "board.h"
#include "identity.h"
#include "lms.h"
#include "p256.h"
#include "services.h"
#include "slots.h"
#include "update.h"
#include "weakness.h"

uint32_t loader_slot;
static struct running running;

const struct services services = {
    .running = &running,
    .now_ms = board_now_ms,
    .receive = board_receive,
    .send = board_send,
    .idle = board_idle,
    .restart = board_restart,
    .begin = update_begin,
    .block = update_block,
    .install = update_install,
    .confirm = update_confirm,
    .sha256_start = sha256_start,
    .sha256_take = sha256_take,
    .sha256_end = sha256_end,
    .p256_verify = p256_verify,
    .lms_verify = lms_verify,
};

/* Take the program into RAM, behind its header, and start it at its first instruction. */
static void run(const struct image *image)
{
    const uint8_t *from = flash_at(loader_slot * SLOT_BYTES);
    uint8_t *to = (uint8_t *)LOAD_ADDRESS;
    for (uint32_t i = 0; i < HEADER_BYTES + image->program_bytes; i++) {
        to[i] = from[i];
    }
    running = (struct running){image->major, image->minor, image->revision, image->counter};
    void (*program)(const struct services *) = (void (*)(const struct services *))(LOAD_ADDRESS + HEADER_BYTES + 1);
    program(&services);
}

void load(void)
{
    struct image image;
    board_start();
    if (IS_WEAK(IN_PLACE_UPDATE) && slot_is(0, TRIED) && !slot_is(0, CONFIRMED)) {
        slots_exchange();
    }
    loader_slot = slot_to_start(&image);
    if (loader_slot == NO_SLOT) {
        recover();
    }
    if (slot_is(loader_slot, CONFIRMED)) {
        counter_raise(image.counter);
    } else {
        slot_mark(loader_slot, IS_WEAK(NEVER_REVERTS) ? CONFIRMED : TRIED);
    }
    board_watch();
    run(&image);
}
