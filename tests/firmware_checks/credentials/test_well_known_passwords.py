"""The list of well-known passwords: every way of keeping a password is compared, within a bounded amount of work."""

import bcrypt
import pytest

from firmware_checks.credentials.well_known import Guesser, known_as

KEPT = {
    "descrypt": "abOV.DfJmdnYw",
    "MD5": "$1$ab$XAY7Cxo/ue.AAKn2rbkP3.",
    "MD5 of Apache": "$apr1$dDFb2LLh$Z4JwQ24i/7jv.ZMz/TS9u0",
    "SHA-256": "$5$Np47VUwkSo7zrtMP$gebyO6Y6u47/W6wD6/yjmx0sHsZLPRVZaS893fVaHR3",
    "SHA-512": "$6$cqjJJwMQnIpj5EVY$"
    "4SyB1YSpoy1u3JEHbdx8sAT20Vh5pQZcX28an4ZVk.ft.IHNvIMOUumPWQ8BZfN2OmhyKACGr/5G5kmDUYxSo0",
    "bcrypt": bcrypt.hashpw(b"admin", b"$2b$04$abcdefghijklmnopqrstuu").decode(),
    "SHA-1 without salt": "{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=",
    "MD5 in hexadecimal": "21232f297a57a5a743894a0e4a801fc3",
    "SHA-1 in hexadecimal": "d033e22ae348aeb5660fc2140aec35850c4da997",
    "as it is typed": "admin",
}
"""Each is the word admin, kept by crypt(3), by htpasswd of Apache or here."""


@pytest.mark.parametrize("stored", KEPT.values(), ids=KEPT.keys())
def test_a_well_known_password_is_recognised_however_it_is_kept(stored: str) -> None:
    guess = Guesser().guess("operator", stored)
    assert guess is not None
    assert "admin" not in guess.reason


@pytest.mark.parametrize(
    "stored",
    [
        "$1$ab$" + "a" * 22,
        "$1$ab$short",
        "$y$j9T$abc$" + "a" * 43,
        "$2b$04$" + "a" * 53,
        "$2b$99$" + "." * 53,
        "{SSHA}abc",
        "",
        "hvY7-3kqP",
    ],
)
def test_any_other_password_stays_a_secret(stored: str) -> None:
    assert Guesser().guess("", stored) is None


def test_a_password_made_from_the_name_is_recognised() -> None:
    guess = Guesser().guess("gateway", "gateway123")
    assert guess is not None
    assert "name" in guess.reason


def test_the_work_is_bounded_and_what_was_not_compared_is_counted() -> None:
    guesser = Guesser(steps_left=3)
    assert guesser.guess("a", "ab" * 16) is None
    assert guesser.unfinished == 1
    assert guesser.steps_left == 0


def test_a_password_kept_with_much_work_is_compared_with_names_only() -> None:
    guesser = Guesser(steps_left=0)
    assert guesser.guess("a", "$6$rounds=900000$salt$" + "a" * 86) is None
    assert guesser.unfinished == 1


def test_the_same_password_of_the_same_user_is_compared_once() -> None:
    guesser = Guesser()
    first = guesser.guess("operator", KEPT["MD5"])
    left = guesser.steps_left
    assert guesser.guess("operator", KEPT["MD5"]) == first
    assert guesser.steps_left == left


def test_the_list_tells_where_a_password_is_known_from() -> None:
    assert known_as("raspberry") == "a default of embedded devices"
    assert known_as("hvY7-3kqP") is None
