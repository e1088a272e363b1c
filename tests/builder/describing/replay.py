"""In a fresh process of the model's environment: do the sealed models answer as their golden rows say?

Takes folders with `described.json`, `model.joblib` and `code/`; prints a line for each.
"""

import sys
from pathlib import Path

import joblib
import msgspec
from modelcast_runtime import contract
from modelcast_runtime.contract import Golden, Signature
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.golden import compare, wanted_by
from modelcast_runtime.payload import decode_rows


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed here of the builder's message, which this environment does not have."""

    signature: Signature
    golden: Golden


sys.dont_write_bytecode = True
for name in sys.argv[1:]:
    folder = Path(name)
    sys.path.insert(0, str(folder / "code"))
    described = contract.decode((folder / "described.json").read_bytes(), Described)
    scorer = NativeScorer(joblib.load(folder / "model.joblib"), described.signature)
    scores = scorer.score(decode_rows(described.golden.rows, described.signature), wanted_by(described.golden))
    compare(scores, described.golden)
    print(folder.name, len(described.golden.rows))
