from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from firmware_checks.fingerprints.collector import FingerprintCollector
from firmware_checks.fingerprints.components import ALIKE, ALIKE_BESIDE, FoundComponent
from firmware_checks.fingerprints.examples import Made, made_function, object_file, program
from firmware_checks.fingerprints.functions import Code, Function, find_functions, functions_by_trust
from firmware_checks.fingerprints.identify import components_in, examine
from firmware_checks.fingerprints.matching import Index
from firmware_checks.fingerprints.objects import Table, functions_of
from firmware_checks.fingerprints.pack import Build, Fix, Pack, read_pack
from firmware_checks.fingerprints.pack_writer import PackBuilder
from firmware_checks.region import Program, Region
from firmware_checks.span import Span
from toolkit.core.limits import Budget, Limits
from toolkit.core.window import Window
from toolkit.report.model import Confidence, RegionKind

BASE = 0x0800_4000
STACK = 0x2000_1000


def library(name: str, count: int = 8, size: int = 60) -> dict[str, Made]:
    """Return functions that call each other in a row."""
    return {
        f"{name}_{n}": made_function(f"{name} {n}", size, [f"{name}_{n + 1}"] if n + 1 < count else [])
        for n in range(count)
    }


def altered(made: Made, seed: object, halves: int = 6) -> Made:
    """Return the function with the last few instructions changed: what another version or compiler does."""
    other = made_function(seed, halves)
    return Made((*made.halves[: -halves - 4], *other.halves[1 : halves + 1], *made.halves[-4:]), made.calls)


def compiled_otherwise(functions: Mapping[str, Made]) -> dict[str, Made]:
    """Return the functions with other instructions at their beginning."""
    return {
        name: Made((made.halves[0], *made_function(f"compiler {name}", 9).halves[1:9], *made.halves[9:]), made.calls)
        for name, made in functions.items()
    }


def pack_of(*builds: tuple[str, Build, Mapping[str, Made]], tables: Sequence[Table] = (), least: int = 4) -> Pack:
    made = PackBuilder()
    for component, build, functions in builds:
        made.component(component, minimum_functions=least)
        made.add(component, build, functions_of(Window.of(object_file(functions))), tables)
    return read_pack(Window.of(made.pack()), "test")


FIX = Fix(vulnerability="CVE-2099-0001", functions=("lib_0", "lib_2"))


def build(version: str, fixes: tuple[Fix, ...] = ()) -> Build:
    return Build(component=0, version=version, toolchain="gcc-Os-m4", fixes=fixes)


def found_in(functions: Mapping[str, Made], *packs: Pack, data: bytes = b"") -> dict[str, FoundComponent]:
    image = program(functions, stack=STACK, base=BASE) + data
    code = Code(view=memoryview(image), base=BASE)
    return {c.name: c for c in components_in(code, Index(packs), functions_by_trust(code))}


def own(count: int = 10) -> dict[str, Made]:
    return {f"own_{n}": made_function(f"own {n}", 50) for n in range(count)}


LIBRARY = library("lib")
NEWER = {name: altered(made, name) if name in ("lib_2", "lib_5") else made for name, made in LIBRARY.items()}


def test_a_library_is_named_wherever_it_was_linked() -> None:
    pack = pack_of(("lib", build("1.0"), LIBRARY))
    found = found_in({**own(), **LIBRARY}, pack)
    assert set(found) == {"lib"}
    assert {r.text for r in found["lib"].functions} == set(LIBRARY)
    assert all(r.exact and r.alike > 0.9 for r in found["lib"].functions)
    assert found["lib"].versions == ("1.0",)


def test_nothing_is_named_in_a_program_of_other_functions() -> None:
    assert found_in(own(40), pack_of(("lib", build("1.0"), LIBRARY))) == {}


def test_a_few_functions_are_not_a_library_unless_a_table_of_it_is_there() -> None:
    few = {name: LIBRARY[name] for name in ("lib_6", "lib_7")}
    content = bytes(range(3, 99))
    table = Table("sbox", content)
    pack = pack_of(("lib", build("1.0"), LIBRARY), tables=[table])
    assert found_in({**own(), **few}, pack) == {}
    place = BASE + len(program({**own(), **few}, stack=STACK, base=BASE)) + 12
    # push; ldr r0, [pc, #4]; movs; pop; the address of the table, which follows
    uses = Made((0xB510, 0x4801, 0x2101, 0xBD10, place & 0xFFFF, place >> 16), {})
    found = found_in({**own(), **few, "uses": uses}, pack, data=content)
    assert found["lib"].tables == 1


def test_the_version_is_told_by_what_changed() -> None:
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.1"), NEWER))
    for version, functions in (("1.0", LIBRARY), ("1.1", NEWER)):
        found = found_in({**own(), **functions}, pack)["lib"]
        assert found.versions == (version,)
        assert found.likelihoods[version] > 0.95


def test_versions_without_a_difference_are_both_possible() -> None:
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.1"), LIBRARY), ("lib", build("1.2"), NEWER))
    found = found_in({**own(), **LIBRARY}, pack)["lib"]
    assert found.versions == ("1.0", "1.1")
    assert abs(sum(found.likelihoods.values()) - 1) < 1e-9


def test_another_compilers_code_is_recognised_by_likeness() -> None:
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.1"), NEWER))
    other = compiled_otherwise(LIBRARY)
    found = found_in({**own(), **other}, pack)["lib"]
    assert not any(r.exact for r in found.functions)
    assert found.versions[0] == "1.0"


def test_one_known_version_is_not_claimed_for_another_build() -> None:
    other = compiled_otherwise(LIBRARY)
    found = found_in({**own(), **other}, pack_of(("lib", build("1.0"), LIBRARY)))["lib"]
    assert (found.likelihoods, found.versions) == ({}, ())


def test_a_version_that_no_pack_has_is_not_taken_for_its_neighbour() -> None:
    later = {
        name: altered(made, f"later {name}", 9) if name in ("lib_1", "lib_3") else made for name, made in NEWER.items()
    }
    pack = pack_of(
        ("lib", build("1.0"), LIBRARY),
        ("lib", build("1.10"), NEWER),
        ("lib", build("1.9"), {name: altered(made, f"old {name}", 20) for name, made in LIBRARY.items()}),
    )
    assert found_in({**own(), **NEWER}, pack)["lib"].versions == ("1.10",)
    assert found_in({**own(), **later}, pack)["lib"].versions == ("1.10", "1.9")
    assert found_in({**own(), **later}, pack_of(("lib", build("1.10"), NEWER)))["lib"].versions == ()


def test_a_library_is_not_named_for_what_another_has_of_it() -> None:
    vendored = library("hash", 5, 40)
    large = {**library("big", 12), **vendored}
    pack = pack_of(("hash", build("1.0"), vendored), ("big", build("3.0"), compiled_otherwise(large)))
    assert set(found_in({**own(), **large}, pack)) == {"big"}
    assert set(found_in({**own(), **vendored, **library("hash", 12)}, pack)) == {"hash"}


def test_functions_are_not_counted_for_a_library_when_another_has_more_alike_ones() -> None:
    one, two = library("one", 9), library("two", 4)
    mixed = {**two, "two_3": Made(one["one_3"].halves, {})}
    pack = pack_of(
        ("one", build("1.0"), one), ("two", build("1.0"), {**mixed, "two_3": altered(one["one_3"], "x", 40)})
    )
    found = found_in({**own(), **one, **mixed}, pack)
    assert "two" not in found


def test_less_sure_functions_are_not_looked_at_where_nothing_is_known() -> None:
    looked: list[int] = []

    def groups(functions: Mapping[str, Made]) -> Iterator[list[Function]]:
        code = Code(view=memoryview(program(functions, stack=STACK, base=BASE)), base=BASE)
        for group in (list(find_functions(code)), []):
            looked.append(len(group))
            yield group

    index = Index([pack_of(("lib", build("1.0"), LIBRARY))])
    code = Code(view=memoryview(b""), base=BASE)
    for functions, seen in ((own(120), [120]), (own(20), [20, 0]), ({**own(120), **LIBRARY}, [128, 0])):
        looked.clear()
        components_in(code, index, groups(functions))
        assert looked == seen


def test_what_stands_between_known_functions_is_recognised_with_less() -> None:
    pack = pack_of(("lib", build("1.0"), LIBRARY))
    changed = dict(LIBRARY)
    changed["lib_3"] = altered(LIBRARY["lib_3"], "much", 40)
    found = found_in({**own(), **changed}, pack)["lib"]
    (beside,) = [r for r in found.functions if r.text == "lib_3"]
    assert ALIKE_BESIDE <= beside.alike < ALIKE
    alone = {name: made for name, made in changed.items() if name not in ("lib_2", "lib_4")}
    assert "lib_3" not in {r.text for r in found_in({**own(), **alone}, pack)["lib"].functions}


def test_functions_that_two_libraries_share_name_neither() -> None:
    pack = pack_of(("one", build("1.0"), LIBRARY), ("two", build("1.0"), LIBRARY))
    assert found_in({**own(), **LIBRARY}, pack) == {}


def test_functions_shared_with_another_library_are_evidence_for_a_named_one() -> None:
    shared = library("shared", 3)
    pack = pack_of(("one", build("1.0"), {**LIBRARY, **shared}), ("two", build("1.0"), shared))
    found = found_in({**own(), **LIBRARY, **shared}, pack)
    assert set(found) == {"one"}
    assert {r.text for r in found["one"].functions} == {*LIBRARY, *shared}


def test_a_fix_shows_in_the_function_it_changed() -> None:
    fixed = {**LIBRARY, "lib_2": altered(LIBRARY["lib_2"], "fix")}
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.0", (FIX,)), fixed))
    for functions, state in ((LIBRARY, False), (fixed, True)):
        (fix,) = found_in({**own(), **functions}, pack)["lib"].fixes
        assert (fix.vulnerability, fix.fixed, fix.function) == ("CVE-2099-0001", state, "lib_2")


def test_what_a_function_says_about_a_fix_is_kept_with_where_to_see_it() -> None:
    fixed = {**LIBRARY, "lib_2": altered(LIBRARY["lib_2"], "fix")}
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.0", (FIX,)), fixed))
    for functions, state in ((LIBRARY, False), (fixed, True)):
        collector = FingerprintCollector(Budget(Limits()), lambda *_: None, [pack])
        collector.collect([region_of(span_of({**own(), **functions}))])
        (fact,) = collector.fixes
        assert (fact.component, fact.vulnerability, fact.is_fixed, fact.function) == (
            "lib",
            FIX.vulnerability,
            state,
            "lib_2",
        )
        assert fact.evidence in collector.version_sets[0].evidence


def test_a_build_of_unknown_version_names_the_library_and_no_version() -> None:
    assert found_in({**own(), **LIBRARY}, pack_of(("lib", build(""), LIBRARY)))["lib"].versions == ()
    both = pack_of(("lib", build(""), LIBRARY), ("lib", build("1.0"), NEWER))
    assert found_in({**own(), **NEWER}, both)["lib"].versions == ("1.0",)


def test_versions_known_from_one_build_each_are_told_only_by_that_build() -> None:
    packs = []
    for ready_made in (False, True):
        made = PackBuilder()
        made.component("lib", ready_made=ready_made)
        for version, functions in (("1.0", LIBRARY), ("1.1", NEWER)):
            made.add("lib", build(version), functions_of(Window.of(object_file(functions))))
        packs.append(read_pack(Window.of(made.pack()), "test"))
    other = compiled_otherwise(NEWER)
    assert [found_in({**own(), **other}, p)["lib"].versions for p in packs] == [("1.1",), ()]
    assert [found_in({**own(), **NEWER}, p)["lib"].versions for p in packs] == [("1.1",), ("1.1",)]


def test_without_the_changed_function_nothing_is_said_about_a_fix() -> None:
    fixed = {**LIBRARY, "lib_0": altered(LIBRARY["lib_0"], "fix")}
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.0", (FIX,)), fixed))
    rest = {name: made for name, made in LIBRARY.items() if name != "lib_0"}
    assert found_in({**own(), **rest}, pack)["lib"].fixes == ()


def test_a_version_that_needed_no_patch_is_not_said_to_be_without_it() -> None:
    fixed = {**LIBRARY, "lib_2": altered(LIBRARY["lib_2"], "fix")}
    later = {**LIBRARY, "lib_2": altered(LIBRARY["lib_2"], "fixed by its makers")}
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.0", (FIX,)), fixed), ("lib", build("1.1"), later))
    assert found_in({**own(), **later}, pack)["lib"].fixes == ()


def test_a_function_that_is_only_alike_says_nothing_about_a_fix() -> None:
    fixed = {**LIBRARY, "lib_2": altered(LIBRARY["lib_2"], "fix")}
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.0", (FIX,)), fixed))
    assert found_in({**own(), **compiled_otherwise(fixed)}, pack)["lib"].fixes == ()


def test_several_packs_are_used_together() -> None:
    one, two = pack_of(("lib", build("1.0"), LIBRARY)), pack_of(("other", build("3.0"), library("other")))
    assert set(found_in({**own(), **LIBRARY, **library("other")}, one, two)) == {"lib", "other"}


def span_of(functions: Mapping[str, Made], base: int | None = BASE) -> Span:
    return Span("image.bin", Window.of(program(functions, stack=STACK, base=BASE)), address=base)


def region_of(span: Span, arch: str = "arm-cortex-m", load: Any = BASE) -> Region:
    made = Program(arch=arch, load_address=load, entry_address=BASE + 65)
    return Region(span=span, format="raw", kind=RegionKind.PROGRAM, title="Program", program=made)


def test_every_program_of_an_image_is_looked_at_once() -> None:
    defects: list[str] = []
    collector = FingerprintCollector(Budget(Limits()), lambda what, _span, _error: defects.append(what))
    outer = Region(span=span_of(own()), format="zip", kind=RegionKind.CONTAINER, title="", children=[])
    outer.children = [region_of(span_of(own(20))), region_of(span_of(own(20)), arch="xtensa")]
    collector.collect([outer])
    assert collector.version_sets == []
    assert collector.budget.functions == 20
    assert defects == []


def test_own_packs_are_used_beside_the_installed_ones() -> None:
    pack = pack_of(("lib", build("1.0"), LIBRARY))
    region = region_of(span_of({**own(), **LIBRARY}))
    collector = FingerprintCollector(Budget(Limits()), lambda *_: None, [pack])
    collector.collect([region, region])
    assert [(one.name, one.likelihoods) for one in collector.version_sets] == 2 * [("lib", {"1.0": 1.0})]
    without = FingerprintCollector(Budget(Limits()), lambda *_: None)
    without.collect([region])
    assert without.version_sets == []


def test_regions_whose_bytes_are_gone_are_left_alone() -> None:
    collector = FingerprintCollector(Budget(Limits()), lambda *_: None)
    region = region_of(span_of(own(20)))
    region.release()
    collector.collect([region])
    assert collector.budget.functions == 0


def test_a_program_that_cannot_be_looked_at_is_told() -> None:
    defects: list[tuple[str, type[Exception]]] = []
    collector = FingerprintCollector(Budget(Limits()), lambda what, _, error: defects.append((what, type(error))))
    collector.collect([region_of(span_of(own(20)), load="nowhere")])
    assert defects == [("function fingerprints", TypeError)]


def test_a_spent_budget_is_told() -> None:
    budget = Budget(Limits(functions=5))
    examine(span_of(own(20)), Program(arch="arm-cortex-m"), budget, Index([]))
    assert budget.functions == 5
    assert "functions" in " ".join(budget.hits.sentences())


def test_a_version_set_carries_where_to_see_it() -> None:
    from firmware_checks.fingerprints.collector import _version_set

    span = span_of({**own(), **LIBRARY})
    pack = pack_of(("lib", build("1.0"), LIBRARY), ("lib", build("1.0", (FIX,)), NEWER))
    (component,) = found_in({**own(), **LIBRARY}, pack).values()
    made = _version_set(span, component)
    assert made.confidence is Confidence.HIGH
    assert made.likelihoods == {"1.0": 1.0}
    assert made.evidence[0].excerpt == "lib_2(): CVE-2099-0001 not fixed"
    assert made.evidence[1].address == BASE + (made.evidence[1].offset or 0)
    assert made.evidence[1].excerpt.endswith("(): the same instructions")
    assert len(made.evidence) == 1 + len(LIBRARY)
