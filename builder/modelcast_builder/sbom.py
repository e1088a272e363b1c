"""The bill of materials, CycloneDX 1.6: the model, what serves it and what it was made with.

It is inside the bundle's digest: no serial number, no time, everything sorted. Licences are left out: two wheels
of one version may name different ones.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from modelcast_runtime import contract
from modelcast_runtime.contract import Evaluation, Manifest, Task
from modelcast_runtime.statement import purl

from modelcast_builder import __version__
from modelcast_builder.environment import Lock
from modelcast_builder.environment.locked import RUNTIME, served_versions

MODEL: Final = "machine-learning-model"
_SCHEMA: Final = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_UNSUPERVISED: Final[tuple[Task, ...]] = ("clusterer",)
_NO_LEARNING: Final[tuple[Task, ...]] = ("generic",)


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The base of every level: what is not said is not written."""


class Hash(_Part, frozen=True, kw_only=True):
    """A digest, in hexadecimal."""

    alg: str
    content: str


class Property(_Part, frozen=True, kw_only=True):
    """A fact that CycloneDX has no word for."""

    name: str
    value: str


class Format(_Part, frozen=True, kw_only=True):
    """An input or an output: its name and type."""

    format: str


class Approach(_Part, frozen=True, kw_only=True):
    """How it learnt."""

    kind: str = msgspec.field(name="type")


class ModelParameters(_Part, frozen=True, kw_only=True):
    """What the model is for."""

    approach: Approach | None = None
    task: str
    inputs: tuple[Format, ...] = ()
    outputs: tuple[Format, ...] = ()


class Metric(_Part, frozen=True, kw_only=True):
    """A metric on the holdout, of all rows or of a slice."""

    kind: str = msgspec.field(name="type")
    value: str
    slice: str = ""


class Analysis(_Part, frozen=True, kw_only=True):
    """What was measured."""

    performance_metrics: tuple[Metric, ...]


class ModelCard(_Part, frozen=True, kw_only=True):
    """CycloneDX's model card."""

    model_parameters: ModelParameters
    quantitative_analysis: Analysis | None = None


class Component(_Part, frozen=True, kw_only=True):
    """A package, the model, or the service."""

    kind: str = msgspec.field(name="type")
    ref: str = msgspec.field(name="bom-ref", default="")
    name: str
    version: str
    description: str = ""
    purl: str = ""
    hashes: tuple[Hash, ...] = ()
    pedigree: "Pedigree | None" = None
    model_card: ModelCard | None = None
    properties: tuple[Property, ...] = ()


class Pedigree(_Part, frozen=True, kw_only=True):
    """What a compiled model was made of."""

    ancestors: tuple[Component, ...]
    notes: str = ""


class About(_Part, frozen=True, kw_only=True):
    """What the whole document is about."""

    component: Component


class Formula(_Part, frozen=True, kw_only=True):
    """What was there when it was made, and is not there when it serves."""

    components: tuple[Component, ...]


class Dependency(_Part, frozen=True, kw_only=True):
    """What a component needs."""

    ref: str
    depends_on: tuple[str, ...] = ()


class Bom(_Part, frozen=True, kw_only=True):
    """`sbom.cdx.json`."""

    schema: str = msgspec.field(name="$schema")
    bom_format: str
    spec_version: str
    version: int
    metadata: About
    components: tuple[Component, ...]
    dependencies: tuple[Dependency, ...] = ()
    formulation: tuple[Formula, ...] = ()

    @property
    def model(self) -> Component | None:
        """The model, where it is listed."""
        return next((component for component in self.components if component.kind == MODEL), None)

    @property
    def served(self) -> frozenset[str]:
        """The addresses of the packages that serve."""
        return frozenset(component.purl for component in self.components if component.purl)

    @property
    def trained(self) -> frozenset[str]:
        """The addresses of the packages that it was made with; a native model is served by them too."""
        found = (component.purl for formula in self.formulation for component in formula.components)
        return frozenset(found) or self.served


def render(manifest: Manifest, lock: Lock, model: str, original: str) -> bytes:
    """Give the document; the manifest's `files` are not looked at. The same facts are the same bytes.

    `model` and `original` are the SHA-256s, in hexadecimal, of the model file and of what was trained.
    """
    libraries, formulation = _materials(manifest, lock)
    trained = _model(manifest, model, original)
    service = Component(
        kind="application",
        ref=f"service:{manifest.name}",
        name=manifest.name,
        version=manifest.version,
        description=manifest.description,
    )
    needed = tuple(library.ref for library in libraries)
    bom = Bom(
        schema=_SCHEMA,
        bom_format="CycloneDX",
        spec_version="1.6",
        version=1,
        metadata=About(component=service),
        components=(trained, *libraries),
        dependencies=(
            Dependency(ref=service.ref, depends_on=(trained.ref, *needed)),
            Dependency(ref=trained.ref),
            *(Dependency(ref=ref) for ref in needed),
        ),
        formulation=formulation,
    )
    return contract.encode(bom)


def read(content: bytes) -> Bom:
    """The document that `render` wrote. Raises as `contract.decode` does."""
    return contract.decode(content, Bom)


def _materials(manifest: Manifest, lock: Lock) -> tuple[tuple[Component, ...], tuple[Formula, ...]]:
    """What serves, and what was there only when it was made."""
    own = f"{RUNTIME}=={__version__}"
    locked = (*lock.packages, *lock.serving, own)
    if manifest.compilation.backend == "native":
        return tuple(_libraries(locked, has_ref=True)), ()
    served = (*(f"{name}=={version}" for name, version in served_versions().items()), own)
    converter = (f"{name}=={version}" for name, version in manifest.compilation.tools.items())
    made_with = Formula(components=tuple(_libraries((*locked, *converter), has_ref=False)))
    return tuple(_libraries(served, has_ref=True)), (made_with,)


def _libraries(pins: Iterable[str], *, has_ref: bool) -> Iterator[Component]:
    """Each once: a reference is one place of the document, and what was there at the making is named by its purl."""
    for pin in sorted(set(pins)):
        name, version = pin.split("==", 1)
        address = purl(name, version)
        yield Component(kind="library", ref=address if has_ref else "", name=name, version=version, purl=address)


def _model(manifest: Manifest, model: str, original: str) -> Component:
    trained = Component(
        kind=MODEL, name=manifest.name, version=manifest.version, hashes=(Hash(alg="SHA-256", content=original),)
    )
    is_compiled = manifest.compilation.backend != "native"
    return Component(
        kind=MODEL,
        ref=f"model:{manifest.name}",
        name=manifest.name,
        version=manifest.version,
        description=manifest.description,
        hashes=(Hash(alg="SHA-256", content=model),),
        pedigree=Pedigree(ancestors=(trained,), notes=manifest.compilation.reason) if is_compiled else None,
        model_card=ModelCard(
            model_parameters=_parameters(manifest),
            quantitative_analysis=_analysis(manifest.evaluation) if manifest.evaluation else None,
        ),
        properties=(
            Property(name="modelcast:file", value=manifest.model),
            Property(name="modelcast:format", value=manifest.format),
            Property(name="modelcast:framework", value=manifest.framework),
        ),
    )


def _parameters(manifest: Manifest) -> ModelParameters:
    signature, task = manifest.signature, manifest.task
    learning = "unsupervised" if task in _UNSUPERVISED else "supervised"
    return ModelParameters(
        approach=None if task in _NO_LEARNING else Approach(kind=learning),
        task=task,
        inputs=tuple(Format(format=f"{column.name}: {column.dtype}") for column in signature.inputs),
        outputs=tuple(Format(format=f"{output.name}: {output.dtype}") for output in signature.outputs),
    )


def _analysis(evaluation: Evaluation) -> Analysis:
    whole = [Metric(kind=name, value=repr(value)) for name, value in sorted(evaluation.metrics.items())]
    parts = [
        Metric(kind=name, value=repr(value), slice=f"{one.column}={one.group}")
        for one in evaluation.slices
        for name, value in sorted(one.metrics.items())
    ]
    return Analysis(performance_metrics=(*whole, *parts))
