"""What two bundles say of themselves differently, before either is asked anything."""

from collections.abc import Iterator, Mapping

from modelcast_runtime.bundle import Bundle
from modelcast_runtime.contract import Column, Label, Manifest, label_text, number_text

from modelcast_builder.comparison.messages import Change
from modelcast_builder.environment import lock_of


def changes(old: Bundle, new: Bundle) -> Iterator[Change]:
    """Every fact that differs, those that a client sees first."""
    before, after = old.manifest, new.manifest
    yield from _differences("inputs", _inputs(before), _inputs(after))
    yield from _values("inputs", "categories of {}", _categories(before), _categories(after))
    yield from _differences("outputs", _outputs(before), _outputs(after))
    yield from _values("outputs", "{}", _classes(before), _classes(after))
    yield from _differences("model", _model(before), _model(after))
    yield from _differences("compilation", _compilation(before), _compilation(after))
    yield from _differences("environment", _packages(old), _packages(new))


def _differences(of: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield Change(of=of, name=name, old=old.get(name), new=new.get(name))


def _values(of: str, name: str, old: Mapping[str, list[str]], new: Mapping[str, list[str]]) -> Iterator[Change]:
    """Of lists that both have, what only one of them holds; the whole where the order alone differs."""
    for key in [key for key in old if key in new and old[key] != new[key]]:
        before = [value for value in old[key] if value not in new[key]]
        after = [value for value in new[key] if value not in old[key]]
        is_order = not before and not after
        told = (old[key], new[key]) if is_order else (before, after)
        called = f"order of {name.format(key)}" if is_order else name.format(key)
        yield Change(of=of, name=called, old=", ".join(told[0]) or None, new=", ".join(told[1]) or None)


def _inputs(manifest: Manifest) -> dict[str, str]:
    return {column.name: ", ".join(_words(column)) for column in manifest.signature.inputs}


def _words(column: Column) -> Iterator[str]:
    yield column.dtype
    if column.nullable:
        yield "nullable"
    if column.categories is not None:
        yield f"other categories are {'accepted' if column.unknown == 'accept' else 'refused'}"
    if column.minimum is not None:
        yield f"at least {number_text(column.minimum)}"
    if column.maximum is not None:
        yield f"at most {number_text(column.maximum)}"


def _categories(manifest: Manifest) -> dict[str, list[str]]:
    return {
        column.name: _texts(column.categories) for column in manifest.signature.inputs if column.categories is not None
    }


def _outputs(manifest: Manifest) -> dict[str, str]:
    return {output.name: f"{output.dtype} {list(output.shape)}" for output in manifest.signature.outputs}


def _classes(manifest: Manifest) -> dict[str, list[str]]:
    classes = manifest.signature.classes
    return {} if classes is None else {"classes": _texts(classes)}


def _texts(labels: tuple[Label, ...]) -> list[str]:
    return list(map(label_text, labels))


def _model(manifest: Manifest) -> dict[str, str]:
    given = {f"parameter {name}": repr(value) for name, value in manifest.parameters.items()}
    return {
        "name": manifest.name,
        "task": manifest.task,
        "framework": manifest.framework,
        "takes": manifest.signature.layout,
        "extra_inputs": manifest.service.extra_inputs,
        **given,
    }


def _compilation(manifest: Manifest) -> dict[str, str]:
    said = manifest.compilation
    told = {"backend": said.backend, "precision": said.precision, "reason": said.reason, **said.tools}
    return {name: text for name, text in told.items() if text is not None}


def _packages(bundle: Bundle) -> dict[str, str]:
    lock = lock_of(bundle.root)
    pins = dict(pin.split("==", 1) for pin in (*lock.packages, *lock.serving))
    return {"python": lock.python, **pins}
