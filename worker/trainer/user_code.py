"""Loads a user's build function, and describes errors of the user's code without keepbest's frames.

In the trainer the user's modules win. Their folder comes first on the path, and if they have a `worker` or a `tracker`
of their own, `open_folder` removes keepbest's loaded modules of that name. So the trainer must import all its own
modules before `open_folder`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from keepbest.contract.runs import RunError
from keepbest.errors import CodeFailed, InvalidInput

_OUR_ROOTS = tuple(str(Path(__file__).resolve().parents[2] / house) + os.sep for house in ("worker", "keepbest"))
_OUR_NAMES = ("worker", "tracker", "migrations")
#: The longest traceback in characters; a longer one loses its beginning.
_MAX_TRACEBACK = 20_000


def open_folder(folder: Path) -> None:
    """Make `folder` the first on the path and the working folder."""
    for name in _OUR_NAMES:
        if (folder / f"{name}.py").exists() or (folder / name).is_dir():
            for loaded in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
                del sys.modules[loaded]
    sys.path.insert(0, str(folder))
    os.chdir(folder)


def load_function(folder: Path, entry: str) -> Callable[..., Any]:
    """Import `my_model.py:build` from `folder` and return the function. Raises CodeFailed or InvalidInput."""
    file, _, name = entry.partition(":")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise InvalidInput(f"There is no file {file} in the code of this run.", field="source.entry")
    function = getattr(_import_file(path, file), name, None)
    if not callable(function):
        raise InvalidInput(
            f"{file} has no function {name}.",
            field="source.entry",
            hint=f"Define `def {name}(...)` in {file}, or name another function: {file}:NAME.",
        )
    return function  # type: ignore[no-any-return]  # whatever is callable


def describe_error(error: BaseException, folder: Path) -> RunError:
    """Return the message of an error of user code, and its traceback without keepbest's frames."""
    if isinstance(error, CodeFailed):
        return RunError(code=error.code, message=error.message, hint=error.hint)
    code, hint = _classify(error)
    return RunError(code=code, message=_sentence(error), hint=hint, traceback=_user_traceback(error, folder))


def _import_file(path: Path, file: str) -> ModuleType:
    """Import a file as a module of its own name, so that `import my_model` elsewhere is the same module.

    This imports a package before a file in it, as Python does. So `from .layers import …` works in the file, and the
    package may import the file itself.
    """
    name = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    if "/" in file:
        is_package = (path.parent / "__init__.py").exists()
        sys.path.insert(len(sys.path) if is_package else 0, str(path.parent))  # a package's io.py must not replace io
    if all(part.isidentifier() for part in name.split(".")):  # an import statement cannot name `my-model.py`
        package = name.rpartition(".")[0]
        if package:
            importlib.import_module(package)
        loaded = sys.modules.get(name)
        if loaded is not None and getattr(loaded, "__file__", None) == str(path):
            return loaded
    return _execute(path, file, name)


def _execute(path: Path, file: str, name: str) -> ModuleType:
    inside = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=inside)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{file} is not a Python file.", field="source.entry")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _classify(error: BaseException) -> tuple[str, str | None]:
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "out_of_memory", "Try a smaller batch_size or a smaller model, or a machine with more memory."
    if isinstance(error, ModuleNotFoundError):
        return CodeFailed.code, "Put the module beside the code, or install it where the worker runs."
    if isinstance(error, SystemExit):
        return CodeFailed.code, "Return from the function instead of calling sys.exit()."
    return CodeFailed.code, "Fix the code and submit it again; the traceback shows the place."


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"The code called sys.exit({error.code!r})."
    if isinstance(error, SyntaxError):
        return f"SyntaxError in {Path(error.filename or '?').name}, line {error.lineno}: {error.msg}"
    text = str(error).strip()
    return f"{type(error).__name__}: {text[:2000]}" if text else f"{type(error).__name__} was raised."


def _user_traceback(error: BaseException, folder: Path) -> str:
    shown = traceback.TracebackException.from_exception(error)
    for traceback_exception in _chain(shown):
        traceback_exception.stack = traceback.StackSummary.from_list(
            list(_user_frames(traceback_exception.stack, str(folder.resolve())))
        )
    text = "".join(shown.format()).replace(str(folder.resolve()) + os.sep, "")
    return text[-_MAX_TRACEBACK:]


def _chain(shown: traceback.TracebackException | None) -> Iterable[traceback.TracebackException]:
    while shown is not None:
        yield shown
        shown = shown.__cause__ or shown.__context__


def _user_frames(frames: Iterable[traceback.FrameSummary], folder: str) -> Iterable[traceback.FrameSummary]:
    """Yield the frames from the user's first one on, or all, without keepbest's own."""
    rest = [frame for frame in frames if not frame.filename.startswith((*_OUR_ROOTS, "<frozen"))]
    first = next((place for place, frame in enumerate(rest) if frame.filename.startswith(folder + os.sep)), 0)
    return rest[first:]
