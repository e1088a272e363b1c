"""The page in a real browser: tried by mouse and keyboard, on a desk and on a phone, in the light and in the dark."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.commands import Modelcast, Service
from tests.e2e.browser import Browser, Page, started
from tests.e2e.conftest import SAMPLES, tool
from tests.e2e.engine import ROOT

PICTURES = ROOT / "build" / "pictures"
SHOWN = PICTURES / "shown"
"""Those of the documentation; `make pictures` puts them into docs/img."""
SIZES = {"desk": (1280, 900, False), "phone": (390, 844, True)}
PENGUIN = {
    "island": "Biscoe",
    "bill_length_mm": "47.5",
    "bill_depth_mm": "14",
    "flipper_length_mm": "212",
    "body_mass_g": "4875",
    "sex": "female",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; installed where it is missing."""
    if shutil.which("chromium") is None:
        tool("apt-install.sh", "chromium")
    with started("chromium") as chromium:
        yield chromium


@pytest.fixture(scope="module")
def penguins() -> Iterator[Service]:
    """The sample as `modelcast serve` builds and serves it."""
    modelcast = Modelcast(cache=ROOT / "build" / "test-cache")
    with modelcast.serving(SAMPLES / "penguins", workers=1) as service:
        yield service


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Browser, penguins: Service) -> Iterator[Page]:
    """The page, opened; nothing may complain, and nobody else may be asked, whatever a test does with it."""
    (size, scheme) = request.param
    width, height, is_phone = SIZES[size]
    opened = browser.page(width, height, scheme=scheme, is_phone=is_phone)
    opened.open(f"{penguins.url}/")
    yield opened
    # What a test provoked is a network's complaint about our own answer; anything else is ours.
    assert [error for error in opened.errors if "status of 400" not in error] == []
    assert {url for url in opened.requests if not url.startswith((f"{penguins.url}/", "blob:"))} == set()
    assert opened.run("document.documentElement.scrollWidth <= innerWidth"), "it must not scroll sideways"
    opened.picture(PICTURES / f"{request.node.originalname.removeprefix('test_')}-{size}-{scheme}.png")


def show(page: Page, request: pytest.FixtureRequest, *, most: float, **named: str) -> None:
    """Keep a picture for the documentation, called as `named` says for this size and scheme."""
    name = named.get("_".join(request.node.callspec.params["page"]))
    if name:
        page.picture(SHOWN / f"{name}.png", most=most)


def field(page: Page, name: str) -> str:
    """The selector of the control with this label."""
    return "#" + str(
        page.run(f"[...document.querySelectorAll('label')].find((it) => it.innerText === '{name}').htmlFor")
    )


def fill(page: Page, **cells: str) -> None:
    """Fill the form as a person does."""
    for name, text in cells.items():
        control = field(page, name)
        if page.run(f"document.querySelector('{control}').tagName") == "SELECT":
            page.choose(control, text)
        else:
            page.write(control, text)


def test_the_form_is_filled_sent_and_answered(page: Page, penguins: Service, request: pytest.FixtureRequest) -> None:
    assert page.text("h1") == "penguins"
    fill(page, **PENGUIN)
    page.click("#form-one [type=submit]")
    page.until("document.querySelector('.prediction')")
    row = {name: float(text) if text.replace(".", "").isdigit() else text for name, text in PENGUIN.items()}
    answer = penguins.ask("/predict?proba=true", json=[row]).json()
    assert page.text(".prediction") == answer["predictions"][0]
    shares = sorted(answer["probabilities"][0].items(), key=lambda pair: -pair[1])
    lines = page.text(".bars").splitlines()
    assert lines == [text for label, share in shares for text in (label, f"{share * 100:.1f} %")]
    page.until("document.querySelector('.track > div').style.width !== ''")
    widths = page.run("[...document.querySelectorAll('.track > div')].map((it) => parseFloat(it.style.width))")
    assert widths == pytest.approx([share * 100 for _, share in shares])
    page.run("document.activeElement.blur()")
    named = {"desk_light": "page-light", "desk_dark": "page-dark", "phone_light": "page-phone"}
    show(page, request, most=1100, **named)


def test_an_error_is_shown_at_the_field_that_it_names(page: Page, request: pytest.FixtureRequest) -> None:
    fill(page, body_mass_g="4,5 kg")
    page.press("Enter", 13)  # as from the keyboard
    page.until("document.querySelector('.alert')")
    control = field(page, "body_mass_g")
    assert page.text(f"{control}-wrong") == "Expected a number, got string."
    assert page.run(f"document.querySelector('{control}').getAttribute('aria-invalid')") == "true"
    assert page.run(f"document.activeElement === document.querySelector('{control}')")
    assert page.text("#shown").startswith("Wrong type\n")
    assert "$.instances[0].body_mass_g: expected a number, got string." in page.text("#shown")
    assert page.run("document.querySelectorAll('[aria-invalid]').length") == 1
    show(page, request, most=690, desk_light="page-error")
    page.write(control, "4500")
    assert page.run("document.querySelectorAll('[aria-invalid]').length") == 0


def test_a_file_of_rows_is_uploaded_and_answered(page: Page, penguins: Service, tmp_path: Path) -> None:
    names = list(PENGUIN)
    rows = [PENGUIN, PENGUIN | {"bill_length_mm": ""}, PENGUIN | {"island": "Torgersen", "bill_depth_mm": "19"}]
    file = tmp_path / "penguins.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    page.click("#tab-several")
    page.upload("#file", file)
    page.until("document.querySelector('#rows').value.includes('Torgersen,47.5,19,')")
    page.click("#form-several [type=submit]")
    page.until("document.querySelector('#shown table')")
    answer = penguins.ask(content=file.read_bytes(), headers={"Content-Type": "text/csv"}).json()
    shown = page.run("[...document.querySelectorAll('#shown tbody tr')].map((it) => it.children[1].innerText)")
    assert shown == answer["predictions"]
    assert page.text("#code").endswith("--data-binary @rows.csv")


def test_a_wrong_line_is_named_and_selected(page: Page) -> None:
    page.click("#tab-several")
    page.write("#rows", "\t".join(PENGUIN) + "\nBiscoe\t47\t14\t212\t4875\tmale\nMars\t47\t14\t212\t4875\tmale")
    page.click("#form-several [type=submit]")
    page.until("document.querySelector('.alert')")
    wrong = 'line 3, column island: expected one of "Biscoe", "Dream", "Torgersen", got another string.'
    assert page.text("#rows-wrong") == wrong
    chosen = "(() => { const it = document.querySelector('#rows'); return it.value.slice(it.selectionStart, it.selectionEnd); })()"
    assert page.run(chosen) == "Mars\t47\t14\t212\t4875\tmale"


def test_the_request_as_code_asks_the_same(page: Page, penguins: Service) -> None:
    fill(page, **PENGUIN | {"sex": "(missing)"})
    page.click("#form-one [type=submit]")
    page.until("document.querySelector('.prediction')")
    said = page.text(".prediction")
    done = subprocess.run(["bash", "-c", page.text("#code")], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["predictions"] == [said]
    # The tab is reached and changed by the keyboard alone.
    page.run("document.querySelector('#tab-curl').focus()")
    page.press("ArrowRight", 39)
    assert page.run("document.activeElement.id") == "tab-python"
    program = page.text("#code")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"['{said}']\n"
    page.press("ArrowRight", 39)
    logged = page.run(
        f"(async () => {{ const said = []; const console = {{ log: (it) => said.push(it) }};\n{page.text('#code')}\nreturn said; }})()"
    )
    assert logged == [[said]]


def offered(page: Page, file: Path) -> str:
    """Choose a file that the box cannot hold: what it says of it instead."""
    page.click("#tab-several")
    page.upload("#file", file)
    page.until("document.querySelector('#rows').readOnly")
    return str(page.run("document.querySelector('#rows').value"))


ONE_DESK = pytest.mark.parametrize("page", [("desk", "light")], indirect=True)


@ONE_DESK
def test_a_file_that_is_no_utf_8_is_sent_as_it_is(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "penguins.csv"
    file.write_bytes((",".join(PENGUIN) + "\nBisé,47,14,212,4875,male\n").encode("latin-1"))
    assert offered(page, file) == f"penguins.csv: {file.stat().st_size} bytes, not UTF-8, sent as they are"
    page.click("#form-several [type=submit]")
    page.until("document.querySelector('.alert')")
    assert page.text("#shown") == "Not UTF-8\n\nline 2: expected UTF-8, got other bytes. Encode the body as UTF-8."
    # Mended and chosen again, it is read again.
    file.write_text(",".join(PENGUIN) + "\nBiscoe,47,14,212,4875,male\n", encoding="utf-8-sig")
    page.run("void document.querySelector('#file').dispatchEvent(new Event('click'))")
    page.upload("#file", file)
    page.until("!document.querySelector('#rows').readOnly")
    page.click("#form-several [type=submit]")
    page.until("document.querySelector('#shown tbody tr')")


@ONE_DESK
def test_a_large_file_of_tabs_is_answered(page: Page, tmp_path: Path) -> None:
    rows, file = 6000, tmp_path / "penguins.tsv"
    lines = [PENGUIN.keys(), *[['"Biscoe"', *list(PENGUIN.values())[1:]]] * rows]
    file.write_text("\r\n".join("\t".join(line) for line in lines))
    assert file.stat().st_size > 200_000
    assert offered(page, file) == f"penguins.tsv: {file.stat().st_size:,} bytes, too many to edit here"
    page.click("#form-several [type=submit]")
    page.until("document.querySelector('#shown table')")
    assert page.text("#shown").startswith("Predictions for 6,000 rows\n")


@ONE_DESK
def test_cells_between_tabs_become_a_csv(page: Page) -> None:
    cells = 'a\tb\r\n5" pipe, long\t"with ""quotes"", a\ttab\nand a line"\r\n\t""\nlast\t'
    csv_text = 'a,b\r\n"5"" pipe, long","with ""quotes"", a\ttab\nand a line"\r\n,""\nlast,'
    assert page.run(f"asCsv({json.dumps(cells)})") == csv_text
    assert page.run(f"asCsv({json.dumps(csv_text)})") == csv_text


@ONE_DESK
@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            "Promise.reject(new TypeError('no network'))",
            "No answer\n\nThe service could not be reached. Is it still running?",
        ),
        (
            "new Response('<p>Sign in', {status: 200})",
            "Status 200\n\nWhat answered was not the model: this is no JSON.",
        ),
        (
            "new Response('<p>Bad gateway', {status: 502})",
            "Status 502\n\nWhat answered was not the model: this is no JSON.",
        ),
        ("new Response('{}', {status: 503})", "Status 503\n\nThe service gave no reason."),
    ],
)
def test_what_is_no_answer_is_told_apart(page: Page, answer: str, shown: str) -> None:
    page.run(f"void (window.fetch = async () => {answer})")
    page.click("#form-one [type=submit]")
    page.until("document.querySelector('.alert')")
    assert page.text("#shown") == shown
    assert not page.run("document.querySelector('#form-one [type=submit]').hasAttribute('aria-disabled')")


@ONE_DESK
def test_a_fault_of_the_page_is_not_told_as_one_of_the_network(page: Page) -> None:
    page.run("void (window.fetch = async () => new Response('{\"predictions\": null}'))")
    page.click("#form-one [type=submit]")
    page.until("!document.querySelector('#form-one [type=submit]').hasAttribute('aria-disabled')")
    assert page.run("document.querySelector('.alert')") is None
    assert page.errors == ["Uncaught (in promise)"]
    page.errors.clear()


@pytest.mark.parametrize(
    ("path", "words"),
    [("docs", "Inputs of a row"), ("card", "What it takes"), ("notebooks/train.html", "Which penguin is it?")],
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_there_is_to_read(browser: Browser, penguins: Service, path: str, words: str, scheme: str) -> None:
    opened = browser.page(1280, 900, scheme=scheme)
    opened.open(f"{penguins.url}/{path}")
    assert words in opened.text("body")
    assert opened.errors == []
    assert {url for url in opened.requests if not url.startswith((f"{penguins.url}/", "data:"))} == set()
    opened.picture(PICTURES / f"{path.replace('/', '-').removesuffix('.html')}-{scheme}.png")
    if (path, scheme) == ("docs", "light"):
        opened.picture(SHOWN / "docs.png", most=1000)


def test_a_picture_of_a_terminal(browser: Browser, tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "penguins", tmp_path / "penguins")
    shutil.copytree(SAMPLES / "two-artifacts-should-fail", tmp_path / "tumours")
    modelcast = Modelcast(cache=ROOT / "build" / "test-cache")
    said = ""
    for folder, *words in (("penguins", "build", "."), ("penguins", "inspect", "bundle"), ("tumours", "build", ".")):
        done = modelcast.run(*words, cwd=tmp_path / folder)
        lines = (done.stderr + done.stdout).splitlines()
        said += "\n".join([f"~/{folder}$ modelcast {' '.join(words)}", *lines[:15], "", ""])
    assert "20 golden rows reproduced" in said
    assert said.endswith("`model: model.joblib`.\n\n")
    opened = browser.page(1280, 700, scheme="dark")
    opened.run(
        "document.body.style = 'margin:0;background:#10181f;color:#d7e0e7;font:15px/1.5 monospace';"
        " const told = document.body.appendChild(document.createElement('pre'));"
        " told.style = 'margin:0;padding:24px;white-space:pre-wrap;font:inherit';"
        f" told.textContent = {json.dumps(said.rstrip())}; 0"
    )
    opened.picture(SHOWN / "terminal.png")
