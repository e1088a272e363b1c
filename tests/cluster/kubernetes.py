"""The cluster's commands as the tests say them, and clients that never stop asking."""

import json
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

NAMESPACE = "models"
WITHIN = "--timeout=180s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster: how its commands find it, and where its registry is."""

    environment: dict[str, str] = field(repr=False)
    registry: str

    def ask(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """What kubectl says; whatever it says."""
        return subprocess.run(
            ["kubectl", "--namespace", NAMESPACE, *words],
            env=self.environment, input=stdin, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """A command that must succeed; what it prints."""
        done = self.ask(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {words}\n{done.stdout}\n{done.stderr}\n{self.state()}"
        return done.stdout

    def apply(self, *words: str) -> str:
        """Server-side and strict: an unknown field or a warning is a failure."""
        return self.kubectl("apply", "--server-side", "--validate=strict", "--warnings-as-errors", *words)

    def get(self, *words: str) -> Any:
        """An object, or several."""
        return json.loads(self.kubectl("get", *words, "--output=json"))

    def state(self) -> str:
        """What there is to see when something went wrong."""
        asked = ("get all --output=wide", "get events", "logs --selector=app.kubernetes.io/component=model --prefix")
        return "\n".join(self.ask(*words.split()).stdout for words in asked)

    def take(self, image: str, repository: str) -> str:
        """Copy an image from another registry; its name as a production cluster would know it, by the same digest."""
        digest = image.rpartition("@")[2]
        subprocess.run(
            ["crane", "copy", "--insecure", image, f"{self.registry}/{repository}:{digest.removeprefix('sha256:')}"],
            env=self.environment, check=True, timeout=300,
        )  # fmt: skip
        return f"quay.example.com/{repository}@{digest}"

    def address(self, service: str) -> str:
        """Where the Service answers."""
        spec = self.get("service", service)["spec"]
        return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"


@dataclass(slots=True)
class Pressing:
    """Clients that ask one question after the other, on kept connections and on new ones, until told to stop."""

    url: str
    question: dict[str, Any]
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for is_kept in (True, True, False, False):
            self._threads.append(threading.Thread(target=self._press, args=(is_kept,)))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _press(self, is_kept: bool) -> None:
        headers = {} if is_kept else {"Connection": "close"}
        with httpx.Client(timeout=30, headers=headers) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post(f"{self.url}/predict", json=self.question)
                except httpx.TransportError as error:
                    self.failures.append(f"{is_kept=} {error!r}")
                    continue
                if answer.status_code == httpx.codes.OK:
                    self.answers[answer.headers["Model-Version"]] += 1
                else:
                    self.failures.append(f"{is_kept=} {answer.status_code} {answer.text}")
