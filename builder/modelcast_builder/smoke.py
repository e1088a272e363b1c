"""Serves what was sealed: the bundle is opened and scored through the real application, in its serving environment."""

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from modelcast_runtime.bundle import BundleError, open_bundle

from modelcast_builder import endings, own_process
from modelcast_builder.child import at_home, without_python
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.sandbox import DEFAULT, Sandbox


def check(
    environment: Environment,
    bundle: Path,
    nowhere: Path,
    examples: Path | None,
    variables: Mapping[str, str],
    sandbox: Sandbox = DEFAULT,
) -> str:
    """Run the runtime's own self-test; its sentence, or `BuildError` with its reason.

    Own code finds the `variables` that it had when it was described; the service's settings are the bundle's.
    """
    nowhere.mkdir()
    command = [str(environment.python.with_name("modelcast-runtime")), "selftest", str(bundle)]
    command += [] if examples is None else ["--examples", str(examples)]
    clean = {name: value for name, value in without_python(variables).items() if not name.startswith("MODELCAST_")}
    home = nowhere.with_name(f"{nowhere.name}-home")
    home.mkdir()
    reads = [*environment.reads, *([] if examples is None else [examples])]
    # The bundle can be written to: that own code does it is a refusal that says so.
    within = sandbox.reaching(read=reads, write=[nowhere, home, bundle])
    try:
        timeout = min(own_process.TIMEOUT_S, sandbox.timeout_s)
        done = own_process.run(command, cwd=nowhere, env=at_home(clean, home), timeout=timeout, sandbox=within)
    except subprocess.TimeoutExpired as error:
        problem = f"the sealed model did not answer its golden rows within {error.timeout:g} seconds"
        fix = "Save a model that answers a row in well under a second, and waits for nothing when it is loaded again"
        raise BuildError("smoke", problem, fix) from error
    if done.returncode == 0:
        _check_untouched(bundle)
        return done.stdout.strip()
    if done.returncode < 0:
        raise _died(done, sandbox)
    said = (done.stderr.strip().splitlines() or [f"it ended with exit code {done.returncode}"])[-1]
    raise _refused(said.removeprefix("error: selftest: "), examples)


def _check_untouched(bundle: Path) -> None:
    """Own code works in the bundle's folder, and the examples have just asked it."""
    try:
        open_bundle(bundle)
    except BundleError as error:
        fix = "Let predict() write below tempfile.gettempdir(): what is sealed never changes"
        problem = str(error).partition(";")[0]
        raise BuildError("smoke", f"answering changed the bundle: {problem}", fix) from error


def _refused(reason: str, examples: Path | None) -> BuildError:
    if examples is not None and reason.startswith(f"{examples.name}, example "):
        fix = "Correct that example, or train a model that answers it"
        return BuildError("smoke", reason, fix)
    return BuildError(
        "smoke",
        f"the sealed model does not answer as it did when it was described: {reason}",
        "A model that draws random numbers when it predicts needs a fixed random_state; "
        "a file that it reads belongs into `code:` in modelcast.yaml",
    )


def _died(done: subprocess.CompletedProcess[str], sandbox: Sandbox) -> BuildError:
    """Which of the walls, or which fault, ended the service."""
    wall = endings.by_wall(done.returncode, sandbox)
    if wall:
        return BuildError("smoke", f"loading and asking the sealed model {wall[0]}", wall[1])
    if endings.by_memory(done.stderr) or done.returncode == -signal.SIGKILL:
        problem = f"the sealed model takes more memory than there is: it may have {sandbox.memory_mb} MiB"
        return BuildError("smoke", problem, f"Train a smaller model, or {sandbox.more_memory}")
    problem = f"the sealed model crashed the service ({signal.Signals(-done.returncode).name})"
    return BuildError("smoke", problem, "Train the model again with other versions of its libraries")
