"""What the list of problems promises: short, however broken the file is."""

from firmware_checks.problems import Problems


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
