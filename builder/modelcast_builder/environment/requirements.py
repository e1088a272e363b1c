"""What a repository asks for: its requirements.txt, read strictly, with nothing that reaches outside of it."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from modelcast_builder.environment.lock import FILE, STEP
from modelcast_builder.environment.locked import serving_names
from modelcast_builder.errors import BuildError

SUPPORTED = "Write NAME, NAME==VERSION or NAME with a range, or -r FILE of the same repository"
OURS = frozenset({"modelcast", "modelcast-runtime"})
"""Never resolved from an index: anybody could register these names."""
INDEX_OPTIONS = frozenset({"-i", "--index-url", "--extra-index-url", "--trusted-host"})
ENCODINGS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""PowerShell's `pip freeze > requirements.txt` writes UTF-16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What the repository names, for the running Python: exact pins, everything else, and what was left out."""

    pins: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    file: str = FILE
    """Which file says so: a refusal names it."""
    wheels: Path | None = None
    """The repository's own wheelhouse; where there is one, everything comes from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One logical line and where it begins."""

    where: str
    text: str

    @property
    def file(self) -> str:
        """The file that holds the line."""
        return self.where.rpartition(":")[0]


def read_requirements(folder: Path, file: str = FILE) -> Requirements:
    """What requirements.txt of a folder asks for; nothing where there is none. Raises BuildError for a refused line."""
    return (read(folder.resolve(), file) if (folder / file).is_file() else None) or Requirements()


def read(root: Path, file: str) -> Requirements | None:
    """What a requirements file asks for; None where it names nothing. Raises BuildError for a refused line."""
    lines = list(expand(root, root / file, _logical(file, read_text(root, file))))
    return from_lines(file, lines) if lines else None


def from_lines(file: str, lines: Iterable[Line]) -> Requirements:
    """What the lines of a file ask for, for the running Python. Raises BuildError for a line that is refused."""
    lines = list(lines)
    named = [(line, _requirement(line)) for line in lines]
    wanted = [(line, entry) for line, entry in named if entry.marker is None or entry.marker.evaluate({"extra": ""})]
    kept = [_plain(entry) for _, entry in wanted if not is_brought(entry.name)]
    pins = [entry for entry in kept if pinned(entry)]
    return Requirements(
        pins=tuple(dict.fromkeys(map(str, pins))),
        ranges=tuple(dict.fromkeys(str(entry) for entry in kept if entry not in pins)),
        notes=tuple(dict.fromkeys([*_left_out(wanted), *_unchecked_hashes(lines)])),
        file=file,
    )


def read_text(root: Path, file: str) -> str:
    """A file of the repository as text. Raises BuildError for a link out of it, and for what is no text."""
    path = root / file
    if not path.resolve().is_relative_to(root.resolve()):
        raise BuildError(STEP, f"{file} is a link out of the repository", "Put the file itself there")
    data = path.read_bytes()
    encoding = next((name for mark, name in ENCODINGS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as wrong:
        raise BuildError(STEP, f"{file} is not text in UTF-8", f"Save {file} as UTF-8") from wrong


def pinned(entry: Requirement) -> str:
    """The one version that a requirement allows by `==`, or nothing."""
    exact = [
        spec.version for spec in entry.specifier if spec.operator in {"==", "==="} and not spec.version.endswith(".*")
    ]
    return exact[0] if exact else ""


def is_brought(name: str) -> bool:
    """Whether the builder or the service brings this package itself."""
    return canonicalize_name(name) in serving_names() | OURS


def expand(root: Path, path: Path, lines: Iterable[Line], reading: tuple[Path, ...] = ()) -> Iterator[Line]:
    """The lines of the file at `path`, with those of the files that `-r` includes, each file once."""
    for line in lines:
        included = re.fullmatch(r"(?:-r\s*|--requirement[=\s]\s*)(\S.*)", line.text)
        if not included:
            yield line
            continue
        other = _inside(root, path.parent / included[1].strip(), line)
        if other not in (*reading, path):
            file = other.relative_to(root).as_posix()
            yield from expand(root, other, _logical(file, read_text(root, file)), (*reading, path))


def _logical(file: str, text: str) -> Iterator[Line]:
    joined, start = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        start = start or number
        continued = bare.endswith("\\")
        joined = f"{joined} {bare[:-1] if continued else bare}".strip()
        if continued:
            continue
        if joined:
            yield Line(where=f"{file}:{start}", text=joined)
        joined, start = "", 0


def _inside(root: Path, path: Path, line: Line) -> Path:
    found = path.resolve()
    if not found.is_relative_to(root):
        raise BuildError(STEP, f"{line.where} includes a file outside of the repository", SUPPORTED)
    if not found.is_file():
        raise BuildError(STEP, f"{line.where} includes {found.relative_to(root)}, which does not exist", SUPPORTED)
    return found


def _requirement(line: Line) -> Requirement:
    option = re.match(r"--?[\w-]+", line.text)
    if option:
        raise BuildError(STEP, f"{line.where} has the option {option[0]}, which is not supported", _instead(option[0]))
    bare = re.sub(r"\s--hash[=\s]\s*\S+", "", line.text).strip()
    if "://" in bare or re.match(r"[./~]|\w:\\", bare) or bare.endswith((".whl", ".tar.gz", ".zip")):
        raise _address(line)
    try:
        entry = Requirement(bare)
    except InvalidRequirement as wrong:
        raise BuildError(STEP, f"{line.where} is not a requirement: {bare[:80]}", SUPPORTED) from wrong
    if entry.url:
        raise _address(line)
    if canonicalize_name(entry.name) == "sklearn":
        raise BuildError(STEP, f"{line.where} names sklearn, which is not the library", "Write scikit-learn")
    return entry


def _instead(option: str) -> str:
    if option in INDEX_OPTIONS:
        return "Leave the line out and set PIP_INDEX_URL or PIP_EXTRA_INDEX_URL for the build"
    return SUPPORTED


def _address(line: Line) -> BuildError:
    # The address itself may hold credentials. `pip freeze` under conda writes `numpy @ file:///...` for everything.
    problem = f"{line.where} names a local path or an address, which is not supported"
    return BuildError(STEP, problem, f"{SUPPORTED}; `pip list --format=freeze` writes such lines")


def _plain(entry: Requirement) -> Requirement:
    plain = Requirement(str(entry))
    plain.name, plain.marker = canonicalize_name(entry.name), None
    return plain


def _left_out(wanted: list[tuple[Line, Requirement]]) -> Iterator[str]:
    for line, entry in wanted:
        if is_brought(entry.name):
            whose = "builder" if canonicalize_name(entry.name) in OURS else "service"
            yield f"{_plain(entry)} in {line.file} is left out: the {whose} brings its own"


def _unchecked_hashes(lines: list[Line]) -> Iterator[str]:
    for line in lines:
        if "--hash" in line.text:
            yield f"the hashes in {line.file} are not checked: the lock names versions"
