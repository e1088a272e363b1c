"""Writes the README's generated parts: the settings' table and the refusals; `make readme`."""

import re
from pathlib import Path

from modelcast_runtime.settings import settings_table

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Fill both places."""
    readme = ROOT / "README.md"
    text = _filled(readme.read_text(encoding="utf-8"), "settings", settings_table().strip())
    readme.write_text(_filled(text, "refusals", refusals()), encoding="utf-8")


def refusals() -> str:
    """A list of the last lines that the should-fail samples end in."""
    found = sorted((ROOT / "sample-models").glob("*-should-fail/expected-stderr.txt"))
    return "\n".join(f"- `` {path.read_text(encoding='utf-8').strip()} ``" for path in found)


def _filled(text: str, name: str, content: str) -> str:
    pattern = re.compile(rf"(<!-- {name}.*?-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


if __name__ == "__main__":
    main()
