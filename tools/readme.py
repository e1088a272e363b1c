"""Writes what is generated of the documentation: the README's table of settings, and docs/refusals.md."""

import re
from pathlib import Path

from modelcast_runtime.settings import settings_table

ROOT = Path(__file__).resolve().parent.parent


REFUSALS = """\
# When a build is refused

One last line on stderr, `error: STEP: PROBLEM. FIX.`, and exit code 1. Each of these is a repository in
[sample-models](../sample-models), built by the tests and held to its line.
"""


def main() -> None:
    """Write both."""
    readme = ROOT / "README.md"
    readme.write_text(
        filled(readme.read_text(encoding="utf-8"), "settings", settings_table().strip()), encoding="utf-8"
    )
    (ROOT / "docs" / "refusals.md").write_text(refusals(), encoding="utf-8")


def refusals() -> str:
    """The samples that must fail, each with its last line."""
    found = sorted((ROOT / "sample-models").glob("*-should-fail/expected-stderr.txt"))
    parts = [f"\n{_title(path)}\n\n    {path.read_text(encoding='utf-8').strip()}\n" for path in found]
    return REFUSALS + "".join(parts)


def _title(path: Path) -> str:
    name = path.parent.name.removesuffix("-should-fail")
    return f"**{name.replace('-', ' ').capitalize()}** ([sample](../sample-models/{path.parent.name}))"


def filled(text: str, name: str, content: str) -> str:
    """The text, with what stands between the comments `name` and `/name` made anew."""
    pattern = re.compile(rf"(<!-- {name}.*?-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


if __name__ == "__main__":
    main()
