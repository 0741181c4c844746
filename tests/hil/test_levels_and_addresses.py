"""Evidence levels never grow, and addresses say what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.level import EvidenceLevel
from hil.transport import make_transport, scheme_named, schemes
from hil.transport_url import TransportUrl
from hil.verdict import Reason, Result, Verdict
from hil.weaknesses import chosen_weaknesses
from toolkit.core.errors import InputError

LEVELS = st.sampled_from(EvidenceLevel)


@given(LEVELS, LEVELS)
def test_the_weaker_of_two_levels_is_never_above_either(one: EvidenceLevel, two: EvidenceLevel) -> None:
    assert one.at_most(two).rank == min(one.rank, two.rank)


def test_hardware_counts_for_everything_and_a_replay_for_itself_alone() -> None:
    assert all(EvidenceLevel.HARDWARE.counts_for(level) for level in EvidenceLevel)
    assert [level for level in EvidenceLevel if EvidenceLevel.REPLAY.counts_for(level)] == [EvidenceLevel.REPLAY]
    assert {level for level in EvidenceLevel if level.is_real} == {EvidenceLevel.HARDWARE, EvidenceLevel.REMOTE}


@given(LEVELS)
def test_an_address_can_lower_the_level_and_never_raise_it(level: EvidenceLevel) -> None:
    transport = make_transport(f"tcp://127.0.0.1:9?level={level}")
    assert transport.level is EvidenceLevel.REMOTE.at_most(level)


def test_a_level_that_does_not_exist_is_told() -> None:
    with pytest.raises(InputError, match="level=certain is none of hardware"):
        make_transport("tcp://127.0.0.1:9?level=certain")


def _verdict(result: Result, level: EvidenceLevel | None, lowest: EvidenceLevel) -> Verdict:
    return Verdict(
        id="C1",
        check="a-check",
        question="Is it?",
        result=result,
        level=level,
        lowest_level=lowest,
        changes_device=False,
    )


@given(LEVELS, LEVELS)
def test_no_verdict_claims_more_than_it_rests_on(level: EvidenceLevel, lowest: EvidenceLevel) -> None:
    assert _verdict(Result.NOT_TESTED, level, lowest).reason is Reason.NONE
    for result in (Result.PASS, Result.FAIL):
        if level.counts_for(lowest):
            assert _verdict(result, level, lowest).level is level
        else:
            with pytest.raises(ValueError, match="needs"):
                _verdict(result, level, lowest)


def test_a_verdict_without_a_device_cannot_pass() -> None:
    with pytest.raises(ValueError, match="needs replay"):
        _verdict(Result.PASS, None, EvidenceLevel.REPLAY)


@pytest.mark.parametrize("text", ["COM3", "com12", "/dev/ttyUSB0", "/dev/serial/by-id/usb-Silicon_Labs-0001"])
def test_a_port_name_is_short_for_a_serial_address(text: str) -> None:
    assert TransportUrl.parse(text) == TransportUrl("serial", text)


def test_an_address_is_taken_apart_and_written_as_it_was() -> None:
    url = TransportUrl.parse("fault+serial:///dev/ttyS9?baud=9600&fault.noise=0.5")
    assert (url.scheme, url.place) == ("fault+serial", "/dev/ttyS9")
    assert url.options == {"baud": "9600", "fault.noise": "0.5"}
    assert str(url) == "fault+serial:///dev/ttyS9?baud=9600&fault.noise=0.5"
    assert url.with_defaults({"baud": "1", "parity": "odd"}).options["baud"] == "9600"


@pytest.mark.parametrize("text", ["", "ttyUSB0", "serial:", "://x", "tcp://", "1x://a", "COM3x"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(InputError, match="is no device"):
        TransportUrl.parse(text)


@pytest.mark.parametrize("number", ["-1", "nan", "inf", "ten"])
def test_a_number_in_an_address_is_one(number: str) -> None:
    with pytest.raises(InputError, match="is no number from 0 on"):
        TransportUrl.parse(f"serial://COM3?baud={number}").number("baud", 1)


@pytest.mark.parametrize("place", ["lab", "lab:", ":4000", "lab:0", "lab:70000", "lab:x"])
def test_a_network_address_needs_host_and_port(place: str) -> None:
    with pytest.raises(InputError, match="a host and a port are needed"):
        make_transport(f"tcp://{place}")


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert TransportUrl.parse("tcp://[::1]:4000").host_and_port == ("::1", 4000)


def test_a_misspelt_option_is_not_passed_over() -> None:
    with pytest.raises(InputError, match="no option is called bauds"):
        make_transport("serial://COM3?bauds=9600")


def test_every_kind_of_connection_is_called_as_its_file_and_its_example_can_be_made() -> None:
    for name, scheme in schemes().items():
        assert scheme_named(name) is scheme
        url = TransportUrl.parse(scheme.example)
        assert url.scheme.partition("+")[0] == name


def test_an_unknown_kind_of_connection_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"gopher:// is no kind of connection; there are .*medemu"):
        make_transport("gopher://hole")


def test_weaknesses_are_known_ones() -> None:
    assert chosen_weaknesses("it", "b,a", ("a", "b", "c")) == {"a", "b"}
    assert chosen_weaknesses("it", "", ()) == frozenset()
    with pytest.raises(InputError, match="it has no weakness d; there are a"):
        chosen_weaknesses("it", "a,d", ("a",))
    with pytest.raises(InputError, match="there are none"):
        chosen_weaknesses("it", "d", ())


def test_models_that_do_not_exist_are_told() -> None:
    with pytest.raises(InputError, match=r"medemu://toaster: no such device; there are .*demo-pump"):
        make_transport("medemu://toaster")
    with pytest.raises(InputError, match="medusb://toaster: no such device"):
        make_transport("medusb://toaster")
