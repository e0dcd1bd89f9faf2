"""Tables of wikis: pages, their versions with attachments, and the order of sub-pages.

Dates are milliseconds since the epoch. No table has a foreign key to the owner of a wiki: a wiki
survives the permanent deletion of its owner, as in Synapse.
"""

from sqlalchemy import JSON, BigInteger, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class WikiPage(Base):
    """A page of the wiki of an owner. The root page has no parent; an owner has one root page.

    `owner_type` is an ObjectType: ENTITY, EVALUATION or ACCESS_REQUIREMENT. `version` is the
    number of the current version.
    """

    __tablename__ = "wiki_page"
    __table_args__ = (
        Index(
            "one_root_wiki_page",
            "owner_type",
            "owner_id",
            unique=True,
            sqlite_where=text("parent_id IS NULL"),
        ),
        Index("wiki_page_owner", "owner_type", "owner_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_type: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[int]
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("wiki_page.id", ondelete="CASCADE"), index=True
    )
    etag: Mapped[str]
    version: Mapped[int]
    created_on: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int]


class WikiVersion(Base):
    """A version of a page. Numbers start at 0. The file of the markdown may be compressed."""

    __tablename__ = "wiki_version"
    page_id: Mapped[int] = mapped_column(
        ForeignKey("wiki_page.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str | None]
    markdown_handle_id: Mapped[int] = mapped_column(index=True)
    modified_on: Mapped[int] = mapped_column(BigInteger)
    modified_by: Mapped[int]


class WikiAttachment(Base):
    """An attachment of a version of a page. `position` is its index in the list, from 0."""

    __tablename__ = "wiki_attachment"
    __table_args__ = (
        ForeignKeyConstraint(
            ["page_id", "number"],
            ["wiki_version.page_id", "wiki_version.number"],
            ondelete="CASCADE",
        ),
    )
    page_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    handle_id: Mapped[int] = mapped_column(index=True)


class WikiOrderHint(Base):
    """The order in which to show the pages of a wiki, created together with its root page.

    `id_list` is None until a client sets it.
    """

    __tablename__ = "wiki_order_hint"
    root_id: Mapped[int] = mapped_column(
        ForeignKey("wiki_page.id", ondelete="CASCADE"), primary_key=True
    )
    etag: Mapped[str]
    id_list: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
