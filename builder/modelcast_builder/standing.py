"""Gates on a bundle as a whole: its champion and its budgets, held against a draft of what will be sealed.

The manifest tells of every gate, so these are decided before it is written.
"""

from dataclasses import replace
from pathlib import Path

from modelcast_runtime.bundle import open_bundle

from modelcast_builder import budgets, bundling, champion, gates
from modelcast_builder.bundling import Facts
from modelcast_builder.champion import Rows
from modelcast_builder.comparison import Asked
from modelcast_builder.config import BuildSettings
from modelcast_builder.environment import Environment
from modelcast_builder.report import Reporter


def hold(
    facts: Facts, scoring: Environment, rows: Rows, settings: BuildSettings, work: Path, reporter: Reporter
) -> Facts:
    """The facts with these gates too; raises `BuildError` for one that does not hold."""
    asked = facts.config.document.gates
    if asked is None or not asked.of_bundle:
        return facts
    draft = bundling.draft(work / "draft", facts, scoring.lock, work)
    candidate = Asked(given="the model", bundle=open_bundle(draft), environment=scoring)
    held = list(facts.gates)
    if asked.champion is not None:
        held += champion.judge(asked.champion, candidate, rows, settings, work / "champion", reporter)
    held += budgets.judge(asked, candidate, work / "latency", facts.config.handed, reporter)
    gates.check(held, reporter)
    return replace(facts, gates=budgets.sealed(tuple(held)))
