"""Emulated medical devices speak their protocol, and each weakness can be seen from outside."""

from __future__ import annotations

import random

import pytest

from device_profiles.loader import load
from hil.device import Device, interface_of
from hil.model import DeviceModel, model_named
from hil.models.analyser import Analyser
from hil.models.monitor import DEFAULT_PASSWORD, PASSWORD, Monitor
from hil.models.ventilator import SET_CODE, Ventilator
from hil.protocol import protocol_named
from hil.protocols import astm, cms50, hl7_mllp, medibus
from hil.protocols.hl7_mllp import Hl7Message
from hil.transport import make_transport

MEDICAL = ("analyser", "monitor", "oximeter", "ventilator")
INIT = medibus.encode(medibus.Command(code=0x51))


def device(name: str, weak: str = "") -> DeviceModel:
    model = model_named(name).device(weak)
    model.power_on(0.0)
    return model


def wrong_sum(frame: bytes, tail_bytes: int) -> bytes:
    place = len(frame) - tail_bytes
    return frame[:place] + (b"1" if frame[place : place + 1] == b"0" else b"0") + frame[place + 1 :]


@pytest.mark.parametrize("name", MEDICAL)
def test_a_model_is_reached_by_its_address_and_stands_at_an_interface_of_its_profile(name: str) -> None:
    kind = model_named(name)
    interface = interface_of(load(kind.profile), kind.interface)
    assert protocol_named(str(interface.protocol))
    with make_transport(f"medemu://{name}") as transport:
        assert transport.read(0.1) or name != "oximeter"


@pytest.mark.parametrize("name", MEDICAL)
@pytest.mark.parametrize("seed", range(20))
def test_a_model_survives_any_bytes_in_any_pieces(name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
    model = device(name, ",".join(w for w in model_named(name).weaknesses if chance.random() < 0.5))
    protocol = protocol_named(str(interface_of(load(model_named(name).profile), model_named(name).interface).protocol))
    for step in range(60):
        data = chance.randbytes(chance.randint(0, 60))
        if chance.random() < 0.6:
            data = protocol.encode(protocol.sample(chance))
        assert isinstance(model.receive(data, step / 10), bytes)
        model.tick(step / 10)
    model.power_off()
    assert model.receive(b"anything", 99.0) == b""
    assert model.next_event_s() is None
    assert model.tick(99.0) == b""


# Oximeter


def test_an_oximeter_is_recognised_by_its_profile_and_gives_its_record() -> None:
    profile = load("contec-cms50dplus")
    transport = make_transport("medemu://oximeter")
    connected = Device(profile, transport, interface_of(profile, "usb"))
    connected.connect()
    connected.drain()
    connected.send(b"\xf5\xf5")
    decoder = cms50.PROTOCOL.decoder()
    messages = decoder.feed(connected.wait(0.5))
    assert cms50.RecordedSize(size_bytes=180) in messages
    assert sum(isinstance(message, cms50.Recorded) for message in messages) == 60
    connected.send(b"\xf6\xf6\xf6")
    live = decoder.feed(connected.wait(1.0))
    assert sum(isinstance(message, cms50.Live) for message in live) == 60
    transport.close()


def test_a_weak_oximeter_falls_silent_after_noise_and_a_good_one_does_not() -> None:
    for weak, lives in (("", True), ("hangs-on-long-line", False)):
        model = device("oximeter", weak)
        model.receive(b"A" * 64, 0.01)
        assert bool(model.tick(0.1)) is lives


def test_a_leaky_oximeter_prints_a_key_while_it_starts() -> None:
    assert model_named("oximeter").device("boot-log").power_on(0.0).startswith(b"key=")
    assert model_named("oximeter").device("").power_on(0.0) == b""


# Analyser


def conversation(model: DeviceModel, *messages: astm.Message) -> list[astm.Message]:
    decoder = astm.PROTOCOL.decoder()
    said: list[astm.Message] = []
    for message in messages:
        said += decoder.feed(model.receive(astm.encode(message), 0.0))
    return said


def test_an_analyser_answers_a_question_with_results() -> None:
    model = device("analyser")
    question = astm.message_frames([(b"H", b"\\^&"), (b"Q", b"1", b"^SAMPLE7"), (b"L", b"1")])
    assert conversation(model, astm.ENQ, *question, astm.EOT) == [astm.ACK, astm.ACK, astm.ENQ]
    frames = []
    said = conversation(model, astm.ACK)
    while said != [astm.EOT]:
        frames += [message for message in said if isinstance(message, astm.Frame)]
        said = conversation(model, astm.ACK)
    records = astm.records_of(frames)
    assert [record[0] for record in records] == [b"H", b"P", b"O", b"R", b"R", b"L"]
    assert records[3][2:4] == (b"^^^GLU", b"5.4")
    assert conversation(model, astm.ACK) == []


def test_an_analyser_refuses_frames_out_of_order_and_outside_a_transfer() -> None:
    model = device("analyser")
    frame = astm.Frame(number=1, text=b"H|\r", is_last=True)
    assert conversation(model, frame) == []
    assert conversation(model, astm.ENQ, astm.Frame(number=3, text=b"H|\r", is_last=True)) == [astm.ACK, astm.NAK]
    assert conversation(model, frame, astm.EOT, astm.NAK) == [astm.ACK]


def test_a_wrong_sum_is_refused_by_a_good_analyser_and_taken_by_a_weak_one() -> None:
    frame = wrong_sum(astm.encode(astm.Frame(number=1, text=b"H|\r", is_last=True)), 4)
    for weak, answer in (("", b"\x15"), ("bad-checksum", b"\x06")):
        model = device("analyser", weak)
        assert model.receive(frame, 0.0) == b""
        assert model.receive(astm.encode(astm.ENQ) + frame, 0.0) == b"\x06" + answer
    assert device("analyser", "bad-checksum").receive(b"\x05\x02\xff9\x03zz\r\n", 0.0) == b"\x06\x15"


def test_a_set_record_is_refused_by_a_good_analyser_and_obeyed_by_a_weak_one() -> None:
    for weak, answer, calibration in (("", astm.NAK, b"1.00"), ("unauthenticated-set", astm.ACK, b"0.50")):
        model = device("analyser", weak)
        assert isinstance(model, Analyser)
        frames = astm.message_frames([(b"H", b"\\^&"), (b"M", b"1", b"CAL", b"0.50")])
        assert conversation(model, astm.ENQ, *frames, astm.EOT) == [astm.ACK, answer]
        assert model.calibration == calibration


# Ventilator


def ventilated(model: DeviceModel, code: int, data: bytes = b"", at_s: float = 1.0) -> list[medibus.Message]:
    command = medibus.encode(medibus.Command(code=code, data=data))
    return medibus.PROTOCOL.decoder().feed(model.receive(command, at_s))


def test_a_ventilator_gives_its_values_after_the_beginning_and_until_silence() -> None:
    model = device("ventilator")
    assert ventilated(model, 0x24) == []
    assert ventilated(model, 0x51) == [medibus.Response(code=0x51)]
    (answer,) = ventilated(model, 0x24)
    assert isinstance(answer, medibus.Response)
    assert medibus.measured_values(answer.data)[0xF0] == "40"
    assert ventilated(model, 0x30, at_s=3.5) == [medibus.Response(code=0x30)]
    assert ventilated(model, 0x24, at_s=7.0) == []
    ventilated(model, 0x51, at_s=8.0)
    assert ventilated(model, 0x55, at_s=8.1) == [medibus.Response(code=0x55)]
    assert ventilated(model, 0x24, at_s=8.2) == []


def test_a_wrong_sum_is_ignored_by_a_good_ventilator_and_answered_by_a_weak_one() -> None:
    for weak, answers in (("", False), ("bad-checksum", True)):
        model = device("ventilator", weak)
        assert bool(model.receive(wrong_sum(INIT, 3), 0.0)) is answers
    assert device("ventilator", "bad-checksum").receive(b"\x1b\r", 0.0) == b""


def test_a_set_command_is_ignored_by_a_good_ventilator_and_obeyed_by_a_weak_one() -> None:
    for weak, percent in (("", b"   21"), ("unauthenticated-set", b"  100")):
        model = device("ventilator", weak)
        assert isinstance(model, Ventilator)
        ventilated(model, 0x51)
        assert bool(ventilated(model, SET_CODE, b"100")) is bool(weak)
        assert model.oxygen_percent == percent


# Monitor


def admission(security: bytes = b"", name: bytes = b"DOE") -> Hl7Message:
    head = (b"MSH", b"^~\\&", b"HIS", b"WARD", b"", b"", b"", security, b"ADT^A08", b"7", b"P", b"2.5.1")
    return Hl7Message(segments=(head, (b"PID", b"1", b"", b"", b"", name)))


def shown(model: DeviceModel, message: Hl7Message) -> list[Hl7Message]:
    return hl7_mllp.PROTOCOL.decoder().feed(model.receive(hl7_mllp.encode(message), 0.0))


def test_a_monitor_answers_a_query_and_refuses_what_it_does_not_know() -> None:
    query = Hl7Message(segments=((b"MSH", b"^~\\&", b"HIS", b"W", b"", b"", b"", b"", b"QRY^R02", b"9"),))
    (answer,) = shown(device("monitor"), query)
    assert answer.field(b"MSA", 1) == b"AA"
    assert answer.field(b"MSA", 2) == b"9"
    assert answer.field(b"OBX", 5) == b"72"
    assert answer.field(b"MSH", 5) == b"HIS"
    assert answer.field(b"ZZZ", 1) == b""
    (other,) = shown(device("monitor"), Hl7Message(segments=((b"MSH", b"^~\\&"),)))
    assert other.field(b"MSA", 1) == b"AR"


@pytest.mark.parametrize(
    ("weak", "security", "code"),
    [
        ("", PASSWORD, b"AA"),
        ("", b"", b"AR"),
        ("", DEFAULT_PASSWORD, b"AR"),
        ("default-password", DEFAULT_PASSWORD, b"AA"),
        ("unauthenticated-set", b"", b"AA"),
    ],
)
def test_a_monitor_shows_a_patient_only_when_told_by_who_may(weak: str, security: bytes, code: bytes) -> None:
    model = device("monitor", weak)
    assert isinstance(model, Monitor)
    (answer,) = shown(model, admission(security))
    assert answer.field(b"MSA", 1) == code
    assert (model.patient == b"DOE") is (code == b"AA")


def test_a_long_field_is_refused_by_a_good_monitor_and_silences_a_weak_one() -> None:
    long = admission(PASSWORD, b"X" * 1025)
    (answer,) = shown(device("monitor"), long)
    assert answer.field(b"MSA", 3) == b"field too long"
    weak = device("monitor", "hangs-on-long-line")
    assert shown(weak, long) == []
    assert shown(weak, admission(PASSWORD)) == []
