"""When to stop: pure policies over looks, the same code in trainer, tracker and replay.

A policy is a state machine: `start() -> state`, `observe(state, look) -> (state, decision)`,
`deadline(state) -> step or None`. Its state is JSON after every look.
"""

from __future__ import annotations

from keepbest.stopping.compose import AllOf, AnyOf
from keepbest.stopping.correct import Correct
from keepbest.stopping.direction import find_mode
from keepbest.stopping.guards import CheckFinite, DivergenceThreshold, MaxSeconds, MaxSteps, StoppingThreshold
from keepbest.stopping.halving import SuccessiveHalving
from keepbest.stopping.look import Decision, Look, Mode, State, Verdict, is_better
from keepbest.stopping.losses import Losses
from keepbest.stopping.noise import NoiseAware
from keepbest.stopping.paired import PairedNoise
from keepbest.stopping.pairs import Pairs, Unpaired, read_pairs
from keepbest.stopping.patience import Patience
from keepbest.stopping.plateau import ReduceOnPlateau
from keepbest.stopping.policy import Policy
from keepbest.stopping.prechelt import GeneralizationLoss, ProgressQuotient, Upcrossing
from keepbest.stopping.registry import PolicyInfo, build, describe
from keepbest.stopping.require import Require
from keepbest.stopping.shadow import Shadow
from keepbest.stopping.syntax import parse, render

#: The stopper of a run that asks for none: ten looks of patience, and never on with a NaN.
DEFAULT_STOPPER = "patience(checks=10) | check_finite()"

__all__ = [
    "DEFAULT_STOPPER",
    "AllOf",
    "AnyOf",
    "CheckFinite",
    "Correct",
    "Decision",
    "DivergenceThreshold",
    "GeneralizationLoss",
    "Look",
    "Losses",
    "MaxSeconds",
    "MaxSteps",
    "Mode",
    "NoiseAware",
    "PairedNoise",
    "Pairs",
    "Patience",
    "Policy",
    "PolicyInfo",
    "ProgressQuotient",
    "ReduceOnPlateau",
    "Require",
    "Shadow",
    "State",
    "StoppingThreshold",
    "SuccessiveHalving",
    "Unpaired",
    "Upcrossing",
    "Verdict",
    "build",
    "describe",
    "find_mode",
    "is_better",
    "parse",
    "read_pairs",
    "render",
]
