"""`python -m worker.checks.inspect RUN CHECKPOINT INQUIRY FILE`: inspect a model in a fresh process.

INQUIRY is JSON (`keepbest.contract.tensors.Inquiry`); CHECKPOINT `-` means the model as training begins. The values go
into `0.npy`, `1.npy`, … beside FILE. FILE gets their descriptions, or the error, as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.checkpoint.inspect import find, nearest
from keepbest.client.client import Client
from keepbest.contract.tensors import Findings, Inquiry, Named, TensorKind, Verdicts
from keepbest.errors import InvalidInput, KeepbestError, NotFound
from keepbest.panels.examples import see
from keepbest.settings import write_private
from keepbest.snapshots.snapshot import ModelVariables, capture
from keepbest.snapshots.state import Position, State
from keepbest.training.spec import Training
from worker import settings
from worker.checks.activations import differentiate, pick, read_outputs
from worker.checks.rebuild import rebuild, users_errors

#: The most examples whose predictions an answer lists one by one.
MAX_VERDICTS = 1000


@dataclass(frozen=True)
class InspectedTensor:
    """One answer: values and their name."""

    kind: TensorKind
    name: str
    array: NDArray[Any]


def main(run: str, checkpoint: str, inquiry: str, file: str) -> int:
    """Write the answer to `file`; return 0, or 1 if the file holds an error."""
    try:
        parsed = Inquiry.model_validate_json(inquiry)
        known = settings.load()
        with Client(known.url, known.token or "") as client, tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
            code, result = Path(folder) / "code", client.run(run)
            chosen = None if checkpoint == "-" else client.checkpoint(checkpoint)
            with users_errors(result, code):
                training = rebuild(client, result, chosen, known, code)
                findings = examine(training, parsed, Path(file).parent)
        write_private(Path(file), findings.model_dump_json())
    except KeepbestError as error:
        write_private(Path(file), json.dumps(error.to_body()))
        return 1
    return 0


def examine(training: Training, inquiry: Inquiry, folder: Path) -> Findings:
    """Answer an inquiry; the values go into `folder`."""
    state = capture(ModelVariables(training.model), position=Position(0))
    if inquiry.everything:
        layers = read_outputs(training.model, pick(_part(training, inquiry), inquiry.first, inquiry.first + 1))
        listed = [InspectedTensor("activation", name, array) for name, array in layers.items()]
        variables = [_read_variable(state, place) for place in range(len(state.specs))]
        return Findings(tensors=[_describe(tensor) for tensor in (*variables, *listed)])
    tensors = [_read_variable(state, find(state.specs, name)) for name in _names(inquiry, "variable")]
    tensors += _find_activations(training, inquiry)
    differentiated, count = _differentiate(training, inquiry)
    tensors += differentiated
    for number, tensor in enumerate(tensors):
        array = tensor.array
        np.save(folder / f"{number}.npy", array.astype(np.float32) if array.dtype.kind == "V" else array)
    return Findings(
        tensors=[_describe(tensor) for tensor in tensors], examples=count, verdicts=_judge(training, inquiry)
    )


def _describe(tensor: InspectedTensor) -> Named:
    array = tensor.array
    return Named(kind=tensor.kind, name=tensor.name, shape=list(array.shape), dtype=str(array.dtype))


def _names(inquiry: Inquiry, kind: TensorKind) -> list[str]:
    return [request.name for request in inquiry.wanted if request.kind == kind]


def _part(training: Training, inquiry: Inquiry) -> Any:
    part = getattr(training, inquiry.part)
    if part is None:
        raise InvalidInput(f"This run has no {inquiry.part} data.", field="part", hint="--part validation")
    return part


def _read_variable(state: State, place: int) -> InspectedTensor:
    spec = state.specs[place]
    return InspectedTensor("variable", f"{spec.collection}/{spec.path}", np.asarray(state.values[place]))


def _find_activations(training: Training, inquiry: Inquiry) -> list[InspectedTensor]:
    names = _names(inquiry, "activation")
    if not names:
        return []
    outputs = read_outputs(training.model, pick(_part(training, inquiry), inquiry.first, inquiry.stop), names)
    missing = [name for name in names if name not in outputs]
    if missing:
        known = read_outputs(training.model, pick(_part(training, inquiry), inquiry.first, inquiry.first + 1))
        raise NotFound(f"There is no layer {missing[0]!r}.", field="activation", hint=nearest(known, missing[0]))
    return [InspectedTensor("activation", name, outputs[name]) for name in names]


def _differentiate(training: Training, inquiry: Inquiry) -> tuple[list[InspectedTensor], int | None]:
    wanted = [request for request in inquiry.wanted if request.kind in ("gradient", "loss")]
    if not wanted:
        return [], None
    model = training.model
    specs = [spec for spec in ModelVariables(model).specs if spec.collection == "model"]
    trained = {id(variable) for variable in model.trainable_variables}
    chosen = [find(specs, name) for name in _names(inquiry, "gradient")]
    for place in chosen:
        if id(model.variables[place]) not in trained:
            raise InvalidInput(f"{specs[place].path} is not trained: it has no gradient.", field="gradient")
    batches = pick(_part(training, inquiry), inquiry.first, inquiry.stop)
    variables = [model.variables[place] for place in chosen]
    loss, gradients, count = differentiate(model, batches, variables, total=inquiry.total)
    named = [
        InspectedTensor("gradient", specs[place].path, array) for place, array in zip(chosen, gradients, strict=True)
    ]
    return named + [InspectedTensor("loss", "loss", loss) for request in wanted if request.kind == "loss"], count


def _judge(training: Training, inquiry: Inquiry) -> Verdicts | None:
    """Return a classifier's predictions for the examples; None if the model is none, or for too many examples."""
    if inquiry.stop is None or inquiry.stop - inquiry.first > MAX_VERDICTS:
        return None
    batches = list(pick(_part(training, inquiry), inquiry.first, inquiry.stop))
    outputs = read_outputs(training.model, batches, ["output"]).get("output")
    if outputs is None or outputs.ndim != 2 or len(batches[0]) < 2:
        return None
    scenes = [see(batch, classes=training.classes) for batch in batches]
    labels = [scene.labels(outputs.shape[1]) if scene is not None else None for scene in scenes]
    if any(array is None for array in labels):
        return None
    return Verdicts(
        classes=list(training.classes) or [str(number) for number in range(outputs.shape[1])],
        labels=[int(label) for some in labels if some is not None for label in some],
        argmax=outputs.argmax(axis=1).tolist(),
        probabilities=_to_probabilities(outputs.astype(np.float64)).tolist(),
    )


def _to_probabilities(outputs: NDArray[Any]) -> NDArray[Any]:
    """Return rows of probabilities; if the outputs are logits, after a softmax."""
    if (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1.0, atol=1e-3):
        return outputs
    raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    softened: NDArray[Any] = raised / raised.sum(axis=1, keepdims=True)
    return softened


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
