"""What `modelcast diff` does: two bundles, each in its own environment, are asked the same rows.

`facts` that differ without asking; the `rows` -> both bundles' answers (`asking`) -> what changed between them
(`measures`) -> one frozen `Comparison` -> `page`, or JSON.
"""

from modelcast_builder.comparison.asking import Asked
from modelcast_builder.comparison.compare import Question, compare, score
from modelcast_builder.comparison.messages import Comparison, Scored
from modelcast_builder.comparison.page import page

__all__ = ["Asked", "Comparison", "Question", "Scored", "compare", "page", "score"]
