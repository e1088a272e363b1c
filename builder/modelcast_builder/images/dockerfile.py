"""The Dockerfiles, as text made from values: no syntax of BuildKit, so that every engine builds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

APP_ROOT = "/opt/app-root"
INSTALL = f"/opt/modelcast/install /opt/modelcast/bin/python {APP_ROOT}/environment"
EPOCH_S = 315_532_800
"""1980, the earliest that a zip file can tell; `s2i/install` writes it too."""
LAID = "laid"
"""A folder that is copied over the root, with every folder on the way: an engine would give those the time of day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A bundle on a runtime image."""

    base: str
    labels: Mapping[str, str]
    has_environment: bool
    """Whether the context holds `wheels/` and `requirements.txt`: a model that needs its own libraries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A repository in an S2I builder image."""

    builder: str
    labels: Mapping[str, str]
    environment: Mapping[str, str]
    user: str
    scripts: str
    """The folder of the image's own scripts."""
    destination: str = "/tmp"  # noqa: S108 - S2I's contract names it
    overriding: frozenset[str] = field(default_factory=frozenset)
    """The scripts that the repository brings (`.s2i/bin`)."""


def laid(image: Laid) -> str:
    """The model's environment is installed in a stage of its own: of the wheels nothing stays."""
    stage = [
        f"FROM {image.base} AS environment",
        "USER 0",
        "COPY wheels /tmp/wheels",
        "COPY requirements.txt /tmp/requirements.txt",
        f"RUN {INSTALL} --find-links /tmp/wheels --requirement /tmp/requirements.txt \\",
        f"    && mkdir -p /{LAID}{APP_ROOT} && mv {APP_ROOT}/environment /{LAID}{APP_ROOT}/ \\",
        f"    && touch --date=@{EPOCH_S} /{LAID}{APP_ROOT} /{LAID}/opt /{LAID}",
        "",
    ]
    taken = [f"COPY --from=environment /{LAID}/ /"]
    lines = [
        *(stage if image.has_environment else []),
        f"FROM {image.base}",
        *(taken if image.has_environment else []),
        f"COPY {LAID}/ /",
        *_labels(image.labels),
    ]
    return "\n".join([*lines, ""])


def assembled(image: Assembled) -> str:
    """What `s2i build --as-dockerfile` writes, and OpenShift builds, word for word."""

    def script(name: str) -> str:
        return f"{image.destination}/scripts/{name}" if name in image.overriding else f"{image.scripts}/{name}"

    chown = f"COPY --chown={image.user}:0"
    lines = [
        f"FROM {image.builder}",
        *_labels(image.labels),
        *_environment(image.environment),
        *([f"{chown} upload/scripts {image.destination}/scripts"] if image.overriding else []),
        f"{chown} upload/src {image.destination}/src",
        f"USER {image.user}",
        f"RUN {script('assemble')}",
        f"CMD {script('run')}",
    ]
    return "\n".join([*lines, ""])


def _labels(labels: Mapping[str, str]) -> list[str]:
    pairs = [f'"{_escaped(name)}"="{_escaped(text)}"' for name, text in labels.items()]
    return ["LABEL " + " \\\n      ".join(pairs)] if pairs else []


def _environment(variables: Mapping[str, str]) -> list[str]:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in variables.items()]
    return ["ENV " + " \\\n    ".join(pairs)] if pairs else []


def _escaped(text: str) -> str:
    """As S2I does, so that nothing is expanded; a value has one line."""
    flat = " ".join(text.splitlines())
    return "".join(f"\\{letter}" if letter in '$"\\' else letter for letter in flat)
