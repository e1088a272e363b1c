"""What `modelcast wheels` does: the environment step of a build, ended by a wheelhouse instead of an environment."""

import tempfile
from pathlib import Path

from modelcast_builder import environment, training
from modelcast_builder.config import BuildSettings, read_config
from modelcast_builder.discover import discover
from modelcast_builder.environment import wheelhouse
from modelcast_builder.report import Reporter
from modelcast_builder.source import fetch


def gather(source: str, out: Path | None, settings: BuildSettings, reporter: Reporter) -> tuple[Path, ...]:
    """Fill `out`, else the repository's own wheelhouse, with all that its build installs; the files, sorted."""
    with tempfile.TemporaryDirectory(prefix="modelcast-") as folder:
        work = Path(folder).resolve()
        repo = fetch(source, work)
        config = read_config(repo.root, settings.variables)
        artifact = training.ready_made(discover(repo.root, config), config.document.trusted)
        own = wheelhouse.place_for(repo.root, config.document.wheels)
        # A cloned repository goes away again.
        into = out or (Path(own.name).absolute() if repo.root.is_relative_to(work) else own)
        return environment.vendor(repo.root, artifact, settings, reporter, into=into)
