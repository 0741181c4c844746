"""Fetch and compile the libraries of ``pack_recipes.toml``: by package name, for Cortex-M, many ways.

Sources come from Debian source packages of several releases and from Python source packages, each through its ordinary
client with the settings this machine has. Everything lands in ``benchmarks/.cache``; what is there is not made again.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE / ".cache" / "mcu"
RECIPES = HERE / "pack_recipes.toml"
SUITES = ("bullseye", "bookworm", "trixie", "forky", "sid")
"""Debian releases whose source packages are looked at: each has its own version of a library."""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SYSROOT = "/usr/lib/arm-none-eabi"
COMPILE_S = 180


@dataclass(frozen=True)
class Toolchain:
    """A compiler, an optimisation and a processor."""

    compiler: str
    optimisation: str
    cpu: str

    @property
    def name(self) -> str:
        """For example ``gcc-Os-m4``."""
        return f"{self.compiler}{self.optimisation}-{self.cpu.removeprefix('cortex-')}"

    def command(self) -> list[str]:
        """Return the compiler with the options that make it this one."""
        options = [self.optimisation, "-mthumb", f"-mcpu={self.cpu}", "-mfloat-abi=soft", "-ffunction-sections"]
        options += ["-fdata-sections", "-ffreestanding", "-w", "-c"]
        if self.compiler == "gcc":
            return ["arm-none-eabi-gcc", *options]
        return ["clang", "--target=arm-none-eabi", f"-isystem{SYSROOT}/include", "-fshort-enums", *options]


PACK_TOOLCHAINS = tuple(
    Toolchain(compiler, optimisation, cpu)
    for compiler in ("gcc", "clang")
    for optimisation in ("-Os", "-O2")
    for cpu in ("cortex-m0plus", "cortex-m4")
)


@dataclass(frozen=True)
class Configuration:
    """How a library is set up: options for the compiler, and files that it includes, written by us."""

    name: str
    flags: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Where a library comes from and which of its files are compiled."""

    component: str
    files: tuple[str, ...]
    debian: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    """Python packages with version, ``NAME==VERSION``."""
    built: tuple[str, ...] = ()
    """Debian packages that bring sources, with their release: ``NAME@RELEASE``."""
    version: str | None = None
    """Where neither package nor sources tell the library's own; empty where nobody does."""
    root: str = "."
    """Folder inside the package, a pattern."""
    exclude: tuple[str, ...] = ()
    includes: tuple[str, ...] = (".",)
    version_from: tuple[str, str] | None = None
    """File and regular expression that give the version where the package's own is another."""
    versions: str | None = None
    """Regular expression for the versions that are taken."""
    fixes: dict[str, list[str]] = field(default_factory=dict)
    """Vulnerabilities that patches in the Debian package fix, and the functions that change: built without as well."""
    headers: dict[str, str] = field(default_factory=dict)
    minimum_functions: int = 4
    configurations: tuple[Configuration, ...] = (Configuration("default"),)


@dataclass(frozen=True)
class Source:
    """One version of a library, unpacked."""

    recipe: Recipe
    version: str
    folder: Path
    fixes: tuple[str, ...] = ()
    """Vulnerabilities that are fixed in these sources by patches."""


def recipes() -> tuple[Recipe, ...]:
    """Return all recipes of ``pack_recipes.toml``."""
    return tuple(_recipe(row) for row in tomllib.loads(RECIPES.read_text(encoding="utf-8"))["library"])


def _recipe(row: dict[str, object]) -> Recipe:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    rows = row.get("configurations")
    if isinstance(rows, list):
        values["configurations"] = tuple(
            Configuration(r["name"], tuple(r.get("flags", ())), r.get("headers", {})) for r in rows
        )
    return Recipe(**values)  # type: ignore[arg-type]  # a recipe with another field is told by its name


def run(command: Sequence[str], folder: Path) -> str:
    """Run a program in ``folder`` and return what it printed; raise ``RuntimeError`` with its last line."""
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode:
        last = ((done.stderr or done.stdout).strip().splitlines() or ["it printed nothing"])[-1]
        raise RuntimeError(f"{' '.join(command[:3])} failed: {last}")
    return done.stdout


@cache
def apt_options(release: str = "") -> tuple[str, ...]:
    """Return options for apt in a place of its own: it sees the sources of all ``SUITES``, or what a release built."""
    place = CACHE / "apt" / release
    (place / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    rows = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)"], CACHE).splitlines()
    mirror = next(row.split()[0] for row in rows if row.endswith(" Debian") and "security" not in row)
    kind, suites = ("deb", (release,)) if release else ("deb-src", SUITES)
    sources = "".join(f"{kind} [signed-by={KEYRING}] {mirror} {suite} main\n" for suite in suites)
    (place / "sources.list").write_text(sources, encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": str(place / "sources.list"),
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": str(place / "lists"),
        "Dir::State::status": "/dev/null",
        "Dir::Cache": str(place),
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    options = tuple(part for key, value in settings.items() for part in ("-o", f"{key}={value}"))
    if not any((place / "lists").glob("*_main_*")):
        run(["apt-get", *options, "update"], CACHE)
    return options


def debian_versions(package: str) -> list[str]:
    """Return the versions of a Debian source package, newest first."""
    shown = run(["apt-cache", *apt_options(), "showsrc", "--only-source", package], CACHE)
    found = set(re.findall(r"^Version: (\S+)$", shown, re.MULTILINE))
    return sorted(found, key=lambda version: [int(n) for n in re.findall(r"\d+", version)], reverse=True)


def upstream(version: str) -> str:
    """Return the upstream part of a Debian version."""
    bare = version.partition(":")[2] or version
    bare = bare.rpartition("-")[0] or bare
    bare = bare.rpartition("+really")[2]
    return re.split(r"[+~]|\.dfsg", bare)[0]


def fetch_debian(package: str, version: str, *, patched: bool = True) -> Path:
    """Return the folder with the unpacked source package; raise ``RuntimeError`` when it cannot be fetched."""
    folder = CACHE / "src" / f"{package}_{version.replace(':', '_')}{'' if patched else '_unpatched'}"
    if folder.exists():
        return folder
    downloads = CACHE / "dsc"
    downloads.mkdir(parents=True, exist_ok=True)
    bare = version.partition(":")[2] or version
    description = downloads / f"{package}_{bare}.dsc"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not description.exists():
        try:
            run(["apt-get", *apt_options(), "source", "--download-only", f"{package}={version}"], downloads)
        except RuntimeError:
            _unpack_upstream(downloads, f"{package}_{bare.rpartition('-')[0]}.orig.tar.", folder)
            return folder
    skip = [] if patched else ["--skip-patches"]
    run(["dpkg-source", "--no-check", *skip, "-x", str(description), str(folder)], downloads)
    return folder


def _unpack_upstream(downloads: Path, prefix: str, folder: Path) -> None:
    """Unpack what upstream released where the mirror has lost Debian's part of the source package."""
    archives = [p for p in downloads.iterdir() if p.name.startswith(prefix) and p.suffix != ".asc"]
    if not archives:
        raise RuntimeError(f"{prefix}* is not there")
    with tarfile.open(archives[0]) as tar:
        tar.extractall(folder, filter="data")
    (only, *others) = folder.iterdir()
    if not others and only.is_dir():
        for child in only.iterdir():
            child.rename(folder / child.name)


def fetch_python(requirement: str) -> Path:
    """Return the folder with the unpacked source package of ``NAME==VERSION``."""
    folder = CACHE / "src" / requirement.replace("==", "_")
    if folder.exists():
        return folder
    downloads = CACHE / "sdist" / requirement.replace("==", "_")
    downloads.mkdir(parents=True, exist_ok=True)
    if not any(downloads.iterdir()):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", requirement]
        run(pip, downloads)
    (archive,) = downloads.iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def fetch_built(package: str, release: str) -> tuple[Path, str]:
    """Return the folder with the content of a package that a Debian release built, and its version."""
    folder = CACHE / "deb" / f"{package}@{release}"
    stamp = folder / "fetched.txt"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            run(["apt-get", *apt_options(release), "download", package], Path(work))
            (archive,) = Path(work).glob("*.deb")
            run(["dpkg-deb", "--extract", archive.name, str(folder)], Path(work))
            stamp.write_text(archive.name.split("_")[1].replace("%3a", ":"), encoding="utf-8")
    return folder, stamp.read_text(encoding="utf-8").strip()


def sources(recipe: Recipe) -> Iterator[Source]:
    """Yield every version of a library that can be fetched, each once; what cannot be had is told."""
    seen: set[str] = set()
    for package in recipe.debian:
        yield from _debian_sources(recipe, package, seen)
    for requirement in recipe.python:
        folder = _fetched(requirement, lambda: fetch_python(requirement))  # noqa: B023  # called at once
        if folder is None:
            continue
        source = _source(recipe, folder, requirement.partition("==")[2])
        if source.version not in seen:
            seen.add(source.version)
            yield source
    for name in recipe.built:
        folder, version = fetch_built(*name.split("@"))
        yield _source(recipe, folder, upstream(version))


def _debian_sources(recipe: Recipe, package: str, seen: set[str]) -> Iterator[Source]:
    for version in debian_versions(package):
        if upstream(version) in seen or (recipe.versions and not re.fullmatch(recipe.versions, upstream(version))):
            continue
        folder = _fetched(f"{package}_{version}", lambda: fetch_debian(package, version))  # noqa: B023  # called at once
        if folder is not None:
            seen.add(upstream(version))
            yield from _with_and_without_fixes(recipe, package, version, folder)


def _fetched(name: str, fetch: Callable[[], Path]) -> Path | None:
    """Fetch a source package unless it could not be had before; delete ``.cache/mcu/missing`` to try again."""
    missing = CACHE / "missing" / name.replace(":", "_")
    if missing.exists():
        return None
    try:
        return fetch()
    except RuntimeError as error:
        print(f"{name}: {error}", file=sys.stderr)
        missing.parent.mkdir(parents=True, exist_ok=True)
        missing.write_text(str(error), encoding="utf-8")
        return None


def _with_and_without_fixes(recipe: Recipe, package: str, version: str, folder: Path) -> Iterator[Source]:
    patches = folder / "debian" / "patches"
    text = "".join(p.read_text("utf-8", "replace") + p.name for p in patches.rglob("*") if p.is_file())
    fixes = tuple(name for name in recipe.fixes if name in text)
    yield _source(recipe, folder, upstream(version), fixes)
    if fixes:
        yield _source(recipe, fetch_debian(package, version, patched=False), upstream(version))


def _source(recipe: Recipe, folder: Path, version: str, fixes: tuple[str, ...] = ()) -> Source:
    root = folder if recipe.root == "." else next(iter(sorted(folder.glob(recipe.root))), folder)
    if recipe.version_from is not None:
        name, expression = recipe.version_from
        found = re.search(expression, next(root.glob(name)).read_text("utf-8", "replace"), re.DOTALL)
        if found is None:
            raise RuntimeError(f"{root}: no version in {name}")
        version = ".".join(_number(group) for group in found.groups())
    return Source(recipe, version if recipe.version is None else recipe.version, root, fixes)


def _number(text: str) -> str:
    """Write 0x0002000b, as littlefs has it, as 2.11."""
    return f"{int(text, 16) >> 16}.{int(text, 16) & 0xFFFF}" if text.startswith("0x") else text


def objects(source: Source, toolchain: Toolchain, configuration: Configuration) -> list[Path]:
    """Compile what is not compiled yet and return the object files; a file that does not compile is left out."""
    recipe = source.recipe
    fixed = "-fixed" if source.fixes else ""
    place = CACHE / "obj" / recipe.component / (source.version + fixed) / f"{toolchain.name}-{configuration.name}"
    files = sorted({file for pattern in recipe.files for file in source.folder.glob(pattern)})
    files = [f for f in files if not any(f.match(pattern) for pattern in recipe.exclude)]
    command = [*toolchain.command(), *configuration.flags]
    for number, texts in enumerate((recipe.headers, configuration.headers)):
        command += [f"-I{_written(place.parent / f'include-{configuration.name}-{number}', texts)}"] if texts else []
    for pattern in recipe.includes:
        command += [f"-I{folder}" for folder in sorted(source.folder.glob(pattern))] if pattern != "." else []
    command += [f"-I{source.folder}"]
    place.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda file: _compile(command, source.folder, file, place), files)
        return [path for path in made if path is not None]


def _written(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _compile(command: Sequence[str], folder: Path, file: Path, place: Path) -> Path | None:
    name = str(file.relative_to(folder)).replace("/", "__")
    key = hashlib.sha256("\0".join([*command, name]).encode()).hexdigest()[:8]
    target = place / f"{name}.{key}.o"
    failed = target.with_suffix(".failed")
    if target.exists():
        return target
    if failed.exists():
        return None
    try:
        run([*command, str(file), "-o", str(target)], folder)
    except RuntimeError as error:
        failed.write_text(str(error), encoding="utf-8")
        return None
    return target


def clean_of(paths: Iterable[Path]) -> None:
    """Remove folders that a stopped run left half-written."""
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
