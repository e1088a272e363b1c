"""Run as a process of its own: audits the hostile corpus under an audit hook, and prints what was accepted or touched.

`python -m tests.hostile.watched FOLDER`: a line of JSON with `files`, `accepted`, `strange` (a crash of the audit) and
`events` (imports, processes, sockets, and files opened beside the audited one).
"""

import json
import sys
from pathlib import Path

from modelcast_builder import artifact
from modelcast_builder.artifact import allowed, verdict
from modelcast_builder.errors import BuildError

from tests.hostile import gadgets

WATCHED = ("import", "exec", "compile", "open", "os", "subprocess", "socket", "pickle", "ctypes", "shutil", "marshal")


def main() -> None:
    folder = Path(sys.argv[1])
    path = folder / "model.joblib"
    events: list[str] = []
    is_on = False

    def watch(event: str, args: tuple[object, ...]) -> None:
        if (
            is_on
            and event.split(".", maxsplit=1)[0] in WATCHED
            and not (event == "open" and args and args[0] == str(path))
        ):
            events.append(f"{event} {args[:1]}")

    allowed.uses()
    allowed.is_hostile("os", "system")  # the lists are read once
    sys.addaudithook(watch)
    accepted, strange, files = [], [], 0
    for name, data in gadgets.corpus():
        path.write_bytes(data)
        files += 1
        is_on = True
        try:
            found = artifact.scan(path)
            if not found.by_value:
                verdict.judge(found)
                accepted.append(name)
        except BuildError:
            pass
        except Exception as error:
            strange.append(f"{name}: {error!r}")
        is_on = False
    print(json.dumps({"files": files, "accepted": accepted, "strange": strange, "events": sorted(set(events))}))


if __name__ == "__main__":
    main()
