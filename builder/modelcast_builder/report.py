"""Tells what the build does: a line a sentence on stderr, with a spinner where somebody watches."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from modelcast_runtime.contract import Step


class Reporter:
    """Collects steps, times and notes; prints nothing. Tests use it as it is."""

    def __init__(self) -> None:
        """Nothing was done yet."""
        self.steps: list[Step] = []
        self.notes: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of the build."""
        started = perf_counter()
        try:
            yield
        finally:
            self.steps.append(Step(name=name, seconds=round(perf_counter() - started, 3)))

    def say(self, step: str, sentence: str) -> None:
        """One fact of a step."""

    def note(self, step: str, sentence: str) -> None:
        """A fact that also stays in the receipts."""
        self.notes.append(f"{step}: {sentence}")
        self.say(step, sentence)

    def shares(self) -> str:
        """Where the time went, largest first."""
        total = sum(step.seconds for step in self.steps)
        parts = sorted(self.steps, key=lambda step: -step.seconds)
        shares = ", ".join(f"{part.name} {part.seconds:.1f} s ({part.seconds / (total or 1):.0%})" for part in parts)
        return f"{total:.1f} s: {shares}"


class LineReporter(Reporter):
    """Plain lines, as a build log wants them."""

    def say(self, step: str, sentence: str) -> None:
        """Print `---> step: sentence`."""
        print(f"---> {step}: {sentence}", file=sys.stderr, flush=True)


class TerminalReporter(Reporter):
    """The same lines under a spinner that names the running step."""

    def __init__(self) -> None:
        """Take the terminal behind stderr."""
        super().__init__()
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Spin while the step runs."""
        with self._console.status(f"{name} ..."), super().step(name):
            yield

    def say(self, step: str, sentence: str) -> None:
        """Print the line above the spinner."""
        from rich.text import Text

        self._console.print(Text.assemble(("---> ", "dim"), (step, "bold cyan"), f": {sentence}"))


def reporter_for(stream_is_terminal: bool) -> Reporter:
    """The reporter that fits where stderr goes."""
    return TerminalReporter() if stream_is_terminal else LineReporter()
