"""Defines the request for a run (`RunRequest`), its specification (`RunSpec`), and the run as it is now (`Run`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from keepbest.contract.base import Answer, Count, Digest, FieldName, Id, Json, Moment, Page, Shape, Step, Text, Value
from keepbest.contract.imported import ArchiveInfo
from keepbest.contract.names import MetricKey, Name
from keepbest.contract.origins import ImportOrigin, be_missing
from keepbest.contract.overrides import Origin, Overrides
from keepbest.contract.policies import PolicySpec, RetentionSpec, SelectorSpec
from keepbest.contract.provenance import GitState
from keepbest.contract.selections import Selection
from keepbest.contract.tags import TagChanges, Tags
from keepbest.status import RunState, StopReason

Priority = Annotated[int, Field(ge=-100, le=100)]
Labels = Annotated[dict[str, str], Field(max_length=50)]


#: The most parameters of one run, or fields of a script's configuration.
MAX_PARAMETERS = 1000
Parameters = Annotated[dict[FieldName, Value], Field(max_length=MAX_PARAMETERS)]


#: What opened a segment. A fork begins a run at a checkpoint of another run.
SegmentReason = Literal["start", "resume", "roll_back", "recover", "fork"]
#: A jump within one attempt: a person asked for it, or the stopper's `recover` made it.
Jump = Literal["roll_back", "recover"]
JUMPS: tuple[Jump, ...] = ("roll_back", "recover")


class Mode(StrEnum):
    MIN = "min"
    MAX = "max"
    AUTO = "auto"


class Parameter(Shape):
    """One parameter in the signature of a recipe or of a user's build function."""

    name: str = Field(max_length=100)
    type: Literal["int", "float", "bool", "str", "json"] = "json"
    default: Value = None
    required: bool = False
    help: str = ""


class RecipeSource(Shape):
    kind: Literal["recipe"] = "recipe"
    name: str = Field(max_length=100)


class CodeSource(Shape):
    """A user's own build function: the bundle that the user sent before, and the place of the function in it."""

    kind: Literal["code"] = "code"
    bundle: Digest
    git: GitState | None = None
    entry: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,198}\.py:[A-Za-z_][A-Za-z0-9_]{0,99}$")
    signature: list[Parameter] = Field(default_factory=list, max_length=200)


#: The most characters of a command with its arguments, because every list has the specs of its runs.
MAX_COMMAND = 8_192
Word = Annotated[str, Field(max_length=MAX_COMMAND, pattern=r"^[^\x00]*$")]
#: The fields of the spec that both a command's submission and its script may set.
DeclaredField = Literal["monitor", "mode", "stopper", "max_steps"]


class CommandSource(Shape):
    """A command that a worker runs in the folder of a bundle, without a shell. `python` is the worker's interpreter."""

    kind: Literal["command"] = "command"
    bundle: Digest
    git: GitState | None = None
    argv: list[Word] = Field(min_length=1, max_length=500)
    fixed: list[DeclaredField] = Field(
        default_factory=list,
        description="fields that the submission set, so that the script cannot change them; set by the tracker",
    )

    @field_validator("argv")
    @classmethod
    def _check_argv(cls, argv: list[str]) -> list[str]:
        if not argv[0].strip():
            raise ValueError("the first word must name a program")
        if sum(map(len, argv)) > MAX_COMMAND:
            raise ValueError(f"a command has at most {MAX_COMMAND} characters")
        return argv


class ExternalSource(Shape):
    """The script that made the run trains it; no worker claims the run. Or another tool did, and it was `imported`."""

    kind: Literal["external"] = "external"
    imported: ImportOrigin | None = Field(default=None, json_schema_extra=be_missing)

    @model_serializer(mode="wrap")
    def _leave_out(self, dump: SerializerFunctionWrapHandler) -> dict[str, Json]:
        """Say nothing of what is not: the source of most runs is what it always was."""
        plain: dict[str, Json] = dump(self)
        return plain if self.imported is not None else {"kind": self.kind}


Source = Annotated[RecipeSource | CodeSource | CommandSource | ExternalSource, Field(discriminator="kind")]


class RunFields(Shape):
    """The fields that a request and a spec have in common."""

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
        default=None,
        gt=0,
        le=1e9,
        description="max_steps in epochs; a worker's trainer turns it into steps when it knows the data",
    )
    validate_every_epochs: float | None = Field(
        default=None, gt=0, le=1e6, description="validate_every in epochs, likewise"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    keep_examples: int = Field(
        default=0, ge=0, le=64, description="how many validation examples each checkpoint stores for `restore --check`"
    )
    labels: Labels = Field(default_factory=dict)
    tags: Tags = Field(default_factory=list)
    notes: Text = ""
    priority: Priority = 0
    max_attempts: int = Field(default=3, ge=1, le=100)
    stall: bool = Field(
        default=True, description="whether to end and resume the run when its training gives no sign of life"
    )
    strict: bool = Field(default=False, description="whether to refuse a model of which a part cannot be captured")


class RunRequest(RunFields):
    """Asks for a run. The tracker fills each field that is null from the defaults of the recipe or of keepbest."""

    id: Id | None = Field(default=None, description="the run's id; only a script chooses it, for its own run")


class Trial(Shape):
    """The number of a trial in its sweep."""

    sweep: Id
    number: int = Field(ge=1)


class RunSpec(RunFields):
    """The request with every gap filled, which tells a trainer everything. The run keeps it unchanged."""

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
        """Whether a script trains the run, on its own or as a command. It chooses its seed and when it validates."""
        return isinstance(self.source, CommandSource | ExternalSource)


class RunError(Answer):
    """Why a run failed, in the words of the error."""

    code: str
    message: str
    hint: str | None = None
    traceback: str | None = None


class TestResult(Answer):
    """The trainer's one measurement of the test set, at the restored best or selected checkpoint."""

    __test__ = False  # pytest would take the name for that of a test class

    step: Step
    n: Count
    values: dict[str, float]
    checkpoint: Id | None = None


class RecordedTestResult(TestResult):
    """One measurement of the test set at an end of the run. The tracker keeps it, even if the run then goes on."""

    attempt: int
    worker: str | None = None
    at: Moment


class TestResultList(Answer):
    """Test results, the oldest first. Later ones are biased if somebody resumed the run because of an earlier one."""

    test_results: list[RecordedTestResult]


class Snapshot(Answer):
    """A training state that the trainer holds in memory, so that a roll back to it needs no disk."""

    id: Id
    step: Step
    size_bytes: Count
    is_best: bool = False


class Memory(Answer):
    """The snapshots that the trainer holds in memory, and the bytes that they may take."""

    budget_bytes: Count
    held_bytes: Count = Field(description="bytes of all snapshots; values that several share count once")
    snapshots: list[Snapshot] = Field(default_factory=list, max_length=1000)


class Pace(Answer):
    """How fast a run trains, between the first and the last validation of its present segment."""

    segment: int
    seconds_per_step: float
    steps_per_validation: float


class Run(Answer):
    """A run as it is now."""

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
    color: str = Field(default="", description="#rrggbb, as a person chose it")
    priority: int = Field(default=0, description="in force instead of the spec's")
    created_by: str
    imported_from: ArchiveInfo | None = Field(default=None, description="of a run that came in an archive")
    created_at: Moment
    started_at: Moment | None = None
    ended_at: Moment | None = None
    updated_at: Moment
    heard_at: Moment | None = None  # when the worker last reported
    worker: str | None = None
    warning: str | None = Field(default=None, description="what is wrong with the run at present")
    stalled_since: Moment | None = Field(default=None, description="since when its training gives no sign of life")
    attempt: int = Field(default=0, description="how many attempts there were, also after hand-backs and promotions")
    failed_attempts: int | None = Field(
        default=None,
        description="how many attempts crashed or fell silent since somebody last resumed the run; with max_attempts "
        "of them it fails; lists leave it out",
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
    incomplete: str | None = Field(default=None, description="the part of the model that its checkpoints lack")
    test: TestResult | None = None
    selection: Selection | None = None  # lists leave it out
    max_steps: int | None = None  # replaces the spec's
    memory: Memory | None = None  # while it trains
    pace: Pace | None = Field(default=None, description="while it trains, from the segment's second validation on")
    environment: dict[str, Json] | None = None  # versions and hardware; lists leave it out
    values: dict[str, Json] = Field(
        default_factory=dict, description="in a list: the values of the requested `columns`, by their requested names"
    )

    @property
    def steps_at_most(self) -> int | None:
        """The step at which the run stops at the latest: the last override's, else the spec's."""
        return self.max_steps or self.spec.max_steps


class Undeleted(Answer):
    """A deleted run that is back: the checkpoints that are back too, and those whose files are gone for good.

    `artifacts` counts the artifacts that are back, older versions too.
    """

    run: Run
    back: list[Id]
    gone: list[Id]
    artifacts: int = 0
    lost_artifacts: int = 0


class RunPage(Page):
    """A page of runs. The tracker counts `total` up to a limit; `total_is_least` says that there may be more."""

    runs: list[Run]
    total_is_least: bool = False


class RunPatch(Shape):
    """The fields of a run that people may change.

    `tag_changes` and `more_notes` keep what another person changes at the same time; `tags` and `notes` replace it.
    """

    name: Name | None = None
    notes: Text | None = None
    more_notes: Text | None = Field(default=None, description="written below the notes that are there")
    tags: Tags | None = None
    tag_changes: TagChanges | None = Field(default=None, description="tags to take away and to put on")
    color: str | None = Field(default=None, pattern=r"^(#[0-9a-f]{6})?$", description="#rrggbb, or empty")
    priority: Priority | None = Field(default=None, description="of a run that has not ended: its place in the queue")

    @model_validator(mode="after")
    def _check_ways(self) -> RunPatch:
        for whole, change in (("notes", "more_notes"), ("tags", "tag_changes")):
            if getattr(self, whole) is not None and getattr(self, change) is not None:
                raise ValueError(f"give {whole} or {change}, not both")
        return self


class Segment(Answer):
    """A stretch of a run's history with nothing skipped. It left segment `parent` at `start_step`.

    If a later segment left this one, `branched_step` is where. The steps beyond are an abandoned branch.
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
