"""What attacks on update packages start from: a good offer, and ways to spoil it well signed."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from signing.attacks.lab import MODEL, SPEC, Lab, Offer, repacked
from signing.attacks.suite import Attack
from signing.key import Signer
from signing.package.archive import Archive
from signing.trust.spelling import metadata_bytes
from signing.trust.tuf_keys import TufSigner
from signing.unit import Installed
from signing.verify import TrustStore

__all__ = ["OLD", "Attacks", "PackageBench", "bench", "restated", "running", "with_root", "with_root_key"]

OLD: Final[Mapping[str, bytes]] = MappingProxyType({"main": b"old firmware " * 50, "drugs": b"old library " * 9})
"""What runs in the model of the pump before anything is installed."""
Change = Callable[[bytes], bytes]


@dataclass(slots=True)
class PackageBench:
    """A good offer, and what is needed to spoil it."""

    lab: Lab
    good: Offer = field(init=False)

    def __post_init__(self) -> None:
        self.good = self.lab.offer(self.lab.package())
        self.good.verify()

    def with_file(self, name: str, change: Change) -> Offer:
        """Return the offer with one file of the package changed."""
        return self.good.having(package=repacked(self.good.package, lambda n, d: change(d) if n == name else d))

    def with_json(self, name: str, change: Callable[[dict[str, Any]], object]) -> Offer:
        """Return the offer with the content of one metadata file changed, its spelling kept."""

        def changed(data: bytes) -> bytes:
            content = json.loads(data)
            change(content)
            return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

        return self.with_file(name, changed)

    def resigned(self, name: str, change: Callable[[Any], object], *words: str | Signer) -> Offer:
        """Return the offer with one metadata file changed and signed anew by these people or keys."""

        def changed(data: bytes) -> bytes:
            metadata: Metadata[Any] = Metadata.from_dict(json.loads(data))
            metadata.signatures.clear()
            change(metadata.signed)
            for word in words:
                metadata.sign(TufSigner(self.lab.keys[word] if isinstance(word, str) else word), append=True)
            return metadata_bytes(metadata)

        return self.with_file(name, changed)

    def going_on(self, offer: Offer) -> PackageBench:
        """Return a bench that starts from ``offer``."""
        other = copy.copy(self)
        other.good = offer
        return other

    def released(self, old: str, new: str, **more: Any) -> Offer:
        """Return the offer of a release whose description reads ``new`` for ``old``, signed by everybody."""
        assert old in SPEC  # noqa: S101  # a description that did not change would prove nothing
        return self.good.having(package=self.lab.package(SPEC.replace(old, new)), **more)


def bench(path: Path) -> PackageBench:
    """Return a bench in an empty folder."""
    return PackageBench(Lab(path))


class Attacks:
    """Attacks of one kind, in the order in which they are written down."""

    def __init__(self) -> None:
        self.found: list[Attack[PackageBench]] = []

    def __call__(self, case: int, what: str, *rules: str) -> Callable[[Callable[[PackageBench], object]], None]:
        """Add a function as an attack; it hands its offer to the verifier, or returns one to be handed over."""

        def add(make: Callable[[PackageBench], object]) -> None:
            def run(on: PackageBench) -> object:
                made = make(on)
                return made.verify() if isinstance(made, Offer) else made

            self.found.append(Attack(case, what, frozenset(rules), run))

        return add


def with_root_key(on: PackageBench, change: Callable[[dict[str, Any]], object]) -> Offer:
    """Let the vendor's own root, well signed, hold a key as ``change`` makes it; only its spelling is wrong."""
    root = json.loads(on.good.trust.roots["vendor"])
    key_id = root["signed"]["roles"]["timestamp"]["keyids"][0]
    change(root["signed"]["keys"][key_id])
    payload = (encode_canonical(root["signed"]) or "").encode()
    signatures = [TufSigner(on.lab.keys[word]).sign(payload).to_dict() for word in ("ada", "ben", "cyd")]
    root["signatures"] = sorted(signatures, key=lambda signature: str(signature["keyid"]))
    data = json.dumps(root, sort_keys=True, separators=(",", ":")).encode()
    offer = on.with_file("vendor/1.root.json", lambda _: data)
    return offer.having(trust=TrustStore({**on.good.trust.roots, "vendor": data}))


def with_root(
    on: PackageBench,
    change: Callable[[Root], object],
    signers: Iterable[str] = ("ada", "ben"),
    repository: str = "vendor",
) -> Offer:
    """Return the offer with a second root behind the first one, made by ``change`` and signed by ``signers``."""
    metadata: Metadata[Root] = Metadata.from_dict(json.loads(on.good.trust.roots[repository]))
    metadata.signatures.clear()
    metadata.signed.version = 2
    change(metadata.signed)
    for word in signers:
        metadata.sign(TufSigner(on.lab.keys[word]), append=True)
    data = metadata_bytes(metadata)
    package = repacked(on.good.package, lambda _, d: d, [(f"{repository}/2.root.json", data)])
    return on.good.having(package=package)


def restated(on: PackageBench, old: bytes, new: bytes) -> Offer:
    """Return the offer with the statement changed, and approved as it is by vendor and hospital."""
    name = f"files/{MODEL}/2.1.0/release.json"
    statement = Archive(BytesIO(on.good.package)).read(name, 1 << 20).replace(old, new)

    def approve(targets: Targets) -> None:
        path = name.removeprefix("files/")
        targets.targets[path] = TargetFile(len(statement), {"sha256": hashlib.sha256(statement).hexdigest()}, path)

    offer = on.with_file(name, lambda _: statement)
    for repository, people in {"vendor": ("ada", "ben"), "hospital": ("dee", "eve")}.items():
        offer = on.going_on(offer).resigned(f"{repository}/{MODEL}.json", approve, *people)
    return offer


def running(on: PackageBench, **installed: Installed) -> Any:
    """Return the record of a device in which these components run."""
    return msgspec.structs.replace(on.good.unit, installed={**on.good.unit.installed, **installed})
