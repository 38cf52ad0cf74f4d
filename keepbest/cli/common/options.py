"""Options and arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keepbest.contract.runs import Mode
from keepbest.settings import DEFAULT_PORT

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its first letters (4 or more).")]
RunOrAlias = Annotated[
    str, typer.Argument(metavar="RUN|PROJECT@ALIAS", help="Id of a run, or its first letters; or an alias.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir", help="Folder for database, checkpoints and tokens.", show_default="KEEPBEST_DIR, or ~/.keepbest"
    ),
]
Port = Annotated[
    int | None,
    typer.Option(envvar="KEEPBEST_PORT", min=1, max=65535, help="Port to listen on.", show_default=str(DEFAULT_PORT)),
]
DataFolder = Annotated[
    Path | None, typer.Option("--data-dir", envvar="KEEPBEST_DATA", help="Folder with data sets as IDX files.")
]
ProjectName = Annotated[str | None, typer.Option("--project", "-p", help="Only this project.")]

# The options of `submit` and `sweep` for a run

What = Annotated[
    str | None, typer.Argument(metavar="RECIPE|FILE.py[:FUNCTION]", help="What to train; the function is `build`.")
]
Set = Annotated[list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="A parameter; repeatable.")]
Patience = Annotated[
    str | None,
    typer.Option(
        help="Stop after this long without a new best: `10` validations, `10epochs` or `1000steps`.",
        show_default="10 validations, or what project or recipe say",
    ),
]
Stop = Annotated[str | None, typer.Option(help="When to stop: `reduce_on_plateau(5) | patience(15, min_delta=0.001)`.")]
InShadow = Annotated[
    list[str] | None, typer.Option(help="A policy that says where it would stop, and does not; repeatable.")
]
Keep = Annotated[
    str | None,
    typer.Option(
        metavar="best=K,last=K,every=STEPS", help="Checkpoints that stay on disk.", show_default="best=1,last=1"
    ),
]
Select = Annotated[
    str | None, typer.Option(help="What the run ends with: `best`, `greedy_soup(k=5)`, …", show_default="best")
]
KeepExamples = Annotated[
    int, typer.Option(min=0, max=64, help="Validation examples stored with each checkpoint, for `restore --check`.")
]
Stall = Annotated[
    bool, typer.Option("--stall/--no-stall", help="End it, and take it up anew, where it gives no sign of life.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Do not train a model of which a part cannot be captured.")]
Label = Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only on workers with it; repeatable.")]
Data = Annotated[str | None, typer.Option(help="Data set of a recipe.", show_default="the recipe's first")]
GetsBetter = Annotated[
    Mode | None, typer.Option(help="Which way the metric gets better.", show_default="as Keras knows the metric")
]
ValidateEvery = Annotated[
    str | None,
    typer.Option(
        metavar="STEPS|EPOCHS",
        help="How long between two validations: `100` steps, or `1epoch`.",
        show_default="100 steps, or what the recipe says",
    ),
]
Epochs = Annotated[
    float | None, typer.Option(help="Stop after so many epochs at the latest.", show_default="no end, or the recipe's")
]
MaxSteps = Annotated[
    int | None, typer.Option(min=1, help="Stop at this step at the latest.", show_default="no end, or the recipe's")
]
Monitor = Annotated[
    str | None,
    typer.Option(help="Metric that says which model is best.", show_default="val_loss, or what the recipe says"),
]
ToProject = Annotated[
    str | None,
    typer.Option("--project", "-p", help="Project; made if it is new.", show_default="KEEPBEST_PROJECT, or default"),
]
Priority = Annotated[int, typer.Option(min=-100, max=100, help="Higher ones are trained first.")]
SentFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder that is sent.",
        show_default="that of FILE.py, or the one above its packages; of a command, this one",
    ),
]
