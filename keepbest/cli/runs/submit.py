"""`submit`: from a line on the terminal to a queued run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from keepbest.cli.common.options import (
    AsJson,
    Data,
    Epochs,
    GetsBetter,
    InShadow,
    Keep,
    KeepExamples,
    Label,
    MaxSteps,
    Monitor,
    Patience,
    Priority,
    Select,
    SentFolder,
    Set,
    Stall,
    Stop,
    Strict,
    ToProject,
    ValidateEvery,
    What,
)
from keepbest.cli.common.output import print_json, say, warn
from keepbest.cli.common.yaml_file import COMMAND, File
from keepbest.cli.runs.signature import parse_settings
from keepbest.cli.runs.sources import find_program, open_command, open_source, send_with
from keepbest.cli.runs.watch import follow as follow_run
from keepbest.client.client import Client
from keepbest.contract.policies import PolicySpec, RetentionSpec, SelectorSpec
from keepbest.contract.runs import Run, RunRequest
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput, KeepbestError
from keepbest.rates import find_absurd
from keepbest.selection.syntax import parse as parse_selector
from keepbest.settings import load
from keepbest.stopping import AnyOf, Shadow, build, render
from keepbest.stopping import parse as parse_stopper


class AfterDashes(TyperCommand):
    """A command line whose own options end at the first `--`: what follows is somebody else's, to the last word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own, dashes, rest = _split(args)
        ctx.meta[COMMAND] = rest if dashes else None
        try:
            return super().parse_args(ctx, list(own))
        except typer.BadParameter:
            raise
        except typer.TyperException as error:
            message = error.format_message().rstrip(".")
            if not dashes and (at := _find_command(own)) is not None:
                hint = shlex.join(_with_dashes(ctx, own, at))
                raise InvalidInput(
                    f"{message}; a command of your own stands after --.", field="source", hint=hint
                ) from None
            if (pair := _find_setting(own, error)) is not None:
                hint = f"A parameter of what is trained is given by --set {pair}"
                raise InvalidInput(f"{error.message.rstrip('.')}.", field="--set", hint=hint) from None
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND …]"]


_SETTING = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_PACE = re.compile(r"(?P<count>[\d_.]+(?:e\d+)?)\s*(?P<unit>steps|step|epochs|epoch|)")

app = typer.Typer(add_completion=False)


@app.command(cls=AfterDashes)
def submit(
    ctx: typer.Context,
    what: What = None,
    set: Set = None,
    data: Data = None,
    monitor: Monitor = None,
    mode: GetsBetter = None,
    patience: Patience = None,
    stop: Stop = None,
    shadow: InShadow = None,
    keep: Keep = None,
    select: Select = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    validate_every: ValidateEvery = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    keep_examples: KeepExamples = 0,
    project: ToProject = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run.", show_default="what it trains, and its number")
    ] = None,
    label: Label = None,
    tag: Annotated[list[str] | None, typer.Option(help="Word to find it by; repeatable.")] = None,
    priority: Priority = 0,
    stall: Stall = True,
    strict: Strict = False,
    folder: SentFolder = None,
    file: File = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch it to its end.")] = False,
    as_json: AsJson = False,
) -> int:
    """Queue a run: a recipe, a function of your own that returns model and data, or after `--` any command.

    Your code runs on the workers.
    """
    argv = ctx.meta[COMMAND]
    check_examples(argv, keep_examples)
    _check_what(what, argv)
    stopper = choose_stopper(patience, stop, shadow or [])
    labels = parse_labels(label or [])
    with Client() as client:
        source = open_source(client, what, folder) if what is not None else open_command(argv or [], folder)
        parameters = parse_settings(set or [], source.signature, source.name)
        warn_of_rates(parameters.items())
        run_request = request(
            RunRequest,
            project=project or load().project,
            name=name,
            source=source.spec_for(parameters),
            parameters=parameters,
            data=data,
            monitor=monitor,
            mode=mode,
            stopper=stopper,
            retention=parse_keep(keep) if keep is not None else None,
            selector=parse_select(select) if select is not None else None,
            epochs=epochs,
            max_steps=max_steps,
            **parse_pace(validate_every),
            seed=seed,
            keep_examples=keep_examples,
            labels=labels,
            tags=tag or [],
            priority=priority,
            stall=stall,
            strict=strict,
        )
        run = send_with(client, source, lambda: client.submit(run_request))
        default = None if stopper else find_default(client, run)
        if follow:
            return _follow(client, run, default, as_json)
        show_submitted(run, default, as_json)
        return 0


def _follow(client: Client, run: Run, default: PolicySpec | None, as_json: bool) -> int:
    """Say what was submitted, and watch it to its end."""
    warn(f"Submitted {run.id} ({run.name}).")
    if default is not None:
        warn(_say_default(run, default))
    return follow_run(client, run.id, as_json)


def _split(words: list[str]) -> tuple[list[str], bool, list[str]]:
    at = words.index("--") if "--" in words else len(words)
    return words[:at], at < len(words), words[at + 1 :]


def _find_command(words: Sequence[str]) -> int | None:
    """Return the place of the first word that is a program or a script, which only a forgotten -- leaves there."""
    return next((place for place, word in enumerate(words) if find_program(word)), None)


def _find_setting(words: Sequence[str], error: typer.TyperException) -> str | None:
    """Return the parameter that a word is meant to set whose --set was forgotten: `units=3`, or `--units 3`."""
    option = str(getattr(error, "option_name", None) or "")
    if option.startswith("--") and not get_close_matches(option, getattr(error, "possibilities", []), cutoff=0.75):
        name, sign, value = next(word for word in words if word.startswith(option)).removeprefix("--").partition("=")
        after = words[words.index(option) + 1 :][:1] if option in words else []
        return f"{name.replace('-', '_')}={shlex.quote(value) if sign else ''.join(after) or '…'}"
    return next((word for word in words if not option and _SETTING.fullmatch(word)), None)


def _with_dashes(ctx: Any, words: list[str], at: int) -> list[str]:
    """Return the line as it was meant; a script without its interpreter gets one."""
    script = ["python"] if words[at].endswith(".py") else []
    return [*ctx.command_path.split(), *words[:at], "--", *script, *words[at:]]


def check_examples(argv: list[str] | None, count: int) -> None:
    if argv and count:
        hint = "In the script: KeepBest(validation=(x, y), keep_examples=8)"
        raise InvalidInput("The data of a command is its script's own.", field="keep_examples", hint=hint)


def _check_what(what: str | None, argv: list[str] | None) -> None:
    if what is None and not argv:
        hint = "keepbest submit my_model.py:build, or: keepbest submit -- python train.py"
        raise InvalidInput("Say what to train.", field="source", hint=hint)
    if what is not None and argv is not None:
        hint = f"Options of this command stand before the --; to run {what!r}, put it after."
        raise InvalidInput(f"Both {what!r} and a command after -- are given.", field="source", hint=hint)


def warn_of_rates(parameters: Iterable[tuple[str, Any]]) -> None:
    """Say which learning rate nobody means: of the parameters whose name says that they are one."""
    for name, value in parameters:
        is_rate = name in ("lr", "rate", "learning_rate") or name.endswith(("_lr", "_learning_rate"))
        if is_rate and isinstance(value, int | float) and (odd := find_absurd(value)) is not None:
            warn(f"warning: {name}={value!r}: {odd}")


def find_default(client: Client, run: Run) -> PolicySpec | None:
    """Return the default of its project where it is what stops this run."""
    with suppress(KeepbestError):  # the run is queued, whatever becomes of this question
        policy_spec = client.rules(run.project).stopper
        settled = (
            policy_spec and build(policy_spec.model_dump(), "max").to_json()
        )  # every parameter written out, as a run's are
        return policy_spec if settled == run.spec.stopper.model_dump() else None
    return None


def _say_default(run: Run, default: PolicySpec) -> str:
    return f"stops by {render(default.model_dump())}: the default of project {run.project}"


def show_submitted(run: Run, default: PolicySpec | None, as_json: bool) -> None:
    if as_json:
        print_json({**run.model_dump(mode="json"), "stopper_is_default_of_project": default is not None})
        return
    say(f"Submitted {run.id} ({run.name}, #{run.number} in {run.project}).")
    if default is not None:
        say(_say_default(run, default))
    say(f"next: keepbest watch {run.id}")


def choose_stopper(patience: str | None, stop: str | None, shadows: Sequence[str] = ()) -> PolicySpec | None:
    """`--patience` is short for a `--stop` of that patience which does not go on with NaN either.

    A run with nothing but policies in the shadow trains to its last step, or to the first NaN.
    """
    if patience is not None and stop is not None:
        raise InvalidInput(
            "--patience and --stop exclude each other.", field="patience", hint=f"--stop '{patience} | {stop}'"
        )
    deciding = None if stop is None else _read(stop, "--stop")
    if patience is not None:
        deciding = _any_of(_read(patience, "--patience"), parse_stopper("check_finite()"))
    if shadows:
        shadowed = [{"name": Shadow.name, "policies": [_read(shadow, "--shadow")]} for shadow in shadows]
        deciding = _any_of(deciding or parse_stopper("check_finite()"), *shadowed)
    return None if deciding is None else request(PolicySpec, **deciding)


def _read(text: str, option: str) -> dict[str, Any]:
    """Read a policy by itself, so that an error shows what was written and nothing else."""
    try:
        return parse_stopper(text)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=option, hint=error.hint) from None


def _any_of(first: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    parts = first["policies"] if first["name"] == AnyOf.name else [first]
    return {"name": AnyOf.name, "params": {}, "policies": [*parts, *more]}


def parse_pace(text: str | None) -> dict[str, float]:
    """Read `100`, `100steps`, `1epoch` or `0.5epochs`, as the fields of a request."""
    if text is None:
        return {}
    match = _PACE.fullmatch(text.strip())
    with suppress(ValueError):
        if match and float(match["count"]) > 0:
            is_epochs = match["unit"].startswith("epoch")
            count = match["count"].replace("_", "")
            return {"validate_every_epochs": float(count)} if is_epochs else {"validate_every": int(count)}
    message = f"{text!r} does not say how often to validate."
    raise InvalidInput(message, field="--validate-every", hint="Like 100 (steps), or 1epoch.")


def parse_keep(text: str) -> RetentionSpec:
    """Read `best=3,last=2,every=1000`; what is not said keeps its default."""
    names = {"best": "best", "last": "last", "every": "every_steps"}
    pairs = [part.partition("=") for part in text.split(",")]
    given = {names.get(name.strip(), ""): count.strip() for name, _, count in pairs}
    if "" in given or len(given) != len(pairs) or not all(count.isdecimal() for count in given.values()):
        raise InvalidInput(f"{text!r} does not say what to keep.", field="keep", hint="Like best=3,last=2,every=1000.")
    return request(RetentionSpec, **{name: int(count) for name, count in given.items()})


def parse_select(text: str) -> SelectorSpec:
    """Read `greedy_soup(k=5)`; raises InvalidInput with the place marked by a caret."""
    return request(SelectorSpec, **parse_selector(text))


def parse_labels(pairs: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    wrong = next((pair for pair, (key, sign, _) in zip(pairs, split, strict=True) if not key or not sign), None)
    if wrong is not None:
        raise InvalidInput(f"--label takes key=value, but got {wrong!r}.", field="label")
    return {key: value for key, _, value in split}
