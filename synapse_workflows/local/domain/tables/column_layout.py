"""Columns of a table and the storage slots that hold their cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.storage.table_db import Layout, TableWriter


@dataclass(frozen=True)
class StoredColumn:
    """A column of a table and the slot that holds its cells."""

    column: Column
    slot: int

    def default(self) -> cell_values.StoredValue:
        """Return the stored value of a cell for which no value is given."""
        return cell_values.get_cell_parser(self.column)(None)


def apply_layout(
    writer: TableWriter,
    version: int,
    columns: Sequence[Column],
    kept: Mapping[int, int] | None = None,
) -> Layout:
    """Set the columns of a table. Existing columns keep their cells.

    The cells of new columns get the default value of the column. The cells of removed columns are
    not changed, because snapshots may contain them.

    Args:
        writer: The table.
        version: Version of the change set.
        columns: The new columns, in order.
        kept: Column ID -> slot, for the columns that keep their cells; None for all columns of
            the table.

    Returns:
        The new layout.
    """
    previous = dict(writer.get_layout())
    slots = dict(previous if kept is None else kept)
    added = [each for each in columns if each.id not in slots]
    free = writer.allocate_slots(len(added), set(previous.values()))
    for each, slot in zip(added, free, strict=True):
        writer.fill_slot(slot, StoredColumn(each, slot).default())
        slots[each.id] = slot
    layout = tuple((each.id, slots[each.id]) for each in columns)
    writer.set_layout(version, layout)
    return layout
