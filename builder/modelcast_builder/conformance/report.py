"""What came of each case, as a table or as JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from modelcast_builder.aligned import aligned
from modelcast_builder.errors import BuildError

Result = Literal["pass", "fail", "skip"]
_RESULTS: tuple[Result, ...] = ("pass", "fail", "skip")

_HEAD = ("id", "result", "asked", "expected", "got")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One case: `got` is the status and the beginning of what came back, or why the case does not apply."""

    id: str
    title: str
    result: Result
    expected: str
    got: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All cases, in order, against one model of one server."""

    url: str
    model: str
    outcomes: tuple[Outcome, ...]

    def counted(self, result: Result) -> int:
        """How many cases came out so."""
        return sum(outcome.result == result for outcome in self.outcomes)

    @property
    def fault(self) -> BuildError | None:
        """What the server is at fault in; None where it is not."""
        failed = [outcome.id for outcome in self.outcomes if outcome.result == "fail"]
        if not failed:
            return None
        cases = " and ".join(filter(None, [", ".join(failed[:-1]), failed[-1]]))
        problem = f"{self.model} at {self.url} does not answer {cases} as expected"
        them = "it" if len(failed) == 1 else "them"
        fix = f"Answer {them} as the column `expected` says"
        if failed[0] == "V2-01":
            fix += ", or give a request that the model takes with --example FILE"
        return BuildError("check", problem, fix)

    def as_json(self) -> str:
        """`{"url", "model", "pass", "fail", "skip", "cases": [{"id", "title", "result", "expected", "got"}]}`."""
        whole = {
            "url": self.url,
            "model": self.model,
            **{str(result): self.counted(result) for result in _RESULTS},
            "cases": [asdict(outcome) for outcome in self.outcomes],
        }
        return json.dumps(whole, indent=2, ensure_ascii=False)

    def as_table(self) -> str:
        """A line a case, and one that counts them."""
        rows = [_HEAD, *((each.id, each.result, each.title, each.expected, each.got) for each in self.outcomes)]
        counts = ", ".join(f"{self.counted(result)} {result}" for result in _RESULTS)
        return "\n".join([*aligned(rows), "", f"{self.model} at {self.url}: {counts}"])
