"""`recover` in loops of one's own: `report_loss` goes back between two steps."""

from __future__ import annotations

import math

import pytest

from keepbest.errors import InvalidInput
from tests.support.callbacks import heard_run

pytestmark = pytest.mark.usefixtures("closed_writers")


def test_a_loop_goes_back_and_counts_on_from_there() -> None:
    import tensorflow as tf

    from keepbest import Loop

    run, _, _ = heard_run(stop="max_steps(9) | recover(learning_rate=1x, to=1)")
    weight = tf.Variable([0.0])
    loop, trained = Loop(run, {"w": weight}, store=False), []
    for step in loop:
        weight.assign_add([1.0])
        loss = math.nan if step == 6 and not loop.recoveries else 1.0
        trained.append((step, float(weight[0])))
        if not loop.report_loss(step, loss) and step % 2 == 0:
            loop.report_validation(step, 1 / step)

    assert trained == [(n, float(n)) for n in (1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9)]
    assert loop.recoveries == 1


def test_a_loop_goes_back_at_a_validation_that_is_nan() -> None:
    import keras

    from keepbest import Loop

    run, _, _ = heard_run(stop="max_steps(6) | recover(learning_rate=0.5x)")
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    loop, steps = Loop(run, model, store=False), []
    for step in loop:
        steps.append(step)
        loop.report_validation(step, math.nan if len(steps) == 4 else 1 / step)

    assert steps == [1, 2, 3, 4, 4, 5, 6]
    assert float(model.optimizer.learning_rate.value) == pytest.approx(0.05)


def test_a_loop_without_recover_judges_no_loss() -> None:
    import tensorflow as tf

    from keepbest import Loop

    run, _, _ = heard_run(stop="max_steps(3)")
    loop = Loop(run, {"w": tf.Variable([0.0])}, store=False)

    assert not loop.report_loss(1, math.nan)


def test_a_loop_refuses_what_it_cannot_change() -> None:
    import tensorflow as tf

    from keepbest import Loop

    for stop, words in [("recover()", "knows of no optimizer"), ("recover(1x, global_clipnorm=1)", "traced anew")]:
        with pytest.raises(InvalidInput, match=words):
            Loop(heard_run(stop=stop)[0], {"w": tf.Variable([0.0])}, store=False)


def test_a_session_goes_back_by_its_loss() -> None:
    import tensorflow as tf

    from keepbest import Session

    run, _, _ = heard_run(stop="max_steps(9) | recover(learning_rate=1x)")
    with tf.Graph().as_default(), tf.compat.v1.Session() as sess:
        weight = tf.compat.v1.get_variable("w", [1], initializer=tf.compat.v1.zeros_initializer())
        sess.run(tf.compat.v1.global_variables_initializer())
        session = Session(sess, run=run, store=False)
        weight.load([2.0], sess)
        session.report_validation(2, 0.5)
        weight.load([9.0], sess)

        assert not session.report_loss(3, 0.1)
        assert session.report_loss(4, math.inf)
        assert (session.step, sess.run(weight).tolist()) == (2, [2.0])
