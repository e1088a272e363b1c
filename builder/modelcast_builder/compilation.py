"""Decides at build what runs the model; the conversion to ONNX and its proof have their place here."""

from modelcast_runtime.contract import Compilation


def decide() -> Compilation:
    """Native: this version seals every model as its framework made it, and says so in the manifest."""
    return Compilation(backend="native", reason="this version of modelcast does not compile models")
