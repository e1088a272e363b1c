"""From a lock to an environment on disk: made by uv, cached by content, imported before anybody uses it."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from modelcast_builder import runtime_wheel
from modelcast_builder.environment import refusals, wheelhouse
from modelcast_builder.environment.index import from_houses, only_wheels
from modelcast_builder.environment.lock import STEP, Lock, lock_text, pinned, this_python
from modelcast_builder.environment.uv import Ran, Uv, use_uv
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.source_tree import sha256_of

MARKER = "modelcast-environment"
"""Written last, into a finished environment: its key."""
SAVED = "wheels"
"""In the cache: wheels that S2I's incremental build brought from the image before this one."""
MODULES = {"scikit-learn": "sklearn", "numpy": "numpy", "pandas": "pandas", "joblib": "joblib"}
"""What is imported before the environment is used, where the lock has it."""
OUR_MODULES = ("modelcast_runtime.contract", "msgspec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment that holds exactly its lock and the runtime."""

    python: Path
    lock: Lock
    root: Path

    @property
    def reads(self) -> tuple[Path, ...]:
        """Where its files are: its own, its interpreter's, and those that uv only linked."""
        variables = os.environ
        libraries = [Path(place) for place in variables.get("LD_LIBRARY_PATH", "").split(":") if place]
        if variables.get("UV_LINK_MODE") == "symlink":
            libraries.append(_uv_cache(variables))
        return (self.root, self.python.parent, Path(sys.base_prefix), base_python().parent, *libraries)


def _uv_cache(variables: Mapping[str, str]) -> Path:
    """Where uv keeps what it links to, by its own rules."""
    named, caches = variables.get("UV_CACHE_DIR"), variables.get("XDG_CACHE_HOME")
    return Path(named or (f"{caches}/uv" if caches else Path.home() / ".cache" / "uv"))


def builders(lock: Lock) -> Environment:
    """The environment that modelcast itself runs in: it serves what needs nothing of the model's.

    `lock` is the model's, which says what it was built with.
    """
    return Environment(python=Path(sys.executable), lock=lock, root=Path(sys.prefix))


def base_python() -> Path:
    """The interpreter under the builder's own virtual environment."""
    return Path(getattr(sys, "_base_executable", "") or sys.executable)


def create(
    lock: Lock,
    *,
    cache: Path,
    where: Path | None = None,
    wheelhouse: Path | None = None,
    compile_bytecode: bool = False,
    uv: Uv | None = None,
) -> Environment:
    """The environment of a lock: in `where` (absent, empty, or an environment of ours), else in the cache, made once.

    An environment of ours in `where` is what an image was made with: it is taken as it is, or changed into this one,
    so that the image's new layer holds the difference. Packages that an earlier build saved lie in `cache/wheels`.
    Raises BuildError where it cannot be installed or does not import, MissingPart for another Python or no network.
    """
    if lock.python != this_python():
        told = f"{STEP}: this model needs Python {lock.python}, and modelcast runs on {this_python()}"
        raise MissingPart(f"{told}. Install modelcast on Python {lock.python}")
    folders = tuple(folder for folder in (wheelhouse, cache / SAVED) if folder and folder.is_dir())
    installer = Installer(
        uv=uv or use_uv(), lock=lock, wheelhouse=wheelhouse, folders=folders, compile_bytecode=compile_bytecode
    )
    with tempfile.TemporaryDirectory(prefix="modelcast-") as aside:
        runtime = runtime_wheel.build(Path(aside))
        key = _key(installer, runtime)
        root = where or cache / "environments" / key
        with alone(cache / "environments" / f"{key}.lock"):
            if not _finished(root, key):
                try:
                    _make(root, installer, runtime, anew=where is None)
                except MissingPart:
                    kept = _of_own_wheels(cache, key)
                    if where or kept is None:
                        raise
                    root = kept
                else:
                    (root / MARKER).write_text(f"{key}\n", encoding="utf-8")
        if lock.wheels and not where:
            plain = _key(replace(installer, lock=replace(lock, wheels=None)), runtime)
            _pointer(cache, plain).write_text(f"{key}\n", encoding="utf-8")
    return Environment(python=_python(root), lock=lock, root=root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """What installs, and how."""

    uv: Uv
    lock: Lock
    wheelhouse: Path | None
    folders: tuple[Path, ...]
    """Where wheels lie that need no index, for a repository without wheels of its own."""
    compile_bytecode: bool

    @property
    def houses(self) -> tuple[Path, ...]:
        """The wheelhouses, the repository's own first."""
        return tuple(house for house in (self.lock.wheels, self.wheelhouse) if house)


def _key(installer: Installer, runtime: Path) -> str:
    python = f"{sys.version}\n{base_python()}\n{installer.compile_bytecode}\n"
    content = lock_text(installer.lock).encode() + python.encode() + runtime.read_bytes() + _own_wheels(installer.lock)
    return hashlib.sha256(content).hexdigest()[:32]


def _own_wheels(lock: Lock) -> bytes:
    """What a repository brings itself makes an environment of its own: no other repository may get its wheels."""
    pins = {*lock.packages, *lock.serving}
    held = wheelhouse.wheels(lock.wheels) if lock.wheels else []
    used = [wheel.path for wheel in held if f"{wheel.name}=={wheel.version}" in pins]
    return b"".join(bytes.fromhex(sha256_of(path)) for path in used)


def _pointer(cache: Path, key: str) -> Path:
    """Where the key of an environment of the same lock stands that a repository's own wheels made."""
    return cache / "environments" / f"{key}.own"


def _of_own_wheels(cache: Path, key: str) -> Path | None:
    """What serves a bundle where no index can be reached: the environment that it was built in, from own wheels."""
    pointer = _pointer(cache, key)
    named = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
    root = cache / "environments" / named
    return root if named and _finished(root, named) else None


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Two builds at once: the second waits and finds the first one's work."""
    # The kernel frees the lock of a dead process.
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _finished(root: Path, key: str) -> bool:
    marker = root / MARKER
    return marker.is_file() and marker.read_text(encoding="utf-8").strip() == key and _python(root).exists()


def _make(root: Path, installer: Installer, runtime: Path, *, anew: bool) -> None:
    is_baked = not anew and (root / MARKER).is_file() and _python(root).exists()
    if anew:
        shutil.rmtree(root, ignore_errors=True)
    elif not is_baked and root.exists() and any(root.iterdir()):
        raise BuildError(STEP, f"{root} is not empty", "Name a folder that is absent or empty")
    try:
        if is_baked:
            _take_out(root, installer)
        else:
            _begin(root, installer)
        _install(root, installer, runtime)
        _import(root, installer.lock)
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise


def _take_out(root: Path, installer: Installer) -> None:
    """Remove what the lock does not name; other versions of what it names are replaced when it is installed."""
    (root / MARKER).unlink()
    held = {pin.partition("==")[0] for pin in (*installer.lock.packages, *installer.lock.serving)}
    # A repository's own wheel may be another of the same version.
    own = {wheel.name for wheel in wheelhouse.wheels(installer.lock.wheels)} if installer.lock.wheels else set()
    held -= own
    frozen = _checked(installer.uv("pip", "freeze", "--python", str(_python(root))), installer)
    found = {package_of(line) for line in frozen.out.splitlines() if line}
    if found - held:
        _checked(installer.uv("pip", "uninstall", "--python", str(_python(root)), *sorted(found - held)), installer)


def package_of(line: str) -> str:
    """The name in a line of `pip freeze`: `six==1.17.0`, `six @ file:///six.whl` or `-e file:///six`."""
    return line.rstrip("/").rpartition("/")[2] if line.startswith("-e ") else re.split("==| @ ", line)[0]


def _begin(root: Path, installer: Installer) -> None:
    made = installer.uv("venv", "--quiet", "--no-project", "--python", str(base_python()), str(root))
    if not made.ok:
        raise BuildError(
            STEP, f"no virtual environment can be made in {root}: {made.reason}", "See that it is writable"
        )


def _install(root: Path, installer: Installer, runtime: Path) -> None:
    lock = installer.lock
    if lock.wheels:
        wheelhouse.check_complete(lock.wheels, installer.houses, (*lock.packages, *lock.serving))
    # What has no wheel is built by the build tools of its time, so the model's packages keep their date.
    _checked(_add(root, installer, lock.packages, as_of=lock.as_of), installer)
    _checked(_add(root, installer, (*lock.serving, str(runtime)), as_of=""), installer)


def _add(root: Path, installer: Installer, packages: Sequence[str], *, as_of: str) -> Ran:
    command = ["pip", "install", "--no-deps", "--python", str(_python(root)), *only_wheels()]
    command += ["--compile-bytecode"] if installer.compile_bytecode else []
    command += ["--requirements", "-"]
    date = ["--exclude-newer", as_of] if as_of else []
    given = "\n".join(packages) + "\n"
    if installer.lock.wheels:
        return installer.uv(*command, *from_houses(installer.houses), stdin=given)
    offered = [option for folder in installer.folders for option in ("--find-links", str(folder))]
    if offered:
        ran = installer.uv(*command, *from_houses(installer.folders), stdin=given)
        if ran.ok:
            return ran
    # What comes from an index is held to the files that it had when the lock was made.
    held = "\n".join(pinned(package, installer.lock.hashes) for package in packages) + "\n"
    ran = installer.uv(*command, *offered, *date, stdin=held)
    return installer.uv(*command, *offered, stdin=held) if ran.undated else ran


def _checked(ran: Ran, installer: Installer) -> Ran:
    if ran.unauthorised:
        raise refusals.unauthorised(installer.uv)
    if ran.unreachable:
        house = f", and the wheelhouse {installer.wheelhouse} does not hold everything" if installer.wheelhouse else ""
        told = f"{STEP}: the package index {installer.uv.hosts} cannot be reached{house}: {ran.reason}"
        raise MissingPart(f"{told}. {refusals.WITHOUT_INDEX}")
    if ran.mismatched:
        problem = f"the package index {installer.uv.hosts} gives other files than the lock was made with: {ran.reason}"
        fix = "Find out who changed them, or name the index that has the files of before in PIP_INDEX_URL"
        raise BuildError(STEP, problem, fix)
    if not ran.ok:
        raise BuildError(
            STEP, f"the lock cannot be installed: {ran.reason}", f"Name other versions in {installer.lock.file}"
        )
    return ran


def _import(root: Path, lock: Lock) -> None:
    held = {pin.partition("==")[0] for pin in lock.packages}
    modules = [module for name, module in MODULES.items() if name in held]
    program = "\n".join(f"import {module}" for module in (*modules, *OUR_MODULES))
    done = subprocess.run(
        [_python(root), "-I", "-c", program], cwd="/", capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        fix = f"Let {lock.file} name versions that work together"
        raise BuildError(STEP, f"the environment is installed and does not import: {last[:300]}", fix)


def _python(root: Path) -> Path:
    return root / "bin" / "python"
