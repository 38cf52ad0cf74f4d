"""When to stop: pure policies over validations. Trainer, tracker and replay run the same code.

A policy is a state machine: `start() -> state`, `observe(state, validation) -> (state, decision)`,
`deadline(state) -> step or None`. The state is JSON after every validation.
"""

from __future__ import annotations

from keepbest.stopping.correct import Correct
from keepbest.stopping.direction import choose_monitor, find_mode
from keepbest.stopping.losses import Losses
from keepbest.stopping.pairs import Pairs, Unpaired, read_pairs
from keepbest.stopping.policies.compose import AllOf, AnyOf
from keepbest.stopping.policies.guards import CheckFinite, DivergenceThreshold, MaxSeconds, MaxSteps, StoppingThreshold
from keepbest.stopping.policies.halving import SuccessiveHalving
from keepbest.stopping.policies.noise import NoiseAware
from keepbest.stopping.policies.paired import PairedNoise
from keepbest.stopping.policies.patience import Patience
from keepbest.stopping.policies.plateau import ReduceOnPlateau
from keepbest.stopping.policies.policy import Policy
from keepbest.stopping.policies.prechelt import GeneralizationLoss, ProgressQuotient, Upcrossing
from keepbest.stopping.policies.recover import Recover
from keepbest.stopping.policies.require import Require
from keepbest.stopping.policies.shadow import Shadow
from keepbest.stopping.registry import PolicyInfo, build, describe
from keepbest.stopping.syntax import parse, render
from keepbest.stopping.validation import Decision, Mode, Recovery, State, Validation, Verdict, is_better

#: The stopper of a run that names none: it stops after ten validations without improvement, or at a NaN.
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
    "Recover",
    "Recovery",
    "ReduceOnPlateau",
    "Require",
    "Shadow",
    "State",
    "StoppingThreshold",
    "SuccessiveHalving",
    "Unpaired",
    "Upcrossing",
    "Validation",
    "Verdict",
    "build",
    "choose_monitor",
    "describe",
    "find_mode",
    "is_better",
    "parse",
    "read_pairs",
    "render",
]
