"""What the protocols say beyond their frames, and what cannot be said in them."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import pytest
from cbor2 import CBORTag, dumps
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.apdu import Associate, Event, Information, ObjectDescription, Presentation
from hil.protocol import protocol_named
from hil.protocols import (
    astm,
    cms50,
    cms50_v7,
    datex_dri,
    dfu,
    hl7_mllp,
    ieee11073,
    intellivue,
    medibus,
    smp,
    xmodem,
    ymodem,
)
from toolkit.core.errors import FormatError

INFORMATION = Information(system_id=b"8 BYTES!", configuration=0x0190)


def smp_lines(body: bytes, *, flags_byte: int = 8) -> bytes:
    """Return the lines of an SMP packet with these bytes in place of its map."""
    packet = bytes([flags_byte, 0]) + len(body).to_bytes(2, "big") + bytes(4) + body
    packet += binascii.crc_hqx(packet, 0).to_bytes(2, "big")
    text = base64.b64encode(len(packet).to_bytes(2, "big") + packet)
    lines = [text[at : at + 124] for at in range(0, len(text), 124)]
    return b"".join((b"\x04\x14" if place else b"\x06\x09") + line + b"\n" for place, line in enumerate(lines))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("astm-e1381", astm.Control(name="SYN")),
        ("astm-e1381", astm.Frame(number=8, text=b"", is_last=True)),
        ("astm-e1381", astm.Frame(number=1, text=b"\x03", is_last=True)),
        ("astm-e1381", astm.Frame(number=1, text=bytes(64_001), is_last=True)),
        ("cms50", cms50.Command(name="explode")),
        ("cms50", cms50.Recorded(pulse=256, spo2=98)),
        ("cms50-v7", cms50_v7.Packet(kind=0x80, data=b"1")),
        ("cms50-v7", cms50_v7.Packet(kind=1, data=b"1")),
        ("cms50-v7", cms50_v7.Packet(kind=2, data=b"")),
        ("datex-dri", datex_dri.Record(kind=0, parts=(datex_dri.Part(kind=0xFF, data=b""),))),
        ("datex-dri", datex_dri.Record(kind=0, parts=(datex_dri.Part(kind=0, data=bytes(1451)),))),
        ("datex-dri", datex_dri.Record(kind=0, parts=(), reserved=b"")),
        ("dfu", dfu.DfuStatus(state=dfu.DfuState.IDLE, poll_timeout_ms=1 << 24)),
        ("hl7v2-mllp", hl7_mllp.Hl7Message(segments=((b"MSH", b"^~\\&", b"a\rb"),))),
        ("hl7v2-mllp", hl7_mllp.Hl7Message(segments=((b"MSH", b"^~\\&", b"a|b"),))),
        ("hl7v2-mllp", hl7_mllp.Hl7Message(segments=((b"PID", b"1"),))),
        ("ieee11073-20601", ieee11073.End(choice=0xE200, reason=0)),
        ("ieee11073-20601", Presentation(invoke_id=0, operation=0x0101, body=b"")),
        ("ieee11073-20601", Presentation(invoke_id=0, operation=0x0103, body=Event(handle=0, event=0, info=b""))),
        ("ieee11073-20601", Presentation(invoke_id=0, operation=0x0103, body=bytes(9300))),
        ("ieee11073-20601", Associate(information=Information(system_id=b"7 BYTES", configuration=0))),
        ("intellivue-rs232", intellivue.Frame(payload=bytes(1365))),
        ("medibus", medibus.Command(code=0x0D)),
        ("medibus", medibus.Command(code=0x24, data=b"\r")),
        ("medibus", medibus.Command(code=0x24, between=b"A")),
        ("medibus", medibus.FastControl(code=0x80)),
        ("medibus", medibus.Command(code=0x24, data=b"A" * 2048)),
        ("smp-console", smp.SmpMessage(operation=8, group=0, command=0)),
        ("smp-console", smp.SmpMessage(operation=0, group=0, command=0, body={"data": bytes(5000)})),
        ("xmodem", xmodem.Control(name="C")),
        ("xmodem", xmodem.Block(number=0, data=b"short")),
        ("ymodem", ymodem.Control(name="SYN")),
        ("ymodem", ymodem.Block(number=0, data=b"short")),
    ],
)
def test_what_cannot_be_said_is_refused(name: str, message: Any) -> None:
    with pytest.raises(FormatError):
        protocol_named(name).encode(message)


def right(name: str, frame: str) -> bytes:
    """Return the frame given in hexadecimal with its check value made right."""
    seal = protocol_named(name).seal
    assert seal is not None
    return seal(bytes.fromhex(frame))


@pytest.mark.parametrize(
    ("name", "frame", "words"),
    [
        ("astm-e1381", b"\x021L\x0500\r\n", "sum"),
        ("astm-e1381", right("astm-e1381", "02 31 4c 05 30 30 0d 0a"), "ends with ETX or ETB"),
        ("astm-e1381", right("astm-e1381", "02 39 4c 03 30 30 0d 0a"), "frame number"),
        ("astm-e1381", right("astm-e1381", "02 31 02 03 30 30 0d 0a"), "control character"),
        ("cms50", b"\x80\x80\x80", "wrong mark"),
        ("cms50", b"\xa0\x80\x00", "no CMS50 value begins"),
        ("cms50", b"\x80\x00\x00\x80\x00", "wrong mark"),
        ("cms50-v7", b"\x02\x88\x81", "not there"),
        ("cms50-v7", b"\x01\x80\x81", "cannot have 1"),
        ("datex-dri", b"\x7e\x7d\x41\x7e", "needs none"),
        (
            "datex-dri",
            right("datex-dri", "7e 0000" + "00" * 14 + "0500 00" + "0000ff" * 7 + "41 00 7e"),
            "do not follow",
        ),
        ("datex-dri", right("datex-dri", "7e 0000" + "00" * 14 + "0000ff" * 8 + "41 00 7e"), "do not follow"),
        ("datex-dri", datex_dri.encode(datex_dri.Record(kind=0, parts=()))[:-2] + b"\x01\x7e", "sum"),
        ("hl7v2-mllp", b"\x0bMSH|\rA|\r\x1c\r", "three letters"),
        ("hl7v2-mllp", b"\x0bMSHA\r\x1c\r", "a separator"),
        ("hl7v2-mllp", b"\x0bMSH|\x0b\r\x1c\r", "no VT"),
        ("ieee11073-20601", bytes.fromhex("e1 00 00 00"), "knows no APDU"),
        ("ieee11073-20601", bytes.fromhex("e4 00 00 03 00 00 00"), "1 bytes too many"),
        ("ieee11073-20601", bytes.fromhex("e2 00 00 04 00 00 00 00"), "version"),
        ("ieee11073-20601", bytes.fromhex("e2 00 00 08 80 00 00 00 00 02 00 00"), "offers 2 protocols"),
        ("ieee11073-20601", bytes.fromhex("e3 00 00 06 00 00 12 34 00 00"), "0x1234 is not 20601"),
        (
            "ieee11073-20601",
            ieee11073.encode(Associate(information=INFORMATION)).replace(b"\0\x088 BYTES!", b"\0\x078 BYTES!"),
            "not 7",
        ),
        ("intellivue-rs232", b"\xc0\x7d\x41\xc1", "needs none"),
        ("intellivue-rs232", b"\xc0\x11\x01\0\0\0\0\xc1", "check value"),
        ("intellivue-rs232", b"\xc0\x11\x01\0\0\0\0\0\xc1", "length"),
        ("medibus", b"\x1bQ6D\r", "sum"),
        ("medibus", b"\x80\xc0", "0x80 to 0xBF"),
        ("smp-console", b"\x06\x09A\n", "no base64"),
        ("smp-console", b"\x06\x09AAAA\n", "length"),
        ("smp-console", b"\x06\x09AAsIAAABAAAAAKDZtA==\n", "CRC"),
        ("smp-console", b"\x06\x09AAsI\nAAABAAAAAKDZtQ==\n", "begin with 04 14"),
        ("smp-console", smp_lines(b"\xa0", flags_byte=0x88), "reserved bits"),
        ("smp-console", smp_lines(b"\x80"), "no map"),
        ("smp-console", smp_lines(b"\xff"), "no CBOR"),
        ("smp-console", smp_lines(dumps({b"rc": 1})), "no text"),
        ("smp-console", smp_lines(dumps({"rc": [CBORTag(99, 1)]})), "holds a CBORTag"),
        ("smp-console", smp_lines(b"\xa1\x61a\xd8\x1c\x81\xd8\x1d\x00"), "refers to itself|no CBOR"),
        ("xmodem", b"\x01\x01\x01" + bytes(129), "complement"),
        ("xmodem", b"\x01\x01\xfe" + bytes(128) + b"\x01", "sum"),
        ("ymodem", b"\x01\x01\x01" + bytes(130), "complement"),
        ("ymodem", b"\x01\x01\xfe" + bytes(129) + b"\x01", "CRC"),
    ],
)
def test_a_wrong_frame_is_refused_and_it_is_said_why(name: str, frame: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        protocol_named(name).decode(frame)


def test_an_smp_header_that_gives_another_length_is_refused() -> None:
    packet = bytes(8) + b"\xa0"
    packet += binascii.crc_hqx(packet, 0).to_bytes(2, "big")
    with pytest.raises(FormatError, match="length in the header"):
        smp.decode(b"\x06\x09" + base64.b64encode(len(packet).to_bytes(2, "big") + packet) + b"\n")


@given(body=st.binary(max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_cbor_in_an_smp_packet_is_read_or_refused(body: bytes) -> None:
    try:
        message = smp.decode(smp_lines(body))
    except FormatError:
        return
    assert repr(smp.decode(smp.encode(message))) == repr(message)


def test_live_values_of_the_second_generation_are_read_and_built() -> None:
    values = cms50_v7.LiveValues(
        signal_strength=8, probe_error=True, waveform=64, bar=5, pulse=200, spo2=98, perfusion_index=298
    )
    packet = cms50_v7.live_packet(values)
    assert cms50_v7.live_values(cms50_v7.decode(cms50_v7.encode(packet))) == values
    with pytest.raises(FormatError, match="no live values"):
        cms50_v7.live_values(cms50_v7.command("start-stored", 1, 1))
    with pytest.raises(FormatError, match="no command"):
        cms50_v7.command("explode")


def test_packets_of_a_kind_of_unknown_length_end_where_the_next_begins() -> None:
    decoder = cms50_v7.PROTOCOL.decoder()
    notice = cms50_v7.Packet(kind=cms50_v7.DISCONNECTED, data=b"\x01")
    assert decoder.feed(cms50_v7.encode(notice)) == []
    assert decoder.feed(cms50_v7.encode(cms50_v7.command("keep-alive"))) == [notice, cms50_v7.command("keep-alive")]


def test_measured_values_are_read_and_built() -> None:
    data = medibus.measured_values_data([(0x71, "22"), (0xF0, "-4.5")])
    assert data == b"71  22F0-4.5"
    assert medibus.measured_values(data) == {0x71: "22", 0xF0: "-4.5"}
    for wrong in (b"71  2", b"7x  22"):
        with pytest.raises(FormatError, match="two digits and 4 characters"):
            medibus.measured_values(wrong)
    for value in ("12345", "\xb5"):
        with pytest.raises(FormatError, match="at most 4 characters"):
            medibus.measured_values_data([(1, value)])


def test_fast_values_in_the_middle_of_an_answer_do_not_harm_it() -> None:
    decoder = medibus.PROTOCOL.decoder()
    assert decoder.feed(b"\x01Q\x85\x865\xd02\r") == [medibus.Response(code=0x51, between=b"\x85\x86\xd0")]
    assert decoder.feed(b"\x1bQ\x1bQ6C\r") == [medibus.Command(code=0x51)]


def test_a_long_message_of_records_goes_into_several_frames_and_back() -> None:
    records = [(b"R", b"%d" % number, b"x" * 40) for number in range(60)]
    frames = astm.message_frames(records, first_number=5)
    assert [frame.number for frame in frames[:5]] == [5, 6, 7, 0, 1]
    assert [frame.is_last for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert astm.records_of(frames) == tuple(records)


def test_a_file_goes_into_blocks() -> None:
    blocks = xmodem.blocks_of(b"A" * 130)
    assert [block.number for block in blocks] == [1, 2]
    assert blocks[1].data == b"AA".ljust(128, b"\x1a")
    head = ymodem.FileHead(name="app.bin", size_bytes=1234)
    assert ymodem.file_head_of(ymodem.file_head_block(head)) == head
    end = ymodem.FileHead(name="", size_bytes=0)
    assert ymodem.file_head_of(ymodem.file_head_block(end)) == end
    with pytest.raises(FormatError, match="gives no size"):
        ymodem.file_head_of(ymodem.Block(number=0, data=b"app.bin\0large".ljust(128, b"\0")))
    with pytest.raises(FormatError, match="file head size"):
        ymodem.file_head_block(ymodem.FileHead(name="a" * 128, size_bytes=1))


def test_an_attribute_bit_of_a_dfu_descriptor_is_told() -> None:
    descriptor = dfu.FunctionalDescriptor(attributes=5, transfer_bytes=64)
    assert descriptor.can(dfu.Attributes.MANIFESTATION_TOLERANT)
    assert not descriptor.can(dfu.Attributes.CAN_UPLOAD)


def test_the_check_value_of_intellivue_is_that_of_its_standard() -> None:
    assert intellivue.fcs16(b"123456789") == 0x906E


def test_a_list_with_too_many_entries_is_refused() -> None:
    objects = tuple(ObjectDescription(kind=6, handle=number, attributes=()) for number in range(256))
    report = ieee11073.ConfigurationReport(configuration=0x4000, objects=objects)
    with pytest.raises(FormatError, match="count in an APDU"):
        ieee11073.encode(ieee11073.event_report(1, report))


def test_an_apdu_that_claims_too_much_hides_none_behind_it() -> None:
    decoder = ieee11073.PROTOCOL.decoder()
    end = ieee11073.End(choice=0xE400, reason=0)
    assert decoder.feed(b"\xe2\x00\xff\xff" + ieee11073.encode(end)) == [end]


def test_a_line_that_never_ends_hides_no_packet_behind_it() -> None:
    message = smp.SmpMessage(operation=0, group=0, command=0)
    endless = b"\x06\x09" + b"/" * 124 + b"\n" + (b"\x04\x14" + b"A" * 124 + b"\n") * smp.MOST_LINES
    for noise in (b"\x06\x09" + b"A" * 200, b"\x06\x09////\n", b"\x06\x09!!!!\n", b"\x06", endless):
        decoder = smp.PROTOCOL.decoder()
        assert decoder.feed(noise + smp.encode(message) * 2)[-1] == message
