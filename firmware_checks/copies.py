"""Copies of this process that answer questions: in them Python code runs on several processors at once.

A copy has everything this process had when it was made, without reading or sending it again; questions and answers go
through pipes. Only Linux copies a process in no time and safely, and only one that has no other threads, which a copy
would lack; elsewhere there are none. When this process ends, however it ends, its copies end too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from io import FileIO
from select import select

from toolkit.core.errors import MedhardenError

__all__ = ["Copies", "Copy", "copies", "serve"]

MOST_WAITING = 4
"""Questions a copy has before it: enough that it never waits; all of them must find room in a pipe at once."""
SIZE_BYTES = 8
"""Before each question and each answer stands how long it is."""

Answer = Callable[[bytes], bytes]


@dataclass(slots=True)
class Copy:
    """A process that answers questions in the order it was asked."""

    pid: int
    questions: FileIO
    answers: FileIO
    waiting: int = 0
    """Questions whose answers did not come yet."""
    answered: deque[bytes] = field(default_factory=deque)
    """Answers that came and nobody asked for yet."""

    def ask(self, question: bytes) -> None:
        """Put ``question`` at the end of those it has."""
        try:
            _send(self.questions, question)
        except BrokenPipeError:
            raise self._ended() from None
        self.waiting += 1

    def hear(self) -> None:
        """Wait for the next answer and keep it."""
        answer = _received(self.answers)
        if answer is None:
            raise self._ended()
        self.waiting -= 1
        self.answered.append(answer)

    def next_answer(self) -> bytes:
        """Return the answer to the oldest question, when it is there."""
        while not self.answered:
            self.hear()
        return self.answered.popleft()

    def end(self) -> None:
        """End the process, which has nothing that could be lost, whatever it is doing."""
        self.questions.close()
        self.answers.close()
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)

    def _ended(self) -> MedhardenError:
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return MedhardenError(
            f"a process that helped to read the image ended by itself ({_reason(status)}); "
            "memory may have been short: try again with --jobs 1"
        )


@dataclass(frozen=True, slots=True)
class Copies:
    """Several copies; a question goes to the one that has the fewest."""

    all: list[Copy] = field(default_factory=list)

    def ask(self, question: bytes) -> Callable[[], bytes]:
        """Ask one of them and return what waits for the answer; answers must be waited for in the order of asking."""
        while min(copy.waiting for copy in self.all) >= MOST_WAITING:
            ready, _, _ = select([copy.answers for copy in self.all], (), ())
            for copy in self.all:
                if copy.answers in ready:
                    copy.hear()
        least = min(self.all, key=lambda copy: copy.waiting)
        least.ask(question)
        return least.next_answer

    def no_more(self) -> None:
        """Let each end after its last answer, while that is still awaited."""
        for copy in self.all:
            copy.questions.close()

    def end(self) -> None:
        """End them all."""
        for copy in self.all:
            copy.end()


def copies(answer: Answer, count: int) -> Copies | None:
    """Return ``count`` copies that reply to a question with ``answer``; None where this process cannot be copied."""
    fork = _fork()
    if fork is None:
        return None
    made = Copies()
    try:
        for _ in range(count):
            made.all.append(_copied(answer, fork))
    except OSError:  # too many processes, or no memory for another one
        made.end()
        return None
    return made


def _fork() -> Callable[[], int] | None:
    if sys.platform == "linux" and threading.active_count() == 1:
        return os.fork
    return None


def _copied(answer: Answer, fork: Callable[[], int]) -> Copy:
    """Return one copy of this process; raise ``OSError`` when the system does not allow it."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    pid = fork()
    if pid == 0:  # pragma: no cover - nobody counts lines there
        _be_a_copy(answer, theirs_in, theirs_out, (ours_in, ours_out))
    os.close(theirs_in)
    os.close(theirs_out)
    return Copy(pid, FileIO(ours_out, "wb"), FileIO(ours_in, "rb"))


def _be_a_copy(  # pragma: no cover - nobody counts lines there
    answer: Answer, questions: int, answers: int, not_its_own: tuple[int, int]
) -> None:
    """Answer until nobody asks any more, and end without a word: what is to be told is told by who asked."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in not_its_own:
            os.close(number)
        serve(answer, FileIO(questions, "rb"), FileIO(answers, "wb"))
    finally:
        os._exit(0)


def serve(answer: Answer, questions: FileIO, answers: FileIO) -> None:
    """Answer each of the ``questions``, until there are no more or nobody hears the answers."""
    try:
        while (question := _received(questions)) is not None:
            _send(answers, answer(question))
    except BrokenPipeError:
        return


def _send(pipe: FileIO, message: bytes) -> None:
    left = memoryview(len(message).to_bytes(SIZE_BYTES, "little") + message)
    while left:
        left = left[pipe.write(left) or 0 :]


def _received(pipe: FileIO) -> bytes | None:
    """Return the next message; None when the other side has closed the pipe."""
    size = _exactly(pipe, SIZE_BYTES)
    return None if size is None else _exactly(pipe, int.from_bytes(size, "little"))


def _exactly(pipe: FileIO, size: int) -> bytes | None:
    message = bytearray()
    while len(message) < size:
        piece = pipe.read(size - len(message))
        if not piece:
            return None
        message += piece
    return bytes(message)


def _reason(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"
