"""Builds signed MCUboot images with imgtool; the private key stays where it is, imgtool gets the signature only."""

from __future__ import annotations

import contextlib
import importlib
import io
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from signing.device_ids import class_id, vendor_id
from signing.image import Expectation, ImageTrust, verify_image
from signing.key import Signer
from signing.mcuboot_layout import SIGNATURES
from signing.policy import Policy
from toolkit.core.errors import InputError, MissingExtra

__all__ = ["ImageRequest", "signed_image"]

Version = tuple[int, int, int, int]
LEAST_HEADER_BYTES: Final = 32
MOST_COUNTER: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What a signed image says of itself; everything here is covered by the signature."""

    version: Version
    security_counter: int
    vendor: str
    """Domain name of the maker, or a UUID; becomes the vendor UUID as in RFC 9124 and SUIT."""
    device_class: str
    """Name of the kind of device, or a UUID; becomes the class UUID, made from the vendor's."""
    header_bytes: int
    dependencies: Mapping[int, Version]
    """Least versions of other images by their number."""
    slot_bytes: int | None = None
    load_address: int | None = None
    is_header_there: bool = False
    """The program starts with ``header_bytes`` zeros that make room for the header."""

    @property
    def vendor_id(self) -> bytes:
        """UUID of the maker."""
        return vendor_id(self.vendor)

    @property
    def class_id(self) -> bytes:
        """UUID of the kind of device."""
        return class_id(self.vendor, self.device_class)


def signed_image(program: bytes, request: ImageRequest, signer: Signer, policy: Policy) -> bytes:
    """Return the signed image, after our own verifier has accepted it."""
    _check_request(program, request, signer)
    policy.check_signing_key(signer.public)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "program.bin"
        path.write_bytes(program)
        public = _imgtool_key(signer)
        digest = _created(path, request, pub_key=public, vector_to_sign="digest")
        signature = signer.sign(digest) if signer.public.name == "ed25519" else signer.sign_digest(digest)
        image = _created(path, request, pub_key=public, fixed_sig={"value": signature})
    expectation = Expectation(
        least_version=request.version,
        least_security_counter=request.security_counter,
        vendor_id=request.vendor_id,
        class_id=request.class_id,
        most_bytes=request.slot_bytes,
        load_address=request.load_address,
    )
    trust = ImageTrust(policy=policy, keys=(signer.public,), expectation=expectation)
    verify_image(image, b"", trust, named="mcuboot")
    return image


def _check_request(program: bytes, request: ImageRequest, signer: Signer) -> None:
    if signer.public.name not in SIGNATURES:
        raise InputError(f"MCUboot cannot verify {signer.public.name}; use one of: {', '.join(SIGNATURES)}")
    if not program:
        raise InputError("there is no program to sign: the file is empty")
    if not LEAST_HEADER_BYTES <= request.header_bytes <= 0xFFFF:
        raise InputError(f"a header of {request.header_bytes} bytes is not possible; 32 to 65535 are")
    if not 0 <= request.security_counter <= MOST_COUNTER:
        raise InputError(f"the security counter {request.security_counter} does not fit in 32 bits")
    if request.is_header_there and program[: request.header_bytes].strip(b"\0"):
        raise InputError(f"the program does not start with {request.header_bytes} zeros to make room for the header")


def _imgtool(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(feature="building MCUboot images", extra="signing") from error


def _imgtool_key(signer: Signer) -> Any:
    """Return imgtool's wrapper around the public key."""
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    keys = _imgtool("imgtool.keys")
    kinds = {"rsa": keys.RSAPublic, "ed25519": keys.Ed25519Public}
    curves = {"ecdsa-p256-sha256": keys.ECDSA256P1Public, "ecdsa-p384-sha384": keys.ECDSA384P1Public}
    kind = curves.get(signer.public.name) or kinds[signer.public.name.partition("-")[0]]
    return kind(load_der_public_key(signer.public.encoded))


def _created(path: Path, request: ImageRequest, **how: Any) -> bytes:
    """Return what imgtool makes of the program: the digest to sign, or the image with a signature put in."""
    try:
        return _built(path, request, **how)
    except MissingExtra:
        raise
    except Exception as error:  # imgtool says what it does not like in many ways
        raise InputError(f"imgtool cannot build the image: {error}") from error


def _built(path: Path, request: ImageRequest, **how: Any) -> bytes:
    image_module, version_module = _imgtool("imgtool.image"), _imgtool("imgtool.version")
    image = image_module.Image(
        version=version_module.SemiSemVersion(*request.version),
        header_size=request.header_bytes,
        pad_header=not request.is_header_there,
        load_addr=request.load_address or 0,
        slot_size=request.slot_bytes or 0,
        security_counter=request.security_counter,
        vid=str(uuid.UUID(bytes=request.vendor_id)),
        cid=str(uuid.UUID(bytes=request.class_id)),
        overwrite_only=True,
        max_align=8,
    )
    image.load(str(path))
    dependencies = None
    if request.dependencies:
        versions = [version_module.SemiSemVersion(*version) for version in request.dependencies.values()]
        dependencies = {"images": list(request.dependencies), "versions": versions}
    image.create(None, "hash", None, dependencies, **how)
    return bytes(image.payload)
