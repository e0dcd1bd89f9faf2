"""Key of the collector of a task in the context of the task."""

from typing import Final

#: Key in the context of a task.
CONTEXT_KEY: Final = "synapse_lineage"
