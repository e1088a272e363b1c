"""An image's name, taken apart."""

import re
from dataclasses import dataclass

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_NAME = re.compile(
    rf"(?P<repository>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?"
)
DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    """`[HOST[:PORT]/]PATH[:TAG]`; engines take `latest` where there is no tag."""

    text: str
    repository: str
    """Without the tag."""

    @property
    def host(self) -> str:
        """The registry, as engines find it in the name."""
        first, slash, _ = self.repository.partition("/")
        return first if slash and (re.search("[.:]", first) or first == "localhost") else DOCKER_HUB

    def at(self, digest: str) -> str:
        """The immutable name. The tag is left out: not every puller takes both."""
        return f"{self.repository}@{digest}"


def parse_reference(text: str) -> Reference:
    """Raises ValueError, with what a name looks like."""
    found = _NAME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no image name; expected lower-case [REGISTRY/]NAME[:TAG], such as penguins:1.0")
    return Reference(text=text, repository=found["repository"])
