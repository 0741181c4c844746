"""What the list of problems promises: short, however broken the file is."""

from toolkit.core.problems import Problems


def test_a_problem_is_told_once_with_its_first_places() -> None:
    problems = Problems()
    for line in range(1, 10):
        problems.add("the checksum of a record is wrong", line)
    problems.add("a record is cut", 7)
    problems.add("the end is missing")
    assert problems.sentences() == (
        "the checksum of a record is wrong: lines 1, 2, 3, 4, 5 and 4 more",
        "a record is cut: line 7",
        "the end is missing",
    )


def test_after_twenty_sentences_the_rest_is_counted() -> None:
    problems = Problems("block")
    for kind in range(25):
        problems.add(f"kind {kind}", kind)
    problems.add("kind 3", 99)
    sentences = problems.sentences()
    assert len(sentences) == 21
    assert sentences[3] == "kind 3: blocks 3, 99"
    assert sentences[-1] == "and 5 more problems"


def test_problems_of_many_names_are_told_once_with_short_examples() -> None:
    problems = Problems()
    for index in range(100_000):
        problems.add("name is bad", f"entry {index}")
    problems.add("is empty", "x" * 300)
    bad, empty = problems.sentences()
    assert bad == "name is bad: 'entry 0', 'entry 1', 'entry 2', 'entry 3', 'entry 4' and 99995 more"
    assert empty == f"is empty: '{'x' * 79}…'"


def test_a_name_that_is_no_text_is_spelled_out() -> None:
    problems = Problems()
    problems.add("name is odd", "pump\udcff.bin")
    assert problems.sentences() == ("name is odd: 'pump\\udcff.bin'",)
