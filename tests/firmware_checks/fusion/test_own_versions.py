"""Which of a program's versions is its own."""

from __future__ import annotations

import pytest

from firmware_checks.identity import Identities, Identity
from firmware_checks.own_versions import (
    Ballot,
    settled_by_rule,
    votes_of,
    votes_of_file_name,
    votes_of_release_in_name,
    votes_of_symbol_versions,
    with_votes_of_rule,
)
from firmware_checks.version_election import Linked, Verdict, decide
from firmware_checks.version_texts import VersionText, version_texts

IDENTITIES = Identities([])


def _identity(path: str) -> Identity:
    identity = IDENTITIES.of_file(path)
    assert identity is not None
    return identity


def _ballot(path: str, *texts: str) -> Ballot:
    data = b"\0" + b"\0".join(text.encode() for text in texts) + b"\0"
    found = version_texts(memoryview(data), [(0, len(data))])
    return Ballot(path, votes_of(found, _identity(path), path.rpartition("/")[2]))


def _decided(path: str, *texts: str, linked: Linked | None = None) -> Verdict | None:
    return decide([_ballot(path, *texts)], {} if linked is None else {path: linked})


@pytest.mark.parametrize(
    ("path", "texts", "version"),
    [
        ("bin/tar", ("tar (GNU tar) 1.34",), "1.34"),
        ("bin/tar", ("GNU format as per tar <= 1.12", "1.34"), "1.34"),
        ("usr/bin/strace", ("since strace 4.22.", "in strace 5.2, it was", "6.1"), "6.1"),
        ("usr/bin/tcpdump", ("%s version 4.99.3\n", "ver 3.2 ", "V5.2"), "4.99.3"),
        ("usr/bin/gawk", ("GNU Awk 5.2.1",), "5.2.1"),
        ("usr/sbin/openvpn", ("OpenVPN 2.6.14 arm", "starting with OpenVPN 2.1, do"), "2.6.14"),
        ("usr/lib/libssh.so.4.9.6", ("SSH-2.0-libssh_0.10.6",), "0.10.6"),
        ("usr/lib/libgcrypt.so.20", ("\n\nThis is Libgcrypt 1.10.1 - The library", "1.2.410.200004.1.3"), "1.10.1"),
        ("usr/lib/libreadline.so.8.2", ("8.2",), "8.2"),
        ("usr/lib/libjson-c.so.5.2.0", ("0.16",), "0.16"),
        ("usr/lib/libcares.so.2.5.1", ("1.18.1",), "1.18.1"),
        ("usr/lib/libpython3.11.so.1.0", ("1.0", "__version__", "3.11.2", "14.0.0", "unidata_version"), "3.11.2"),
        ("usr/bin/kmod", ("kmod version 30",), "30"),
        ("usr/bin/fbset", ("Frame Buffer Configuration Version 2.1 (23/06/1999)",), "2.1"),
        ("usr/bin/pbzip2", ("Parallel BZIP2 v1.1.13 [Dec 18, 2015]",), "1.1.13"),
        ("usr/bin/cpufreq-info", ("cpufrequtils 008: cpufreq-info",), "008"),
        ("bin/efibootmgr", ("17", "efibootmgr version %s"), "17"),
        ("usr/sbin/in.telnetd", ("$NetKit: netkit-telnet-0.17 $",), "0.17"),
        ("usr/lib/liboauth.so.0", ("liboauth-agent/1.0.3",), "1.0.3"),
        ("usr/lib/libefivar.so.1", ("/build/efivar-kT7nQd/efivar-37/src/efivar.h",), "37"),
        ("usr/lib/libopenal.so.1.19.1", ("1.1 ALSOFT 1.19.1",), "1.19.1"),
        ("usr/bin/mbimcli", ("mbimcli 1.28.2\nCopyright (C)",), "1.28.2"),
        ("usr/bin/bmon", ("%'8.2f %s", "bmon 4.0"), "4.0"),
        ("usr/sbin/fcgiwrap", ("Serves programs.\n\nfcgiwrap version 1.1.0\n\nOptions are:\n  -f",), "1.1.0"),
        ("usr/sbin/batctl", ("debian-2023.0-1", "batctl %s [batman-adv: "), "2023.0"),
        ("usr/bin/fswebcam", ("rt", "20140113", "fswebcam %s\n"), "20140113"),
        ("usr/bin/ncftp", ("@(#) NcFTP 3.2.6/575 Dec 04 2016", "172.16.", "172.17."), "3.2.6"),
        ("usr/bin/vim.basic", ("-ffile-prefix-map=/build/one/vim-9.0.1378=. -g", "9.0"), "9.0.1378"),
        ("usr/bin/tpm2", ("no help", "5.4", 'tool="%s" version="%s"'), "5.4"),
        ("usr/bin/zzcat", ("./bins/zzcat.c version zziplib 0.13.72",), "0.13.72"),
        ("usr/lib/libsofia-sip-ua.so.0", ("sofia-sip-1.12.11devel",), "1.12.11devel"),
        (
            "usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Linux/libccid.so",
            ("%s:%d:%s() Driver version: 1.5.2",),
            "1.5.2",
        ),
        ("usr/sbin/iw", ("0.8", "1.6", "3.2", "bitrates", "5.19"), "5.19"),
    ],
)
def test_a_program_tells_its_own_version(path: str, texts: tuple[str, ...], version: str) -> None:
    verdict = _decided(path, *texts)
    assert verdict is not None
    assert verdict.version == version


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("usr/bin/curl", ("OpenSSL 1.1.1k  25 Mar 2021",)),
        ("usr/bin/curl", ("requires curl 7.20 or later", "as of curl 7.10.")),
        ("usr/bin/curl", ("127.0.0.1", "255.255.255.0", "1.3.6.1.4.1", "192.168.1.1")),
        ("usr/bin/curl", ('<?xml version="1.0"?>', "HTTP version 1.1", "1.0")),
        ("usr/bin/curl", ("/usr/lib/curl/7.20/x", "http://curl.example/7.20", "libcurl.so.4.8", "GCC curl 12.2.0")),
        ("usr/bin/curl", ("5.25 inch", "646.1991", "2.5")),
        ("usr/lib/libmp3lame.so.0", ("2.4",)),
        ("usr/lib/libqpdf.so.29", ('QPDF is licensed under the Apache License, Version 2.0 (the "License");',)),
        ("usr/bin/unzip", ("Unix", "12.2.0", "gcc ")),
        ("usr/sbin/flashrom", ("500k", "62.5k", "Digilent", " GCC", "12.2.0")),
        ("usr/lib/libbiosig.so.3", ("Synergy", "012.003.000.000")),
        ("usr/bin/numastat", ("20130723", "%s version: %s: %s")),
        ("usr/lib/libunistring.so.2", (" 8.0",)),
        ("usr/lib/libdvdread.so.8", ("29.97", "25.00", "(please send a bug report)")),
        ("usr/lib/libieee1284.so.3", ("<== E1284_NOTIMPL (IEEE 1284.3)",)),
        ("usr/bin/zsh", ("ISO", "1.0", "1997-12-20")),
        ("usr/sbin/exim4", tuple(f"{n}.{n}.0 " for n in range(9))),
    ],
)
def test_numbers_of_others_are_not_the_programs_version(path: str, texts: tuple[str, ...]) -> None:
    verdict = _decided(path, *texts)
    assert verdict is None or verdict.version is None


def test_two_versions_without_a_lead_are_both_candidates() -> None:
    verdict = _decided("usr/bin/curl", "7.88.1", "3.0.2")
    assert verdict is not None
    assert (verdict.version, verdict.candidates) == (None, ("3.0.2", "7.88.1"))


def test_the_version_of_a_linked_library_is_not_the_programs_own() -> None:
    known = Linked(versions=frozenset({"3.0.2"}))
    beside = Linked(keys=frozenset({"other"}))
    series = Linked(versions=frozenset({"3.0.9"}))
    handed = Linked(names=("libz.so.1",))
    for linked in (known, series):
        verdict = _decided("usr/bin/curl", "7.88.1", "3.0.2", linked=linked)
        assert verdict is not None
        assert verdict.version == "7.88.1"
    assert _decided("usr/bin/curl", "3.0.2", "other library", linked=beside) is None
    assert _decided("usr/bin/curl", "1.2.13", linked=handed) is None


def test_what_most_files_of_a_family_hold_is_theirs_though_a_library_has_it_too() -> None:
    paths = [f"usr/lib/gstreamer-1.0/libgst{name}.so" for name in ("alsa", "audioconvert", "videoscale")]
    ballots = [_ballot(path, "1.22.0", "LGPL") for path in paths]
    released_together = Linked(versions=frozenset({"1.22.0"}), is_family=True)
    verdict = decide(ballots, dict.fromkeys(paths, released_together))
    assert verdict is not None
    assert verdict.version == "1.22.0"
    assert decide(ballots, dict.fromkeys(paths, Linked(versions=frozenset({"1.22.0"})))) is None


def test_a_series_supports_its_release_and_one_zero_more_is_the_same() -> None:
    verdict = _decided("usr/lib/liblua5.3.so.0", "Lua 5.3.6  Copyright", "lua 5.3")
    assert verdict is not None
    assert verdict.version == "5.3.6"
    verdict = decide([_ballot("usr/bin/pacat", "pulseaudio 16.1"), _ballot("usr/bin/pactl", "16.1.0")], {})
    assert verdict is not None
    assert verdict.version == "16.1"


def test_patterns_for_own_files_outweigh_other_texts() -> None:
    data = b"\x002.1.12-stable\x009.9.9\x00"
    texts = version_texts(memoryview(data), [(0, len(data))])
    votes = votes_of(texts, _identity("usr/lib/libevent.so"), "libevent.so")
    stable = next(text for text in texts if text.number == "2.1.12")
    verdict = decide([Ballot("x", with_votes_of_rule(votes, {"2.1.12": stable}))], {})
    assert verdict is not None
    assert verdict.points > 5


@pytest.mark.parametrize(
    ("name", "version"),
    [("libz.so.1.2.13", "1.2.13"), ("libbfd-2.40.1.so", "2.40.1"), ("libiw.so.30", "30"), ("libx.so", None)],
)
def test_the_name_of_a_library_can_be_its_version(name: str, version: str | None) -> None:
    assert [vote.text.version for vote in votes_of_file_name(name)] == ([version] if version else [])


def test_the_one_version_that_a_rule_found_in_own_files_decides() -> None:
    tools = [_ballot(f"usr/bin/lxc-{name}", "1.0.1") for name in ("attach", "copy", "start", "stop")]
    library = Ballot("usr/lib/liblxc.so.1", with_votes_of_rule([], {"4.0.6": _found("4.0.6")}))
    verdict = decide(settled_by_rule([*tools, library], {"4.0.6"}), {})
    assert verdict is not None
    assert verdict.version == "4.0.6"
    undecided = [*tools, library]
    assert settled_by_rule(undecided, {"4.0.6", "1.0.1"}) is undecided


def test_what_stands_behind_the_name_keeps_some_weight_beside_what_a_rule_found() -> None:
    (named,) = settled_by_rule([_ballot("usr/bin/mpd", "OK MPD 0.23.5\n", "7.7.7")], {"0.23.12"})
    assert [vote.text.version for vote in named.votes] == ["0.23.5"]
    assert 0 < named.votes[0].points < _ballot("usr/bin/mpd", "OK MPD 0.23.5\n").votes[0].points


@pytest.mark.parametrize(
    ("name", "version"), [("liba52-0.7.4.so", "0.7.4"), ("libx-1.4.2.so.7.0.1", "1.4.2"), ("libglib-2.0.so.0.1", None)]
)
def test_the_release_in_a_librarys_name_before_its_ending_is_its_version(name: str, version: str | None) -> None:
    votes = votes_of_release_in_name(name)
    assert [vote.text.version for vote in votes] == ([] if version is None else [version])


def _found(version: str) -> VersionText:
    return VersionText(number=version, version=version, before="", after="", near=("", ""), offset=1)


def test_a_library_whose_newest_interface_has_the_numbers_of_its_file_is_that_release() -> None:
    (vote,) = votes_of_symbol_versions("libtalloc.so.2.4.0", ("TALLOC_2.3.5", "TALLOC_2.4.0"), {"talloc"})
    assert (vote.text.version, vote.is_named) == ("2.4.0", True)
    assert votes_of_symbol_versions("libtalloc.so.2.4.0", ("OTHER_2.4.0", "TALLOC_2.3.5"), {"talloc"}) == []


def test_the_version_of_an_interface_is_not_that_of_the_program() -> None:
    assert _decided("usr/lib/libva.so.2", "1.17.0", "VA-API version %s") is None


def test_numbers_in_a_table_of_values_and_headings_of_files_decide_nothing() -> None:
    assert _decided("usr/bin/mbpoll", "6", "1.5", "Unknown") is None
    assert _decided("sbin/multipath", "# Multipath bindings, Version : 1.0\n# NOTE") is None


def test_a_version_beside_the_own_name_is_not_that_of_a_library_of_like_name() -> None:
    linked = Linked(keys=frozenset({"libev", "ev"}))
    verdict = _decided("usr/bin/ss-local", "3.3.5", "shadowsocks-libev %s", linked=linked)
    assert verdict is not None
    assert verdict.version == "3.3.5"
