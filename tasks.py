#!/usr/bin/env python3
"""Every chore of the project, for people and for CI; ``python3 tasks.py`` lists them.

It needs Python 3.11 or newer and the standard library, and does all set-up by itself: the first chore makes a virtual
environment in ``.venv``, later ones use it again while the requirements are the same. Why it is made this way:
docs/decisions/0004-own-environment-in-tasks.md.
"""

import sys

OLDEST_PYTHON = (3, 11)

if sys.version_info < OLDEST_PYTHON:  # before anything that an older Python does not have
    import shutil

    newer = [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if shutil.which(name)]
    hint = f"; {newer[0]} is here: run {newer[0]} tasks.py" if newer else ""
    sys.exit(f"tasks.py: Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}{hint}")

import contextlib
import filecmp
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import tomllib
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "made-by-tasks.json"
LOCK = ROOT / ".venv.lock"
PINS = ROOT / "requirements.lock"
PYPROJECT = ROOT / "pyproject.toml"
SYSTEM_PACKAGES = ROOT / "system-packages.txt"
REFERENCE_DOCUMENTS = ROOT / "docs" / "reference"
DEMO_FOLDER = ROOT / "medharden-demo"
ROOMS = ("toolkit", "device_profiles", "firmware_checks", "signing", "hil")
BENCHMARKS = ("fetch_images", "identify", "speed", "patterns", "updates", "bad_input", "fuzz")
LEVELS = ("runtime", "dev")
"""What the environment holds: what medharden needs to run, or also what its tests and checks need."""

SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")
Command = Sequence[str | Path]

EXIT_FAILED = 1
IN_PARALLEL = ("-n", str(min(4, os.cpu_count() or 1)), "--dist", "loadfile")
"""Test files are shared out over the processors; a file stays in one process, so that what it builds is built once."""
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
CLEANED = (
    ".venv", "medharden-demo", "dist", "build", "htmlcov", ".hypothesis",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache",
)  # fmt: skip


class TaskError(Exception):
    """Something a person can fix; the message says how."""


# ---------------------------------------------------------------------------------------------------------------------
# Decisions: no file, process or environment is touched here, so that tests can hold each against its reason.


@dataclass(frozen=True)
class Stamp:
    """What an environment was made from; it is used again only while all of this is still so."""

    digest: str
    level: str
    python: str
    root: str


def environment_action(*, exists: bool, stamp: Stamp | None, wanted: Stamp, starts: bool, ours: bool) -> str:
    """Return what to do with the environment: ``reuse`` it, ``install`` into it, ``rebuild`` it, or ``refuse``.

    A folder that this script did not make is never touched. A moved project or another Python means a new environment:
    both are written into its files.
    """
    if not exists:
        return "rebuild"
    if not ours:
        return "refuse"
    if stamp is None or not starts or (stamp.python, stamp.root) != (wanted.python, wanted.root):
        return "rebuild"
    enough = LEVELS.index(stamp.level) >= LEVELS.index(wanted.level)
    return "reuse" if enough and stamp.digest == wanted.digest else "install"


def pip_bootstrap_plan(*, has_ensurepip: bool, outer_pip: tuple[int, ...] | None) -> tuple[str, ...]:
    """Return the ways to get pip into a new environment, best first; empty when there is none.

    ``ensurepip`` is part of Python, but Debian and Ubuntu take it out. Then the pip of the Python that runs this script
    can install into another one: with ``--python`` since pip 22.3, with ``--target`` always.
    """
    ways: list[str] = []
    if has_ensurepip:
        ways.append("ensurepip")
    if outer_pip is not None:
        ways += ["python", "target"] if outer_pip >= (22, 3) else ["target"]
    return tuple(ways)


def pip_version(text: str) -> tuple[int, ...] | None:
    """Return the version in what ``pip --version`` printed, None when it printed something else."""
    match = re.match(r"pip (\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else None


def requirements(project: Mapping[str, Any], level: str) -> list[str]:
    """Return what pip must install for ``level``, as written in pyproject.toml.

    The build backend is among them, so that medharden itself is installed with the pinned one.
    """
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    if level == "dev":
        wanted += project["dependency-groups"]["dev"]
    return sorted(set(wanted))


def pins_from_report(report: Mapping[str, Any]) -> str:
    """Return the text of requirements.lock for an installation report of pip."""
    pins = sorted({f"{i['metadata']['name'].lower()}=={i['metadata']['version']}" for i in report["install"]})
    head = (
        "# The versions the tests were last passed with; tasks.py gives this file to pip as constraints.\n"
        "# Written by `python3 tasks.py lock`; do not edit. Requirements are declared in pyproject.toml.\n"
    )
    return head + "".join(f"{pin}\n" for pin in pins)


@dataclass(frozen=True)
class SystemPackage:
    """A package of the operating system: its Debian name, the program it brings, what is skipped without it."""

    name: str
    program: str
    skipped: str


def system_packages(text: str) -> tuple[SystemPackage, ...]:
    """Return the packages named in system-packages.txt: name, program and tests, separated by blanks."""
    rows = (line.split(maxsplit=2) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return tuple(SystemPackage(*row) for row in rows)


def apt_prefix(*, has_apt: bool, is_root: bool, sudo_without_password: bool) -> list[str] | None:
    """Return what must stand before ``apt-get`` to install packages, None when we may not."""
    if not has_apt:
        return None
    if is_root:
        return []
    return ["sudo", "-n"] if sudo_without_password else None


def apt_line(packages: Sequence[SystemPackage]) -> str:
    """Return the line a person can run to install ``packages``."""
    return "sudo apt-get install --yes --no-install-recommends " + " ".join(p.name for p in packages)


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for Python and pip in our environment.

    From where pip takes packages is the user's to say, so every such setting stays; where it puts them is ours.
    """
    ours = {"PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON"}
    kept = {name: value for name, value in environment.items() if name not in ours}
    return {**kept, "PATH": search_path(kept), "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def search_path(environment: Mapping[str, str]) -> str:
    """Return where programs are looked for: also where Debian keeps the makers of file systems."""
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*folders, *(f for f in SYSTEM_FOLDERS if f not in folders and sys.platform != "win32")])


# ---------------------------------------------------------------------------------------------------------------------
# Doing


def say(message: str) -> None:
    """Tell the person who waits what happens; on the error stream, results have the other one."""
    print(f"tasks.py: {message}", file=sys.stderr, flush=True)


def run(command: Command, *, cwd: Path = ROOT) -> int:
    """Run a program with its output shown and return its exit code."""
    return subprocess.run([str(c) for c in command], cwd=cwd, env=child_environment(os.environ), check=False).returncode


def output_of(command: Command) -> str | None:
    """Return what a program prints, None when it fails or does not exist."""
    try:
        done = subprocess.run(
            [str(c) for c in command],
            cwd=ROOT,
            env=child_environment(os.environ),
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def program(name: str) -> Path:
    """Return the path of a program in the environment."""
    return ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / (name + (".exe" if os.name == "nt" else ""))


def environment(level: str) -> Path:
    """Return the Python of an environment that holds ``level``; make or bring it up to date first where needed."""
    with one_at_a_time():
        wanted = Stamp(digest=inputs_digest(), level=level, python=python_identity(), root=str(ROOT))
        action = environment_action(
            exists=ENVIRONMENT.exists(),
            stamp=read_stamp(),
            wanted=wanted,
            starts=output_of([program("python"), "-c", "import pip"]) is not None,
            ours=STAMP.exists(),
        )
        if action == "refuse":
            raise TaskError(f"{ENVIRONMENT} was not made by tasks.py; move or remove it and run this again")
        if action == "rebuild":
            make_environment()
        if action != "reuse":
            install(wanted)
    return program("python")


def inputs_digest() -> str:
    """Return a digest of all that decides what is installed."""
    digest = hashlib.sha256()
    for path in (PYPROJECT, PINS, ROOT / "toolkit" / "__init__.py", Path(__file__)):
        data = path.read_bytes() if path.exists() else b""
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def python_identity() -> str:
    """Name the Python below any virtual environment; a bug-fix release of it does not make it another one."""
    return f"{sys.implementation.cache_tag} {Path(sys.base_prefix).resolve()}"


def read_stamp() -> Stamp | None:
    """Return the stamp of a finished environment, None when it was never finished."""
    try:
        return Stamp(**json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_stamp(text: str) -> None:
    """Replace the stamp in one step, so that it is never half written."""
    draft = STAMP.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(STAMP)


def make_environment() -> None:
    """Make a new, empty environment that has pip."""
    if Path(sys.prefix).resolve() == ENVIRONMENT:
        raise TaskError(f"{ENVIRONMENT} must be made anew, and its own Python runs this: use the Python outside of it")
    say(f"making a virtual environment in {ENVIRONMENT} with Python {sys.version.split()[0]}")
    if ENVIRONMENT.exists():
        shutil.rmtree(ENVIRONMENT)
    ENVIRONMENT.mkdir()
    write_stamp("{}")  # ours from here on, even when this run is stopped
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(ENVIRONMENT)
    outer = pip_version(output_of([sys.executable, "-m", "pip", "--version"]) or "")
    has_ensurepip = importlib.util.find_spec("ensurepip") is not None
    ways = pip_bootstrap_plan(has_ensurepip=has_ensurepip, outer_pip=outer)
    if any(bootstrap_pip(way) for way in ways):
        return
    if ways:
        raise TaskError("pip could not be installed into the environment; pip's own message is above")
    raise TaskError(
        f"{sys.executable} has neither ensurepip nor pip, so nothing can be installed. "
        "On Debian and Ubuntu: sudo apt-get install python3-venv; elsewhere: install pip for this Python. Then again."
    )


def bootstrap_pip(way: str) -> bool:
    """Try one way to get pip into the environment; tell whether pip works there now."""
    python = program("python")
    if way == "ensurepip":
        output_of([python, "-m", "ensurepip", "--default-pip"])
    elif way == "python":
        run([sys.executable, "-m", "pip", "--python", python, "install", "-qq", "pip"])
    else:
        question = "import sysconfig; print(sysconfig.get_path('purelib'))"
        folder = (output_of([python, "-X", "utf8", "-c", question]) or "").strip()
        run([sys.executable, "-m", "pip", "install", "-qq", "--root-user-action=ignore", "--target", folder, "pip"])
    return output_of([python, "-m", "pip", "--version"]) is not None


def install(wanted: Stamp) -> None:
    """Install what ``wanted.level`` needs and medharden itself, from this folder and editable."""
    write_stamp("{}")
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    names = requirements(project, wanted.level)
    say(f"installing {len(names)} packages and what they need; the first time takes a minute or two")
    pins = ["--constraint", str(PINS)] if PINS.exists() else []
    code = pip("install", *pins, *names)
    if code and pins:
        say("the pinned versions cannot be had here; trying the newest ones that fit")
        code = pip("install", *names)
    code = code or pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if code:
        raise TaskError("pip could not install what is needed; its message is above, and it follows your pip settings")
    write_stamp(json.dumps(asdict(wanted), indent=1))


def pip(*arguments: str) -> int:
    """Run pip in the environment."""
    return run([program("python"), "-m", "pip", "-qq", *arguments])


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one run at a time set up; the operating system opens the lock again when a run dies."""
    with LOCK.open("a", encoding="utf-8") as handle:
        told = False
        while not take_lock(handle):
            if not told:
                say("another run is setting up the environment; waiting for it")
                told = True
            time.sleep(0.5)
        yield


def take_lock(handle: IO[str]) -> bool:
    """Try to lock ``handle`` until it is closed; True also where the file system knows no locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Chores


def demo() -> int:
    """Scan the bundled image and leave a report to look at."""
    environment("runtime")
    where = output_of(
        [program("python"), "-X", "utf8", "-c", "from toolkit.app.demo import image_path; print(image_path())"]
    )
    if where is None:
        raise TaskError("medharden does not start; see: " + str(program("medharden")) + " --version")
    image = where.strip()
    DEMO_FOLDER.mkdir(exist_ok=True)
    page = DEMO_FOLDER / "report.html"
    page.unlink(missing_ok=True)
    run([program("medharden"), "scan", image])
    run([program("medharden"), "scan", image, "--format", "html", "--output", page])
    if not page.exists():  # the exit codes say that there are findings, as there should be
        raise TaskError("no report was made; the reason is above")
    print(f"\nThat was:      medharden scan {Path(image).name}")
    print(f"As a page:     {page.as_uri()}")
    print(f"Your own file: {program('medharden')} scan FILE")
    return 0


def test(*options: str) -> int:
    """Run the tests: all of them under coverage, or with pytest's own options just those."""
    python = environment("dev")
    install_system_packages()
    if options:
        return run([python, "-m", "pytest", *options])
    coverage: Command = [python, "-m", "coverage"]
    run([*coverage, "erase"])
    if run([*coverage, "run", "-m", "pytest", *IN_PARALLEL]):
        return EXIT_FAILED
    run([*coverage, "combine", "--quiet"])
    if run([*coverage, "report"]):
        say("branch coverage is below the floor in pyproject.toml")
        return EXIT_FAILED
    return 0


def install_system_packages() -> None:
    """Install the programs some tests compare with where that is allowed; otherwise say how, and what is skipped."""
    listed = system_packages(SYSTEM_PACKAGES.read_text(encoding="utf-8"))
    path = search_path(os.environ)
    missing = [package for package in listed if shutil.which(package.program, path=path) is None]
    if not missing:
        return
    prefix = apt_prefix(
        has_apt=shutil.which("apt-get") is not None,
        is_root=sys.platform != "win32" and os.geteuid() == 0,
        sudo_without_password=output_of(["sudo", "-n", "true"]) is not None,
    )
    if prefix is not None:
        say("installing system packages: " + " ".join(package.name for package in missing))
        command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        line = [*command, "install", "--yes", "--no-install-recommends", *(package.name for package in missing)]
        if output_of(line) is None:  # a fresh machine has no package lists yet
            output_of([*command, "update"])
            output_of(line)
        missing = [package for package in missing if shutil.which(package.program, path=path) is None]
    for package in missing:
        say(f"{package.program} is not here, skipped without it: {package.skipped}")
    if missing:
        say(f"to run these too: {apt_line(missing)}")


def lint() -> int:
    """Run every check that needs no test: style, types, floors, fresh documents."""
    python = environment("dev")
    mypy: Command = [python, "-m", "mypy", "--no-error-summary", "--cache-dir"]
    gates: dict[str, Command] = {
        "ruff check": [python, "-m", "ruff", "check", "."],
        "ruff format": [python, "-m", "ruff", "format", "--check", "."],
        "floors": [program("lint-imports"), "--no-cache"],
        "mypy, Linux": [*mypy, ".mypy_cache/linux", "--platform", "linux"],
        "mypy, Windows": [*mypy, ".mypy_cache/win32", "--platform", "win32"],
        "mypy, macOS": [*mypy, ".mypy_cache/darwin", "--platform", "darwin"],
    }
    failed = []
    for name, command in gates.items():
        say(name)
        if run(command):
            failed.append(name)
    say("documents are fresh")
    stale = stale_documents(python)
    if stale:
        say(f"not as the code would write it: {', '.join(stale)}; run: python3 tasks.py docs")
        failed.append("documents are fresh")
    say(f"failed: {', '.join(failed)}" if failed else f"all {len(gates) + 1} checks passed")
    return EXIT_FAILED if failed else 0


def stale_documents(python: Path) -> list[str]:
    """Return the names of reference documents that differ from what the code would write now."""
    with tempfile.TemporaryDirectory() as folder:
        if run([python, "-m", "toolkit.app.reference_docs", folder]):
            return ["all of them"]
        names = {path.name for where in (Path(folder), REFERENCE_DOCUMENTS) for path in where.glob("*")}
        _, differing, missing = filecmp.cmpfiles(folder, REFERENCE_DOCUMENTS, sorted(names), shallow=False)
    return differing + missing


def docs() -> int:
    """Write the reference documents and the indexes, which are made from the code."""
    if run([environment("dev"), "-m", "firmware_checks.indexes"]):
        return EXIT_FAILED
    shutil.rmtree(REFERENCE_DOCUMENTS, ignore_errors=True)
    REFERENCE_DOCUMENTS.mkdir(parents=True)
    return run([environment("dev"), "-m", "toolkit.app.reference_docs", REFERENCE_DOCUMENTS])


def build() -> int:
    """Build the wheel."""
    return run([environment("dev"), "-m", "hatchling", "build", "--target", "wheel", "--directory", ROOT / "dist"])


def bench(*names: str) -> int:
    """Run the benchmarks, or just those named."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        raise TaskError(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    python = environment("runtime")
    codes = [run([python, ROOT / "benchmarks" / f"{name}.py"]) for name in BENCHMARKS if name in (names or BENCHMARKS)]
    return max(codes)


def lock() -> int:
    """Write requirements.lock: the newest versions that fit, as pip finds them for this Python."""
    environment("runtime")
    names = requirements(tomllib.loads(PYPROJECT.read_text(encoding="utf-8")), "dev")
    say("asking pip which versions fit together")
    report = output_of(
        [program("python"), "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report=-", *names]
    )
    if report is None:
        raise TaskError("pip found no set of versions that fit together")
    PINS.write_text(pins_from_report(json.loads(report)), encoding="utf-8", newline="\n")
    say(f"{PINS.name} is written; run the tests with it")
    return 0


def clean() -> int:
    """Remove all that chores made, the environment included; downloads of the benchmarks stay."""
    for path in [ROOT / name for name in CLEANED]:
        if path.is_dir():
            shutil.rmtree(path)
    for path in [*ROOT.glob(".coverage*"), LOCK]:
        path.unlink(missing_ok=True)
    for room in (*ROOMS, "tests", "benchmarks", "docs"):
        for cache in (ROOT / room).rglob("__pycache__"):
            shutil.rmtree(cache)
    return 0


CHORES: dict[str, Callable[..., int]] = {
    chore.__name__: chore for chore in (demo, test, lint, docs, build, bench, lock, clean)
}
TAKES_ARGUMENTS = {"test": " [PYTEST OPTIONS]", "bench": " [NAME...]"}


def usage() -> str:
    """Return the help text."""
    width = max(len(name + TAKES_ARGUMENTS.get(name, "")) for name in CHORES)
    rows = [
        f"  {name + TAKES_ARGUMENTS.get(name, ''):<{width}}  {(chore.__doc__ or '').splitlines()[0]}"
        for name, chore in CHORES.items()
    ]
    return "\n".join(["usage: python3 tasks.py CHORE", "", *rows, "", "Start with: python3 tasks.py demo"])


def main(arguments: Sequence[str]) -> int:
    """Run one chore and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    name, *rest = arguments
    if name not in CHORES or (rest and name not in TAKES_ARGUMENTS):
        print(usage(), file=sys.stderr)
        return EXIT_ERROR
    try:
        return CHORES[name](*rest)
    except (TaskError, OSError) as error:
        say(str(error))
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
