"""Renders an executed notebook as one HTML page that loads nothing: no script, no address but links to click."""

import html
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

_LONGEST_OUTPUT = 200_000
# A browser obeys this even where an output hides an address in its own CSS.
_POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"
_SHOWN = [
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "text/latex",
    "image/png",
    "image/jpeg",
    "text/plain",
]
# What loads or runs as soon as it is there; the first are left out with all that is in them.
_WITH_CONTENT = ("script", "iframe", "object", "audio", "video", "template", "noscript")
_WITHOUT = ("link", "meta", "base", "embed", "source", "track", "frame")
_LOADED_FROM = ("src", "srcset", "data", "poster", "background", "xlink:href", "action", "formaction", "ping")
_CSS_ADDRESS = re.compile(r"@import[^;]*;?|url\(\s*(?!['\"]?(?:data:|#))[^)]*\)", re.IGNORECASE)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 70rem;
  padding: 1rem 1.5rem 4rem; }
.cell { margin: 0 0 1rem; }
.text_cell, .input, .output_area { display: flex; }
.inner_cell, .output_subarea { flex: 1; min-width: 0; overflow-x: auto; }
.prompt { flex: 0 0 5rem; font: 12px/1.8 ui-monospace, monospace; color: #59636e; }
.input_area { background: #f6f8fa; border: 1px solid #d1d9e0; border-radius: 4px; }
pre { font: 13px/1.5 ui-monospace, monospace; margin: 0; padding: .4rem .7rem; white-space: pre-wrap; }
.output_stderr, .output_error { background: #fff1f0; }
table { border-collapse: collapse; font-size: 13px; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #d1d9e0; }
img, svg { max-width: 100%; }
.anchor-link { display: none; }
"""


class NotShown(Exception):
    """The notebook names what it does not hold."""


def render(notebook: NotebookNode, *, title: str, folder: Path) -> bytes:
    """Give the page; pictures that the markdown names below `folder` are embedded. Raises `NotShown`."""
    from nbconvert.exporters import HTMLExporter
    from nbconvert.filters.markdown_mistune import InvalidNotebook
    from traitlets.config import Config

    _shorten(notebook)
    options = {"NbConvertBase": {"display_data_priority": _SHOWN}, "CSSHTMLHeaderPreprocessor": {"style": "default"}}
    make: Any = HTMLExporter
    with warnings.catch_warnings():
        # What nbconvert thinks of its own dependencies is nothing that the user could mend.
        warnings.simplefilter("ignore")
        exporter = make(config=Config(options), template_name="basic", embed_images=True, exclude_anchor_links=True)
        try:
            body, facts = exporter.from_notebook_node(notebook, {"metadata": {"path": str(folder), "name": title}})
        except InvalidNotebook as error:
            raise NotShown(str(error)) from error
    # The colours of code; behind them nbconvert puts the CSS of whoever runs the build.
    return _page(title, _STYLE + facts["inlining"]["css"][0], disarmed(body)).encode()


def _page(title: str, style: str, body: str) -> str:
    safe = html.escape(title)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{safe}</title>\n'
        f"<style>{style}</style>\n</head>\n<body>\n<h1>{safe}</h1>\n{body}\n</body>\n</html>\n"
    )


def _shorten(notebook: NotebookNode) -> None:
    """A training log of megabytes keeps its beginning and its end."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            text = output.get("text", "")
            if len(text) > _LONGEST_OUTPUT:
                half = _LONGEST_OUTPUT // 2
                gone = f"\n... {len(text) - 2 * half} characters left out ...\n"
                output["text"] = text[:half] + gone + text[-half:]


def disarmed(body: str) -> str:
    """The same HTML without what runs or loads: outputs hold anything, and libraries like to point at a CDN."""
    filtering = _Filter()
    filtering.feed(body)
    filtering.close()
    return "".join(filtering.parts)


class _Filter(HTMLParser):
    """Writes down again what it reads, less what is refused. nbconvert's pages are well-formed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._within: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]], end: str = ">") -> None:
        if tag in _WITH_CONTENT and end == ">":
            self._within.append(tag)
        elif tag not in (*_WITH_CONTENT, *_WITHOUT):
            self._is_style = tag == "style"
            kept = "".join(
                _attribute(name, value or "") for name, value in attrs if _is_harmless(tag, name, value or "")
            )
            self._write(f"<{tag}{kept}{end}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs, end="/>")

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False
        if self._within and tag == self._within[-1]:
            self._within.pop()
        elif tag not in (*_WITH_CONTENT, *_WITHOUT):
            self._write(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._write(_CSS_ADDRESS.sub("none", data) if self._is_style else data)

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};")

    def _write(self, text: str) -> None:
        if not self._within:
            self.parts.append(text)


def _attribute(name: str, value: str) -> str:
    return f' {name}="{html.escape(_CSS_ADDRESS.sub("none", value) if name == "style" else value)}"'


def _is_harmless(tag: str, name: str, value: str) -> bool:
    value = value.strip()
    if name == "href":
        # A link leads somewhere only when it is clicked.
        return value.startswith("#") or (tag == "a" and value.startswith(("http://", "https://", "mailto:")))
    return not name.startswith("on") and (name not in _LOADED_FROM or value.startswith("data:"))
