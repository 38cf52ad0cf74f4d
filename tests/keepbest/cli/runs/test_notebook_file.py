"""A notebook as the module that a worker imports: its cells in order, nothing run, what is no Python named."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from keepbest.cli.runs.notebook_file import find_trainings, module_of, read_notebook
from keepbest.client.client import Client
from keepbest.contract.runs import CodeSource
from keepbest.errors import InvalidInput, KeepbestError
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live

BUILD = "def build(layers: int = 3, rate: float = 0.1):\n    ..."


def write(path: Path, *cells: str | list[str], **more: Any) -> Path:
    code: list[Any] = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
    text = {"cell_type": "markdown", "metadata": {}, "source": "# %run nothing"}
    path.write_text(json.dumps({"cells": [text, *code], "nbformat": 4, "nbformat_minor": 5, "metadata": {}, **more}))
    return path


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("x = 1\ny = x % 2", "x = 1\ny = x % 2\n"),
        (["import os\n", "x = 1"], "import os\nx = 1\n"),
        ("%matplotlib inline\nx = 1", "pass\nx = 1\n"),
        ("if True:\n    !ls -l\nx = 1", "if True:\n    pass\nx = 1\n"),
        ("!pip install \\\n  thing\nx = 1", "pass\n\nx = 1\n"),
        ("%%time\nx = 1", "\nx = 1\n"),
        ("%time x = 1", "x = 1\n"),
        ("\n%%bash\nrm -rf /", ""),
        ("print?\n?print\nx.y??", "pass\npass\npass\n"),
        ('x = """\n%run it\n!ls\n"""', 'x = """\n%run it\n!ls\n"""\n'),
        ("x = ('%d'\n  % 3)", "x = ('%d'\n  % 3)\n"),
        ("display(1)", "display = print  # a notebook has it without an import\ndisplay(1)\n"),
        ("from IPython.display import display\ndisplay(1)", "from IPython.display import display\ndisplay(1)\n"),
        ("", ""),
    ],
)
def test_a_cell_becomes_python(tmp_path: Path, cell: str | list[str], kept: str) -> None:
    assert read_notebook(write(tmp_path / "a.ipynb", cell)).text == kept


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    code = read_notebook(
        write(tmp_path / "a.ipynb", "x = 1", "!pip install that", "%%html\n<b>", "%load_ext tensorboard")
    )
    assert code.left_out == [
        "cell 3, line 1: !pip install that", "cell 4 (%%html)", "cell 5, line 1: %load_ext tensorboard",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("x = 1\nfiles = !ls", "cell 2, line 2: 'files = !ls' runs a shell or a magic"),
        ("t = %timeit -o f()", "cell 2, line 1: 't = %timeit -o f()' runs a shell or a magic"),
        ("%run other.py", "cell 2, line 1: %run is in no worker"),
        ("%cd /tmp", "cell 2, line 1: %cd is in no worker"),
        ("x = 1\nget_ipython().system('ls')", r"cell 2, line 2: get_ipython() is in no worker"),
        ("x = 1\ny = = 2", "cell 2, line 2: invalid syntax: y = = 2"),
        ("x = 'a\0b'", "null bytes"),
    ],
)
def test_what_a_worker_cannot_run_is_refused(tmp_path: Path, cell: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_notebook(write(tmp_path / "a.ipynb", cell))
    assert message in raised.value.message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"cells": 3}',
        b'{"worksheets": []}',
        b"[" * 100_000,
        b'{"cells": [{"cell_type": "code", "source": 3}]}',
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    with pytest.raises(KeepbestError, match="is no notebook"):
        read_notebook(path)
    with pytest.raises(KeepbestError, match="cannot be read"):
        read_notebook(tmp_path / "none.ipynb")


def test_odd_cells_are_no_code(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", "x = 1")
    document = json.loads(path.read_text())
    document["cells"] += [None, 3, {"cell_type": "raw", "source": 5}, {"cell_type": "code"}]
    path.write_text(json.dumps(document))
    assert read_notebook(path).text == "x = 1\n"


def test_training_at_import_is_found(tmp_path: Path) -> None:
    guarded = "if __name__ == '__main__':\n    model.fit(1)\ndef build():\n    model.fit(2)"
    code = read_notebook(
        write(tmp_path / "a.ipynb", guarded, "history = model.fit(\n  3)", "with keepbest.init():\n    pass")
    )
    assert find_trainings(code) == ["cell 3, line 1", "cell 4, line 1"]


def test_the_module_has_a_name_that_can_be_imported() -> None:
    names = ["train.ipynb", "My model (2).ipynb", "übung-1.ipynb"]
    assert [module_of(Path("x") / name) for name in names] == [
        "train_ipynb.py",
        "My_model__2__ipynb.py",
        "_bung_1_ipynb.py",
    ]


@pytest.mark.usefixtures("signed_in")
def test_a_notebook_is_submitted(
    keepbest: Keepbest, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(folder)
    worker = live.add_worker()
    (folder / "helper.py").write_text("x = 1\n")
    write(folder / "train.ipynb", "import helper\n!pip install it", BUILD, "model.fit(1)")
    done = keepbest("submit", "train.ipynb:build", "--set", "layers=5", "--json")
    assert done.status == 0, done.err
    assert "Left out of train.ipynb, cell 2, line 2: !pip install it" in done.err
    assert "train.ipynb, cell 4, line 1 runs as soon as a worker imports it" in done.err
    client: Client = live.client()
    source = client.run(done.json["id"]).spec.source
    assert isinstance(source, CodeSource)
    assert source.entry == "train_ipynb.py:build"
    archive = zipfile.ZipFile(io.BytesIO(client.bundle(source.bundle)))
    assert archive.namelist() == ["helper.py", "train.ipynb", "train_ipynb.py"]
    assert archive.read("train_ipynb.py").decode() == f"import helper\npass\n{BUILD}\nmodel.fit(1)\n"
    (folder / "train_ipynb.py").write_text("")
    again = keepbest("submit", "train.ipynb")
    assert (again.status != 0, "holds train_ipynb.py already" in again.err) == (True, True)
    missing = keepbest("submit", "train.ipynb:biuld")
    assert "train.ipynb has no function 'biuld'" in missing.err
    worker.client.close()
