"""Runs: what is asked (`RunRequest`), what was settled (`RunSpec`), and what a run is now (`Run`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from keepbest.contract.base import Answer, Digest, Id, Json, MetricKey, Moment, Name, Page, Shape, Step, Text
from keepbest.contract.policies import PolicySpec, RetentionSpec
from keepbest.status import RunState, StopReason

Labels = Annotated[dict[str, str], Field(max_length=50)]
Tags = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=50)]


class Mode(StrEnum):
    MIN = "min"
    MAX = "max"
    AUTO = "auto"


class Parameter(Shape):
    """One parameter of a recipe or of a user's build function, read from its signature."""

    name: str = Field(max_length=100)
    type: Literal["int", "float", "bool", "str", "json"] = "json"
    default: Json = None
    required: bool = False
    help: str = ""


class RecipeSource(Shape):
    kind: Literal["recipe"] = "recipe"
    name: str = Field(max_length=100)


class CodeSource(Shape):
    """A user's own build function: a bundle uploaded beforehand, and where in it the function is."""

    kind: Literal["code"] = "code"
    bundle: Digest
    entry: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,198}\.py:[A-Za-z_][A-Za-z0-9_]{0,99}$")
    signature: list[Parameter] = Field(default_factory=list, max_length=200)


class ExternalSource(Shape):
    """The run is trained by the script that made it; no worker claims it."""

    kind: Literal["external"] = "external"


Source = Annotated[RecipeSource | CodeSource | ExternalSource, Field(discriminator="kind")]


class RunRequest(Shape):
    """What a user asks for; what is left null the recipe's defaults (or keepbest's) fill in."""

    project: Name = "default"
    name: Name | None = None
    source: Source
    parameters: dict[str, Json] = Field(default_factory=dict, max_length=200)
    data: str | None = Field(default=None, max_length=100)
    monitor: MetricKey | None = None
    mode: Mode | None = None
    stopper: PolicySpec | None = None
    retention: RetentionSpec | None = None
    max_steps: int | None = Field(default=None, ge=1, le=2**53)
    validate_every: int | None = Field(default=None, ge=1, le=2**31)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    labels: Labels = Field(default_factory=dict)
    tags: Tags = Field(default_factory=list)
    notes: Text = ""
    priority: int = Field(default=0, ge=-100, le=100)
    max_attempts: int = Field(default=3, ge=1, le=100)


class RunSpec(RunRequest):
    """The request with every gap filled: all a trainer needs to know. Kept with the run, never changed."""

    name: Name
    monitor: MetricKey
    mode: Mode
    stopper: PolicySpec
    retention: RetentionSpec
    max_steps: int | None = None
    validate_every: int


class RunError(Answer):
    """Why a run failed, in the words of what failed."""

    code: str
    message: str
    hint: str | None = None
    traceback: str | None = None


class TestResult(Answer):
    """The test set, measured once, at the restored best checkpoint."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    step: Step
    n: int
    values: dict[str, float]
    checkpoint: Id | None = None


class Run(Answer):
    """A run as lists and pages show it."""

    id: Id
    project: str
    number: int
    name: str
    state: RunState
    stop_reason: StopReason | None = None
    stop_message: str | None = None
    error: RunError | None = None
    spec: RunSpec
    mode: Mode
    tags: list[str] = Field(default_factory=list)
    notes: str = ""
    created_by: str
    created_at: Moment
    started_at: Moment | None = None
    ended_at: Moment | None = None
    updated_at: Moment
    heard_at: Moment | None = None  # the last word from the worker
    worker: str | None = None
    attempt: int = 0
    segment: int | None = None
    step: Step | None = None
    last_value: float | None = None
    last_look_step: Step | None = None
    best_value: float | None = None
    best_step: Step | None = None
    best_checkpoint: Id | None = None
    wait: int | None = None
    patience_left: int | None = None
    patience_unit: str | None = None
    looks: int = 0
    resume: Literal["exact", "approximate"] | None = None
    resume_note: str | None = None
    test: TestResult | None = None
    environment: dict[str, Json] | None = None  # what it was trained with; lists leave it out


class RunPage(Page):
    runs: list[Run]


class RunPatch(Shape):
    """What people may change about a run."""

    name: Name | None = None
    notes: Text | None = None
    tags: Tags | None = None


class Segment(Answer):
    """A stretch of one run between two jumps; `parent` is where it branched off, at `start_step`.

    `end_step` is set once a later segment branched off before this one's tail: what lies beyond is a ghost.
    """

    number: int
    parent: int | None = None
    reason: Literal["start", "resume", "roll_back"]
    start_step: Step
    checkpoint: Id | None = None
    attempt: int
    opened_at: Moment
    branched_step: Step | None = None


class SegmentList(Answer):
    segments: list[Segment]


class Project(Answer):
    name: str
    description: str = ""
    created_at: Moment
    runs: int = 0
    active: int = 0
    latest_run: Id | None = None
    updated_at: Moment | None = None


class ProjectPage(Page):
    projects: list[Project]


class ProjectRequest(Shape):
    name: Name
    description: Text = ""
