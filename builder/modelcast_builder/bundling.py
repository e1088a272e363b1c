"""What goes into a bundle: gathers the steps' results into the question to the child, the manifest and the files."""

import csv
import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
from modelcast_runtime import baseline, contract
from modelcast_runtime.baseline import Baseline
from modelcast_runtime.contract import Evaluation, Gate, Manifest, Task

from modelcast_builder import card, parameters, provenance, sbom, source_tree, travel
from modelcast_builder.artifact import trust
from modelcast_builder.card import Lineage
from modelcast_builder.compilation import Compiled
from modelcast_builder.config import Config
from modelcast_builder.environment import Lock, lock_text
from modelcast_builder.environment.lock import HASHES, hashes_text
from modelcast_builder.errors import BuildError
from modelcast_builder.frameworks import Claim
from modelcast_builder.inside.messages import Data, Described, DescribeRequest
from modelcast_builder.provenance import Build, Sealed
from modelcast_builder.seal import Writer
from modelcast_builder.training import Trained

_TABLES = (".csv", ".parquet", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the manifest says beside the files."""

    name: str
    source_digest: str
    config: Config
    claim: Claim
    described: Described
    evaluation: Evaluation | None
    gates: tuple[Gate, ...]
    compiled: Compiled
    tables: Mapping[str, str]
    """The data beside the model: path in the repository -> sha256."""
    notebooks: tuple[str, ...]
    """The pages of the executed notebooks, as the receipts name them."""


def question(trained: Trained, claim: Claim, config: Config, work: Path) -> DescribeRequest:
    """Lay out the code that will be sealed, and ask the child for the rest."""
    code = travel.lay_out(trained.code, work / contract.CODE)
    artifact, logged = trained.artifact, trained.artifact.mlflow
    return DescribeRequest(
        artifact=str(artifact.path),
        digest=artifact.digest,
        framework=claim.framework,
        code=str(code),
        definitions=trained.definitions,
        by_value=artifact.by_value,
        recorded=None if trained.recorded is None else str(trained.recorded),
        data=_data(trained.repo, config),
        inputs={name: entry.as_override() for name, entry in config.document.inputs.items()},
        task=config.document.task,
        drift=config.document.drift.as_asked(),
        paths=str(work / baseline.PATHS),
        trusted=_trusted(trained, config) if artifact.kind == "skops" else (),
        named=trust.named(config.document.trusted),
        signature=logged.inputs if logged else (),
        example=str(logged.example) if logged and logged.example else None,
        sealed=str(work / claim.model),
        sample=str(work / "sample.joblib"),
    )


def _trusted(trained: Trained, config: Config) -> tuple[str, ...]:
    """What a skops file may name; the classes of a notebook that this build ran are its own."""
    modules = {PurePosixPath(file.target.parts[0]).stem for file in trained.code if file.target.suffix == ".py"}
    # Python finds its own first, and a data file is no module.
    own = modules - sys.stdlib_module_names | ({"__main__"} if trained.definitions else set())
    return trust.approve(trained.artifact, own=own, trusted=config.document.trusted)


def sentence(described: Described) -> str:
    """The signature in a line, for the report."""
    inputs = described.signature.inputs
    if not described.signature.takes_rows:
        return f"{described.task}: any JSON object goes to {described.source}"
    names = ", ".join(column.name for column in inputs[:6]) + (", ..." if len(inputs) > 6 else "")
    return f"{described.task} of {len(inputs)} inputs ({names}), from {described.source}"


def write(writer: Writer, facts: Facts, trained: Trained, lock: Lock, build: Build, work: Path) -> None:
    """Write every file, then the manifest; the writer's folder is a bundle afterwards."""
    manifest = _lay(writer, facts, lock, work)
    for name, content in trained.receipts.items():
        writer.write_receipt(f"{contract.RECEIPTS}/{name}", content)
    if lock.hashes:
        writer.write_receipt(HASHES, hashes_text(lock.hashes).encode())
    made = _made(writer, manifest, source_tree.sha256_of(work / facts.claim.model))
    writer.write_receipt(contract.PROVENANCE, contract.encode(provenance.record(build, made)))
    writer.finish(manifest)


def draft(root: Path, facts: Facts, lock: Lock, work: Path) -> Path:
    """The same without receipts, in a folder of its own: what can be asked before the last gates are known."""
    writer = Writer(root=root)
    writer.finish(_lay(writer, facts, lock, work))
    return root


def _made(writer: Writer, manifest: Manifest, original: str) -> Sealed:
    """What the provenance names of the bundle: all that is in it is written."""
    sealed = {record.path: record.sha256 for record in writer.records}
    return Sealed(
        name=manifest.name,
        digest=writer.digest(manifest),
        model=manifest.model,
        model_sha256=sealed[manifest.model],
        original_sha256=original,
        lock_sha256=sealed[contract.LOCK],
        receipts=dict(writer.receipts),
    )


def _lay(writer: Writer, facts: Facts, lock: Lock, work: Path) -> Manifest:
    """Write all that is sealed; what the manifest says beside the files."""
    sealed = {
        record.path: record.sha256
        for record in (writer.copy(path, path.relative_to(work).as_posix()) for path in sorted(_sealed(facts, work)))
    }
    golden = facts.compiled.hold(facts.described.golden)
    writer.write(contract.GOLDEN, contract.encode(golden))
    if facts.described.baseline is not None:
        writer.write(
            baseline.FILE, contract.encode(_watched(facts.described.baseline, facts.compiled, facts.described.task))
        )
    locked = writer.write(contract.LOCK, lock_text(lock).encode())
    # What was trained is the version, whatever scores it.
    original = source_tree.sha256_of(work / facts.claim.model)
    manifest = _manifest(facts, original, locked.sha256)
    lineage = Lineage(
        kind=facts.described.kind,
        source=facts.source_digest,
        model=original,
        lock=locked.sha256,
        data=facts.tables,
        notebooks=facts.notebooks,
    )
    writer.write(contract.CARD, card.render(manifest, golden, lock, lineage))
    writer.write(contract.SBOM, sbom.render(manifest, lock, sealed[manifest.model], original))
    return manifest


def _sealed(facts: Facts, work: Path) -> set[Path]:
    """The files that score: what is compiled is whole by itself."""
    compiled, watched = facts.compiled, facts.described.baseline
    if compiled.file is not None:
        return {compiled.file} | ({compiled.paths} if compiled.paths is not None else set())
    paths = {work / baseline.PATHS} if watched is not None and watched.leaves is not None else set()
    return {work / facts.claim.model} | paths | {path for path in (work / contract.CODE).rglob("*") if path.is_file()}


def watch_words(described: Described, compiled: Compiled) -> str | None:
    """What the service will watch, in a sentence for the report; None for own code, which takes no rows."""
    if described.baseline is None:
        return None
    watched = _watched(described.baseline, compiled, described.task)
    if not watched.signals:
        return "; ".join(("nothing", *watched.notes))
    samples = 2 * sum(len(signal.counts) for signal in watched.signals)
    against = f"{len(watched.signals)} signals, {samples} samples of a scrape, against {watched.rows} rows"
    return "; ".join((f"{against}: {watched.source}", *watched.notes))


def _watched(measured: Baseline, compiled: Compiled, task: Task) -> Baseline:
    """What of the baseline the service can tell: what is compiled tells no paths but those of its trees."""
    if compiled.file is None:
        return measured
    told = {("path", "branch")}
    told |= {("path", "surprisal"), ("path", "rare_rate"), ("work", "comparisons")} if compiled.paths else set()
    told |= {("path", "cluster"), ("path", "distance")} if task == "clusterer" else set()
    told |= {("work", "nonzeros")} if compiled.format == "text" else set()
    kept = tuple(one for one in measured.signals if one.kind not in ("path", "work") or (one.kind, one.name) in told)
    leaves = measured.leaves if compiled.paths is not None else None
    lost = "the paths through the model are not watched: its graph does not tell them"
    notes = measured.notes if len(kept) == len(measured.signals) else (*measured.notes, lost)
    return msgspec.structs.replace(measured, signals=kept, leaves=leaves, notes=notes)


def _manifest(facts: Facts, model: str, lock: str) -> Manifest:
    """All but the files, which the writer knows when the last one is written."""
    # The name and the commit are not in it: S2I strips .git, and a laptop, CI and S2I must agree.
    given = parameters.sealed(facts.config.parameters)
    version = contract.version_of(source=facts.source_digest, lock=lock, parameters=given, model=model)
    compiled = facts.compiled.file
    return Manifest(
        name=facts.name,
        version=version,
        description=facts.config.document.description,
        format=facts.compiled.format or facts.claim.format,
        framework=facts.claim.framework,
        task=facts.described.task,
        model=facts.claim.model if compiled is None else compiled.name,
        signature=facts.described.signature,
        parameters=dict(facts.config.parameters),
        training=facts.described.training,
        evaluation=facts.evaluation,
        gates=facts.gates,
        compilation=facts.compiled.report,
        service=facts.config.service,
        files=(),
    )


def _data(repo: Path, config: Config) -> Data:
    written = config.document.data
    train, holdout = _table(repo, "train", written.train), _table(repo, "holdout", written.holdout)
    # Groups may be told apart in the holdout alone: the model need not see them.
    table = holdout or train
    if table is not None:
        _check_groups(Path(table), written.groups)
    return Data(
        train=train,
        train_is_written=written.train is not None,
        holdout=holdout,
        holdout_is_written=written.holdout is not None,
        target=written.target,
    )


def tables(repo: Path, config: Config) -> dict[str, str]:
    """The tables beside the model by their paths in the repository, and the digest of each."""
    found, written = _data(repo, config), config.document.data
    named = ((found.train, written.train), (found.holdout, written.holdout))
    return {name or f"data/{Path(table).name}": source_tree.sha256_of(Path(table)) for table, name in named if table}


def _check_groups(table: Path, groups: tuple[str, ...]) -> None:
    """The columns of a CSV are told by its first line; other tables are not opened for this."""
    if not groups or table.suffix.lower() != ".csv":
        return
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        columns = next(csv.reader(lines), [])
    for name in groups:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            fix = f"Did you mean `{near[0]}`" if near else f"Write one of: {', '.join(columns[:20])}"
            raise BuildError(
                "describe", f"data.groups in modelcast.yaml names {name!r}, which is no column of {table.name}", fix
            )


def _table(repo: Path, role: str, written: str | None) -> str | None:
    if written is None:
        found = [repo / "data" / f"{role}{ending}" for ending in _TABLES]
        return next((str(path) for path in found if path.is_file()), None)
    path = (repo / written).resolve()
    if not path.is_relative_to(repo.resolve()) or not path.is_file():
        raise BuildError(
            "describe",
            f"data.{role} in modelcast.yaml names {written}, which is no file of the repository",
            "Correct the path",
        )
    return str(path)
