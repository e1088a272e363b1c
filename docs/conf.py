"""How Sphinx makes a site of these pages (`make docs`); they are written to be read in the repository, too."""

import re

from sphinx.application import Sphinx

project = "modelcast"
html_title = "modelcast"
extensions = ["myst_parser"]
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
smartquotes = False  # `--option` stays two hyphens
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # "..." is no JSON; colours are all that is lost


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _name_what_is_outside)


def _name_what_is_outside(_: Sphinx, page: str, source: list[str]) -> None:
    """A link that leads out of docs/ becomes the file's name: the site does not hold it."""
    up = page.count("/") + 1
    source[0] = re.sub(rf"\[([^\]]+)\]\((?:\.\./){{{up}}}([^)]+)\)", r"\1 (`\2`)", source[0])
