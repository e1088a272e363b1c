"""The story of a build: discover -> environment -> train -> describe -> gates -> compile -> seal -> smoke."""

import tempfile
from pathlib import Path

from modelcast_runtime import contract
from modelcast_runtime.bundle import Bundle, open_bundle

from modelcast_builder import (
    bundling,
    champion,
    child,
    compilation,
    environment,
    evaluation,
    gates,
    promises,
    provenance,
    sandbox,
    seal,
    smoke,
    source_tree,
    standing,
    training,
)
from modelcast_builder.bundling import Facts
from modelcast_builder.config import BuildSettings, read_config
from modelcast_builder.discover import discover
from modelcast_builder.frameworks import claim
from modelcast_builder.provenance import Build
from modelcast_builder.report import Reporter
from modelcast_builder.source import Source, fetch, model_name


def build(source: str | Source, out: Path, settings: BuildSettings, reporter: Reporter) -> Bundle:
    """Turn a repository, fetched or not, into a sealed bundle at `out`.

    Raises `BuildError`, and then leaves nothing there.
    """
    seal.check_target(out)
    began = provenance.now()
    with tempfile.TemporaryDirectory(prefix="modelcast-") as folder, seal.staging(out) as writer:
        work = Path(folder).resolve()
        with reporter.step("discover"):
            repo = source if isinstance(source, Source) else fetch(source, work)
            config = read_config(repo.root, settings.variables)
            name = model_name(repo, config)
            plan = discover(repo.root, config)
            training.check_parameters(plan, config)
            examples = promises.find(repo.root, config)
            digest = source_tree.digest(repo.root)
            reporter.say("discover", plan.reason)
            if lacking := sandbox.lacking(config.document.build):
                reporter.note("discover", lacking)
        with reporter.step("environment"):
            artifact = training.ready_made(plan, config.document.trusted)
            serving = environment.prepare(repo.root, artifact, settings, reporter, config.document)
        with reporter.step("train"):
            if artifact is not None:
                trained = training.take(repo.root, artifact, config)
            else:
                trained = training.execute(repo.root, plan, config, serving, work=work, reporter=reporter)
        with reporter.step("describe"):
            claimed = claim(trained.artifact)
            asked = bundling.question(trained, claimed, config, work)
            described = child.describe(serving, asked, work, config.handed, sandbox.of_model(config.document.build))
            reporter.say("describe", bundling.sentence(described))
            for note in described.notes:
                reporter.note("describe", note)
        with reporter.step("gates"):
            evaluated = evaluation.evaluate(serving, asked, described, config, work, reporter)
            held = gates.judge(evaluated, described.task, config.document.gates)
            gates.check(held, reporter)
        with reporter.step("compile"):
            compiled = compilation.decide(serving, asked, described, config, settings, work)
            reporter.say("compile", contract.scored_by(compiled.report))
            if watched := bundling.watch_words(described, compiled):
                reporter.say("watch", watched)
        with reporter.step("seal"):
            facts = Facts(
                name=name,
                source_digest=digest,
                config=config,
                claim=claimed,
                described=described,
                evaluation=None if evaluated is None else evaluated.evaluation,
                gates=held,
                compiled=compiled,
                tables=bundling.tables(trained.repo, config),
                notebooks=tuple(trained.receipts),
            )
            # What is compiled is served by modelcast's own environment, without the model's.
            scoring = serving if compiled.file is None else environment.builders(serving.lock)
            rows = champion.rows_of(repo.root, asked.data, config)
            facts = standing.hold(facts, scoring, rows, settings, work, reporter)
            made = Build(
                source=repo,
                source_digest=digest,
                config=config,
                plan=plan,
                lock=serving.lock,
                began=began,
                notes=tuple(reporter.notes),
                steps=tuple(reporter.steps),
            )
            bundling.write(writer, facts, trained, serving.lock, made, work)
        with reporter.step("smoke"):
            walls = sandbox.of_model(config.document.build)
            reporter.say("smoke", smoke.check(scoring, writer.root, work / "smoke", examples, config.handed, walls))
        seal.publish(writer, out)
    return open_bundle(out)
