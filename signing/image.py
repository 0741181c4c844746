"""Signed images of device makers: verified against keys that the user trusts, never against their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from signing.key import PublicKey
from signing.policy import Policy
from signing.refusal import Refusal, fail_closed
from toolkit.core.errors import InputError
from toolkit.core.registry import discover

__all__ = ["Expectation", "ImageTrust", "SignedImageFormat", "VerifiedImage", "signed_image_formats", "verify_image"]

Fact = str | int | tuple[str, ...]
MOST_IMAGE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What an image must say of itself to be meant for a device; None where it does not matter."""

    least_version: tuple[int, int, int, int] | None = None
    least_security_counter: int | None = None
    vendor_id: bytes | None = None
    """UUID, 16 bytes."""
    class_id: bytes | None = None
    """UUID of the kind of device, 16 bytes."""
    load_address: int | None = None
    most_bytes: int | None = None
    """Size of the slot it goes to."""
    installed: Mapping[int, tuple[int, int, int, int]] | None = None
    """Versions of the other images in the device by their number, to check dependencies against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTrust:
    """Whom the user trusts, and what for."""

    policy: Policy
    keys: tuple[PublicKey, ...] = ()
    key_numbers: Mapping[str, bytes] = field(default_factory=dict)
    """Number that minisign and signify give a key, by its key id."""
    certificates: tuple[bytes, ...] = ()
    """Certificates in DER from which a chain must start."""
    now: datetime | None = None
    """For the validity of certificates; without it they cannot be verified."""
    expectation: Expectation = field(default_factory=Expectation)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedImage:
    """What may be believed of an image: everything here was covered by a signature of a trusted key."""

    format: str
    key_ids: tuple[str, ...]
    algorithms: tuple[str, ...]
    facts: Mapping[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedImageFormat:
    """One way to sign images."""

    name: str
    title: str
    source: str
    is_detached: bool
    """The signature is a file of its own."""
    recognise: Callable[[bytes, bytes], bool]
    """(image, signature): whether it looks like this format."""
    verify: Callable[[bytes, bytes, ImageTrust], VerifiedImage]
    """(image, signature, trust): raises ``Refusal``."""
    other_cases: Mapping[int, str] = field(default_factory=dict)
    """Attack cases that do not apply to the format, by number, and why."""


@cache
def signed_image_formats() -> dict[str, SignedImageFormat]:
    """Return every format by name."""
    return discover("signing.images", attribute="IMAGE", kind=SignedImageFormat, group=None)


def verify_image(image: bytes, signature: bytes, trust: ImageTrust, *, named: str | None = None) -> VerifiedImage:
    """Return what may be believed of ``image``, or raise ``Refusal``: unknown, unsigned, or not signed by the trusted.

    ``signature`` is the content of the signature file, empty for formats that carry it inside.
    """
    if not trust.keys and not trust.certificates:
        raise Refusal("trust.no-key", "nothing can be verified without a key or certificate to trust")
    if len(image) > MOST_IMAGE_BYTES:
        raise Refusal("image.size", f"an image has {len(image)} bytes, {MOST_IMAGE_BYTES} are allowed")
    found = _format(image, signature, named)
    with fail_closed("image.unreadable", found.title):
        verified = found.verify(image, signature, trust)
    if not verified.key_ids:
        raise Refusal("signature.missing", f"{found.title}: no signature was verified")
    return verified


def _format(image: bytes, signature: bytes, named: str | None) -> SignedImageFormat:
    known = signed_image_formats()
    if named is not None:
        if named not in known:
            raise InputError(f"{named!r} is no format of signed images; there are: {', '.join(known)}")
        return known[named]
    candidates = (f for f in known.values() if f.is_detached == bool(signature))
    found = next((f for f in candidates if f.recognise(image, signature)), None)
    if found is None:
        raise Refusal("image.unsigned", "this carries no signature of a kind that is known")
    return found
