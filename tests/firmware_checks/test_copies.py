"""What copies of this process promise: answers in order, one clear line when one dies, and none left behind."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from firmware_checks.copies import Copies, copies, serve
from toolkit.core.errors import MedhardenError

if sys.platform != "linux":
    pytest.skip("only Linux copies processes quickly and safely", allow_module_level=True)


@contextmanager
def _made(answer: Callable[[bytes], bytes], count: int = 2) -> Iterator[Copies]:
    made = copies(answer, count)
    assert made is not None
    started = [copy.pid for copy in made.all]
    try:
        yield made
    finally:
        made.end()
        for pid in started:
            with pytest.raises(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _doubled(question: bytes) -> bytes:
    return question * 2


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_answers_come_to_those_who_asked_in_their_order(size: int) -> None:
    with _made(lambda question: question * size) as made:
        questions = [bytes([number]) for number in range(40)]
        waiting = [made.ask(question) for question in questions]
        assert [answer() for answer in waiting] == [question * size for question in questions]


def test_a_copy_knows_what_this_process_knew_and_changes_nothing_here() -> None:
    known: list[bytes] = [b"before"]

    def remember(question: bytes) -> bytes:
        known.append(question)
        return b",".join(known)

    with _made(remember, 1) as made:
        assert [made.ask(question)() for question in (b"1", b"2")] == [b"before,1", b"before,1,2"]
    assert known == [b"before"]


def test_work_goes_to_the_copy_that_is_free() -> None:
    with _made(lambda question: str(os.getpid()).encode() + question) as made:
        told = [made.ask(b"")() for _ in range(2)] + [answer() for answer in [made.ask(b"") for _ in range(12)]]
    assert set(told) == {str(copy.pid).encode() for copy in made.all}


def test_copies_answer_what_they_were_asked_before_they_end() -> None:
    with _made(_doubled) as made:
        waiting = [made.ask(bytes([number])) for number in range(6)]
        made.no_more()
        assert [answer() for answer in waiting] == [bytes([number]) * 2 for number in range(6)]


def test_a_copy_that_dies_is_told_in_one_line() -> None:
    def die(_question: bytes) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    with _made(die) as made, pytest.raises(MedhardenError, match=r"ended by itself \(signal 9\).*--jobs 1"):
        made.ask(b"")()


def test_a_copy_that_fails_is_told_in_one_line() -> None:
    def fail(_question: bytes) -> bytes:
        raise ZeroDivisionError

    with _made(fail, 1) as made, pytest.raises(MedhardenError, match=r"exit code 0"):
        made.ask(b"")()


def test_asking_a_copy_that_is_gone_is_told_in_one_line() -> None:
    with _made(_doubled, 1) as made:
        os.kill(made.all[0].pid, signal.SIGKILL)
        with pytest.raises(MedhardenError, match="signal 9"):
            for _ in range(9):
                made.ask(b"a")


def test_copies_that_are_busy_end_when_they_are_told_to() -> None:
    def wait(question: bytes) -> bytes:
        time.sleep(600)
        return question

    with _made(wait) as made:
        for _ in range(4):
            made.ask(b"")


def test_copies_do_not_hear_of_an_interrupt_that_is_meant_for_this_process() -> None:
    with _made(_doubled) as made:
        for copy in made.all:
            os.kill(copy.pid, signal.SIGINT)
        assert made.ask(b"a")() == b"aa"


def test_copies_end_when_this_process_is_gone_without_a_word(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    child = os.fork()
    if child == 0:
        made = copies(_doubled, 2)
        pids.write_text(" ".join(str(copy.pid) for copy in made.all) if made else "")
        os._exit(0)
    os.waitpid(child, 0)
    for pid in pids.read_text().split():
        fd = os.pidfd_open(int(pid)) if _is_there(int(pid)) else None
        if fd is not None:
            try:
                _wait_for_end(fd)
            finally:
                os.close(fd)
    assert pids.read_text()


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for_end(fd: int) -> None:
    from select import select

    assert select([fd], (), (), 10.0)[0]


def test_a_process_with_threads_is_not_copied() -> None:
    goes_on = threading.Event()
    thread = threading.Thread(target=goes_on.wait)
    thread.start()
    try:
        assert copies(_doubled, 2) is None
    finally:
        goes_on.set()
        thread.join()


def test_where_no_process_can_be_made_there_are_no_copies() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0) + 4, before[1]))
    try:
        assert copies(_doubled, 9) is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("hears", [True, False])
def test_a_copy_serves_until_nobody_asks_or_hears(*, hears: bool) -> None:
    theirs, ours = os.pipe()
    mine, yours = os.pipe()
    with FileIO(ours, "wb") as questions, FileIO(theirs, "rb") as asked, FileIO(yours, "wb") as answers:
        questions.write((3).to_bytes(8, "little") + b"abc" + (9).to_bytes(8, "little") + b"cut")
        questions.close()
        with FileIO(mine, "rb") as heard:
            if not hears:
                heard.close()
            serve(_doubled, asked, answers)
            if hears:
                assert heard.read(100) == (6).to_bytes(8, "little") + b"abcabc"
