from toolkit.core.errors import MissingExtra, ProfileError, Truncated
from toolkit.core.findings import Severity


def test_severities_are_ordered_from_a_note_to_a_stop() -> None:
    assert [s.rank for s in Severity] == [0, 1, 2, 3, 4]
    assert max(Severity, key=lambda s: s.rank) is Severity.CRITICAL


def test_errors_say_what_where_and_what_to_do() -> None:
    assert str(MissingExtra(feature="the bench", extra="hil")) == (
        "the bench needs an optional part: install medharden[hil]"
    )
    assert str(ProfileError("pump.toml", ("id: missing", "kind: unknown"))) == "pump.toml: id: missing; kind: unknown"
    assert str(Truncated(offset=16, wanted_bytes=4, available_bytes=2)) == "4 bytes wanted at 0x10, only 2 are there"
