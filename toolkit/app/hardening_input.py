"""The image or folder that the verbs of the hardening pack are about, read once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signing.key import Signer
    from toolkit.hardening.subject import HardeningSubject

__all__ = ["hardening_subject"]


@contextmanager
def hardening_subject(
    path: Path, profile: str, day: date, *, also: Path | None = None, jobs: int = 2, signer: Signer | None = None
) -> Iterator[HardeningSubject]:
    """Give the subject of ``path`` for the device ``profile``, with a second dump ``also``.

    Raises ``InputError`` when one of them cannot be read or is not for that device.
    """
    from device_profiles.loader import load
    from toolkit.app.image_listing import seldom_collected
    from toolkit.app.progress import progress
    from toolkit.app.user_cache import user_cache
    from toolkit.hardening.fit import require_fit
    from toolkit.hardening.reading import Reading, read_subject

    device = load(profile)
    with ExitStack() as stack:
        second = None
        for place in (also, path):
            if place is None:
                continue
            with progress(place) as on_progress, seldom_collected():
                reading = Reading(
                    profile=device, day=day, jobs=jobs, signer=signer, kept=user_cache(), on_progress=on_progress
                )
                subject = stack.enter_context(read_subject(place, reading, second))
            require_fit(subject)
            second = subject
        yield subject
