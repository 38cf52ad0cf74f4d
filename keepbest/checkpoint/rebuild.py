"""Builds the network of a checkpoint from Keras' description of it, if this process knows every class in it.

A description is data of others. Classes come from Keras or from what this process registered, never by an import that
the description asks for, and code in it (a Lambda's) is refused unless somebody allowed it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from keepbest.checkpoint.inputs import Inputs, is_functional, of_model, to_zeros
from keepbest.checkpoint.load import iterate
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.store import Store
from keepbest.errors import InvalidInput, KeepbestError, NetworkUnknown, OptimizersDiffer
from keepbest.model.backend import check_backend
from keepbest.model.saveables import saveables_of
from keepbest.model.variables import TrainedObject
from keepbest.snapshots.loss_scale import SCALE
from keepbest.snapshots.non_variables import Beside, finalize
from keepbest.snapshots.state import BESIDE

_log = logging.getLogger("keepbest")

#: Gives a network what it needs to answer, as far as that is known.
Learn = Callable[[Any], None]

#: The field of an error that `allow_code` would have spared.
LAMBDA = "allow_code"
INTO = "Build it with your own code: --into FILE.py:FUNCTION, or in Python keepbest.restore(run, model)."
ALLOW = (
    "If you trust that code: --allow-code, or in Python keepbest.restore(run, allow_code=True). Else build the network "
    "with your own: --into FILE.py:FUNCTION, or keepbest.restore(run, model)."
)


def rebuild(
    store: Store,
    manifest: Manifest,
    *,
    allow_code: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    say: Callable[[str], object] = _log.warning,
) -> Any:
    """Make the network of a checkpoint again, compiled as it was, with variables.

    A loss, a metric or an optimizer that is not known here leaves it uncompiled, which is said.

    Raises:
        InvalidInput: Keras computes with another library than TensorFlow here.
        NetworkUnknown: There is no description, it needs classes that are not known here, or it brings code and
            `allow_code` is not said. The hint says what to do.
    """
    check_backend()
    described = read_description(store, manifest)
    compiled = described.pop("compile_config", None)
    if not allow_code and brings_code(described):
        message = f"The network of run {manifest.run} brings code of its own: a Lambda layer."
        raise NetworkUnknown(message, field=LAMBDA, hint=ALLOW)
    own = dict(custom_objects or {})
    safe = {"safe_mode": not allow_code, "custom_objects": own}
    model = _make(described, manifest, safe, _learner(store, manifest))
    if compiled:
        _compile(model, compiled, own, say, is_scaled=_was_scaled(manifest) and _is_half(model))
    return model


def fill(model: Any, load: Callable[[], object], say: Callable[[str], object] = _log.warning) -> None:
    """Have `load` put a checkpoint into a network that was made again; where its optimizers do not fit, without them.

    Keras builds them for all that may be trained. The run's may have moved less, or sorted variables by names that are
    others here. So they are made as they were before their first step, and only then left out, which is said.
    """
    try:
        load()
        return
    except OptimizersDiffer:
        _compile_anew(model, _unbuilt)
    try:
        load()
    except OptimizersDiffer as error:
        first = error.message.splitlines()[1].strip()
        say(f"The network is restored uncompiled, without its optimizer, which is another one here ({first}).")
        _compile_anew(model, lambda optimizer: None)
        load()


def read_description(store: Store, manifest: Manifest) -> dict[str, Any]:
    """Return Keras' description of the network. Raises NetworkUnknown where the checkpoint has none."""
    if manifest.network is None:
        raise undescribed()
    described: dict[str, Any] = json.loads(store.read_network(manifest.network))
    return described


def brings_code(described: Any) -> bool:
    """Whether Keras would run code that is in the description itself."""
    return any(node.get("class_name") == "__lambda__" for node in _nodes(described))


def undescribed() -> NetworkUnknown:
    """Return the error for a checkpoint of a network that Keras could not describe."""
    return NetworkUnknown("This network has no description that Keras could make it from again.", hint=INTO)


def complete(model: Any, inputs: Inputs | None, learn: Learn = lambda model: None) -> None:
    """Give a network the variables that only a call makes: Keras builds a user's class from shapes of one type alone.

    What the call does to its state is of no matter: the values come after it. Where it fails, `learn` gives the network
    what it may need to answer. Keras itself calls nothing here, so one
    that is built, but cannot answer before it has its values, stays as it is.

    Raises InvalidInput where it stays unbuilt.
    """
    if model.built and (is_functional(model) or getattr(model, "_called", True)):
        return
    inputs = inputs or of_model(model)
    if inputs is None:
        return
    finalize(saveables_of(model))  # what was computed while Keras built it belongs to a graph that is gone
    try:
        _call(model, inputs, learn)
    except Exception as error:  # whatever the users' own raise; a variable that is missing hereafter is told by name
        if not model.built:
            message = f"The network cannot be called as the run's was, and so gets no variables: {_first_words(error)}"
            raise InvalidInput(message, hint="Call it once in the function that builds it.") from error


def _call(model: Any, inputs: Inputs, learn: Learn) -> None:
    try:
        model(to_zeros(inputs), training=False)
    except Exception:  # whatever the users' own raise; a lookup that knows no words does
        learn(model)
        model(to_zeros(inputs), training=False)


def _learner(store: Store, manifest: Manifest) -> Learn:
    """Return what gives a network the words of a checkpoint, and what else lies beside its variables.

    Where it has others nothing is given: that is told by whoever compares.
    """

    def learn(model: Any) -> None:
        wanted = [stored_variable for stored_variable in manifest.variables if stored_variable.collection in BESIDE]
        values = iterate(store.folder, manifest, wanted)
        entries = [(stored_variable.spec, value) for stored_variable, value in zip(wanted, values, strict=True)]
        beside = Beside(TrainedObject(model))
        others = beside.compare(entries)
        beside.load([pair for pair in entries if (pair[0].collection, pair[0].path) not in others])

    return learn


def build_like(store: Store, manifest: Manifest, model: Any) -> None:
    """Give a model that has no variables yet those that the run's network had; one that cannot be built stays so."""
    if not isinstance(model, _kind_of_model()) or model.built:
        return
    with suppress(Exception):  # whatever a user's class raises: what does not fit is told hereafter, by name
        if manifest.inputs is not None:
            _call(model, manifest.inputs, _learner(store, manifest))
        elif manifest.network is not None and (config := read_description(store, manifest).get("build_config")):
            model.build_from_config(config)


def _kind_of_model() -> Any:
    """Keras' class, where anybody has imported it: else nothing is of it."""
    keras = sys.modules.get("keras")
    return keras.Model if keras is not None else ()


def _make(described: dict[str, Any], manifest: Manifest, safe: dict[str, Any], learn: Learn) -> Any:
    import keras

    unknown = list(dict.fromkeys(_unknown_classes(described, safe["custom_objects"])))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(unbuilt state|cannot be built automatically)")  # see below
            model = keras.saving.deserialize_keras_object(described, **safe)
        complete(model, manifest.inputs, learn)
    except Exception as error:  # whatever the users' from_config and build raise
        if unknown:
            classes = f"{', '.join(unknown[:5])}{' and more' if len(unknown) > 5 else ''}"
            message = f"The network has classes or functions of its own that are not known here: {classes}."
            raise NetworkUnknown(
                message, hint=f"{INTO} A class that is registered is known once it is imported."
            ) from error
        message = f"The network cannot be made again from its description: {_first_words(error)}"
        raise NetworkUnknown(message, hint=INTO) from error
    if not model.variables and any(stored_variable.collection == "model" for stored_variable in manifest.variables):
        raise NetworkUnknown(
            "The network's description does not say what it is called with: it stays empty.", hint=INTO
        )
    return model


def _compile(
    model: Any, compiled: dict[str, Any], own: dict[str, Any], say: Callable[[str], object], *, is_scaled: bool
) -> None:
    """Compile it as it was. A class that compiles in its own way and does not say how stays as it is, as in Keras."""
    from keras.saving import custom_object_scope

    try:
        with custom_object_scope(own), warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*was not called as part of model loading")
            model.compile_from_config(_with_scale(compiled) if is_scaled else compiled)
        model.compiled = True
    except Exception as error:  # whatever the users' own raise
        say(f"The network is restored uncompiled, without its optimizer: {_first_words(error)}")
        model.optimizer = None
        model.compiled = False


def _was_scaled(manifest: Manifest) -> bool:
    """Whether the model's own optimizer was in one that scales the loss."""
    paths = [
        stored_variable.spec.path.split("/")
        for stored_variable in manifest.variables
        if stored_variable.collection == "optimizer"
    ]
    return any(len(path) == 2 and path[-1] == SCALE for path in paths)


def _is_half(model: Any) -> bool:
    return any(layer.compute_dtype == "float16" for layer in model._flatten_layers())


def _with_scale(compiled: dict[str, Any]) -> dict[str, Any]:
    """Say the optimizer that scales the loss: Keras leaves it out, and makes it where all that is built is float16."""
    from keras import optimizers, saving

    described = compiled.get("optimizer")  # `optimizers.get` does not know all of them by their descriptions
    is_name = not isinstance(described, dict)
    optimizer = optimizers.get(described) if is_name else saving.deserialize_keras_object(described)
    if optimizer is None or isinstance(optimizer, optimizers.LossScaleOptimizer):
        return compiled
    scaled = optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
    return {**compiled, "optimizer": optimizers.serialize(scaled)}


def _compile_anew(model: Any, change: Callable[[Any], Any]) -> None:
    """Change the optimizers of a network and of those within it; one that gets none is not compiled any more."""
    for _, thing in saveables_of(model):
        if isinstance(thing, _kind_of_model()) and getattr(thing, "optimizer", None) is not None:
            thing.optimizer = change(thing.optimizer)
            thing.compiled = thing.optimizer is not None


def _unbuilt(optimizer: Any) -> Any:
    """Return an optimizer as it was before its first step; where nobody can make it, the one that there is."""
    with suppress(Exception):  # whatever a user's own raises
        return type(optimizer).from_config(optimizer.get_config())
    return optimizer


def _unknown_classes(described: Any, custom_objects: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of classes and functions that neither Keras has nor anybody registered here."""
    import keras

    for node in _nodes(described):
        name, module = node.get("registered_name"), node.get("module")
        if node.get("class_name") == "function" and module == "builtins":  # one of a module that is not Keras'
            name, module = node.get("config"), None
        if (
            not isinstance(name, str)
            or name in ("", "function", "builtin")
            or str(module or "").partition(".")[0] in ("keras", "builtins")
        ):
            continue
        if keras.saving.get_registered_object(name, custom_objects=dict(custom_objects)) is None:
            yield str(name if module is None else node.get("class_name", name))[:100]


def _nodes(described: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a description, outer ones first."""
    waiting = [described]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, dict):
            yield thing
            waiting.extend(reversed(list(thing.values())))
        elif isinstance(thing, list):
            waiting.extend(reversed(thing))


def _first_words(error: Exception) -> str:
    """Return Keras' words without the config and the advice that it appends, and without where it was."""
    if isinstance(error, KeepbestError):
        return error.message
    strip = re.sub(r"\x1b\[\d*m|^Exception encountered when calling \S+\s+", "", str(error)).strip()
    words = re.split(r"\. (Make sure|All subclassed)|\n|Full object config", strip, maxsplit=1)[0].strip()
    return f"{type(error).__name__}: {words[:300].rstrip('.')}."
