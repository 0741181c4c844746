"""Plain USB DFU files: any content, with a suffix that says for which device it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_checks.format import ImageFormat, Magic, Opened, Part
from firmware_checks.readers.dfu_trailer import crc_verdict, read_suffix, suffix_facts, with_suffix
from firmware_checks.span import Span
from toolkit.core.errors import FormatError
from toolkit.core.layout import U8, U16LE, U32LE, Layout, const, raw, wire
from toolkit.core.limits import Limits
from toolkit.core.window import Window
from toolkit.report.model import Fact, RegionKind

__all__ = ["FORMAT"]

DFUSE_MAGIC = b"DfuSe\x01"
DFUSE_VERSION = 0x011A
HASH_BLOCK_BYTES = 512
PLAIN_MARK = 0x1A
ENCRYPTED_MARK = 0x25


@dataclass(frozen=True, slots=True, kw_only=True)
class StellarisPrefix:
    """Texas Instruments Stellaris and Tiva prefix. Source: TI AN012373, application update using the USB DFU class."""

    command: bytes = wire(const(b"\x01\x00"))
    address_kib: int = wire(U16LE)
    """Where the content goes, in units of 1024 bytes."""
    payload_bytes: int = wire(U32LE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LpcPrefix:
    """NXP LPC18xx and LPC43xx boot header. Source: NXP UM10503, boot ROM chapter, "image header"."""

    encryption: int = wire(U8)
    hashing: int = wire(U8)
    hash_blocks: int = wire(U16LE)
    hash_value: bytes = wire(raw(8))
    reserved: bytes = wire(raw(4))


STELLARIS_PREFIX = Layout(StellarisPrefix, size=8)
LPC_PREFIX = Layout(LpcPrefix, size=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix:
    """What stands before the content proper."""

    size: int = 0
    title: str = ""
    address: int | None = None
    encrypted: bool = False
    facts: dict[str, Fact] = field(default_factory=dict)


def _open(span: Span, limits: Limits) -> Opened:  # noqa: ARG001  # the contract of every format
    window = span.window
    if window.starts_with(DFUSE_MAGIC):
        raise FormatError("this is a DfuSe file, which has its own format")
    suffix = read_suffix(window, span.size)
    verdict = crc_verdict(window, span.size, suffix)
    if suffix.dfu_version == DFUSE_VERSION and not verdict.valid:
        raise FormatError("the suffix belongs to a DfuSe file that starts further inside")
    payload_end = span.size - suffix.suffix_bytes
    prefix = _prefix(window, payload_end)
    parts = [
        Part(start=0, end=prefix.size, title=prefix.title, kind=RegionKind.METADATA, facts=prefix.facts),
        _payload(prefix, payload_end),
        Part(start=payload_end, end=span.size, title="DFU suffix", kind=RegionKind.METADATA),
    ]
    return Opened(
        size=span.size,
        kind=RegionKind.CONTAINER,
        title="USB DFU file",
        facts=suffix_facts(suffix),
        integrity=(verdict,),
        parts=tuple(part for part in parts if part.end > part.start),
    )


def _payload(prefix: _Prefix, payload_end: int) -> Part:
    return Part(
        start=prefix.size,
        end=payload_end,
        title="payload",
        kind=RegionKind.ENCRYPTED if prefix.encrypted else RegionKind.CONTAINER,
        address=prefix.address,
        look_inside=not prefix.encrypted,
    )


def _prefix(window: Window, payload_end: int) -> _Prefix:
    """Return the vendor prefix at the start, or an empty one; believed only where its length field fits the file."""
    return _stellaris_prefix(window, payload_end) or _lpc_prefix(window, payload_end) or _Prefix()


def _stellaris_prefix(window: Window, payload_end: int) -> _Prefix | None:
    try:
        prefix = STELLARIS_PREFIX.read(window)
    except FormatError:
        return None
    if prefix.payload_bytes != payload_end - STELLARIS_PREFIX.size:
        return None
    return _Prefix(
        size=STELLARIS_PREFIX.size,
        title="TI Stellaris/Tiva DFU prefix",
        address=prefix.address_kib * 1024,
        facts={"address": prefix.address_kib * 1024, "payload_bytes": prefix.payload_bytes},
    )


def _lpc_prefix(window: Window, payload_end: int) -> _Prefix | None:
    if payload_end < LPC_PREFIX.size:
        return None
    prefix = LPC_PREFIX.read(window)
    mark = prefix.encryption & 0x3F
    blocks = -(-(payload_end - LPC_PREFIX.size) // HASH_BLOCK_BYTES)
    if mark not in {PLAIN_MARK, ENCRYPTED_MARK} or prefix.hashing & 0x3F != 0x3F or prefix.hash_blocks != blocks:
        return None
    return _Prefix(
        size=LPC_PREFIX.size,
        title="NXP LPC boot header",
        encrypted=mark == ENCRYPTED_MARK,
        facts={"encrypted": mark == ENCRYPTED_MARK, "blocks_of_512_bytes": prefix.hash_blocks},
    )


def _example() -> bytes:
    return with_suffix(b"firmware of a pump", vendor_id=0x1D50, product_id=0x6003, dfu_version=0x0100)


FORMAT = ImageFormat(
    name="dfu",
    title="USB DFU file",
    source=(
        "USB Device Firmware Upgrade 1.1, appendix B (file suffix); TI AN012373 (Stellaris prefix); "
        "NXP UM10503 (LPC boot header)"
    ),
    limits="Content of an encrypted LPC image stays closed; its hash needs the device's key.",
    open=_open,
    magics=(Magic(b"UFD", offset=-8, anywhere=False),),
    try_order=-10,
    whole_file_only=True,
    example=_example,
)
