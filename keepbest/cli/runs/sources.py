"""Opens what a submission trains: a recipe, a function in a file, or a whole command; and sends its folder of code."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from keepbest.cli.common.output import warn
from keepbest.cli.runs.entry_point import FUNCTION, Entry, find_entry
from keepbest.cli.runs.notebook_file import find_trainings, read_notebook
from keepbest.cli.runs.signature import Signature, read_signature
from keepbest.cli.runs.source_lookup import list_functions, parse_file
from keepbest.cli.service.recipes import list_recipes
from keepbest.client.bundle import PackedBundle, pack
from keepbest.client.client import Client
from keepbest.contract.provenance import GitState
from keepbest.contract.runs import CodeSource, CommandSource, Parameter, RecipeSource
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput, NotFound
from keepbest.figures import size
from keepbest.provenance.git import read_git
from keepbest.settings import load

T = TypeVar("T")
#: How long a submission waits for git.
GIT_SECONDS = 3.0
#: Lines of a notebook that are named, of those that are left out.
MAX_TOLD = 10
#: Programs that begin a command. No recipe has such a name.
_PROGRAMS = ("python", "python3", "bash", "sh", "torchrun", "uv", "poetry", "make")
#: The field in the tracker's error if it lacks the code of a run or of a sweep's runs.
_NOT_SENT = ("source.bundle", "run.source.bundle")


@dataclass(frozen=True, slots=True)
class SubmittedSource:
    """The source of a run, its parameters, its name in errors, and the folder of code that it needs."""

    spec: RecipeSource | CodeSource | CommandSource
    signature: Signature
    name: str
    code: Code | None = None

    def spec_for(self, names: Iterable[str]) -> RecipeSource | CodeSource | CommandSource:
        """Return the source of a submission with these parameters. A function that takes any declares them."""
        if not isinstance(self.spec, CodeSource) or not self.signature.takes_any:
            return self.spec
        known = {parameter.name for parameter in self.spec.signature}
        more = [Parameter(name=name) for name in names if name not in known]
        return request(CodeSource, **{**dict(self.spec), "signature": [*self.spec.signature, *more]})


@dataclass(frozen=True, slots=True)
class Code:
    """A packed folder, and the reason for sending this folder."""

    packed: PackedBundle
    root: Path
    why: str = ""

    @property
    def description(self) -> str:
        count, why = len(self.packed.files), f", {self.why}" if self.why else ""
        return f"{count} file{'s' * (count != 1)} of {self.root}{why} ({size(len(self.packed.content))})"


def open_source(client: Client, what: str, folder: Path | None) -> SubmittedSource:
    """Open a recipe, whose parameters the tracker knows, or a file: read its parameters and pack its folder."""
    entry = find_entry(what, folder)
    if entry is None:
        _refuse_command(what)
        return open_recipe(client, what)
    signature = read_signature(entry.shown, entry.function, entry.root)
    packed = pack(entry.root, _make_modules(entry))
    _check_sent(packed.files, entry.inside, entry.root)
    name = f"{entry.inside}:{entry.function}"
    spec = request(
        CodeSource, bundle=packed.digest, git=_read_git(entry.root), entry=name, signature=list(signature.parameters)
    )
    return SubmittedSource(spec, signature, f"{entry.file.name}:{entry.function}", Code(packed, entry.root, entry.why))


def _make_modules(entry: Entry) -> dict[str, bytes]:
    """Return the module that a notebook becomes, by its path in the sent folder; warn of what is left out of it."""
    if not entry.is_notebook:
        return {}
    if (entry.root / entry.inside).exists():
        hint = f"Rename or remove {entry.inside}: the notebook's code is sent under this name."
        raise InvalidInput(f"{entry.root} holds {entry.inside} already.", field="source", hint=hint)
    code = read_notebook(entry.file)
    for text in code.left_out[:MAX_TOLD]:
        warn(f"Left out of {entry.file.name}, {text}")
    if len(code.left_out) > MAX_TOLD:
        warn(f"Left out of {entry.file.name}: {len(code.left_out) - MAX_TOLD} lines more")
    for place in find_trainings(code)[:MAX_TOLD]:
        warn(f"{entry.file.name}, {place} runs as soon as a worker imports it; guard it: if __name__ == '__main__':")
    return {entry.inside: code.text.encode()}


def open_command(argv: list[str], folder: Path | None) -> SubmittedSource:
    """Check the files that a command names, and pack its folder, by default the present one."""
    root = (folder or Path()).resolve()
    _check_interpreter(argv, root)
    named = [file for file in (_find_file(root, word) for word in argv) if file is not None]
    for script in (file for file in named if file.suffix == ".py"):
        parse_file(root / script)
    packed = pack(root)
    for file in named:
        _check_sent(packed.files, file.as_posix(), root)
    source = request(CommandSource, bundle=packed.digest, git=_read_git(root), argv=argv)
    return SubmittedSource(source, Signature(()), shlex.join(argv)[:100], Code(packed, root))


def open_recipe(client: Client, name: str) -> SubmittedSource:
    """Open a recipe. The tracker judges a recipe that no worker has announced."""
    info = next((recipe for recipe in list_recipes(client).recipes if recipe.name == name), None)
    signature = Signature(tuple(info.parameters)) if info else Signature((), takes_any=True)
    return SubmittedSource(request(RecipeSource, name=name), signature, f"Recipe {name}")


def send_with(client: Client, source: SubmittedSource, ask: Callable[[], T]) -> T:
    """Send a request that needs the source's code, and the code only if the tracker lacks it and accepts the rest.

    The tracker looks for the code after all other checks. So the first request goes without the code.
    """
    code = source.code
    if code is None:
        return ask()
    for link in code.packed.skipped:
        warn(f"Left out, because it leads out of {code.root}: {link}")
    try:
        result = ask()
    except InvalidInput as error:
        if error.field not in _NOT_SENT:
            raise
    else:
        warn(f"The tracker has {code.description} already.")
        return result
    client.add_bundle(code.packed.content)
    warn(f"Sent {code.description}.")
    return ask()


def check_source(what: str | None, argv: list[str] | None, examples: str) -> None:
    """Raise InvalidInput unless a line names either a source or a command after `--`."""
    if what is None and not argv:
        raise InvalidInput("Say what to train.", field="source", hint=examples)
    if what is not None and argv is not None:
        hint = f"Options of this command stand before the --; to run {what!r}, put it after."
        raise InvalidInput(f"Both {what!r} and a command after -- are given.", field="source", hint=hint)


def find_program(word: str) -> bool:
    """Whether a word is a program, or a script in this folder, so that it begins a command."""
    if Path(word).name in _PROGRAMS:
        return True
    is_here = Path(word).is_file()
    return is_here and (word.endswith(".sh") or (word.endswith(".py") and FUNCTION not in list_functions(Path(word))))


def _refuse_command(what: str) -> None:
    """Raise InvalidInput for the first word of a command without its dashes."""
    if find_program(what):
        hint = f"keepbest submit -- {shlex.quote(what)} …"
        raise InvalidInput(f"{what!r} is a program: a command of your own stands after --.", field="source", hint=hint)


def _check_interpreter(argv: list[str], root: Path) -> None:
    """Raise InvalidInput if the program is a file of the folder, because files lose their modes when sent."""
    is_file = bool(argv) and ("/" in argv[0] or argv[0].endswith((".py", ".sh")))  # else found on the worker's PATH
    if not is_file or _find_file(root, argv[0]) is None:
        return
    interpreter = "python" if argv[0].endswith(".py") else "sh"
    hint = f"keepbest submit -- {shlex.join([interpreter, *argv])}"
    message = f"A worker cannot start {argv[0]!r}, because keepbest sends files without their modes."
    raise InvalidInput(message, field="command", hint=hint)


def _read_git(folder: Path) -> GitState | None:
    """Return the commit that a folder of code is at; the bundle holds the changes."""
    code = None if load().provenance == "off" else read_git(folder, with_diff=False, seconds=GIT_SECONDS)
    return code[0] if code is not None else None


def _find_file(root: Path, word: str) -> Path | None:
    """Return the path below `root` of the file that a word of a command names, or None."""
    try:
        path = (root / word).resolve()
        return path.relative_to(root) if path.is_file() else None
    except (OSError, ValueError):  # no name of a file, or a file outside `root`
        return None


def _check_sent(files: tuple[str, ...], wanted: str, root: Path) -> None:
    if wanted not in files:
        raise NotFound(
            f"{wanted} is not sent: a .gitignore in {root} leaves it out.", field="source", hint="Take it out of there."
        )
