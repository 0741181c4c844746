"""Source files are read from descriptions of kernel vulnerabilities, and from nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_checks.vulnerabilities.named_files import MOST_FILES, named_files
from firmware_checks.vulnerabilities.record import Configuration, Node, ProductMatch, Record

KERNEL = "cpe:2.3:o:linux:linux_kernel:*:*:*:*:*:*:*:*"


def record(text: str, criteria: str = KERNEL, *, is_nested: bool = False) -> Record:
    node = Node(cpe_match=[ProductMatch(criteria=criteria, vulnerable=True)])
    nodes = [Node(children=[node])] if is_nested else [node]
    return Record(name="CVE-2020-1", text=text, configurations=[Configuration(nodes=nodes)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The x function in net/ipv4/tcp_input.c in the Linux kernel before 4.9", ["~net/ipv4/tcp_input.c"]),
        (r"A flaw in drivers\bluetooth\btsdio.c in the Linux Kernel.", ["~drivers/bluetooth/btsdio.c"]),
        ("Linux: fs/jfs/jfs_dmap.c, include/net/sock.h.", ["~fs/jfs/jfs_dmap.c", "~include/net/sock.h"]),
        ("Linux kernel: see /usr/lib/x.c and tools/perf/x.c and io.c", []),
        ("In the Linux kernel, the following vulnerability has been resolved: x in mm/mmap.c", []),
        ("A flaw in net/ipv4/tcp_input.c of another system", []),
        ("", []),
    ],
)
def test_files_in_a_text(text: str, expected: list[str]) -> None:
    assert named_files(record(text)) == expected


def test_a_text_about_another_product_names_no_files_of_the_kernel() -> None:
    text = "A flaw in lib/tls/x.c when run on Linux"
    assert named_files(record(text, "cpe:2.3:a:gnu:gnutls:*:*:*:*:*:*:*:*")) == []
    assert named_files(record(text, is_nested=True)) == ["~lib/tls/x.c"]


def test_the_number_of_files_is_bounded() -> None:
    text = "Linux " + " ".join(f"mm/file{number}.c" for number in range(500))
    assert len(named_files(record(text))) == MOST_FILES


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    assert all(name.startswith("~") for name in named_files(record(f"Linux {text}")))
