"""UUIDs of makers and kinds of devices, made from names, so that nobody has to keep a list."""

from __future__ import annotations

import uuid

__all__ = ["class_id", "vendor_id"]


def vendor_id(vendor: str) -> bytes:
    """Return the UUID of a maker, from its domain name. Source: RFC 9124, 3.3; imgtool makes the same."""
    return _uuid(uuid.NAMESPACE_DNS, vendor)


def class_id(vendor: str, device: str) -> bytes:
    """Return the UUID of a kind of device, from its name and its maker's. Source: RFC 9124, 3.4."""
    return _uuid(uuid.UUID(bytes=vendor_id(vendor)), device)


def _uuid(namespace: uuid.UUID, value: str) -> bytes:
    try:
        return uuid.UUID(value).bytes
    except ValueError:
        return uuid.uuid5(namespace, value).bytes
