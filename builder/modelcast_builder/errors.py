"""What the user can mend (`BuildError`), what the machine lacks (`MissingPart`); anything else is our own bug."""


class BuildError(Exception):
    """The repository, bundle or data is at fault: the step, what is wrong and where, and the line to write."""

    def __init__(self, step: str, problem: str, fix: str) -> None:
        """Keep the three parts: they print as `STEP: PROBLEM. FIX`."""
        super().__init__(step, problem, fix)
        self.step = step
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.step}: {self.problem.rstrip('.')}. {self.fix.rstrip('.')}"


class MissingPart(Exception):
    """A part of the machine is missing (a tool, the network, an engine); exit code 3."""


def last_line(message: str) -> str:
    """How a command that fails ends on stderr."""
    return f"error: {message}{'' if message.endswith('?') else '.'}"
