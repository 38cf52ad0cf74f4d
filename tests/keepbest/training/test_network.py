"""How a network is described: what Keras leaves out of its JSON, and training needs."""

from __future__ import annotations

import pytest

from keepbest.training.network import describe_network


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float32"])
def test_a_layer_that_leaves_its_precision_out_keeps_it(policy: str) -> None:
    import keras

    def build(dtype: str) -> list[object]:
        dropout = keras.layers.SpatialDropout1D(0.5, dtype=dtype, name="dropout")
        return [keras.layers.Input((3, 2), name="numbers"), dropout, keras.layers.Flatten(dtype=dtype)]

    model = keras.Sequential([keras.Sequential(build(policy)), keras.layers.Dense(1)])
    described = describe_network(model)
    assert described is not None
    again = keras.models.model_from_json(described)
    policies = [[layer.dtype_policy.name for layer in one.layers[0].layers] for one in (model, again)]
    assert policies == [[policy, policy], [policy, policy]]
