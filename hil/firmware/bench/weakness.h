/* What a weak pump does wrong; the names are those of hil/models/console.py and hil/demo_loader.py. Which of them it is
 * stands in one word of the loader, at WEAKNESS_ADDRESS: all weak pumps are the same programs but for that word. */
#ifndef WEAKNESS_H
#define WEAKNESS_H

#include <stdint.h>

enum weakness {
    NONE,
    NO_LOGIN,
    DEFAULT_PASSWORD,
    NO_LOCK_OUT,
    DEBUG_SHELL,
    BOOT_LOG,
    BOOT_INTERRUPT,
    SERVICE_MODE,
    LOGIN_NEVER_ENDS,
    COMMAND_INJECTION,
    BAD_CHECKSUM,
    HANGS_ON_LONG_LINE,
    LENGTH_BUG,
    COMMAND_PREFIX,
    EMPTY_NONCE,
    HANGS_ON_MANY_WORDS,
    REPLAYABLE_SET,
    HANGS_IN_FLOOD,
    KEEPS_HALF_LINE,
    UNAUTHENTICATED_SET,
    OPEN_SILENCE,
    NO_WATCHDOG,
    RESET_STORM,
    HANGS_ON_NOISE,
    SLOW_ANSWER,
    REFUSES_UPDATES,
    ACCEPTS_UNSIGNED,
    ACCEPTS_ANY_KEY,
    ACCEPTS_ALTERED,
    ACCEPTS_TRUNCATED,
    NO_ROLLBACK_CHECK,
    NO_MODEL_CHECK,
    ACCEPTS_OVERSIZE,
    IN_PLACE_UPDATE,
    STUCK_AFTER_ABORT,
    ACCEPTS_ANY_ORDER,
    NEVER_REVERTS,
    CLAIMS_UPDATE,
    FORGETS_UPDATES,
    COMPARES_DIGIT_WISE,
};

#ifdef WITHOUT_WEAKNESSES /* as for a product: for measuring how large it is */
#define IS_WEAK(name) (0)
#else
extern const volatile uint32_t weakness; /* placed by the linker script */
#define IS_WEAK(name) (weakness == (uint32_t)(name))
#endif

#endif
