"""The conformance suite of the Open Inference Protocol V2, against any server: `modelcast check`."""

from pathlib import Path

from modelcast_builder.conformance.answers import NotApplicableError, ViolationError
from modelcast_builder.conformance.client import Server, UnansweredError, server_at
from modelcast_builder.conformance.discovery import examine
from modelcast_builder.conformance.report import Outcome, Report, Result
from modelcast_builder.conformance.requests import read_example
from modelcast_builder.conformance.subject import Subject
from modelcast_builder.conformance.table import CASES, Case

__all__ = ["CASES", "Case", "Outcome", "Report", "Server", "check", "server_at"]


def check(server: Server, model: str | None, example: Path | None) -> Report:
    """Ask one model every case of the table.

    `MissingPart` where no server answers; `BuildError` where the example is no request, the server does not speak V2 or
    has no such model. A case that gets no answer has failed, and the others are asked nevertheless.
    """
    request = read_example(example) if example else None
    subject = examine(server, model, request)
    return Report(url=server.url, model=subject.model, outcomes=tuple(_outcome(case, subject) for case in CASES))


def _outcome(case: Case, subject: Subject) -> Outcome:
    result, got = _asked(case, subject)
    return Outcome(id=case.id, title=case.title, result=result, expected=case.expected, got=got)


def _asked(case: Case, subject: Subject) -> tuple[Result, str]:
    try:
        return "pass", case.ask(subject)
    except (ViolationError, UnansweredError) as wrong:
        return "fail", str(wrong)
    except NotApplicableError as reason:
        return "skip", f"not applicable: {reason}"
