"""Division of a file into parts."""

from hypothesis import given, strategies as st

from synapse_workflows.client.transfer import part_plan
from synapse_workflows.client.transfer.part_plan import Part

MiB = 1024 * 1024
SIZES = st.integers(min_value=1, max_value=5 * 1024 * 1024 * MiB)


@given(size=SIZES, requested=st.none() | st.integers(min_value=1, max_value=64 * MiB))
def test_part_size_is_within_the_limits(size, requested):
    chosen = part_plan.choose_part_size(size, requested)
    assert chosen >= max(requested or 8 * MiB, 5 * MiB)
    assert -(-size // chosen) <= 10_000


@given(size=st.integers(min_value=1, max_value=78_125 * MiB))
def test_default_part_size_is_eight_mebibytes(size):
    assert part_plan.choose_part_size(size) == 8 * MiB


def test_part_size_grows_for_large_files():
    assert part_plan.choose_part_size(100_000_000_001, 1) == 10_000_001
    assert part_plan.choose_part_size(5 * 1024 * 1024 * MiB) == 549_755_814


@given(size=st.integers(0, 3000), part_size=st.integers(1, 700))
def test_split_into_parts_covers_the_file(size, part_size):
    parts = part_plan.split_into_parts(size, part_size)
    covered = [offset for part in parts for offset in range(part.start, part.end)]
    assert covered == list(range(size))
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.size == part_size for part in parts[:-1])


@given(data=st.data(), count=st.integers(1, 40))
def test_missing_parts_have_no_one_in_the_state(data, count):
    parts = part_plan.split_into_parts(count * 10, 10)
    state = data.draw(st.text("01", max_size=count))
    left = {part.number for part in part_plan.missing_parts(parts, state)}
    assert left == {n for n in range(1, count + 1) if state.ljust(count, "0")[n - 1] == "0"}


def test_range_header_contains_the_last_byte():
    assert part_plan.range_header(0, 10) == "bytes=0-9"
    assert part_plan.range_header(7, None) == "bytes=7-"
    assert Part(2, 10, 15).size == 5
