from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signing.attacks.lab import DAY, OVERRIDE, Lab
from signing.chain_log import ChainLog
from signing.refusal import Refusal
from signing.trust import ceremony
from signing.trust.folder import TrustFolder
from signing.trust.plan import plan_text, public_keys, read_plan, without_people
from signing.trust.spelling import metadata_bytes
from signing.trust.transcript import describe, summary
from toolkit.core.errors import InputError

PEOPLE = ("ada", "ben", "cyd")
NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def lab(made: Lab, tmp_path: Path) -> Lab:
    """A lab of one's own, copied because making one takes a second."""
    shutil.copytree(made.path, tmp_path / "lab")
    lab = object.__new__(Lab)
    lab.path, lab.keys = tmp_path / "lab", made.keys
    lab.vendor, lab.hospital = TrustFolder(lab.path / "vendor"), TrustFolder(lab.path / "hospital")
    return lab


def plan_file(lab: Lab, old: str = "", new: str = "", people: tuple[str, ...] = PEOPLE) -> Path:
    path = lab.path / "new.toml"
    text = lab.plan("vendor", people, "")
    assert old in text
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    return path


def test_signatures_are_collected_from_copies_of_the_folder(lab: Lab) -> None:
    shutil.rmtree(lab.vendor.path)
    ceremony.init(lab.vendor.path, plan_file(lab), DAY)
    copies = [lab.path / f"stick-{word}" for word in ("ada", "ben")]
    for copy, word in zip(copies, ("ada", "ben"), strict=True):
        shutil.copytree(lab.vendor.path, copy)
        ceremony.sign(copy, lab.keys[word], DAY)
    first = ceremony.merge(lab.vendor.path, copies[:1], DAY)
    assert not first.complete
    assert any("1 more of" in line for line in first.lines)
    assert lab.vendor.root() is None
    done = ceremony.merge(lab.vendor.path, copies, DAY)
    assert done.complete
    assert lab.vendor.published_root().version == 1
    assert not lab.vendor.draft_path.exists()
    events = [entry.event for entry in ChainLog(lab.vendor.path / "log.jsonl").entries()]
    assert events == ["init", "merge", "publish"]


def test_a_copy_with_another_draft_is_refused(lab: Lab) -> None:
    shutil.rmtree(lab.vendor.path)
    ceremony.init(lab.vendor.path, plan_file(lab), DAY)
    other = lab.path / "other"
    ceremony.init(other, plan_file(lab, "days = 3650", "days = 3651"), DAY)
    with pytest.raises(Refusal) as caught:
        ceremony.merge(lab.vendor.path, [other], DAY)
    assert caught.value.rule == "trust.draft"


def test_nobody_signs_a_draft_that_is_not_what_the_plan_says(lab: Lab) -> None:
    ceremony.rotate(lab.vendor.path, plan_file(lab, "days = 3650", "days = 5"), DAY)
    draft = lab.vendor.draft_path / "2.root.json"
    good = draft.read_text(encoding="utf-8")
    for changed in (
        good.replace('"threshold":2', '"threshold":1', 1),
        good.replace('"version":2', '"version":3'),
        good.replace('"expires":"2026', '"expires":"2036'),
    ):
        assert changed != good
        draft.write_text(changed, encoding="utf-8")
        with pytest.raises(Refusal) as caught:
            ceremony.sign(lab.vendor.path, lab.keys["ada"], DAY)
        assert caught.value.rule == "trust.draft"
    draft.write_text(good, encoding="utf-8")
    ceremony.sign(lab.vendor.path, lab.keys["ada"], DAY)


def test_publishing_goes_on_after_a_power_cut_between_two_files(lab: Lab) -> None:
    plan = plan_file(lab, "days = 730", "days = 700", ("ada", "mal", "cyd"))
    ceremony.rotate(lab.vendor.path, plan, DAY)
    for word in ("ada", "ben", "mal", "cyd"):
        ceremony.sign(lab.vendor.path, lab.keys[word], DAY)
    root = next(draft for draft in lab.vendor.drafts() if draft.name == "2.root.json")
    (lab.vendor.path / "2.root.json").write_bytes(metadata_bytes(root.metadata))  # and here the power failed
    assert ceremony.merge(lab.vendor.path, [], DAY).complete
    targets = lab.vendor.targets()
    assert targets is not None
    assert targets.signed.version == 2
    assert lab.keys["mal"].public.key_id in lab.vendor.published_root().roles["root"].keyids


def test_a_bad_signature_on_a_stick_is_refused(lab: Lab) -> None:
    shutil.rmtree(lab.vendor.path)
    ceremony.init(lab.vendor.path, plan_file(lab), DAY)
    ceremony.sign(lab.vendor.path, lab.keys["ada"], DAY)
    signature = next((lab.vendor.draft_path / "signatures").glob("1.root.*"))
    text = signature.read_text(encoding="utf-8")
    at = text.index('"sig": "') + 8
    signature.write_text(text[:at] + f"{int(text[at], 16) ^ 1:x}" + text[at + 1 :], encoding="utf-8")
    with pytest.raises(Refusal, match="signature"):
        ceremony.merge(lab.vendor.path, [], DAY)


def test_keys_are_rotated_with_the_consent_of_the_old_ones(lab: Lab) -> None:
    plan = plan_file(lab, people=("ada", "mal", "cyd"))
    told = ceremony.rotate(lab.vendor.path, plan, NOW)
    assert any("2.root.json still needs 2 more of" in line for line in told.lines)
    ceremony.sign(lab.vendor.path, lab.keys["mal"], NOW)
    ceremony.sign(lab.vendor.path, lab.keys["cyd"], NOW)
    assert not ceremony.merge(lab.vendor.path, [], NOW).complete  # new keys alone do not suffice
    ceremony.sign(lab.vendor.path, lab.keys["ben"], NOW)
    assert ceremony.merge(lab.vendor.path, [], NOW).complete
    root = lab.vendor.published_root()
    assert root.version == 2
    assert lab.keys["ben"].public.key_id not in root.roles["root"].keyids
    assert len(lab.vendor.roots()) == 2


def test_a_package_for_a_rotated_root_verifies_from_the_first_one(lab: Lab) -> None:
    trust = lab.trust()
    ceremony.rotate(lab.vendor.path, plan_file(lab, "days = 3650", "days = 3000"), DAY)
    for word in ("ada", "ben"):
        ceremony.sign(lab.vendor.path, lab.keys[word], DAY)
    assert ceremony.merge(lab.vendor.path, [], DAY).complete
    offer = lab.offer(lab.package()).having(trust=trust)
    assert offer.verify().unit_after.seen["vendor"].root == 2


def test_who_is_revoked_has_no_role_left(lab: Lab) -> None:
    text = (lab.vendor.path / "plan.toml").read_text(encoding="utf-8")
    wide = text.replace('people = ["cyd"]', 'people = ["ada", "cyd"]')
    wide = wide.replace('people = ["ada", "ben"]', 'people = ["ada", "ben", "cyd"]')
    (lab.vendor.path / "plan.toml").write_text(wide, encoding="utf-8")
    ceremony.revoke(lab.vendor.path, ["ben"], NOW)
    for word in ("ada", "cyd"):
        ceremony.sign(lab.vendor.path, lab.keys[word], NOW)
    assert ceremony.merge(lab.vendor.path, [], NOW).complete
    root = lab.vendor.published_root()
    assert all(lab.keys["ben"].public.key_id not in role.keyids for role in root.roles.values())
    ceremony.rotate(lab.vendor.path, plan_file(lab, "days = 3650", "days = 5", ("ada", "mal", "cyd")), NOW)
    with pytest.raises(Refusal) as caught:
        ceremony.sign(lab.vendor.path, lab.keys["ben"], NOW)
    assert caught.value.rule == "trust.key"


def test_revoking_more_than_a_role_can_spare_is_refused(lab: Lab) -> None:
    with pytest.raises(InputError, match="must sign, but only"):
        ceremony.revoke(lab.vendor.path, ["cyd"], NOW)
    with pytest.raises(InputError, match="nobody in the plan"):
        ceremony.revoke(lab.vendor.path, ["zoe"], NOW)


def test_steps_out_of_order_are_explained(lab: Lab, tmp_path: Path) -> None:
    plan = plan_file(lab)
    with pytest.raises(InputError, match="is not empty"):
        ceremony.init(lab.vendor.path, plan, DAY)
    with pytest.raises(InputError, match="nothing waits"):
        ceremony.sign(lab.vendor.path, lab.keys["ada"], DAY)
    with pytest.raises(InputError, match="in force already"):
        ceremony.rotate(lab.vendor.path, plan, DAY)
    ceremony.rotate(lab.vendor.path, plan_file(lab, "days = 3650", "days = 5"), DAY)
    with pytest.raises(InputError, match="waits for signatures already"):
        ceremony.rotate(lab.vendor.path, plan, DAY)
    with pytest.raises(InputError, match="belongs to the other"):
        ceremony.rotate(lab.hospital.path, plan, DAY)
    with pytest.raises(Refusal) as caught:
        ceremony.sign(lab.vendor.path, lab.keys["mal"], DAY)
    assert caught.value.rule == "trust.key"
    empty = TrustFolder(tmp_path / "empty")
    assert empty.root() is None
    assert empty.targets() is None
    with pytest.raises(InputError, match="no root yet"):
        empty.published_root()
    with pytest.raises(InputError, match="cannot be read"):
        empty.read("plan.toml")


def test_a_changed_log_ends_the_ceremony(lab: Lab) -> None:
    log = lab.vendor.path / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b"Ada", b"Eva"))
    with pytest.raises(Refusal) as caught:
        ceremony.rotate(lab.vendor.path, plan_file(lab, "days = 3650", "days = 5"), DAY)
    assert caught.value.rule == "log.tampered"


def test_what_is_shown_names_people_roles_and_what_is_missing(lab: Lab) -> None:
    ceremony.rotate(lab.vendor.path, plan_file(lab, "days = 3650", "days = 5"), DAY)
    text = "\n".join(describe(lab.vendor))
    assert "Ada (ada), ed25519" in text
    assert "draft 2.root.json: needs 2 more of" in text
    assert "WAITS FOR SIGNATURES" in text
    assert "root: 2 of ada, ben, cyd, for 5 days" in text
    found = summary(lab.vendor)
    assert found["root"]["version"] == 1
    assert found["roles"]["model lab-pump"]["threshold"] == 2
    transcript = (lab.vendor.path / "transcript.txt").read_text(encoding="utf-8")
    assert "RECORD OF A KEY CEREMONY" in transcript
    assert ChainLog(lab.vendor.path / "log.jsonl").head().sha256 in transcript


def test_a_plan_is_written_and_read_back(lab: Lab) -> None:
    path = lab.path / "copy.toml"
    plan = read_plan(lab.hospital.path / "plan.toml")
    path.write_bytes(plan_text(plan))
    assert read_plan(path) == plan
    assert plan.override is not None
    assert without_people(plan, frozenset()) == plan


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"ada", "ben", "cyd"], threshold = 2, days = 3650', '"ada"], threshold = 2, days = 3650', "only 1 may"),
        ("threshold = 2", "threshold = 0", ">= 1"),
        ('repository = "vendor"', 'repository = "nobody"', "Invalid enum value"),
        ('lab-pump = { people = ["ada"', 'lab-pump = { people = ["zoe"', "zoe is not among the people"),
        ('lab-pump = { people = ["ada"', 'lab-pump = { people = ["ben"', "somebody stands twice"),
        ("timestamp = {", "timestomp = {", "timestomp is no role"),
        ('{ id = "ben"', '{ id = "ada"', "the id ada stands twice"),
        ('key = "ben.pub"', 'key = "ada.pub"', "have the same key"),
        ("[roles]", "[roles", "new.toml: "),
    ],
)
def test_a_plan_that_cannot_work_is_refused_with_the_reason(lab: Lab, old: str, new: str, problem: str) -> None:
    path = plan_file(lab, old, new)
    with pytest.raises(InputError, match=problem):
        public_keys(read_plan(path), path.parent)


def test_an_override_takes_two_people(lab: Lab) -> None:
    path = lab.path / "one.toml"
    text = lab.plan("hospital", ("dee", "eve", "fay"), OVERRIDE.replace("threshold = 2", "threshold = 1"))
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="at least two people"):
        read_plan(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_plan(lab.path / "none.toml")
