"""Names of Docker images, and the URLs of their manifests."""

import re
from dataclasses import dataclass
from typing import Final, Self

_IMAGE: Final = re.compile(
    r"(?:(?:docker|docker-pullable|docker-image|oci)://)?(?P<name>[^\s@]+?)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DOCKER_HUB: Final = "registry-1.docker.io"
#: Names of the Docker Hub in names of images.
_HUB_NAMES: Final = frozenset({"docker.io", "index.docker.io", _DOCKER_HUB})


@dataclass(frozen=True)
class DockerImage:
    """Name of a Docker image.

    Args:
        repository: Name of the repository, with the host of the registry if it is not the Docker
            Hub, for example `docker.synapse.org/syn123/model`.
        tag: The tag; None without a tag.
        digest: `sha256:` and 64 hexadecimal digits; None without a digest.
    """

    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse `repository:tag`, `repository@sha256:...` or both; None for other texts."""
        match = _IMAGE.fullmatch(text.strip())
        return None if match is None else cls(match["name"], match["tag"], match["digest"])

    @property
    def registry(self) -> str:
        """Host of the registry."""
        return self._split()[0]

    @property
    def path(self) -> str:
        """Path of the repository in the registry, for example `library/alpine`."""
        return self._split()[1]

    @property
    def manifest_url(self) -> str:
        """URL of the manifest, by the digest if there is one, else by the tag."""
        reference = self.digest or self.tag or "latest"
        return f"https://{self.registry}/v2/{self.path}/manifests/{reference}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")

    def _split(self) -> tuple[str, str]:
        host, _, path = self.repository.partition("/")
        if path and host not in _HUB_NAMES and ({".", ":"} & set(host) or host == "localhost"):
            return host, path
        name = path if host in _HUB_NAMES and path else self.repository
        return _DOCKER_HUB, name if "/" in name else f"library/{name}"
