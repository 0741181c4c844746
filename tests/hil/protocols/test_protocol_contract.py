"""What every protocol must do: both directions agree, any bytes in any pieces are survived, memory is bounded."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hil.protocol import Protocol, protocol_named, protocols, within
from toolkit.core.errors import FormatError, InputError

ALL = sorted(protocols())
STREAMED = [name for name in ALL if protocol_named(name).find is not None]
LEAST_MARKED_BYTES = 2
"""Shorter frames have no start of their own: pairs of fast MEDIBUS values, for example, can be read shifted by one."""
chance = st.randoms(use_true_random=False)


def pieces(data: bytes, rng: random.Random) -> list[bytes]:
    """Return ``data`` cut at chance places."""
    cuts = sorted({0, len(data), *(rng.randint(0, len(data)) for _ in range(rng.randint(0, 8)))})
    return [data[a:b] for a, b in itertools.pairwise(cuts)]


def heard(protocol: Protocol[Any], parts: list[bytes]) -> list[Any]:
    decoder = protocol.decoder()
    messages = []
    for part in parts:
        messages += decoder.feed(part)
        assert decoder.waiting_bytes <= protocol.most_bytes
    return messages


@pytest.mark.parametrize("name", ALL)
def test_a_protocol_names_its_sources_and_what_is_unverified(name: str) -> None:
    protocol = protocol_named(name)
    assert protocol.title
    assert all(protocol.source)
    assert all(protocol.unverified)
    assert protocol.unverified
    assert protocol.examples


@pytest.mark.parametrize("name", ALL)
def test_an_example_is_read_and_built(name: str) -> None:
    protocol = protocol_named(name)
    for example in protocol.examples:
        assert protocol.decode(example.frame) == example.message
        assert protocol.encode(example.message) == example.frame
        assert example.source


@pytest.mark.parametrize("name", ALL)
@given(rng=chance)
@settings(max_examples=40, deadline=None)
def test_a_message_survives_the_way_there_and_back(name: str, rng: random.Random) -> None:
    protocol = protocol_named(name)
    message = protocol.sample(rng)
    frame = protocol.encode(message)
    assert len(frame) <= protocol.most_bytes
    assert protocol.decode(frame) == message


@pytest.mark.parametrize("name", STREAMED)
@given(rng=chance)
@settings(max_examples=40, deadline=None)
def test_it_does_not_matter_where_a_stream_is_cut(name: str, rng: random.Random) -> None:
    protocol = protocol_named(name)
    messages = [protocol.sample(rng) for _ in range(rng.randint(1, 5))]
    stream = b"".join(map(protocol.encode, messages))
    assert heard(protocol, [stream]) == messages
    assert heard(protocol, pieces(stream, rng)) == messages
    assert heard(protocol, [bytes([byte]) for byte in stream]) == messages


@pytest.mark.parametrize("name", STREAMED)
@given(rng=chance)
@settings(max_examples=20, deadline=None)
def test_noise_gives_the_same_messages_however_it_is_cut(name: str, rng: random.Random) -> None:
    protocol = protocol_named(name)
    frame = bytearray(protocol.encode(protocol.sample(rng)))
    frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    stream = rng.randbytes(rng.randint(0, 40)) + frame + rng.randbytes(rng.randint(0, 40))
    assert heard(protocol, pieces(stream, rng)) == heard(protocol, [stream])


@pytest.mark.parametrize("name", STREAMED)
@given(rng=chance)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_after_noise_the_next_messages_are_found_again(name: str, rng: random.Random) -> None:
    """Noise may look like the start of a long frame, so as much as that must follow before all is well again."""
    protocol = protocol_named(name)
    frame = protocol.encode(protocol.sample(rng))
    assume(len(frame) > LEAST_MARKED_BYTES)
    message = protocol.decode(frame)
    times = 3 + protocol.most_bytes // len(frame)
    decoder = protocol.decoder()
    decoder.feed(rng.randbytes(rng.randint(1, 30)))
    decoder.feed(frame * times)
    last = decoder.feed(frame * 2)
    assert last[-2:] == [message, message]
    assert len(decoder.feed(rng.randbytes(10))) <= 10


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("byte", [0x00, 0x01, 0x02, 0x06, 0x0B, 0x7D, 0x7E, 0x80, 0xC0, 0xE2, 0xFF])
def test_a_flood_of_one_byte_is_bounded(name: str, byte: int) -> None:
    protocol = protocol_named(name)
    decoder = protocol.decoder()
    decoder.feed(bytes([byte]) * min(3 * protocol.most_bytes, 20_000))
    assert decoder.waiting_bytes <= protocol.most_bytes


@pytest.mark.parametrize("name", STREAMED)
def test_a_frame_that_never_ends_is_given_up(name: str) -> None:
    protocol = protocol_named(name)
    example = protocol.examples[-1]
    decoder = protocol.decoder()
    beginning = example.frame[:-1]
    decoder.feed(beginning + b"A" * (protocol.most_bytes + 10))
    assert decoder.waiting_bytes <= protocol.most_bytes
    assert decoder.dropped_bytes or example.frame[:1] in b"\x04\x05\x06\x15"


@pytest.mark.parametrize("name", ALL)
@given(data=st.binary(max_size=300))
@settings(max_examples=80, deadline=None)
def test_anything_is_read_or_refused(name: str, data: bytes) -> None:
    protocol = protocol_named(name)
    try:
        message = protocol.decode(data)
    except FormatError:
        return
    assert protocol.decode(protocol.encode(message)) == message


@pytest.mark.parametrize("name", ALL)
def test_a_cut_or_lengthened_frame_is_refused_or_another_message(name: str) -> None:
    protocol = protocol_named(name)
    for example in protocol.examples:
        for wrong in [*(example.frame[:end] for end in range(len(example.frame))), example.frame + b"\0"]:
            try:
                assert protocol.decode(wrong) != example.message
            except FormatError as error:
                assert str(error)


def test_transfers_of_a_protocol_without_a_stream_stand_alone() -> None:
    protocol = protocol_named("dfu")
    decoder = protocol.decoder()
    frame = protocol.examples[0].frame
    assert decoder.feed(frame) == [protocol.examples[0].message]
    assert decoder.feed(frame[:3]) == []
    assert decoder.dropped_bytes == 3
    assert decoder.waiting_bytes == 0


def test_a_protocol_that_is_not_there_is_an_error_that_names_the_others() -> None:
    with pytest.raises(InputError, match="no such protocol; there are astm-e1381"):
        protocol_named("telepathy")


def test_a_number_outside_its_bounds_is_refused() -> None:
    assert within("pulse", 255, 255) == 255
    for value in (-1, 256):
        with pytest.raises(FormatError, match="is not between 0 and 255"):
            within("pulse", value, 255)


@pytest.mark.parametrize("name", [name for name in ALL if protocol_named(name).seal is not None])
@given(rng=chance)
@settings(max_examples=40, deadline=None)
def test_a_damaged_frame_with_a_right_check_value_is_read_or_refused(name: str, rng: random.Random) -> None:
    protocol = protocol_named(name)
    assert protocol.seal is not None
    frame = bytearray(protocol.encode(protocol.sample(rng)))
    if len(frame) > 1:
        assert protocol.seal(bytes(frame)) == frame
    frame[rng.randrange(len(frame))] = rng.randrange(256)
    for damaged in (bytes(frame), bytes(frame)[: rng.randint(0, len(frame))]):
        try:
            message = protocol.decode(protocol.seal(damaged))
        except FormatError:
            continue
        assert repr(protocol.decode(protocol.encode(message))) == repr(message)
