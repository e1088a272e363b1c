"""The command `modelcast`: parses, chooses a function, and turns every error into its exit code; nothing else."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from modelcast_builder import __version__
from modelcast_builder.credentials import redacted
from modelcast_builder.errors import BuildError, MissingPart, last_line

REPOSITORY_AT_FAULT, PART_MISSING, OUR_BUG = 1, 3, 70
_TERMINATED = 128 + signal.SIGTERM
_ISSUES = "Please report it with the lines above to the maintainers of modelcast: it is a bug of ours"


class Boundary(click.Group):
    """The one place where errors end: one last line for what the user can mend, a traceback for our own bugs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """As they are defined below, which is the order in which a user comes to need them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever is raised becomes an exit code."""
        from modelcast_runtime.bundle import BundleError
        from modelcast_runtime.listening import CannotListenError
        from modelcast_runtime.settings import SettingsError

        # A build that is told to stop takes its temporary folders and its kernels along.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
        try:
            _check_working_directory()
            return super().invoke(ctx)
        except BuildError as error:
            _end(REPOSITORY_AT_FAULT, str(error))
        except BundleError as error:
            _end(REPOSITORY_AT_FAULT, f"bundle: {error}. Build it again with `modelcast build`")
        except (CannotListenError, SettingsError) as error:
            _end(REPOSITORY_AT_FAULT, f"serve: {error}")
        except MissingPart as error:
            _end(PART_MISSING, str(error))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception:  # noqa: BLE001 - the boundary: a bug of ours ends with its traceback and exit code 70
            click.echo(redacted(traceback.format_exc()), err=True, nl=False)
            _end(OUR_BUG, f"modelcast {__version__} failed. {_ISSUES}")


def _check_working_directory() -> None:
    try:
        Path.cwd()
    except FileNotFoundError as gone:
        raise BuildError("source", "the working directory was removed", "Change into one that exists") from gone


def _end(code: int, message: str) -> NoReturn:
    click.echo(last_line(message), err=True)
    sys.exit(code)


def _examples(*lines: str) -> Callable[[click.Command], click.Command]:
    """Show examples under a command's help, unwrapped."""

    def decorate(command: click.Command) -> click.Command:
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
        return command

    return decorate


def _folder(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a shell completes a repository or bundle with."""
    return [CompletionItem(incomplete, type="dir")]


_EPILOG = """\b
Examples:
  modelcast init .
  modelcast build .
  modelcast serve . --watch

\b
Completion of commands, options and folders, for ~/.bashrc (zsh_source and fish_source for others):
  eval "$(_MODELCAST_COMPLETE=bash_source modelcast)"
"""


@click.group(cls=Boundary, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modelcast")
def main() -> None:
    """Cast a repository with a notebook-trained model into an immutable, stateless scoring service."""


@_examples("modelcast init .", "modelcast init ~/penguins")
@main.command()
@click.argument("src", shell_complete=_folder)
def init(src: str) -> None:
    """Write SRC/modelcast.yaml from what is seen there.

    What discovery decides is written as keys, every other key stands in comments. A file that is there stays.
    """
    from modelcast_builder import commands

    click.echo(commands.init(src, os.environ))


@_examples("modelcast build .", "modelcast build https://host/penguins.git#v2 --out ./penguins")
@main.command()
@click.argument("src", shell_complete=_folder)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("bundle"), show_default=True, help="The bundle's folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def build(src: str, out: Path, as_json: bool) -> None:
    """Turn SRC into a sealed bundle.

    SRC is a folder, or a git URL, which may end with #REF or #REF:FOLDER.
    """
    from modelcast_builder import commands

    click.echo(commands.build(src, out, os.environ, as_json=as_json))


@_examples(
    "modelcast serve . --watch",
    "modelcast serve ./bundle --port 9000 --workers 4",
    "modelcast serve https://host/models.git#main:penguins",
)
@main.command()
@click.argument("src_or_bundle", shell_complete=_folder)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.  [default: $PORT, or 8080]"
)
@click.option("--workers", type=click.IntRange(1), help="Worker processes.  [default: from CPU and memory]")
@click.option("--watch", is_flag=True, help="Build again when the repository changes; the old serves until then.")
def serve(src_or_bundle: str, host: str, port: int | None, workers: int | None, watch: bool) -> None:
    """Serve a repository or a bundle in the foreground.

    A repository is built first, once for the same content: a folder, or a git URL, which may end with #REF or
    #REF:FOLDER.
    """
    from modelcast_builder import commands

    flags = {"host": host, "port": port, "workers": workers}
    if not watch:
        commands.serve(src_or_bundle, os.environ, flags)
    if not commands.is_watchable(src_or_bundle):
        raise click.UsageError("--watch needs the folder of a repository: neither a bundle nor a URL changes.")
    sys.exit(commands.serve_watching(src_or_bundle, os.environ, flags))


@_examples("modelcast predict ./bundle rows.csv --proba", "modelcast predict ./bundle rows.json --out scored.csv")
@main.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--proba", is_flag=True, help="Add the probability of each class.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here: .csv for CSV, else JSON lines."
)
def predict(bundle: Path, file: Path, proba: bool, out: Path | None) -> None:
    """Score the rows of a file without a server.

    FILE is CSV, JSON or Parquet.
    """
    from modelcast_builder import commands

    sys.exit(commands.predict(bundle, file, os.environ, proba=proba, out=out))


@_examples("modelcast drift ./bundle last-week.csv", "modelcast drift ./bundle rows.json --json")
@main.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As GET /drift tells it.")
def drift(bundle: Path, data: Path, as_json: bool) -> None:
    """Hold the rows of a file to the baseline that was sealed.

    DATA is CSV, JSON or Parquet.
    """
    from modelcast_builder import commands

    sys.exit(commands.drift(bundle, data, os.environ, as_json=as_json))


def _reference(_: click.Context, __: click.Parameter, text: str) -> str:
    from modelcast_builder.images import parse_reference

    try:
        return parse_reference(text).text
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from wrong


@_examples("modelcast image . -t penguins", "modelcast image ./bundle -t registry.example.com/team/penguins:1 --push")
@main.command()
@click.argument("src_or_bundle", shell_complete=_folder)
@click.option(
    "-t", "--tag", "name", required=True, callback=_reference, help="The image's name: [REGISTRY/]NAME[:TAG]."
)
@click.option("--builder", metavar="IMAGE", help="Assemble SRC in this S2I builder image, as s2i would.")
@click.option(
    "--push", "is_pushed", is_flag=True, help="Push the image, and print its name with the registry's digest."
)
def image(src_or_bundle: str, name: str, builder: str | None, is_pushed: bool) -> None:
    """Make a container image, and push it.

    The bundle is laid on the image modelcast-runtime; a repository is built first.
    MODELCAST_RUNTIME_IMAGE names another runtime image, MODELCAST_ENGINE the engine (docker, podman).
    """
    from modelcast_builder import commands

    click.echo(commands.image(src_or_bundle, name, os.environ, builder=builder, is_pushed=is_pushed))


@_examples("modelcast wheels .", "modelcast wheels . --out vendor")
@main.command()
@click.argument("src", shell_complete=_folder)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The wheelhouse's folder.  [default: what `wheels:` names, else SRC/wheels]",
)
def wheels(src: str, out: Path | None) -> None:
    """Fill a wheelhouse, so that the build needs no network.

    It holds all that the build of SRC installs.
    """
    from modelcast_builder import commands

    for path in commands.wheels(src, out, os.environ):
        click.echo(path)


@_examples("modelcast inspect ./bundle", "modelcast inspect ./bundle --json")
@main.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def inspect(bundle: Path, as_json: bool) -> None:
    """Verify BUNDLE and show what it is.

    The model, its inputs and outputs, and how it was made.
    """
    from modelcast_builder import commands

    click.echo(commands.inspect(bundle, as_json=as_json))


@_examples(
    "modelcast diff ./champion ./bundle",
    "modelcast diff quay.example.com/ml/penguins:1 ./bundle --data data/holdout.csv --json",
)
@main.command()
@click.argument("old", shell_complete=_folder)
@click.argument("new", shell_complete=_folder)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The rows: CSV, JSON or Parquet.  [default: NEW's golden rows]",
)
@click.option(
    "--target",
    metavar="COLUMN",
    help="The column of the known answers in FILE.  [default: the only one that is no input]",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def diff(old: str, new: str, data: Path | None, target: str | None, as_json: bool) -> None:
    """Ask OLD and NEW the same rows, and tell what changed.

    Each is a bundle, or an image that holds one, and is asked in its own environment.
    """
    from modelcast_runtime import contract

    from modelcast_builder import commands, comparison

    found = commands.diff(old, new, data, target, os.environ)
    click.echo(contract.encode(found).decode().rstrip() if as_json else comparison.page(found))


@_examples("modelcast verify ./bundle", "modelcast verify quay.example.com/ml/penguins:1 --json")
@main.command()
@click.argument("bundle_or_image", shell_complete=_folder)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(bundle_or_image: str, as_json: bool) -> None:
    """Check every digest, receipt, label and golden row.

    BUNDLE_OR_IMAGE is a bundle's folder, or an image on this machine. The model answers its golden rows in its own
    environment, which takes a while where that has to be made first.
    """
    from modelcast_builder import commands

    report = commands.verify(bundle_or_image, os.environ)
    click.echo(report.as_json() if as_json else report.as_table())
    if report.fault:
        raise report.fault


@_examples(
    "modelcast evaluate ./bundle service.log labels.csv",
    "modelcast evaluate ./bundle service.log.gz labels.csv --json",
)
@main.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("logs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("labels", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def evaluate(bundle: Path, logs: Path, labels: Path, as_json: bool) -> None:
    """Hold logged predictions to labels that came later.

    LOGS is what the service wrote on stderr, gzipped or not; LABELS is CSV, JSON, JSON lines or Parquet with the
    columns prediction_id, label, row (of requests of several rows, from 0), and any that tell groups apart.
    """
    from modelcast_runtime import contract

    from modelcast_builder import commands
    from modelcast_builder import labels as labelled

    report = commands.evaluate(bundle, logs, labels, os.environ)
    click.echo(contract.encode(report).decode().rstrip() if as_json else labelled.page(report))


def _deployed(_: click.Context, __: click.Parameter, text: str) -> str:
    from modelcast_builder.manifests.image_reference import is_reference

    if not is_reference(text):
        raise click.BadParameter(f"{text!r} is no image reference, such as quay.example.com/ml/penguins@sha256:...")
    return text


class _Targets(click.Choice[str]):
    """The registry of platforms, which is loaded where it is asked for."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @cached_property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """Their names."""
        from modelcast_builder.manifests.targets import TARGETS

        return tuple(TARGETS)


@_examples(
    "modelcast manifests ./bundle --image quay.example.com/ml/penguins@sha256:... --out deploy",
    "modelcast manifests ./bundle --image quay.example.com/ml/penguins@sha256:... --target kubernetes --out deploy",
)
@main.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--image", required=True, callback=_deployed, help="The image that holds BUNDLE, by its digest.")
@click.option(
    "--target",
    type=_Targets(),
    default="openshift",
    show_default=True,
    help="The platform that it is deployed on.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder, for `oc apply -k` or `kubectl apply -k`.",
)
def manifests(bundle: Path, image: str, target: str, out: Path) -> None:
    """Write what deploys BUNDLE on OpenShift or Kubernetes."""
    from modelcast_builder import commands

    for path in commands.manifests(bundle, image, target, out):
        click.echo(path)


def _server(_: click.Context, __: click.Parameter, text: str) -> Any:
    from modelcast_builder.conformance import server_at

    try:
        return server_at(text)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from wrong


@_examples(
    "modelcast check http://localhost:8080",
    "modelcast check https://models.example.com/penguins --model penguins --example request.json --json",
)
@main.command()
@click.argument("server", metavar="URL", callback=_server)
@click.option("--model", metavar="NAME", help="The model to ask.  [default: the only one that the server lists]")
@click.option(
    "--example",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An infer request that the model takes, as JSON.  [default: made from the model's metadata]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(server: Any, model: str | None, example: Path | None, as_json: bool) -> None:
    """Ask a server every case of the Open Inference Protocol V2.

    It may be any server that speaks V2, at the address before /v2. SSL_CERT_FILE names an authority of one's own.
    """
    from modelcast_builder import commands

    report = commands.check(server, model, example)
    click.echo(report.as_json() if as_json else report.as_table())
    if report.fault:
        raise report.fault
