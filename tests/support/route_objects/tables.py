"""Tables and views that cases name."""

from support.route_world import maker
from support.table_api import M


@maker
def column(world):
    return world.tables.create_column("a")["id"]


@maker
def table(world):
    """A table with one row."""
    created = world.tables.create_table(("a", "STRING"))["id"]
    world.tables.append(created, ["x"])
    return created


@maker
def shared_table(world):
    """A table that all users can read and download."""
    created = table(world)
    world.alice.share(created, {273948: ["READ", "DOWNLOAD"]})
    return created


@maker
def view(world):
    return world.alice.make(
        f"{M}.EntityView",
        world.get("project"),
        scopeIds=[world.get("project")],
        viewTypeMask=1,
        columnIds=[],
    )["id"]


@maker
def wide_table(world):
    """A table whose rows do not fit on one page of a query."""
    wide = {"name": "l", "columnType": "STRING_LIST", "maximumSize": 160}
    created = world.tables.create_table(wide)["id"]
    world.tables.append(created, *[["[]"]] * 40)
    return created


@maker
def next_page(world):
    """The token of the second page of a query."""
    bundle = world.tables.bundle(f"select * from {world.get('wide_table')}")
    return bundle["queryResult"]["nextPageToken"]


@maker
def csv_handle(world):
    return world.alice.upload(b"a\ny\n", fileName="rows.csv")


@maker
def cell_table(world):
    """A table with a column of files and one row."""
    created = world.tables.create_table(("f", "FILEHANDLEID"))["id"]
    world.tables.append(created, [world.get("stored_handle")])
    return created


@maker
def cell_column(world):
    return world.tables.list_columns(world.get("cell_table"))[0]["id"]
