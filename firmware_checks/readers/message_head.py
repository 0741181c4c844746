"""The first paragraph of files written like e-mail: ``Name: value`` lines; a blank in front continues a line."""

from __future__ import annotations

from toolkit.core.window import Window

__all__ = ["message_head"]

MOST_BYTES = 1 << 16


def message_head(window: Window) -> dict[str, str]:
    """Return the fields before the first empty line, the first of each name, names in lower case."""
    text = bytes(window.view[:MOST_BYTES]).decode("utf-8", "replace").replace("\r\n", "\n")
    fields: dict[str, str] = {}
    name = ""
    for line in text.partition("\n\n")[0].split("\n"):
        if line.startswith((" ", "\t")) and name:
            fields[name] += line[1:] if line[0] == " " else line.strip()
            continue
        key, colon, value = line.partition(":")
        name = key.strip().lower() if colon and key.strip().lower() not in fields else ""
        if name:
            fields[name] = value.strip()
    return fields
