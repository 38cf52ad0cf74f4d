"""User code: found, loaded, and its errors told without our frames. In child processes where the path changes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keepbest.errors import InvalidInput
from tests.support.processes import ROOT
from worker.trainer.user_code import describe_error, load_function

RUN = """
import json, sys, worker, keepbest, worker.data
from pathlib import Path
from worker.trainer import user_code
folder = Path(sys.argv[1])
user_code.open_folder(folder)
try:
    result = user_code.load_function(folder, sys.argv[2])()
    print(json.dumps({"result": result}))
except BaseException as error:
    print(user_code.describe_error(error, folder).model_dump_json())
"""


def run(folder: Path, entry: str = "my_model.py:build") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN, str(folder), entry],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"PYTHONPATH": str(ROOT)},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_modules_and_files_beside_the_code_are_found(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2")
    write(tmp_path, helper="def read(): return open('data.csv').read()")
    write(tmp_path, my_model="import helper\ndef build(): return helper.read()")
    assert run(tmp_path) == {"result": "1,2"}


def test_a_user_s_own_worker_and_tracker_win_and_ours_go_on(tmp_path: Path) -> None:
    write(tmp_path, worker="NAME = 'my worker'", tracker="NAME = 'my tracker'")
    write(
        tmp_path,
        my_model="import worker, tracker, keepbest\n"
        "def build(): return [worker.NAME, tracker.NAME, keepbest.Training.__name__]",
    )
    assert run(tmp_path) == {"result": ["my worker", "my tracker", "Training"]}


def test_code_in_a_folder_imports_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    write(tmp_path / "src", helper="NAME = 'neighbour'")
    write(tmp_path / "src", my_model="from helper import NAME\ndef build(): return NAME")
    assert run(tmp_path, "src/my_model.py:build") == {"result": "neighbour"}


PACKAGE = {
    "net/__init__.py": "from .model import build\n",
    "net/io.py": "NAME = 'not of Python'\n",
    "net/layers.py": "from . import io\nNAME = 'layers'\n",
    "net/model.py": "from .layers import NAME\nfrom .deep.inner import other\nimport colorsys\nbuild = lambda: NAME\n",
    "net/deep/inner.py": "from ..layers import io\nother = lambda: io.NAME\n",
    "net/colorsys.py": "raise SystemExit('a package shadows nothing')\n",
    "loose/model.py": "from .part import NAME\nbuild = lambda: NAME\n",
    "loose/part.py": "NAME = 'loose'\n",
    "re_exports.py": "from net.deep.inner import other as build\n",
    "my-model.py": "build = lambda: 'hyphen'\n",
}


@pytest.mark.parametrize(
    ("entry", "result"),
    [
        ("net/model.py:build", "layers"),
        ("net/model.py:other", "not of Python"),
        ("net/__init__.py:build", "layers"),
        ("loose/model.py:build", "loose"),
        ("re_exports.py:build", "not of Python"),
        ("my-model.py:build", "hyphen"),
    ],
)
def test_packages_import_as_they_do_at_home(tmp_path: Path, entry: str, result: str) -> None:
    """`from .layers import …` failed on the worker: attempted relative import with no known parent package."""
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert run(tmp_path, entry) == {"result": result}


BROKEN = {
    "def build(:\n": ("SyntaxError in my_model.py, line 1", 'File "my_model.py", line 1'),
    "import nowhere_to_be_found\n": ("ModuleNotFoundError", 'File "my_model.py", line 1, in <module>'),
    "def build():\n    raise ValueError('no data')\n": ("ValueError: no data", 'File "my_model.py", line 2, in build'),
    "def build():\n    import sys\n    sys.exit(3)\n": ("The code called sys.exit(3).", "in build"),
    "def build():\n    import json\n    json.loads('{')\n": ("JSONDecodeError", "json.loads('{')"),
    "def build():\n    return bytearray(1 << 62)\n": ("MemoryError was raised.", "in build"),
}


@pytest.mark.parametrize("code", BROKEN)
def test_errors_are_told_in_the_user_s_words(code: str, tmp_path: Path) -> None:
    error = run(write(tmp_path, my_model=code))
    message, trace = BROKEN[code]
    assert message in error["message"]
    assert trace in error["traceback"]
    assert error["hint"]
    for ours in ("user_code.py", "importlib", str(tmp_path)):
        assert ours not in error["traceback"]


def test_what_caused_an_error_is_told_too(tmp_path: Path) -> None:
    code = "def build():\n  try:\n    1 / 0\n  except ZeroDivisionError as e:\n    raise KeyError('x') from e\n"
    error = run(write(tmp_path, my_model=code))
    assert "ZeroDivisionError: division by zero" in error["traceback"]


@pytest.mark.parametrize("entry", ["my_model.py:biuld", "other.py:build", "../my_model.py:build"])
def test_a_function_that_is_not_there_is_named(entry: str, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    write(tmp_path / "code", my_model="def build(): ...")
    write(tmp_path, my_model="def build(): ...")
    with pytest.raises(InvalidInput) as caught:
        load_function(tmp_path / "code", entry)
    assert caught.value.field == "source.entry"


def test_out_of_memory_is_told_apart_and_gets_its_advice(tmp_path: Path) -> None:
    error = describe_error(MemoryError("4 GiB"), tmp_path)
    assert (error.code, error.message) == ("out_of_memory", "MemoryError: 4 GiB")
    assert "batch_size" in str(error.hint)
