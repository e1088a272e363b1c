"""How a check says that a structure cannot be what a training wrote."""


class Damaged(Exception):
    """What is wrong, as a phrase that follows the structure's name: `has a node whose child lies outside`."""


class Unreadable(Damaged):
    """It ends too early, or is none of its kind: which hostile files are, and others too."""


def need(holds: object, otherwise: str) -> None:
    """Raise `Damaged` with this phrase where a condition, of Python or of numpy, does not hold."""
    if not holds:
        raise Damaged(otherwise)
