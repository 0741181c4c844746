"""``medharden keys``: make, list, look at and hand out signing keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from toolkit.app.secrets import CommandLineSecrets, passphrase_option
from toolkit.core.errors import InputError, MedhardenError

EPILOG = """\b
Examples:
  medharden keys new file:root-1.pem
  medharden keys new "pkcs11:token=clinic;object=root-1" --algorithm ecdsa-p384-sha384
  medharden keys new lms:firmware.lms --algorithm lms-sha256-m24-h10-w4
  medharden keys list
  medharden keys show file:root-1.pem
  medharden keys export file:root-1.pem --output root-1.pub

\b
A private key never leaves its place: no verb prints or copies one. What is
handed on is the public half; compare its key id over the telephone."""

NEW_EPILOG = """\b
Examples:
  medharden keys new file:root-1.pem
  medharden keys new file:root-2.pem --algorithm hybrid-ed25519-ml-dsa-65
  medharden keys new "lms:firmware.lms?witness=/media/safe/firmware.witness" --algorithm lms-sha256-m24-h10-w4
  medharden keys new --algorithms

\b
An LMS key signs a fixed number of times. Its witness knows how often it did:
keep the witness on another medium, and never restore one of the two alone."""

LIST_EPILOG = """\b
Examples:
  medharden keys list
  medharden keys list /media/safe --json
  medharden keys list --tokens
  medharden keys list --tokens --module /usr/lib/opensc-pkcs11.so

\b
Public keys on tokens are read without a PIN."""

SHOW_EPILOG = """\b
Examples:
  medharden keys show file:root-1.pem
  medharden keys show lms:firmware.lms --json
  medharden keys show root-1.pub"""

EXPORT_EPILOG = """\b
Examples:
  medharden keys export file:root-1.pem
  medharden keys export "pkcs11:token=clinic;object=root-1" --output root-1.pub"""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
MOST_FILES = 10_000


@click.group(name="keys", short_help="Make, list and show signing keys.", epilog=EPILOG)
def COMMAND() -> None:  # noqa: N802  # the registry finds it by this name
    """Signing keys: in encrypted files, on tokens, with a cloud provider."""


@COMMAND.command(name="new", short_help="Make a key.", epilog=NEW_EPILOG)
@click.argument("uri", required=False)
@click.option("--algorithm", default="ed25519", show_default=True, metavar="NAME", help="What the key is for.")
@click.option("--algorithms", "is_listing", is_flag=True, help="List what can be made, and stop.")
@passphrase_option
@json_option
def new(uri: str | None, *, algorithm: str, is_listing: bool, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a private key at URI; an existing one is never replaced."""
    from signing.keyring import create_key, scheme_of

    if is_listing:
        _list_algorithms()
        return
    if uri is None:
        raise InputError("say where the key is to be kept, for example file:root-1.pem")
    public = create_key(uri, algorithm, CommandLineSecrets(passphrase_file))
    if as_json:
        _print_json({"uri": uri, "algorithm": public.name, "key_id": public.key_id})
    else:
        click.echo(public.key_id)
    click.echo(f"medharden: {uri} is a new {public.algorithm.title} key", err=True)
    for warning in scheme_of(uri)[0].warnings(scheme_of(uri)[1]):
        click.echo(f"medharden: {warning}", err=True)


def _list_algorithms() -> None:
    from signing.algorithm import algorithms
    from signing.keyring import schemes

    for scheme in schemes().values():
        for name in scheme.algorithms():
            click.echo(f"{scheme.name + ':':9}{name:42}{algorithms()[name].title}")


@COMMAND.command(name="list", short_help="List the keys in a folder.", epilog=LIST_EPILOG)
@click.argument("folder", default=".", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--tokens", "is_tokens", is_flag=True, help="List the keys on the tokens that are plugged in, too.")
@click.option("--module", metavar="FILE", help="Driver of the tokens (PKCS#11).  [default: the one that is installed]")
@json_option
def list_keys(folder: Path, *, is_tokens: bool, module: str | None, as_json: bool) -> int:
    """List the key files, LMS keys and public keys in FOLDER; private keys stay closed."""
    rows: list[dict[str, Any]] = []
    code = 0
    on_tokens = _on_tokens(module) if is_tokens or module is not None else ()
    for found in (*_found(folder), *on_tokens):
        if isinstance(found, MedhardenError):
            click.echo(f"medharden: {found}", err=True)
            code = 2
        else:
            rows.append(found)
    if as_json:
        _print_json(rows)
        return code
    for row in rows:
        left = f"{row['signatures_left']} signatures left" if "signatures_left" in row else ""
        click.echo(f"{row['uri']:32} {row['algorithm']:26} {row['key_id'][:16]}  {left}".rstrip())
    return code


def _found(folder: Path) -> Iterator[dict[str, Any] | MedhardenError]:
    """Yield what is known of each key in ``folder``, or what is wrong with it."""
    for count, path in enumerate(sorted(folder.iterdir())):
        if count >= MOST_FILES:
            yield InputError(f"{folder}: more than {MOST_FILES} files, the rest was not looked at")
            return
        shown = path.relative_to(folder) if folder == Path() else path
        if (path / "key.json").is_file():
            yield _looked_at(f"lms:{shown}")
        elif path.suffix == ".pub" and path.is_file():
            private = shown.with_suffix("")
            yield _looked_at(f"file:{private}" if path.with_suffix("").is_file() else str(shown))


def _on_tokens(module: str | None) -> Iterator[dict[str, Any] | MedhardenError]:
    """Yield what is known of each key on a token, or what is wrong with it."""
    from signing.keyring import schemes

    for scheme in schemes().values():
        if scheme.find is None:
            continue
        try:
            uris = list(scheme.find(module))
        except MedhardenError as error:
            yield error
            continue
        yield from (_looked_at(uri) for uri in uris)


def _looked_at(uri: str) -> dict[str, Any] | MedhardenError:
    try:
        return _facts(uri, CommandLineSecrets())
    except MedhardenError as error:
        return error


def _facts(uri: str, secrets: CommandLineSecrets) -> dict[str, Any]:
    """Return what there is to tell about a key: one with a URI, or a public key file."""
    from signing.comment_files import read_trusted_key
    from signing.keyring import public_key, scheme_of, schemes

    if uri.partition(":")[0] in schemes():
        scheme, rest = scheme_of(uri)
        public, more = public_key(uri, secrets), dict(scheme.facts(rest))
    else:
        public, more = read_trusted_key(Path(uri))[0], {"kept": "public key only"}
    return {
        "uri": uri,
        "algorithm": public.name,
        "title": public.algorithm.title,
        "strength": str(public.algorithm.strength),
        "key_id": public.key_id,
        **more,
    }


@COMMAND.command(name="show", short_help="Show what is known of a key.", epilog=SHOW_EPILOG)
@click.argument("key", metavar="URI|FILE")
@passphrase_option
@json_option
def show(key: str, *, passphrase_file: Path | None, as_json: bool) -> None:
    """Show algorithm, key id and place of a key, and which policies accept it; never its private half."""
    from signing.algorithm import algorithm_named
    from signing.policy import policies

    facts = _facts(key, CommandLineSecrets(passphrase_file))
    name = algorithm_named(facts["algorithm"]).name
    facts["policies"] = [policy.name for policy in policies().values() if policy.accepts(name)]
    if as_json:
        _print_json(facts)
        return
    for label, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{label.replace('_', ' '):18} {shown}")


@COMMAND.command(name="export", short_help="Write the public half of a key.", epilog=EXPORT_EPILOG)
@click.argument("uri")
@click.option("--output", type=click.Path(path_type=Path), help="File to write.  [default: the screen]")
@passphrase_option
@json_option
def export(uri: str, *, output: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Write the public half of the key URI as PEM; this is what others need to verify."""
    from signing.keyring import public_key
    from toolkit.core.files import write_whole

    public = public_key(uri, CommandLineSecrets(passphrase_file))
    if output is not None:
        write_whole(output, public.pem())
    if as_json:
        pem = public.pem().decode()
        _print_json({"uri": uri, "algorithm": public.name, "key_id": public.key_id, "public_key": pem})
    elif output is None:
        click.echo(public.pem().decode(), nl=False)
    else:
        click.echo(public.key_id)


def _print_json(document: object) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
