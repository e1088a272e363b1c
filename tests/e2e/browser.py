"""A real Chromium without a window, driven by its own DevTools protocol through a pipe: no driver, no library."""

import base64
import json
import math
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WITHIN_S = 180
"""For one answer of the browser; a machine under load is slow, a hang is a failure."""
# It reads commands from descriptor 3 and writes to 4; as root of a container it has no sandbox to make.
_OPTIONS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


@dataclass(kw_only=True)
class Page:
    """One tab: what it showed, asked for and complained about."""

    browser: "Browser"
    session: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol."""
        return self.browser.call(method, self.session, **parameters)

    def open(self, url: str) -> None:
        """Load a page, to the end of its scripts."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, expression: str) -> Any:
        """What an expression gives in the page; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait for an expression to become true."""
        end = time.monotonic() + WITHIN_S
        while not self.run(f"!!({condition})"):
            assert time.monotonic() < end, f"it did not come true: {condition}\n{self.run('document.body.innerText')}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """What a person reads there."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        place = self.run(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)}); it.scrollIntoView({{block: 'center'}});"
            " const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )  # fmt: skip

    def write(self, selector: str, text: str) -> None:
        """Replace what a field holds, as a person does who selects all and types."""
        self.run(f"(() => {{ const it = document.querySelector({json.dumps(selector)}); it.focus(); it.select(); }})()")
        if text:
            self.call("Input.insertText", text=text)
        else:
            self.press("Backspace", 8)

    def choose(self, selector: str, label: str) -> None:
        """Take an option by what is shown of it."""
        self.run(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            f" it.value = [...it.options].find((each) => each.text === {json.dumps(label)}).value;"
            " it.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )

    def press(self, key: str, code: int) -> None:
        """One key; Enter with the character that submits a form."""
        typed = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed)

    def upload(self, selector: str, file: Path) -> None:
        """Choose a file."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(file)], nodeId=node)

    def picture(self, file: Path, *, most: float = math.inf) -> None:
        """The whole page as a PNG, or so many pixels from its top."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], most), "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def heard(self, method: str, told: dict[str, Any]) -> None:
        """Keep what matters of an event."""
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(str([each.get("value") for each in told["args"]]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}".strip())


class Browser:
    """A running Chromium."""

    def __init__(self, process: "subprocess.Popen[bytes]", to: int, answers: int) -> None:
        """`to` and `answers` are the ends of its pipes."""
        self.process = process
        self._to, self._from = to, answers
        self._rest = b""
        self._next = 0
        self._pages: dict[str, Page] = {}

    def page(self, width: int, height: int, *, scheme: str = "light", is_phone: bool = False) -> Page:
        """A new tab of this size that prefers `light` or `dark`."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(browser=self, session=session)
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=is_phone,
        )  # fmt: skip
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},  # a picture shows bars that have grown
        ]
        page.call("Emulation.setEmulatedMedia", features=features)
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """One command, and its answer; events on the way are handed to their pages."""
        self._next += 1
        command = {"id": self._next, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == command["id"]:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])
            page = self._pages.get(message.get("sessionId", ""))
            if page is not None and "method" in message:
                page.heard(message["method"], message["params"])

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], WITHIN_S)
            piece = os.read(self._from, 1 << 20) if ready else b""
            assert piece, "the browser ended or hangs"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def started(chromium: str) -> Iterator[Browser]:
    """A browser with a profile of its own, until the block ends."""
    (commands, to), (answers, said) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        wires = f'exec "$0" "$@" 3<&{commands} 4>&{said}'
        process = subprocess.Popen(
            ["bash", "-c", wires, chromium, *_OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(commands, said), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(said)
        try:
            yield Browser(process, to, answers)
        finally:
            os.close(to)
            os.close(answers)
            process.kill()
            process.wait()
