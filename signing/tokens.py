"""Tokens with keys: how they are named, found and opened, one door to python-pkcs11's sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from signing.key import Secrets
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["TokenUri", "keys_on_tokens", "token_session"]

PATH_NAMES: Final = (
    "token",
    "object",
    "id",
    "serial",
    "type",
    "manufacturer",
    "model",
    "slot-id",
    "library-manufacturer",
)
QUERY_NAMES: Final = ("module-path", "pin-source")
KNOWN_MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
    "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so",
    "C:/Program Files/OpenSC Project/OpenSC/pkcs11/opensc-pkcs11.dll",
    "C:/SoftHSM2/lib/softhsm2-x64.dll",
)
"""Where SoftHSM and OpenSC install themselves; another module is named with ?module-path=."""
WORDS: Final = {
    "PinIncorrect": "the PIN is wrong; a token locks itself after a few wrong ones",
    "PinLenRange": "the PIN is too short or too long for it",
    "PinLocked": "its PIN is locked after too many wrong ones; its owner unlocks it with the SO PIN",
    "NoSuchToken": "no token of that name is plugged in",
    "MultipleTokensReturned": "several tokens have that name; say which one with serial=",
    "NoSuchKey": "it holds no key of that name",
    "MultipleObjectsReturned": "it holds several keys of that name; say which one with id=",
    "MechanismInvalid": "it does not know the algorithm",
    "UserPinNotInitialized": "its user PIN was never set",
}
"""What errors of drivers mean, by the class python-pkcs11 raises."""


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A PKCS#11 URI, taken apart. Source: RFC 7512, 2.3."""

    path: dict[str, str]
    query: dict[str, str]

    @classmethod
    def parse(cls, rest: str) -> TokenUri:
        """Return the parts of what stands behind ``pkcs11:``; ``InputError`` for what would be ignored otherwise."""
        path_text, _mark, query_text = rest.partition("?")
        return cls(_pairs(path_text, ";", PATH_NAMES), _pairs(query_text, "&", QUERY_NAMES))

    @property
    def module(self) -> str:
        """The driver of the token."""
        named = self.query.get("module-path")
        if named is not None:
            return named
        found = next((path for path in KNOWN_MODULES if Path(path).exists()), None)
        if found is None:
            raise InputError("the token's driver was not found; name it: pkcs11:...?module-path=/path/to/module.so")
        return found

    def pin(self, secrets: Secrets) -> str:
        """Return the PIN, from the file of ``pin-source`` or asked for."""
        source = self.query.get("pin-source")
        if source is None:
            return secrets.existing(f"pkcs11:token={self.path.get('token', '')}")
        try:
            return Path(source.removeprefix("file:")).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error

    def wanted(self) -> dict[str, Any]:
        """Return what a key is looked up by."""
        wanted: dict[str, Any] = {}
        if "object" in self.path:
            wanted["label"] = self.path["object"]
        if "id" in self.path:
            wanted["id"] = self.path["id"].encode("latin-1")
        if not wanted:
            raise InputError("a pkcs11: URI names its key with object= or id=")
        return wanted


def _pairs(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name not in known or not equals or name in found:
            hint = "; a PIN does not belong into a URI, use pin-source=file:..." if name == "pin-value" else ""
            raise InputError(f"{name!r} cannot be used in a pkcs11: URI, or not twice{hint}")
        found[name] = unquote(value, "latin-1") if name == "id" else unquote(value)
    return found


@contextmanager
def token_session(uri: TokenUri, pin: str | None) -> Iterator[Any]:
    """Open a session, with a PIN for private keys; what the driver says comes back as one line."""
    with _explained(uri.path.get("token", "")):
        import pkcs11

        token = pkcs11.lib(uri.module).get_token(
            token_label=uri.path.get("token"),
            token_serial=uri.path["serial"].encode() if "serial" in uri.path else None,
        )
        with _opened(token, pin) as session:
            yield session


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Say in one line what python-pkcs11 or the driver has to complain about."""
    try:
        import pkcs11
    except ImportError as error:
        raise MissingExtra(feature="signing with a token", extra="hsm") from error
    try:
        yield
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        said = WORDS.get(type(error).__name__) or str(error) or type(error).__name__
        raise InputError(f"the token {what!r} cannot be used: {said}") from error


def _opened(token: Any, pin: str | None) -> Any:
    """Return a session; a program logs in to a token once, however many of its keys it uses."""
    import pkcs11

    try:
        return token.open(user_pin=pin, rw=pin is not None)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open(rw=pin is not None)


def keys_on_tokens(module: str | None) -> Iterator[str]:
    """Yield the URI of every public key on the tokens that are plugged in; no PIN is needed for that.

    ``module`` is the driver to ask; None asks the first of those that are installed.
    """
    driver = TokenUri({}, {} if module is None else {"module-path": module}).module
    suffix = "" if module is None else f"?module-path={quote(module)}"
    for token in _initialised(driver):
        with token_session(TokenUri({"token": token}, {"module-path": driver}), None) as session:
            for name in _key_names(session):
                yield f"pkcs11:token={quote(token)};{name}{suffix}"


def _initialised(driver: str) -> list[str]:
    """Return the labels of the tokens that are ready for use."""
    with _explained(driver):
        import pkcs11

        tokens = (slot.get_token() for slot in pkcs11.lib(driver).get_slots(token_present=True))
        return [token.label for token in tokens if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED]


def _key_names(session: Any) -> list[str]:
    import pkcs11

    found = []
    for key in session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY}):
        label, number = str(key.label or ""), bytes(key.id or b"")
        found.append(f"object={quote(label)}" if label else f"id={quote(number)}")
    return sorted(found)
