"""From a git repository to a sealed bundle: `pipeline.build` is the story, `cli` its skin."""

__version__ = "0.1.0"
