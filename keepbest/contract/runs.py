"""Runs: what is asked (`RunRequest`), what was settled (`RunSpec`), and what a run is now (`Run`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, field_validator

from keepbest.contract.base import Answer, Count, Digest, FieldName, Id, Json, Moment, Page, Shape, Step, Text, Value
from keepbest.contract.names import MetricKey, Name, Tag
from keepbest.contract.overrides import Origin, Overrides
from keepbest.contract.policies import PolicySpec, RetentionSpec, SelectorSpec
from keepbest.contract.selections import Selection
from keepbest.status import RunState, StopReason

Labels = Annotated[dict[str, str], Field(max_length=50)]
Tags = Annotated[list[Tag], Field(max_length=50)]


#: Parameters of one run, or fields of a script's configuration.
MAX_PARAMETERS = 1000
Parameters = Annotated[dict[FieldName, Value], Field(max_length=MAX_PARAMETERS)]


#: Why a segment was opened. A fork begins a run at a checkpoint of another.
SegmentReason = Literal["start", "resume", "roll_back", "fork"]


class Mode(StrEnum):
    MIN = "min"
    MAX = "max"
    AUTO = "auto"


class Parameter(Shape):
    """One parameter of a recipe or of a user's build function, read from its signature."""

    name: str = Field(max_length=100)
    type: Literal["int", "float", "bool", "str", "json"] = "json"
    default: Value = None
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


#: Characters of a command with all its arguments: a run's spec is in every list.
MAX_COMMAND = 8_192
Word = Annotated[str, Field(max_length=MAX_COMMAND, pattern=r"^[^\x00]*$")]
#: What a command's submission may say, and its script too.
Said = Literal["monitor", "mode", "stopper", "max_steps"]


class CommandSource(Shape):
    """Any command, run in the folder of a bundle; `python` is the worker's own interpreter, no shell is between."""

    kind: Literal["command"] = "command"
    bundle: Digest
    argv: list[Word] = Field(min_length=1, max_length=500)
    fixed: list[Said] = Field(
        default_factory=list,
        description="what the submission said: it counts over what the script says; set by the tracker",
    )

    @field_validator("argv")
    @classmethod
    def _check_argv(cls, argv: list[str]) -> list[str]:
        if not argv[0].strip():
            raise ValueError("the first word is the program")
        if sum(map(len, argv)) > MAX_COMMAND:
            raise ValueError(f"a command has at most {MAX_COMMAND} characters")
        return argv


class ExternalSource(Shape):
    """The run is trained by the script that made it; no worker claims it."""

    kind: Literal["external"] = "external"


Source = Annotated[RecipeSource | CodeSource | CommandSource | ExternalSource, Field(discriminator="kind")]


class RunFields(Shape):
    """What request and spec have in common."""

    project: Name = "default"
    name: Name | None = None
    source: Source
    parameters: Parameters = Field(default_factory=dict)
    data: str | None = Field(default=None, max_length=100)
    monitor: MetricKey | None = None
    mode: Mode | None = None
    stopper: PolicySpec | None = None
    retention: RetentionSpec | None = None
    selector: SelectorSpec | None = None
    max_steps: int | None = Field(default=None, ge=1, le=2**53)
    validate_every: int | None = Field(default=None, ge=1, le=2**31)
    epochs: float | None = Field(
        default=None, gt=0, le=1e9, description="as max_steps: a worker's trainer turns it into steps, by the data"
    )
    validate_every_epochs: float | None = Field(default=None, gt=0, le=1e6, description="as validate_every, likewise")
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    keep_examples: int = Field(
        default=0, ge=0, le=64, description="validation examples stored with each checkpoint, for `restore --check`"
    )
    labels: Labels = Field(default_factory=dict)
    tags: Tags = Field(default_factory=list)
    notes: Text = ""
    priority: int = Field(default=0, ge=-100, le=100)
    max_attempts: int = Field(default=3, ge=1, le=100)
    stall: bool = Field(default=True, description="end and take it up anew where its training gives no sign of life")
    strict: bool = Field(default=False, description="do not train a model of which a part cannot be captured")


class RunRequest(RunFields):
    """What a user asks for; what is left null the recipe's defaults (or keepbest's) fill in."""

    id: Id | None = Field(default=None, description="the run's id, which only a script chooses, of its own run")


class Trial(Shape):
    """Which try of which sweep a run is."""

    sweep: Id
    number: int = Field(ge=1)


class RunSpec(RunFields):
    """The request with every gap filled: all a trainer needs to know. Kept with the run, never changed."""

    name: Name
    monitor: MetricKey
    mode: Mode
    stopper: PolicySpec
    retention: RetentionSpec
    selector: SelectorSpec = SelectorSpec()
    max_steps: int | None = None
    validate_every: int
    forked_from: Origin | None = None
    trial: Trial | None = None

    @property
    def is_script(self) -> bool:
        """Whether a script trains it, on its own or as a command: it seeds, and validates when, as it likes."""
        return isinstance(self.source, CommandSource | ExternalSource)


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
    n: Count
    values: dict[str, float]
    checkpoint: Id | None = None


class RecordedTestResult(TestResult):
    """One measurement of the test set at an end of the run: kept for good, also when the run goes on after it."""

    attempt: int
    worker: str | None = None
    at: Moment


class TestResultList(Answer):
    """Oldest first. From the second on, somebody may have gone on because of what the first one said."""

    test_results: list[RecordedTestResult]


class Snapshot(Answer):
    """A state that the trainer holds in memory: going back to it needs no disk."""

    id: Id
    step: Step
    size_bytes: Count
    is_best: bool = False


class Memory(Answer):
    """What the trainer's ring of snapshots holds, and what it may hold."""

    budget_bytes: Count
    held_bytes: Count = Field(description="shared values counted once")
    snapshots: list[Snapshot] = Field(default_factory=list, max_length=1000)


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
    warning: str | None = Field(default=None, description="what is wrong with it just now, in words")
    stalled_since: Moment | None = Field(default=None, description="its training thread gives no sign of life")
    attempt: int = Field(default=0, description="how often it was taken up: after hand-backs and promotions, too")
    failed_attempts: int | None = Field(
        default=None,
        description="crashes and silences since somebody last had it go on, max_attempts of which fail it; "
        "lists leave it out",
    )
    segment: int | None = None
    step: Step | None = None
    last_value: float | None = None
    last_validation_step: Step | None = None
    best_value: float | None = None
    best_step: Step | None = None
    best_checkpoint: Id | None = None
    wait: int | None = None
    patience_left: int | None = None
    patience_unit: str | None = None
    validations: int = 0
    resume: Literal["exact", "approximate"] | None = None
    resume_note: str | None = None
    incomplete: str | None = Field(default=None, description="what of the model its checkpoints do not hold")
    test: TestResult | None = None
    selection: Selection | None = None  # what the selector did at the end; lists leave it out
    max_steps: int | None = None  # in force instead of the spec's
    memory: Memory | None = None  # while it trains
    environment: dict[str, Json] | None = None  # what it was trained with; lists leave it out
    values: dict[str, Json] = Field(
        default_factory=dict, description="of a list: what was asked for as `columns`, by the name that was asked for"
    )

    @property
    def steps_at_most(self) -> int | None:
        """Where it stops at the latest: as was said last, else as the spec says."""
        return self.max_steps or self.spec.max_steps


class Undeleted(Answer):
    """A deleted run that is back, with the checkpoints that are, and those whose files are gone for good."""

    run: Run
    back: list[Id]
    gone: list[Id]


class RunPage(Page):
    """`total` counts up to a limit: `total_is_least` says that there are as many or more."""

    runs: list[Run]
    total_is_least: bool = False


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
    reason: SegmentReason
    start_step: Step
    checkpoint: Id | None = None
    attempt: int
    opened_at: Moment
    branched_step: Step | None = None
    overrides: Overrides | None = None


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
