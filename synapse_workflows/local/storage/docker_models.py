"""Table of the commits of Docker repositories. Dates are milliseconds since the epoch."""

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from synapse_workflows.local.storage.database import Base


class DockerCommit(Base):
    """An image of a Docker repository. A commit with a higher `id` is newer.

    `digest` is the digest of the image. `tag` is the tag that the commit assigned to the image;
    None if the image has no tag.
    """

    __tablename__ = "docker_commit"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entity_id: Mapped[int] = mapped_column(ForeignKey("entity.id", ondelete="CASCADE"), index=True)
    tag: Mapped[str | None]
    digest: Mapped[str]
    created_on: Mapped[int] = mapped_column(BigInteger)
