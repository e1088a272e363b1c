"""The models of XGBoost and LightGBM in a pickle: bytes and a text, which their own readers trust."""

from . import lightgbm, xgboost
from .damage import Damaged
from .values import content_of, fields


def check_xgboost(booster: object) -> None:
    """Check `xgboost.core.Booster.handle`; raises `Damaged`."""
    state = fields(booster)
    if state.get("handle") is not None:
        xgboost.check_booster(content_of(state["handle"]))


def check_lightgbm(booster: object) -> None:
    """Check the text in a `lightgbm.basic.Booster`, `_handle` or before version 4 `handle`; raises `Damaged`."""
    state = fields(booster)
    model = state.get("_handle", state.get("handle"))
    if model is None:
        return
    if type(model) is not str:
        raise Damaged("is no model that can be read")
    lightgbm.check_model(model)
