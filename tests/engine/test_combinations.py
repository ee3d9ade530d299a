"""Every value is scikit-learn's and torch's on the whole part, or the cell is refused before its first step."""

from collections import Counter

import pytest

from tests.engine.combinations import check, combinations


def tally(count, seed):
    outcomes, wrong, accepted = Counter(), [], Counter()
    for one in combinations(count, seed):
        outcome, said = check(one)
        outcomes[outcome] += 1
        accepted[outcome] += one.loss is not None
        if outcome == "wrong":
            wrong.append(f"{one}: {said}")
    ran = accepted["ran"] / accepted.total()
    print(f"{count} combinations: {dict(outcomes)}; of those that torch and scikit-learn accept {ran:.1%} run")
    return wrong, ran


def test_random_combinations_are_right_or_refused():
    wrong, ran = tally(200, 0)
    assert not wrong
    assert ran >= 0.9


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_random_combinations_are_right_or_refused():
    wrong, ran = tally(2500, 1)
    assert not wrong
    assert ran >= 0.9
