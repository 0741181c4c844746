"""``medharden image``: sign images for a boot loader, and verify what others have signed."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.app.moment import clock_option
from toolkit.app.secrets import CommandLineSecrets, passphrase_option
from toolkit.core.errors import InputError

if TYPE_CHECKING:
    from signing.image import Expectation, ImageTrust, VerifiedImage

EPILOG = """\b
Examples:
  medharden image sign pump.bin --key file:firmware.pem --version 2.1.0+4 --security-counter 7
      --vendor example.org --device pump-x1 --output pump-signed.bin
  medharden image verify pump-signed.bin --key firmware.pub --min-version 2.0.0 --vendor example.org --device pump-x1
  medharden image verify vendor.bin --signature vendor.bin.minisig --key vendor.pub"""

SIGN_EPILOG = """\b
Examples:
  medharden image sign pump.bin --key file:firmware.pem --version 2.1.0+4 --security-counter 7
      --vendor example.org --device pump-x1 --output pump-signed.bin
  medharden image sign radio.bin --key "pkcs11:token=clinic;object=fw" --version 1.0.0 --security-counter 1
      --vendor example.org --device pump-radio --needs 0:2.1.0 --output radio-signed.bin
  medharden image sign pump.bin --format suit --key file:firmware.pem --security-counter 7
      --vendor example.org --device pump-x1 --output pump.suit

\b
Version, security counter, vendor, device and dependencies always stand in the
signed part. The image is verified before it is written."""

VERIFY_EPILOG = """\b
Examples:
  medharden image verify pump-signed.bin --key firmware.pub
  medharden image verify pump-signed.bin --key firmware.pub --min-counter 7 --vendor example.org --device pump-x1
  medharden image verify bundle.raucb --certificate vendor-ca.pem
  medharden image verify vendor.bin --signature vendor.bin.sig --key vendor.pub --policy legacy

\b
Exit codes:
  0  the image was signed by a key that you trust, and is what you asked for
  1  refused; the rule and the reason are on the error stream
  2  a file or an option could not be used"""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
policy_option = click.option(
    "--policy", default="legacy", show_default=True, metavar="NAME", help="legacy, fips, hybrid or cnsa2."
)
VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\+(\d{1,10}))?")
LIMITS = (0xFF, 0xFF, 0xFFFF, 0xFFFF_FFFF)
MOST_IMAGE_BYTES = 1 << 30
Version = tuple[int, int, int, int]


class _Version(click.ParamType[Version]):
    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Version:
        match = VERSION.fullmatch(str(value))
        numbers = tuple(int(part or 0) for part in match.groups()) if match else ()
        if len(numbers) != 4 or any(number > most for number, most in zip(numbers, LIMITS, strict=True)):
            self.fail(f"{value!r} is no version like 2.1.0 or 2.1.0+4", param, ctx)
        return numbers


class _Dependency(click.ParamType[tuple[int, Version]]):
    name = "dependency"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, Version]:
        number, colon, version = str(value).partition(":")
        if not colon or not number.isdecimal() or int(number) > 0xFF:
            self.fail(f"{value!r} is no image number and version like 1:2.1.0", param, ctx)
        return int(number), _Version().convert(version, param, ctx)


def address(text: str) -> int:
    """Return the number that ``text`` is, in hexadecimal with 0x before it."""
    return int(text, 0)


@click.group(name="image", short_help="Sign and verify images for boot loaders.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Signed images: MCUboot and SUIT to sign, and what other vendors use to verify."""


@COMMAND.command(name="sign", short_help="Sign an image.", epilog=SIGN_EPILOG)
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--key", required=True, metavar="URI", help="Private key, for example file:firmware.pem or pkcs11:...")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Signed image to write.")
@click.option("--security-counter", required=True, type=click.IntRange(0, 0xFFFF_FFFF), help="Never goes down.")
@click.option("--vendor", required=True, metavar="DOMAIN|UUID", help="Who makes the device.")
@click.option("--device", required=True, metavar="NAME|UUID", help="What kind of device it is for.")
@click.option("--format", "kind", type=click.Choice(["mcuboot", "suit"]), default="mcuboot", show_default=True)
@click.option("--version", type=_Version(), metavar="A.B.C[+D]", help="Version; needed for MCUboot.")
@click.option("--needs", type=_Dependency(), multiple=True, metavar="IMAGE:VERSION", help="Other image, least version.")
@click.option("--header-bytes", type=int, default=512, show_default=True, help="Room for the MCUboot header.")
@click.option("--header-is-there", is_flag=True, help="The program already starts with that room, filled with zeros.")
@click.option("--slot-bytes", type=int, help="Size of the place it goes to.")
@click.option("--load-address", type=address, help="Address in RAM it is loaded to.")
@policy_option
@passphrase_option
@json_option
def sign(program: Path, *, key: str, output: Path, policy: str, passphrase_file: Path | None, **asked: Any) -> None:
    """Sign PROGRAM; the private key stays where it is."""
    from signing.keyring import open_signer
    from signing.policy import policy_named
    from toolkit.core.files import write_whole

    data, rules = _read(program), policy_named(policy)
    with open_signer(key, CommandLineSecrets(passphrase_file)) as signer:
        image = _signed(data, asked, signer, rules)
    write_whole(output, image)
    row = {"path": str(output), "format": asked["kind"], "bytes": len(image), "key_id": signer.public.key_id}
    if asked["as_json"]:
        _print_json(row)
    else:
        click.echo(f"{output}: {len(image)} bytes, signed by {signer.public.name} key {signer.public.key_id[:16]}")


def _signed(program: bytes, asked: dict[str, Any], signer: Any, policy: Any) -> bytes:
    from signing.mcuboot_builder import ImageRequest, signed_image
    from signing.suit_builder import ManifestRequest, signed_envelope

    if asked["kind"] == "mcuboot" and asked["version"] is None:
        raise InputError("an MCUboot image needs a --version, for example 2.1.0+4")
    request = ImageRequest(
        version=asked["version"] or (0, 0, 0, 0),
        security_counter=asked["security_counter"],
        vendor=asked["vendor"],
        device_class=asked["device"],
        header_bytes=asked["header_bytes"],
        dependencies=dict(asked["needs"]),
        slot_bytes=asked["slot_bytes"],
        load_address=asked["load_address"],
        is_header_there=asked["header_is_there"],
    )
    if asked["kind"] == "mcuboot":
        return signed_image(program, request, signer, policy)
    manifest = ManifestRequest(
        sequence_number=request.security_counter, vendor_id=request.vendor_id, class_id=request.class_id
    )
    return signed_envelope(program, manifest, signer, policy)


@COMMAND.command(name="verify", short_help="Verify a signed image.", epilog=VERIFY_EPILOG)
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, type=click.Path(path_type=Path), help="Public key that you trust.")
@click.option("--certificate", "certificates", multiple=True, type=click.Path(path_type=Path), help="Root you trust.")
@click.option("--signature", type=click.Path(path_type=Path), help="Signature file, where it is not in the image.")
@click.option("--format", "kind", metavar="NAME", help="Kind of image.  [default: found out]")
@click.option("--min-version", type=_Version(), metavar="A.B.C[+D]", help="Refuse anything older.")
@click.option("--min-counter", type=click.IntRange(0), help="Refuse a lower security counter or sequence number.")
@click.option("--vendor", metavar="DOMAIN|UUID", help="Refuse what another vendor made.")
@click.option("--device", metavar="NAME|UUID", help="Refuse what is for another device; needs --vendor.")
@click.option("--load-address", type=address, help="Refuse what is made for another address.")
@click.option("--slot-bytes", type=int, help="Refuse what does not fit.")
@click.option("--installed", type=_Dependency(), multiple=True, metavar="IMAGE:VERSION", help="Other image there.")
@policy_option
@clock_option
@json_option
def verify(image: Path, *, signature: Path | None, kind: str | None, as_json: bool, **asked: Any) -> None:
    """Verify IMAGE against the keys or certificates that you trust; nothing of it is shown before."""
    from signing.image import verify_image

    trust = _trust(asked)
    detached = _read(signature) if signature is not None else b""
    verified = verify_image(_read(image), detached, trust, named=kind)
    if as_json:
        _print_json(_row(image, verified))
        return
    click.echo(f"{image}: verified ({verified.format}, {', '.join(verified.algorithms)})")
    for key_id in verified.key_ids:
        click.echo(f"  signed by    {key_id}")
    for name, value in verified.facts.items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        click.echo(f"  {name.replace('_', ' '):12} {shown}")


def _row(image: Path, verified: VerifiedImage) -> dict[str, Any]:
    return {
        "path": str(image),
        "format": verified.format,
        "key_ids": verified.key_ids,
        "algorithms": verified.algorithms,
        "facts": dict(verified.facts),
    }


def _trust(asked: dict[str, Any]) -> ImageTrust:
    from signing.comment_files import read_trusted_key
    from signing.image import ImageTrust
    from signing.policy import policy_named

    found = [read_trusted_key(path) for path in asked["keys"]]
    now: datetime = asked["now"]
    return ImageTrust(
        policy=policy_named(asked["policy"]),
        keys=tuple(key for key, _number in found),
        key_numbers={key.key_id: number for key, number in found if number is not None},
        certificates=tuple(_certificate(path) for path in asked["certificates"]),
        now=now,
        expectation=_expectation(asked),
    )


def _expectation(asked: dict[str, Any]) -> Expectation:
    from signing.device_ids import class_id, vendor_id
    from signing.image import Expectation

    vendor, device = asked["vendor"], asked["device"]
    if device is not None and vendor is None and not _is_uuid(device):
        raise InputError("--device needs --vendor too: the name of a device is only unique with its maker's")
    return Expectation(
        least_version=asked["min_version"],
        least_security_counter=asked["min_counter"],
        vendor_id=None if vendor is None else vendor_id(vendor),
        class_id=None if device is None else class_id(vendor or "", device),
        load_address=asked["load_address"],
        most_bytes=asked["slot_bytes"],
        installed=dict(asked["installed"]) or None,
    )


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _certificate(path: Path) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

    data = _read(path)
    load = load_pem_x509_certificate if data.lstrip().startswith(b"-----") else load_der_x509_certificate
    try:
        return load(data).public_bytes(Encoding.DER)
    except ValueError as error:
        raise InputError(f"{path}: this is no certificate") from error


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_IMAGE_BYTES:
            raise InputError(f"{path}: larger than 1 GiB; images are read whole, packages of any size piece by piece")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _print_json(document: object) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
