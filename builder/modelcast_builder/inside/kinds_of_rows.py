"""Words for the rows as the model was made for: what is ordinary sets the scale of an answer."""

TRAINING, GOLDEN = "a row of training", "a golden row"
ORDINARY = frozenset({TRAINING, GOLDEN})
