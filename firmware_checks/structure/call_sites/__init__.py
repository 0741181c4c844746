"""Where programs for Linux call functions of libraries, and with what: a few encodings of each processor."""
