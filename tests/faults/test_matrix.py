"""Every planted fault is caught, at the right layer, for the right cause; right networks cause no alarm."""

import re
from pathlib import Path

import pytest
from bench import Bench
from fault import cases
from matrix import FAULTS, RIGHT
from page import pairs_on, rows_on
from planted import ROUND

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def parameters(faults):
    """On every machine the pairs of a round, where each framework is once at either end; the others are slow.

    Of a fault that no pair of the round can have, the first pair and side.
    """
    for fault in faults:
        known = cases([fault])
        quick = [case for case in known if (case.source, case.target) in ROUND] or known[:1]
        quick = [next((case for case in quick if case.end == end), None) for end in fault.ends]
        for case in known:
            marks = () if case in quick else pytest.mark.slow
            yield pytest.param(case, id=f"{case} {fault.name}", marks=marks)


@pytest.fixture
def bench(pool, tmp_path):
    return Bench(pool, tmp_path)


@pytest.mark.parametrize("case", [*parameters(FAULTS)])
def test_caught(case, bench):
    outcome, text = case(bench)
    assert outcome == case.fault.expected, text
    told = " ".join(text.split())
    for pattern in case.fault.says:
        assert re.search(pattern.format(there=case.spoilt, other=case.right), told), text


@pytest.mark.parametrize("case", [*parameters(RIGHT)])
def test_no_false_alarm(case, bench):
    outcome, text = case(bench)
    assert (outcome.verdict, outcome.at, outcome.cause) == ("equivalent", "", ""), text


@pytest.mark.parametrize(("model", "source", "target"), [
    ("lenet5_maxavg", "paddle", "torch"), ("mnist_cnn", "torch", "keras"), ("vgg7_bn", "keras", "paddle"),
])  # fmt: skip
def test_no_false_alarm_in_the_zoo(port, model, source, target):
    found = port(model, source, target).to_json()
    assert (found["verdict"], found["first_divergence"]) == ("equivalent", None)


def test_every_fault_is_on_the_page():
    """The committed page knows every fault on every pair and side; none is missed."""
    rows = rows_on(PAGE.read_text(encoding="utf-8"))
    there = {(*row[:3], pair) for row in rows for pair in pairs_on(row)}
    assert there == {(c.fault.id, c.fault.name, c.end, (c.source, c.target)) for c in cases(FAULTS)}
    assert not [row for row in rows if "missed" in " ".join(row)]


def test_the_page_says_what_is_expected():
    rows = rows_on(PAGE.read_text(encoding="utf-8"))
    for fault in FAULTS:
        mine = [row for row in rows if row[:2] == (fault.id, fault.name) and row[2] in fault.ends]
        assert {row[4:7] for row in mine} == {(fault.verdict, fault.at, fault.cause)}
