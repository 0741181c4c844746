"""What can go wrong between us and a device.

::

    MedhardenError
    └── BenchError            something on the bench; the runner turns it into a verdict with a reason
        ├── LinkLost          the connection is gone: unplugged, hung up, power off
        ├── NoAnswer          the device said nothing that was waited for, in the time it has
        ├── WriteRefused      we did not send it: a forbidden message, or a device that has not proven who it is
        ├── WrongDevice       what is connected is not the device of the profile
        ├── NotTested         a check cannot judge here; carries the reason
        └── ReplayDiffers     the recording holds no answer to what is asked now
"""

from __future__ import annotations

from toolkit.core.errors import MedhardenError

__all__ = ["BenchError", "LinkLost", "NoAnswer", "NotTested", "ReplayDiffers", "WriteRefused", "WrongDevice"]


class BenchError(MedhardenError):
    """Something on the bench went wrong."""


class LinkLost(BenchError):
    """The connection is gone; ``Transport.reopen`` waits for it to come back."""


class NoAnswer(BenchError):
    """Nothing that was waited for arrived in time; ``received`` is what did."""

    def __init__(self, message: str, received: bytes = b"") -> None:
        self.received = received
        super().__init__(message)


class WriteRefused(BenchError):
    """Nothing of the message was sent."""


class WrongDevice(BenchError):
    """Nothing but the questions of the profile was sent."""


class NotTested(BenchError):
    """A check cannot judge, for the reason given."""


class ReplayDiffers(BenchError):
    """The recording goes another way."""
