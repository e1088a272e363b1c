"""What both notebooks need: hyper-parameters from the build's environment, and the place for a stage."""

import os

import joblib


def get_param(name, default):
    """The build's variable `name` in the type of the default, else the default."""
    return type(default)(os.environ.get(name, default))


def serialize_to(stage, filename):
    """Save a stage where the build wants it, else beside the notebook."""
    joblib.dump(stage, os.environ.get("S2I_PIPELINE_STAGE_SAVE_FILE", filename))
