"""Rebuilds the network of a checkpoint from Keras' description of it, if this process knows every class in it.

A description is untrusted data. Classes come from Keras or from those that this process registered, never by an import
that the description names. Code in it (a Lambda's) runs only with `allow_code`.
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

#: Gives a network the vocabularies that it needs to answer, as far as the checkpoint holds them.
Learn = Callable[[Any], None]

#: The field of an error that `allow_code` would have prevented.
LAMBDA = "allow_code"
INTO = "Build it with your own code: --into FILE.py:FUNCTION, or in Python keepbest.restore(run, model)."
ALLOW = (
    "If you trust that code: --allow-code, or in Python keepbest.restore(run, allow_code=True). Otherwise build the "
    "network with your own code: --into FILE.py:FUNCTION, or keepbest.restore(run, model)."
)


def rebuild(
    store: Store,
    manifest: Manifest,
    *,
    allow_code: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    say: Callable[[str], object] = _log.warning,
) -> Any:
    """Rebuild the network of a checkpoint, compiled as it was, with variables.

    With a loss, metric or optimizer that this process does not know, the network stays uncompiled, and `say` gets a
    message.

    Raises:
        InvalidInput: Keras computes with another library than TensorFlow here.
        NetworkUnknown: There is no description, it names classes that this process does not know, or it brings code and
            `allow_code` is not set. The hint says what to do.
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
        is_half = any(layer.compute_dtype == "float16" for layer in model._flatten_layers())
        _compile(model, compiled, own, say, is_scaled=is_half and _was_scaled(manifest))
    return model


def fill(model: Any, load: Callable[[], object], say: Callable[[str], object] = _log.warning) -> None:
    """Have `load` put a checkpoint into a rebuilt network, without its optimizers if they do not fit.

    Keras builds an optimizer for all trainable variables. The run's optimizer may have trained fewer, or sorted them by
    names that differ here. So this first tries optimizers that are not built yet, and then leaves them out, with a
    message to `say`.
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
        say(f"The network is restored uncompiled, without its optimizer, which differs here ({first}).")
        _compile_anew(model, lambda optimizer: None)
        load()


def read_description(store: Store, manifest: Manifest) -> dict[str, Any]:
    """Return Keras' description of the network. Raises NetworkUnknown if the checkpoint has none."""
    if manifest.network is None:
        raise undescribed()
    described: dict[str, Any] = json.loads(store.read_network(manifest.network))
    return described


def brings_code(described: Any) -> bool:
    """Whether the description holds code that Keras would run."""
    return any(node.get("class_name") == "__lambda__" for node in _nodes(described))


def undescribed() -> NetworkUnknown:
    """Return the error for a checkpoint of a network that Keras could not describe."""
    return NetworkUnknown("This network has no description from which Keras could rebuild it.", hint=INTO)


def complete(model: Any, inputs: Inputs | None, learn: Learn = lambda model: None) -> None:
    """Call a network once, to make the variables that only a call makes: Keras builds a user's class by shapes alone.

    The call may change the network's state, because its values come later. If the call fails, `learn` gives the network
    its vocabularies for a second try. A built network that fails twice stays as it is.

    Raises InvalidInput if the network stays unbuilt.
    """
    if model.built and (is_functional(model) or getattr(model, "_called", True)):
        return
    inputs = inputs or of_model(model)
    if inputs is None:
        return
    finalize(saveables_of(model))  # values that layers derived while Keras built them belong to a graph that is gone
    try:
        _call(model, inputs, learn)
    except Exception as error:  # a user's code may raise anything; the comparison names variables that are missing
        if not model.built:
            message = f"Calling the network as in the run fails, and so it gets no variables: {_first_words(error)}"
            raise InvalidInput(message, hint="Call it once in the function that builds it.") from error


def _call(model: Any, inputs: Inputs, learn: Learn) -> None:
    try:
        model(to_zeros(inputs), training=False)
    except Exception:  # a user's code may raise anything; a lookup without words raises too
        learn(model)
        model(to_zeros(inputs), training=False)


def _learner(store: Store, manifest: Manifest) -> Learn:
    """Return a function that gives a network the vocabularies, and the other state beside variables, of a checkpoint.

    The function leaves out entries that do not fit the network: the comparison that follows names them.
    """

    def learn(model: Any) -> None:
        wanted = [stored for stored in manifest.variables if stored.collection in BESIDE]
        values = iterate(store.folder, manifest, wanted)
        entries = [(stored.spec, value) for stored, value in zip(wanted, values, strict=True)]
        beside = Beside(TrainedObject(model))
        others = beside.compare(entries)
        beside.load([pair for pair in entries if (pair[0].collection, pair[0].path) not in others])

    return learn


def build_like(store: Store, manifest: Manifest, model: Any) -> None:
    """Build a model that has no variables yet as the run's network was built, if that works."""
    if not isinstance(model, _model_class()) or model.built:
        return
    with suppress(Exception):  # a user's class may raise anything: the comparison names what does not fit
        if manifest.inputs is not None:
            _call(model, manifest.inputs, _learner(store, manifest))
        elif manifest.network is not None and (config := read_description(store, manifest).get("build_config")):
            model.build_from_config(config)


def _model_class() -> Any:
    """Return `keras.Model`, or no class at all if nobody has imported Keras."""
    keras = sys.modules.get("keras")
    return keras.Model if keras is not None else ()


def _make(described: dict[str, Any], manifest: Manifest, safe: dict[str, Any], learn: Learn) -> Any:
    import keras

    unknown = list(dict.fromkeys(_unknown_classes(described, safe["custom_objects"])))
    try:
        with warnings.catch_warnings():
            # `complete` builds the network.
            warnings.filterwarnings("ignore", message=".*(unbuilt state|cannot be built automatically)")
            model = keras.saving.deserialize_keras_object(described, **safe)
        complete(model, manifest.inputs, learn)
    except Exception as error:  # a user's from_config and build may raise anything
        if unknown:
            classes = f"{', '.join(unknown[:5])}{' and more' if len(unknown) > 5 else ''}"
            message = f"The network has classes or functions of its own that are not known here: {classes}."
            raise NetworkUnknown(
                message, hint=f"{INTO} Python knows a registered class once you have imported it."
            ) from error
        message = f"The network cannot be rebuilt from its description: {_first_words(error)}"
        raise NetworkUnknown(message, hint=INTO) from error
    if not model.variables and any(stored.collection == "model" for stored in manifest.variables):
        message = "The network's description does not name its inputs: the network stays without variables."
        raise NetworkUnknown(message, hint=INTO)
    return model


def _compile(
    model: Any, compiled: dict[str, Any], own: dict[str, Any], say: Callable[[str], object], *, is_scaled: bool
) -> None:
    """Compile a network as it was. A class with a `compile` of its own and no configuration for it stays uncompiled."""
    from keras.saving import custom_object_scope

    try:
        with custom_object_scope(own), warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*was not called as part of model loading")
            model.compile_from_config(_with_scale(compiled) if is_scaled else compiled)
        model.compiled = True
    except Exception as error:  # a user's code may raise anything
        say(f"The network is restored uncompiled, without its optimizer: {_first_words(error)}")
        model.optimizer = None
        model.compiled = False


def _was_scaled(manifest: Manifest) -> bool:
    """Whether an optimizer that scales the loss was around the model's own optimizer."""
    paths = [stored.spec.path.split("/") for stored in manifest.variables if stored.collection == "optimizer"]
    return any(len(path) == 2 and path[-1] == SCALE for path in paths)


def _with_scale(compiled: dict[str, Any]) -> dict[str, Any]:
    """Add the optimizer that scales the loss, which Keras leaves out of the description."""
    from keras import optimizers, saving

    described = compiled.get("optimizer")  # `optimizers.get` cannot read every description
    is_name = not isinstance(described, dict)
    optimizer = optimizers.get(described) if is_name else saving.deserialize_keras_object(described)
    if optimizer is None or isinstance(optimizer, optimizers.LossScaleOptimizer):
        return compiled
    scaled = optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
    return {**compiled, "optimizer": optimizers.serialize(scaled)}


def _compile_anew(model: Any, change: Callable[[Any], Any]) -> None:
    """Change the optimizers of a network and of the networks in it; one that gets None is no longer compiled."""
    for _, thing in saveables_of(model):
        if isinstance(thing, _model_class()) and getattr(thing, "optimizer", None) is not None:
            thing.optimizer = change(thing.optimizer)
            thing.compiled = thing.optimizer is not None


def _unbuilt(optimizer: Any) -> Any:
    """Return a fresh optimizer, as before its first step, or the same one if its configuration is not enough."""
    with suppress(Exception):  # a user's own optimizer may raise anything
        return type(optimizer).from_config(optimizer.get_config())
    return optimizer


def _unknown_classes(described: Any, custom_objects: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of classes and functions that Keras does not have and nobody has registered here."""
    import keras

    for node in _nodes(described):
        name, module = node.get("registered_name"), node.get("module")
        if node.get("class_name") == "function" and module == "builtins":  # a function of a module outside Keras
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
    """Return Keras' message without the layer's call in front, and without the configuration and advice at the end."""
    if isinstance(error, KeepbestError):
        return error.message
    text = re.sub(r"\x1b\[\d*m|^Exception encountered when calling \S+\s+", "", str(error)).strip()
    words = re.split(r"\. (Make sure|All subclassed)|\n|Full object config", text, maxsplit=1)[0].strip()
    return f"{type(error).__name__}: {words[:300].rstrip('.')}."
