"""Keras' layers by what they take and give, with small sizes: what generated models are put together from.

Each entry makes a layer whose output has the rank that it is listed under; sizes may change. What is not here: other
names of the same layer, layers that need another backend or labels (`MixUp`, bounding boxes), and what can only begin
a network, which `generated` has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tests.support.kinds.layers import Noise, NotRegistered
from tests.support.kinds.own import OwnVariables

layers = keras.layers
Make = Callable[[], Any]
L2 = {"kernel_regularizer": "l2"}


def _own() -> Any:
    layer = OwnVariables()
    layer.factor = 0.5
    return layer


#: Of any rank.
ANY: tuple[Make, ...] = (
    lambda: layers.Activation("gelu"),
    lambda: layers.ActivityRegularization(l2=0.01),
    layers.BatchNormalization,
    lambda: layers.Dense(5, "relu"),
    lambda: layers.Dense(4, kernel_constraint="max_norm", bias_regularizer="l1", **L2),
    lambda: layers.Dropout(0.2),
    lambda: layers.AlphaDropout(0.1),
    lambda: layers.GaussianDropout(0.1),
    lambda: layers.GaussianNoise(0.1),
    layers.ELU,
    layers.Identity,
    layers.LayerNormalization,
    lambda: layers.LayerNormalization(center=False),
    layers.LeakyReLU,
    layers.PReLU,
    layers.ReLU,
    layers.RMSNormalization,
    lambda: layers.Rescaling(0.5, 0.1),
    layers.Softmax,
    layers.UnitNormalization,
    lambda: layers.GroupNormalization(1),
    Noise,
    _own,
)

#: Rows of numbers.
ROWS: tuple[Make, ...] = (
    lambda: layers.EinsumDense("ab,bc->ac", 5, bias_axes="c"),
    lambda: layers.SpectralNormalization(layers.Dense(4)),
    lambda: keras.Sequential([layers.Dense(4, "tanh"), layers.BatchNormalization()]),
    lambda: layers.Discretization([-0.5, 0.0, 0.5, 1.0], output_mode="multi_hot"),
)

#: Sequences: (time, numbers).
SEQUENCES: tuple[Make, ...] = (
    lambda: layers.Conv1D(3, 2, padding="same"),
    lambda: layers.Conv1D(3, 2, padding="causal", dilation_rate=2),
    lambda: layers.Conv1DTranspose(3, 2, padding="same"),
    lambda: layers.SeparableConv1D(3, 2, padding="same"),
    lambda: layers.DepthwiseConv1D(2, padding="same"),
    lambda: layers.SpatialDropout1D(0.2),
    lambda: layers.MaxPooling1D(2, padding="same"),
    lambda: layers.AveragePooling1D(2, padding="same"),
    lambda: layers.AdaptiveAveragePooling1D(2),
    lambda: layers.AdaptiveMaxPooling1D(2),
    lambda: layers.UpSampling1D(2),
    lambda: layers.ZeroPadding1D(1),
    lambda: layers.Permute((2, 1)),
    lambda: layers.GRU(3, return_sequences=True, dropout=0.1),
    lambda: layers.LSTM(3, return_sequences=True, recurrent_dropout=0.1),
    lambda: layers.SimpleRNN(3, return_sequences=True),
    lambda: layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
    lambda: layers.RNN(layers.StackedRNNCells([layers.GRUCell(2), layers.LSTMCell(3)]), return_sequences=True),
    lambda: layers.TimeDistributed(layers.Dense(3)),
    lambda: layers.TimeDistributed(keras.Sequential([layers.Dense(3), layers.BatchNormalization()])),
    layers.Masking,
)

#: What ends a sequence in a row.
SEQUENCE_ENDS: tuple[Make, ...] = (
    layers.Flatten,
    layers.GlobalAveragePooling1D,
    layers.GlobalMaxPooling1D,
    lambda: layers.GRU(3),
    lambda: layers.Bidirectional(layers.SimpleRNN(2), merge_mode="sum"),
)

#: Pictures: (rows, columns, channels).
PICTURES: tuple[Make, ...] = (
    lambda: layers.Conv2D(3, 2, padding="same", activation="relu"),
    lambda: layers.Conv2D(2, 2, padding="same", use_bias=False, **L2),
    lambda: layers.Conv2DTranspose(2, 2, padding="same"),
    lambda: layers.SeparableConv2D(3, 2, padding="same"),
    lambda: layers.DepthwiseConv2D(2, padding="same"),
    lambda: layers.SpectralNormalization(layers.Conv2D(2, 2, padding="same")),
    lambda: layers.SpatialDropout2D(0.2),
    lambda: layers.MaxPooling2D(2, padding="same"),
    lambda: layers.AveragePooling2D(2, padding="same"),
    lambda: layers.AdaptiveAveragePooling2D(2),
    lambda: layers.AdaptiveMaxPooling2D(2),
    lambda: layers.UpSampling2D(2),
    lambda: layers.ZeroPadding2D(1),
    lambda: layers.Resizing(4, 4),
    lambda: layers.CenterCrop(2, 2),
    lambda: layers.RandomFlip(),
    lambda: layers.RandomRotation(0.1),
    lambda: layers.RandomTranslation(0.1, 0.1),
    lambda: layers.RandomZoom(0.1),
    lambda: layers.RandomContrast(0.1),
    lambda: layers.RandomBrightness(0.1, value_range=(0, 1)),
    lambda: layers.RandomShear(0.1, 0.1),
)

#: What ends a picture in a row.
PICTURE_ENDS: tuple[Make, ...] = (
    layers.Flatten,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    lambda: keras.Sequential([layers.Reshape((-1, 1)), layers.GRU(2)]),
    lambda: keras.Sequential([layers.Reshape((1, -1, 1, 1)), layers.Conv3D(2, (1, 2, 1)), layers.Flatten()]),
)

#: Of several rows that have equal length.
MERGES: tuple[Make, ...] = (
    layers.Concatenate,
    layers.Add,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
)

#: What Keras' own file does not give back: rare, so that most models can be compared.
LOST: tuple[Make, ...] = (NotRegistered, lambda: layers.Lambda(_double))


def _double(x: Any) -> Any:
    return x * 2
