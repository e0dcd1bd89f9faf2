"""New files, submissions and images, for which the triggerer starts runs of the examples."""

from typing import Any

from distributed.example_runs import ROUNDS, Examples

from synapse_workflows import File, Project

TIMEOUT = 600


def cause_events(examples: Examples) -> list[str]:
    """Put files into the inbox and submit files and images; wait until all runs have ended.

    Each round waits for its runs: Airflow may lose an event that follows at once.

    Returns:
        The IDs of the submitted images.
    """
    world, cluster = examples.inbox, examples.cluster
    cluster.wait_until(lambda: _is_watched(examples), TIMEOUT)
    with world.service.client("bob", cache_root_dir=str(world.folder / "bob")) as bob:
        project = bob.store(Project(f"Submissions of {world.salt}"))
        file = bob.store(File(examples.predictions, parent=project))
        return [_cause_round(examples, bob, file, number) for number in range(1, ROUNDS + 1)]


def _is_watched(examples: Examples) -> bool:
    """Return whether the asset watcher of the inbox has listed it, and announces new files."""
    sql = (
        "select 1 from asset_state_store join asset on asset.id = asset_id where asset.uri like %s"
    )
    return bool(examples.cluster.query(sql, f"%files/{examples.folders['inbox']}%"))


def _cause_round(examples: Examples, bob: Any, file: File, number: int) -> str:
    """Put a file, submit a file and an image, and wait; return the ID of the image."""
    inbox, queue, images = examples.inbox, examples.challenge.queue, examples.images
    inbox.put(f"new{number}.csv", "a,b\n1,2", parent=examples.folders["inbox"])
    bob.submit(queue.id, file)
    image = images.submit()

    def are_done() -> bool:
        moved = list(inbox.syn.getChildren(examples.folders["quarantine"]))
        scored = list(queue.syn.getSubmissions(queue.id, status="SCORED"))
        return len(moved) == len(scored) == number and images.is_scored(image)

    examples.cluster.wait_until(are_done, TIMEOUT)
    return image
