"""What `modelcast evaluate` does: labels that came later are joined with the log of the answers, and measured.

The `table` of labels, then what the log (`logged`) holds of their ids -> joined rows -> the gates' own metrics, in the
model's environment -> one frozen `Report` -> `page`, or JSON.
"""

from modelcast_builder.labels.evaluate import Question, check, evaluate
from modelcast_builder.labels.messages import Report
from modelcast_builder.labels.page import page

__all__ = ["Question", "Report", "check", "evaluate", "page"]
