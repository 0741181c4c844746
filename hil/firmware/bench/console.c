/* The demo pump's program: its console, as described in hil/models/console.py, and its therapy loop. */
#include "control.h"
#include "hmac.h"
#include "services.h"
#include "therapy.h"
#include "weakness.h"

#define LONGEST_LINE 64u
#define MAC_DIGITS 8u
#define BOOT_MS 200
#define FORGET_LINE_MS 2000
#define LOGIN_MS 60000
#define LOCK_MS 60000
#define WATCHDOG_MS 1000
#define SLOW_MS 500
#define FLOOD_MS 100
#define TRIES 3u
#define MOST_IDLE_MS 60000u
#define MOST_WORDS 8u
#define MOST_LINES 100u
#define MOST_BROKEN_STARTS 5u

static const char password[] = "vF7-q2Lx";
static const char default_password[] = "4711";
static const char event_log[] = "boot;self-test;battery ok";

/* A moment that may not have been set. */
struct moment {
    bool is_set;
    uint32_t ms;
};

static const struct services *loader;
static char line[LONGEST_LINE];
static uint32_t line_size, line_since_ms;
static bool too_long, hangs, is_logged_in, is_locked;
static uint32_t login_ms, locked_since_ms, wrong_tries, now_ms;
static struct moment ready, watchdog, late;
static char nonce[MAC_DIGITS];
static uint32_t nonce_size, backlight;
static uint32_t flood_lines, flood_ms;
static char late_answer[256];
static uint32_t late_size, delay_ms;

/* Text */

static bool starts_with(struct text text, const char *word)
{
    uint32_t i = 0;
    for (; word[i] != 0; i++) {
        if (i >= text.size || text.at[i] != word[i]) {
            return false;
        }
    }
    return true;
}

static void put_digits(char digits[MAC_DIGITS], const uint8_t *bytes)
{
    for (uint32_t i = 0; i < MAC_DIGITS; i++) {
        digits[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    }
}

/* What it says */

static void say(const char *text, uint32_t size)
{
    if (delay_ms == 0 || ready.is_set) {
        loader->send(text, size);
        return;
    }
    for (uint32_t i = 0; i < size && late_size < sizeof late_answer; i++) {
        late_answer[late_size++] = text[i];
    }
    late = (struct moment){true, now_ms + delay_ms};
}

static void say_word(const char *word)
{
    uint32_t size = 0;
    while (word[size] != 0) {
        size++;
    }
    say(word, size);
}

static void answer(const char *word)
{
    say_word(word);
    say_word("\r\n");
}

/* Commands; each answers one line */

static void do_id(struct text rest)
{
    (void)rest;
    answer("=demo-pump medharden 00000001");
}

static void do_version(struct text rest)
{
    const struct running *now = loader->running;
    char text[48];
    uint32_t size = put(text, "=");
    (void)rest;
    size += put_number(text + size, now->major);
    size += put(text + size, ".");
    size += put_number(text + size, now->minor);
    size += put(text + size, ".");
    size += put_number(text + size, now->revision);
    size += put(text + size, " ");
    size += put_number(text + size, now->counter);
    size += put(text + size, "\r\n");
    say(text, size);
}

static void do_status(struct text rest)
{
    char text[LONGEST_STATUS];
    (void)rest;
    say(text, therapy_status(text, now_ms));
}

static void do_stop(struct text rest)
{
    (void)rest;
    therapy_stop();
    answer("=ok");
}

static void do_login(struct text rest)
{
    if (is_locked && now_ms - locked_since_ms < LOCK_MS) {
        answer("!locked");
        return;
    }
    is_locked = false;
    if (is_same(rest, password) || (IS_WEAK(DEFAULT_PASSWORD) && is_same(rest, default_password))) {
        wrong_tries = 0;
        is_logged_in = true;
        login_ms = now_ms;
        answer("=ok");
        return;
    }
    wrong_tries++;
    if (wrong_tries >= TRIES && !IS_WEAK(NO_LOCK_OUT)) {
        wrong_tries = 0;
        is_locked = true;
        locked_since_ms = now_ms;
    }
    answer("!denied");
}

static void do_logout(struct text rest)
{
    (void)rest;
    is_logged_in = false;
    nonce_size = 0;
    answer("=ok");
}

static void do_log(struct text rest)
{
    int32_t count = rest.size < MAC_DIGITS ? number(rest) : -1;
    uint32_t size = sizeof event_log - 1, secret_size = sizeof password - 1;
    if (count > 0 && (uint32_t)count <= size) {
        say_word("=");
        say(event_log + size - count, (uint32_t)count);
        say_word("\r\n");
    } else if (count > 0 && IS_WEAK(LENGTH_BUG)) {
        uint32_t more = (uint32_t)count - size;
        say_word("=");
        say(event_log, size);
        say(password, more < secret_size ? more : secret_size);
        say_word("\r\n");
    } else {
        answer("!range");
    }
}

static void do_nonce(struct text rest)
{
    char text[24];
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash;
    (void)rest;
    CONTROL->nonces++;
    uint32_t size = put(text, "nonce ");
    size += put_number(text + size, CONTROL->nonces);
    loader->sha256_start(&hash);
    loader->sha256_take(&hash, text, size);
    loader->sha256_end(&hash, digest);
    put_digits(nonce, digest);
    nonce_size = MAC_DIGITS;
    say_word("=");
    say(nonce, nonce_size);
    say_word("\r\n");
}

static bool is_proven(struct text name, struct text value, struct text mac)
{
    uint8_t message[MAC_DIGITS + 5 + LONGEST_LINE + 1];
    uint8_t digest[SHA256_BYTES];
    char right[MAC_DIGITS];
    uint32_t size = 0;
    for (uint32_t i = 0; i < nonce_size; i++) {
        message[size++] = (uint8_t)nonce[i];
    }
    size += put((char *)message + size, " set ");
    for (uint32_t i = 0; i < name.size; i++) {
        message[size++] = (uint8_t)name.at[i];
    }
    message[size++] = ' ';
    for (uint32_t i = 0; i < value.size; i++) {
        message[size++] = (uint8_t)value.at[i];
    }
    hmac_sha256(loader, password, sizeof password - 1, message, size, digest);
    put_digits(right, digest);
    if (IS_WEAK(COMPARES_DIGIT_WISE)) {
        delay_ms = 1;
        for (uint32_t i = 0; i < MAC_DIGITS && i < mac.size && right[i] == mac.at[i]; i++) {
            delay_ms++;
        }
    }
    uint32_t different = mac.size != MAC_DIGITS;
    for (uint32_t i = 0; i < MAC_DIGITS && i < mac.size; i++) {
        different |= (uint8_t)right[i] ^ (uint8_t)mac.at[i];
    }
    if (!IS_WEAK(REPLAYABLE_SET)) {
        nonce_size = 0;
    }
    return different == 0;
}

static void do_set(struct text rest)
{
    uint32_t spaces = 0;
    for (uint32_t i = 0; i < rest.size; i++) {
        spaces += rest.at[i] == ' ';
    }
    struct text name = before(&rest, ' ');
    struct text value = before(&rest, ' ');
    bool is_rate = is_same(name, "rate");
    if (spaces < 1 || spaces > 2 || !(is_rate || is_same(name, "backlight"))) {
        answer("!range");
        return;
    }
    bool may = spaces == 2 && (nonce_size != 0 || IS_WEAK(EMPTY_NONCE)) && is_proven(name, value, rest);
    if (!may && !IS_WEAK(UNAUTHENTICATED_SET)) {
        answer("!denied");
        return;
    }
    int32_t wanted = number(value);
    if (wanted < 0 || wanted > (is_rate ? 999 : 100)) {
        answer("!range");
        return;
    }
    *(is_rate ? &therapy_rate : &backlight) = (uint32_t)wanted;
    answer("=ok");
}

static void do_start(struct text rest)
{
    (void)rest;
    therapy_start();
    answer("=ok");
}

static void do_erase(struct text rest) /* there is no drug library yet */
{
    (void)rest;
    answer("=ok");
}

static void do_silence(struct text rest)
{
    (void)rest;
    therapy_silence(now_ms);
    answer("=ok");
}

static void do_update(struct text rest)
{
    answer(loader->begin(rest));
}

static void do_block(struct text rest)
{
    answer(loader->block(rest));
}

static void do_install(struct text rest)
{
    (void)rest;
    answer(loader->install());
}

static void do_confirm(struct text rest)
{
    (void)rest;
    answer(loader->confirm());
}

static void do_hang(struct text rest)
{
    (void)rest;
    hangs = true;
    watchdog = (struct moment){!IS_WEAK(NO_WATCHDOG), now_ms + WATCHDOG_MS};
    answer("=ok");
}

struct command {
    const char *name;
    void (*run)(struct text rest);
    bool is_open; /* needs no log-in */
};

static const struct command commands[] = {
    {"id", do_id, true},           {"version", do_version, true}, {"status", do_status, true},
    {"stop", do_stop, true},       {"login", do_login, true},     {"logout", do_logout, true},
    {"log", do_log, true},         {"nonce", do_nonce, false},    {"set", do_set, false},
    {"start", do_start, false},    {"erase", do_erase, false},    {"silence", do_silence, false},
    {"update", do_update, false},  {"block", do_block, false},    {"install", do_install, false},
    {"confirm", do_confirm, false}, {"hang", do_hang, false},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct command *command_named(struct text word, bool is_open)
{
    for (uint32_t i = 0; i < COMMANDS; i++) {
        bool fits = IS_WEAK(COMMAND_PREFIX) && is_open ? starts_with(word, commands[i].name)
                                                       : is_same(word, commands[i].name);
        if (commands[i].is_open == is_open && fits) {
            return &commands[i];
        }
    }
    return 0;
}

static bool may_serve(struct text word)
{
    if (is_same(word, "set")) {
        return is_logged_in || IS_WEAK(UNAUTHENTICATED_SET);
    }
    if (is_same(word, "silence")) {
        return is_logged_in || IS_WEAK(OPEN_SILENCE);
    }
    return is_logged_in || IS_WEAK(NO_LOGIN);
}

static void do_other(struct text text)
{
    if (IS_WEAK(DEBUG_SHELL) && starts_with(text, "mem")) {
        answer("=20000000: 76 46 37 2D 71 32 4C 78");
        return;
    }
    if (IS_WEAK(SERVICE_MODE) && is_same(text, "service-mode")) {
        is_logged_in = true;
        login_ms = now_ms;
        answer("=ok");
        return;
    }
    if (IS_WEAK(COMMAND_INJECTION)) {
        struct text first = before(&text, ';');
        const struct command *second = command_named(text, false);
        if (command_named(first, true) != 0 && second != 0) {
            second->run((struct text){text.at + text.size, 0});
            return;
        }
    }
    answer("!unknown");
}

/* Lines */

static int32_t upper_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Take the check value off; false when it is wrong. */
static bool take_checksum(struct text *text)
{
    if (text->size < 3 || text->at[text->size - 3] != '*' || text->at[text->size - 2] == '*'
        || text->at[text->size - 1] == '*') {
        return true;
    }
    int32_t value = 0;
    text->size -= 3;
    for (uint32_t i = 0; i < text->size; i++) {
        value ^= (uint8_t)text->at[i];
    }
    int32_t high = upper_digit(text->at[text->size + 1]), low = upper_digit(text->at[text->size + 2]);
    return IS_WEAK(BAD_CHECKSUM) || (high == value >> 4 && low == (value & 15));
}

static uint32_t words(struct text text)
{
    uint32_t count = 0;
    bool in_word = false;
    for (uint32_t i = 0; i < text.size; i++) {
        bool is_space = text.at[i] == ' ' || (text.at[i] >= '\t' && text.at[i] <= '\r');
        count += !is_space && !in_word;
        in_word = !is_space;
    }
    return count;
}

static void take_line(struct text text)
{
    delay_ms = IS_WEAK(SLOW_ANSWER) ? SLOW_MS : 0;
    if (IS_WEAK(HANGS_ON_MANY_WORDS) && words(text) > MOST_WORDS) {
        hangs = true;
        return;
    }
    if (!take_checksum(&text)) {
        answer("!checksum");
        return;
    }
    if (now_ms - login_ms > LOGIN_MS && !IS_WEAK(LOGIN_NEVER_ENDS)) {
        is_logged_in = false;
    }
    login_ms = now_ms;
    struct text rest = text;
    struct text word = before(&rest, ' ');
    const struct command *command = command_named(word, true);
    if (command == 0) {
        command = command_named(word, false);
        if (command != 0 && !may_serve(word)) {
            answer("!login");
            return;
        }
    }
    if (command != 0) {
        command->run(rest);
    } else {
        do_other(text);
    }
}

static void end_line(void)
{
    struct text text = {line, line_size};
    bool was_too_long = too_long;
    line_size = 0;
    too_long = false;
    if (text.size == 0) {
        return;
    }
    if (was_too_long) {
        delay_ms = IS_WEAK(SLOW_ANSWER) ? SLOW_MS : 0;
        answer("!long");
        hangs = IS_WEAK(HANGS_ON_LONG_LINE);
        return;
    }
    take_line(text);
}

/* More lines than anybody types, with no pause in between. */
static void count_flood(void)
{
    flood_lines = now_ms - flood_ms > FLOOD_MS ? 1 : flood_lines + 1;
    flood_ms = now_ms;
    hangs |= flood_lines > MOST_LINES;
}

static void take(uint8_t byte)
{
    if (ready.is_set) {
        if (IS_WEAK(BOOT_INTERRUPT) && (byte == ' ' || byte == 0x1b || byte == 3)) {
            say_word("loader> "); /* it is the loader that listens from now on */
            ready.is_set = false;
            CONTROL->starting = 0;
            hangs = true;
        }
        return;
    }
    if (hangs) {
        return;
    }
    if (IS_WEAK(HANGS_ON_NOISE) && byte >= 0x80) {
        hangs = true;
        return;
    }
    if (IS_WEAK(HANGS_IN_FLOOD) && byte == '\r') {
        count_flood();
    }
    if (line_size > 0 && now_ms - line_since_ms > FORGET_LINE_MS && !IS_WEAK(KEEPS_HALF_LINE)) {
        line_size = 0;
        too_long = false;
    }
    if (byte == '\r' || byte == '\n') {
        end_line();
        return;
    }
    if (line_size == 0) {
        line_since_ms = now_ms;
    }
    too_long |= line_size >= LONGEST_LINE;
    if (!too_long) {
        line[line_size++] = (char)byte;
    }
}

/* Starting, and what it does by itself */

static void start(void)
{
    CONTROL->broken_starts = CONTROL->starting != 0 ? CONTROL->broken_starts + 1 : 0;
    CONTROL->starting = 1;
    backlight = 50;
    if (IS_WEAK(RESET_STORM) && CONTROL->broken_starts >= MOST_BROKEN_STARTS) {
        CONTROL->broken_starts = CONTROL->starting = 0;
        hangs = true;
        return;
    }
    ready = (struct moment){true, now_ms + BOOT_MS};
    say_word("demo-pump boot\r\n");
    if (IS_WEAK(BOOT_LOG)) {
        say_word("key=8f3a77c1d2e94b06\r\n");
    }
}

static bool is_due(struct moment *moment)
{
    bool due = moment->is_set && (int32_t)(now_ms - moment->ms) >= 0;
    moment->is_set &= !due;
    return due;
}

static void do_what_is_due(void)
{
    if (is_due(&late)) {
        loader->send(late_answer, late_size);
        late_size = 0;
    }
    if (is_due(&ready)) {
        CONTROL->starting = 0;
        therapy_begin(now_ms);
        say_word("demo-pump ready\r\n");
    }
    if (is_due(&watchdog)) {
        loader->restart();
    }
    if (!hangs) {
        therapy_turn(now_ms);
    }
}

static uint32_t sooner(uint32_t due_ms, struct moment moment)
{
    return moment.is_set && (int32_t)(moment.ms - due_ms) < 0 ? moment.ms : due_ms;
}

static uint32_t next_due_ms(void)
{
    uint32_t due_ms = hangs ? now_ms + MOST_IDLE_MS : therapy_due_ms(now_ms + MOST_IDLE_MS);
    return sooner(sooner(sooner(due_ms, late), ready), watchdog);
}

/* The loader starts the program here. */
__attribute__((section(".entry"), used)) void entry(const struct services *services)
{
    extern uint32_t bss_start[], bss_end[];
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    loader = services;
    now_ms = loader->now_ms();
    start();
    for (;;) {
        uint8_t byte;
        now_ms = loader->now_ms();
        do_what_is_due();
        while (loader->receive(&byte)) {
            now_ms = loader->now_ms();
            take(byte);
        }
        loader->idle(next_due_ms());
    }
}
