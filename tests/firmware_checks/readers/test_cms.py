import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.formats.rauc_bundle import _message
from firmware_checks.readers.cms import MESSAGE_DIGEST, SIGNED_DATA, read_signed_message
from firmware_checks.readers.der import INTEGER, OCTETS, OID, SEQUENCE, SET, context, element_at, encoded, oid_bytes
from toolkit.core.errors import FormatError
from toolkit.core.window import Window


@given(st.binary(max_size=70_000))
def test_an_element_that_was_built_is_read_back(data: bytes) -> None:
    element = element_at(Window.of(b"x" + encoded(OCTETS, data) + b"y"), 1, OCTETS)
    assert element.data() == data
    assert element.whole() == encoded(OCTETS, data)


@pytest.mark.parametrize(
    "data", [b"\x30", b"\x1f\x01\x00", b"\x30\x80\x00\x00", b"\x30\x87" + bytes(20), b"\x30\x05\x00", b"\x31\x00"]
)
def test_what_is_no_sequence_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        element_at(Window.of(data), 0, SEQUENCE)


def test_a_child_that_is_longer_than_its_parent_is_refused() -> None:
    element = element_at(Window.of(b"\x30\x03\x04\x05xxxxxx"), 0)
    with pytest.raises(FormatError):
        list(element.children())


def test_object_identifiers_are_encoded() -> None:
    assert oid_bytes("1.2.840.113549.1.7.2").hex() == "2a864886f70d010702"


def _signed_data(*fields: bytes) -> bytes:
    return encoded(SEQUENCE, encoded(OID, SIGNED_DATA), encoded(context(0), encoded(SEQUENCE, *fields)))


VERSION, NO_HASHES, NO_CONTENT = encoded(INTEGER, b"\1"), encoded(SET), encoded(SEQUENCE, encoded(OID, SIGNED_DATA))


def test_a_message_nobody_signed_is_read() -> None:
    for fields in ((VERSION, NO_HASHES, NO_CONTENT), (VERSION, NO_HASHES, NO_CONTENT, encoded(SET))):
        message = read_signed_message(Window.of(_signed_data(*fields)), 0)
        assert (message.content, message.algorithm, message.digest, message.certificates) == (None, "", b"", ())
        assert message.facts() == {"certificates": 0}


def _signer(*attributes: bytes, identifier: bytes = b"") -> bytes:
    algorithm = encoded(SEQUENCE, encoded(OID, b"\x2a"))
    signer = identifier or encoded(0x80, b"key")
    return encoded(SET, encoded(SEQUENCE, VERSION, signer, algorithm, *attributes))


def test_signers_without_a_hash_or_known_algorithm_are_read() -> None:
    other = encoded(context(0), encoded(SEQUENCE, encoded(OID, b"\x2a"), encoded(SET)))
    for signer in (_signer(), _signer(other)):
        message = read_signed_message(Window.of(_signed_data(VERSION, NO_HASHES, NO_CONTENT, signer)), 0)
        assert (message.algorithm, message.digest, message.issuer_and_serial) == ("", b"", b"")


@pytest.mark.parametrize(
    "certificate",
    [
        encoded(SEQUENCE, encoded(SEQUENCE, *[encoded(INTEGER, b"\1")] * 2, encoded(SEQUENCE), encoded(SEQUENCE))),
        encoded(SEQUENCE, encoded(SEQUENCE, encoded(INTEGER, b"\xff"), *[encoded(SEQUENCE)] * 3)),
        encoded(SEQUENCE, encoded(SEQUENCE)),
        encoded(SEQUENCE),
        encoded(OCTETS),
    ],
)
def test_certificates_that_are_none_tell_nothing(certificate: bytes) -> None:
    identifier = encoded(SEQUENCE, encoded(SEQUENCE), encoded(INTEGER, b"\1"))
    fields = (encoded(context(0), certificate), _signer(identifier=identifier))
    message = read_signed_message(Window.of(_signed_data(VERSION, NO_HASHES, NO_CONTENT, *fields)), 0)
    assert set(message.facts()) == {"certificates"}


@pytest.mark.parametrize(
    "data",
    [
        encoded(SEQUENCE),
        encoded(SEQUENCE, encoded(OID, MESSAGE_DIGEST), encoded(context(0))),
        encoded(SEQUENCE, encoded(OID, SIGNED_DATA), encoded(SET)),
        _signed_data(VERSION),
        _signed_data(VERSION, NO_HASHES, encoded(SEQUENCE)),
    ],
)
def test_what_is_no_signed_message_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_signed_message(Window.of(data), 0)


@given(st.integers(0, 300), st.integers(0, 255))
def test_a_changed_message_is_read_or_refused(place: int, value: int) -> None:
    data = bytearray(_message(b"manifest"))
    data[place % len(data)] = value
    try:
        read_signed_message(Window.of(bytes(data)), 0).facts()
    except FormatError:
        return
