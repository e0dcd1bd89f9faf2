"""Workers are killed or frozen during requests; the retries have the outcome of `dag.test`.

By default, one scenario of each operator is killed after its last change, of which it gets no
response, and frozen before its last change, which then arrives late. With KILLS=requests, it is
killed before and after every request; with KILLS=all, all scenarios of the kill matrix are.
"""

import os
from math import ceil

import pytest
from distributed.comparison import find_differences
from distributed.kill_cases import (
    Cases,
    load_scenarios,
    may_end_early,
    select_points,
    select_scenarios,
)
from support.kill_matrix import select_kill_points

KILLS = os.environ.get("KILLS", "sample")
#: Number of tasks that are held at the same time.
BATCH = 32
SCENARIOS = load_scenarios() if KILLS == "all" else select_scenarios(load_scenarios())

pytestmark = pytest.mark.timeout(1800 if KILLS == "sample" else 36000)


@pytest.fixture(scope="module")
def cases(cluster, client):
    return Cases(cluster, client, cluster.create_folder("kills"))


@pytest.fixture(scope="module")
def undisturbed(cases, request):
    """Outcome and events of each scenario without a kill."""
    with cases.run_undisturbed(SCENARIOS) as collect:
        start_early(request, "examples", "exchange", "backfill")
        return collect()


def start_early(request, *fixtures):
    """Start the runs of other selected tests, which proceed while these tests wait."""
    needed = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in fixtures:
        if name in needed:
            request.getfixturevalue(name)


def split(points):
    """Split points into batches of about the same size."""
    size = ceil(len(points) / ceil(len(points) / BATCH))
    return [points[index : index + size] for index in range(0, len(points), size)]


def compare(cases, started, undisturbed, subtests, number):
    for case in started:
        with subtests.test(case=case.name, number=number):
            assert case.proxy.held.is_set() or may_end_early(case), case.proxy.events
            expected, _ = undisturbed[case.scenario.name]
            assert find_differences(cases.describe(case), expected) == []


def test_retry_of_a_killed_worker_has_the_outcome_of_an_undisturbed_run(
    cases, undisturbed, subtests, request
):
    start_early(request, "events")
    points = []
    for scenario in SCENARIOS:
        _, events = undisturbed[scenario.name]
        if KILLS == "sample":
            selected = [select_points(scenario, events)[1]]
        else:
            selected = select_kill_points(scenario, events, "requests")
        points += [(scenario, point) for point in selected]
    for number, batch in enumerate(split(points)):
        with cases.prepare(batch) as started:
            cases.run_killed(started)
            compare(cases, started, undisturbed, subtests, number)


def test_late_request_of_a_frozen_worker_changes_nothing(cases, undisturbed, subtests, request):
    start_early(request, "sensors")
    points = [
        (scenario, select_points(scenario, undisturbed[scenario.name][1])[0])
        for scenario in SCENARIOS
    ]
    for batch in split(points):
        with cases.prepare(batch) as started:
            for moment in cases.run_frozen(started):
                compare(cases, started, undisturbed, subtests, moment)
