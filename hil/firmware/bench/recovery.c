/* No program is left that proves itself: what remains is a console that takes a new one, signed as always. */
#include "board.h"
#include "loader.h"
#include "services.h"
#include "update.h"

#define LONGEST_LINE 64u
#define NEVER_MS 0x7fffffffu

static void say(const char *word)
{
    uint32_t size = 0;
    while (word[size] != 0) {
        size++;
    }
    board_send(word, size);
}

static const char *answer_to(struct text line)
{
    struct text rest = line, word = before(&rest, ' ');
    if (is_same(word, "id")) {
        return "=demo-pump medharden 00000001";
    }
    if (is_same(word, "status")) {
        return "=recovery";
    }
    if (is_same(word, "version")) {
        return "!image";
    }
    if (is_same(word, "stop")) {
        return "=ok";
    }
    if (is_same(word, "update")) {
        return update_begin(rest);
    }
    if (is_same(word, "block")) {
        return update_block(rest);
    }
    return is_same(word, "install") ? update_install() : "!unknown";
}

void recover(void)
{
    char line[LONGEST_LINE];
    uint32_t size = 0;
    bool is_too_long = false;
    say("demo-pump recovery\r\n");
    for (;;) {
        uint8_t byte;
        while (board_receive(&byte)) {
            if (byte != '\r' && byte != '\n') {
                is_too_long |= size >= LONGEST_LINE;
                if (!is_too_long) {
                    line[size++] = (char)byte;
                }
                continue;
            }
            if (size > 0) {
                say(is_too_long ? "!long" : answer_to((struct text){line, size}));
                say("\r\n");
            }
            size = 0;
            is_too_long = false;
        }
        board_idle(board_now_ms() + NEVER_MS);
    }
}
