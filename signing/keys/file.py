"""Keys in files: encrypted PKCS#8 in PEM, the public half beside it in ``NAME.pub``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from signing.algorithms import hybrid as hybrid_algorithms
from signing.durable import SystemDisk, create, replace
from signing.hybrid_signer import HybridSigner
from signing.key import KeyScheme, PublicKey, Secrets, Signer, read_public_key
from signing.private import MemorySigner, can_be_made, made_key, public_of
from signing.protection import checked_passphrase, protected_pkcs8
from signing.refusal import Refusal
from toolkit.core.errors import InputError

__all__ = ["SCHEME", "public_path"]

MOST_FILE_BYTES: Final = 64 << 10
BEGIN, END = b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"-----END ENCRYPTED PRIVATE KEY-----"
HYBRIDS: Final = {found.name: halves for halves, found in hybrid_algorithms.ALGORITHMS.items()}


def public_path(path: Path) -> Path:
    """Return where the public half of the key file ``path`` stands."""
    return path.with_name(f"{path.name}.pub")


def _algorithms() -> tuple[str, ...]:
    return (*can_be_made(), *HYBRIDS)


def _create(rest: str, algorithm: str, secrets: Secrets) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path = Path(rest)
    if path.exists() or public_path(path).exists():
        raise InputError(f"{path} or {public_path(path).name} exists already and is left as it is")
    passphrase = checked_passphrase(secrets.new(f"file:{rest}"))
    keys = [made_key(name) for name in HYBRIDS.get(algorithm, (algorithm,))]
    blocks = [
        protected_pkcs8(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), passphrase)
        for key in keys
    ]
    public = PublicKey.from_encoded(b"".join(public_of(key).encoded for key in keys))
    create(SystemDisk(), path, b"".join(blocks))
    replace(SystemDisk(), public_path(path), public.pem())
    return public


@contextmanager
def _open(rest: str, secrets: Secrets) -> Iterator[Signer]:
    path = Path(rest)
    signer = _signer(path, secrets.existing(f"file:{rest}"))
    if public_path(path).exists() and read_public_key(public_path(path)) != signer.public:
        raise Refusal("key.mismatch", f"{public_path(path)} is not the public half of {path}")
    yield signer


def _signer(path: Path, passphrase: str) -> Signer:
    signers = [MemorySigner(_loaded(path, block, passphrase)) for block in _blocks(path)]
    if len(signers) == 1:
        return signers[0]
    return HybridSigner(*signers[:2])


def _blocks(path: Path) -> list[bytes]:
    """Return the PEM blocks of a key file: one, or two of a hybrid key."""
    data = (SystemDisk().read(path) or b"")[: MOST_FILE_BYTES + 1].strip()
    if not data:
        raise InputError(f"{path}: there is no such key file")
    blocks = [part.strip() + b"\n" + END + b"\n" for part in data.split(END)[:-1]]
    is_whole = data.endswith(END) and all(block.startswith(BEGIN) for block in blocks)
    if not is_whole or len(blocks) > 2 or len(data) > MOST_FILE_BYTES:
        raise InputError(
            f"{path}: this is no encrypted PKCS#8 key; protect an unprotected one with: "
            f"openssl pkcs8 -topk8 -scrypt -in {path.name} -out protected.pem"
        )
    return blocks


def _loaded(path: Path, block: bytes, passphrase: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(block, passphrase.encode())
    except Exception as error:  # the library says the same in many ways
        raise InputError(f"{path}: the passphrase does not open it, or it is no key that can be used") from error


def _public(rest: str, secrets: Secrets) -> PublicKey:
    path = Path(rest)
    if public_path(path).exists():
        return read_public_key(public_path(path))
    return _signer(path, secrets.existing(f"file:{rest}")).public


def _facts(rest: str) -> dict[str, int | str]:
    return {"kept": "in an encrypted file", "public_key_file": str(public_path(Path(rest)))}


SCHEME = KeyScheme(
    name="file",
    title="A file, encrypted with a passphrase",
    example="file:root-1.pem",
    algorithms=_algorithms,
    open=_open,
    create=_create,
    public=_public,
    facts=_facts,
)
