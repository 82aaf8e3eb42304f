"""Cases that cover all pairs of factors' values, in place of the whole product."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable


def all_pairs(factors: dict[str, list], allowed: Callable[[dict], bool] = lambda case: True) -> list[dict]:
    """Cases in which any two values of two factors meet, wherever that is allowed.

    `allowed` is asked about parts of cases too.
    """
    values = [[(name, value) for value in factors[name]] for name in factors]
    order = list(factors)

    def pair(a: tuple, b: tuple) -> tuple:
        return (a, b) if order.index(a[0]) < order.index(b[0]) else (b, a)

    pairs = (pair for a, b in itertools.combinations(values, 2) for pair in itertools.product(a, b))
    waiting = {pair: None for pair in pairs if allowed(dict(pair))}  # a set that keeps its order
    used, cases = Counter(), []
    while waiting:
        case = dict(next(iter(waiting)))
        for choices in values:
            if choices[0][0] not in case:
                possible = [entry for entry in choices if allowed(case | dict([entry]))]
                news = {entry: sum(pair(entry, other) in waiting for other in case.items()) for entry in possible}
                case |= [max(possible, key=lambda entry: (news[entry], -used[entry]))]
        for a, b in itertools.combinations(case.items(), 2):
            waiting.pop(pair(a, b), None)
        used.update(case.items())
        cases.append(case)
    return cases
