"""What a reproduction's folder holds, by what the run was: a table of texts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.provenance import Provenance
from keepbest.contract.runs import Run
from keepbest.reports.reproduction import COMMAND, GET_CODE, LOCK, PATCH, plan_reproduction

NOW = "2026-11-30T12:00:00Z"
SCRIPT = {
    "commit": "a" * 40,
    "remote": "https://example.org/code.git",
    "repository": "/home/ada/code",
    "folder": "/home/ada/code/sub",
    "command": ["/usr/bin/python3.11", "/home/ada/code/sub/train.py", "--data", "/data/x", "--cfg=a b"],
    "is_dirty": True,
}


def make_run(source: dict[str, Any], environment: dict[str, Any] | None = None, **spec: Any) -> Run:
    given = {
        "name": "r",
        "source": source,
        "monitor": "val_loss",
        "mode": "min",
        "stopper": {"name": "patience", "params": {"checks": 2}},
        "retention": {"best": 2, "last": 1},
        "validate_every": 10,
        **spec,
    }
    return Run.model_validate(
        {
            "id": "r" * 12, "project": "my project", "number": 1, "name": "r", "state": "finished", "spec": given,
            "mode": "min", "created_by": "ada", "created_at": NOW, "updated_at": NOW, "environment": environment,
        }
    )  # fmt: skip


def last_line(run: Run, provenance: Provenance | None = None) -> str:
    return plan_reproduction(run, provenance or Provenance()).command


def test_a_recipe_is_submitted_with_every_option() -> None:
    run = make_run({"kind": "recipe", "name": "cnn"}, parameters={"rate": 1e-05, "act": "a b"}, max_steps=50, seed=7)
    assert last_line(run) == (
        "keepbest submit cnn --set rate=1e-05 --set 'act=a b' --monitor val_loss --mode min --stop 'patience(checks=2)'"
        " --max-steps 50 --validate-every 10 --select 'best()' --keep best=2,last=1 --seed 7 --project 'my project'"
        " --tag reproduces=rrrrrrrrrrrr"
    )


def test_code_and_commands_bring_their_bundle() -> None:
    code = make_run({"kind": "code", "bundle": "b" * 64, "entry": "net/model.py:build"})
    assert plan_reproduction(code, Provenance()).bundle == "b" * 64
    assert last_line(code).startswith("keepbest submit code/net/model.py:build --folder code ")
    source = {"kind": "command", "bundle": "b" * 64, "argv": ["python", "a b.py"], "fixed": ["max_steps"]}
    command = make_run(source, max_steps=9)
    assert last_line(command).startswith("keepbest submit --max-steps 9 --project")
    assert last_line(command).endswith(" -- python 'a b.py'")


def test_a_script_is_cloned_patched_and_run_in_its_folder() -> None:
    reproduction = plan_reproduction(make_run({"kind": "external"}, SCRIPT), Provenance(diff="diff --git a/x b/x\n"))
    assert reproduction.files[GET_CODE].splitlines()[-3:] == [
        "git clone -- https://example.org/code.git code",
        f"git -C code checkout --quiet --detach {'a' * 40}",
        "git -C code apply ../changes.patch",
    ]
    assert reproduction.files[PATCH] == "diff --git a/x b/x\n"
    assert reproduction.files[COMMAND].splitlines()[-3:] == [
        "cd code/sub",
        "export 'KEEPBEST_PROJECT=my project' KEEPBEST_TAGS=reproduces=rrrrrrrrrrrr",
        "python train.py --data /data/x '--cfg=a b'",
    ]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    evil = "x'; touch pwned; '"
    about = {**SCRIPT, "command": ["echo", evil, "$(touch pwned)"], "python": "3\n--index-url=http://evil"}
    packages = {"--index-url=http://evil#": "1", "numpy": "2.1 --hash x", "keepbest": "0.1.0", "good": "1.0+cpu"}
    run = make_run({"kind": "external"}, {**about, "repository": None, "remote": evil, "folder": f"/{evil}/../.."})
    files = plan_reproduction(run, Provenance(packages=packages)).files
    assert [line for line in files[LOCK].splitlines() if not line.startswith("#")] == ["good==1.0+cpu"]
    (tmp_path / COMMAND).write_text(files[COMMAND])
    shown = subprocess.run(["sh", COMMAND], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert shown == f"{evil} $(touch pwned)\n"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("about", "provenance", "word"),
    [
        ({}, Provenance(), "The code: "),
        (SCRIPT, Provenance(), "uncommitted changes"),
        (SCRIPT, Provenance(left_out=["big.bin"]), "big.bin"),
        (SCRIPT, Provenance(diff="x", is_masked=True), "The secrets: "),
        ({**SCRIPT, "command": ["train", "***"]}, Provenance(diff="x"), "The secrets: "),
        (SCRIPT, Provenance(), "The packages: "),
    ],
)
def test_what_is_missing_is_said(about: dict[str, Any], provenance: Provenance, word: str) -> None:
    missing = plan_reproduction(make_run({"kind": "external"}, about), provenance).missing
    assert any(word in sentence for sentence in missing)


def test_of_a_clean_run_only_the_data_is_missing() -> None:
    clean = {**SCRIPT, "is_dirty": False}
    run = make_run({"kind": "external"}, clean)
    assert len(plan_reproduction(run, Provenance(packages={"numpy": "2.1"})).missing) == 1
