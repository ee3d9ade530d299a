"""Outputs over a pipe, scored by somebody else, come to the same bits as in one process; what is off is refused."""

import json
import os
import struct
import threading

import numpy as np
import pytest
import torch
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine.evaluate import evaluate, outputs_of
from mlintern.engine.frames import Receiver, Sender
from mlintern.engine.metrics import Accuracy
from mlintern.engine.score import Trusted, Wanted
from tests import configs

CONFIG = configs.config(loss={"label_smoothing": 0.1}, trainer={"eval_batch_size": 16})
N = 103
INPUTS = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
TARGETS = np.random.default_rng(1).integers(0, 3, N)


def sent(write):
    """What a receiver makes of what `write(sender, descriptor)` sends."""
    reading, writing = os.pipe()
    ended, end = os.pipe()

    def run():
        write(Sender(writing), writing)
        os.close(writing)

    thread = threading.Thread(target=run)
    thread.start()
    receiver = Receiver(reading, ended)

    def frames():
        while (frame := receiver.frame()) is not None:
            yield frame

    try:
        yield from frames()
    finally:
        os.close(reading)
        thread.join()
        os.close(ended)
        os.close(end)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_same_numbers_as_in_one_process(shuffled):
    net = model()
    options = {"batch_size": 16, "seed": 0, "step": 3}
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    alone = evaluate(net, torch.from_numpy(INPUTS), torch.from_numpy(TARGETS), loss, [Accuracy()], **options)
    order = np.random.default_rng(2).permutation(N) if shuffled else None
    table = torch.from_numpy(INPUTS if order is None else INPUTS[order])

    def write(sender, _):
        for outputs in outputs_of(net, table, **options):
            sender.send(outputs.numpy(), part="test")

    found = Trusted(CONFIG).score("test", Wanted(TARGETS, order), sent(write))
    assert (found.loss, found.metrics) == (alone.loss, alone.metrics)
    np.testing.assert_array_equal(found.predictions, alone.predictions)
    np.testing.assert_array_equal(found.per_example["accuracy"], alone.per_example["accuracy"])


def test_outputs_too_large_to_hold_are_scored_as_they_come(monkeypatch):
    order = np.random.default_rng(2).permutation(N)
    outputs = model()(torch.from_numpy(INPUTS)).detach().numpy()

    def write(sender, _):
        for at in range(0, N, 16):
            sender.send(outputs[order][at : at + 16], part="test")

    held = Trusted(CONFIG).score("test", Wanted(TARGETS, order), sent(write))
    monkeypatch.setattr("mlintern.engine.score.HELD_BYTES", 0)
    found = Trusted(CONFIG).score("test", Wanted(TARGETS, order), sent(write))
    assert found.loss == pytest.approx(held.loss, rel=1e-6) and found.metrics == held.metrics
    np.testing.assert_array_equal(found.predictions, held.predictions)
    np.testing.assert_array_equal(found.per_example["accuracy"], held.per_example["accuracy"])


def test_a_large_batch_comes_in_pieces(monkeypatch):
    monkeypatch.setattr("mlintern.engine.frames.PIECE_BYTES", 40)
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    frames = list(sent(lambda sender, _: sender.send(values, part="test")))
    assert len(frames) == 7 and all(notes == {"part": "test"} for notes, _ in frames)
    np.testing.assert_array_equal(np.concatenate([values for _, values in frames]), values)


def raw(header, body=b"", length=None):
    """A frame as a liar writes it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<I", len(text) if length is None else length) + text + body


GOOD = {"part": "test", "dtype": "<f4", "shape": [N, 3]}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "0 rows for the 103 of test, and then no more"),
        (raw(b"x" * 5000), "a frame's header of 5000 bytes"),
        (raw(b"not json"), "header is not readable"),
        (raw(b"[1]"), "header is not readable"),
        (raw(b"[" * 4000), "header is not readable"),
        (raw({**GOOD, "dtype": "|O"}), "a frame of type '|O'"),
        (raw({**GOOD, "dtype": ["<f4"]}), "a frame of type"),
        (raw({**GOOD, "more": [1]}), "a frame of type"),
        (raw({**GOOD, "shape": [1 << 29, 1 << 29]}), "a frame of"),
        (raw({**GOOD, "shape": [-1, 3]}), "no list of one to eight sizes"),
        (raw({**GOOD, "shape": [True, 3]}), "no list of one to eight sizes"),
        (raw({**GOOD, "shape": []}), "no list of one to eight sizes"),
        (raw(GOOD, b"\0" * 100), "break off in the middle of a frame"),
        (raw(GOOD, length=4000), "break off in the middle of a frame"),
        (raw({**GOOD, "shape": [N + 1, 3]}, b"\0" * (N + 1) * 12), "more rows than the 103 of test"),
        (raw({**GOOD, "shape": [0, 3]}), "a batch of shape [0, 3]"),
        (raw({**GOOD, "part": "valid"}, b"\0" * N * 12), "in the middle of the rows of test"),
        (raw({**GOOD, "shape": [3, 3]}, b"\0" * 36) + raw({**GOOD, "shape": [3, 4]}, b"\0" * 48), "after others"),
        (raw({**GOOD, "shape": [N, 3, 2]}, b"\0" * N * 24), "cannot be scored|labels"),
    ],
)
def test_what_is_off_is_refused_in_one_line(data, says):
    def write(_, descriptor):
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(descriptor, view) :]
            except BrokenPipeError:
                return

    with pytest.raises(UserError) as refused:
        Trusted(CONFIG).score("test", Wanted(TARGETS), sent(write))
    assert any(text in str(refused.value) for text in says.split("|")) and "\n" not in str(refused.value)


def test_nan_is_only_ever_wrong():
    frames = iter([({"part": "test"}, np.full((N, 3), np.nan, np.float32))])
    found = Trusted(CONFIG).score("test", Wanted(TARGETS), frames)
    assert found.loss != found.loss and 0 <= found.metrics["accuracy"] <= 1


def test_a_sender_that_is_gone_while_its_pipe_stays_open_ends_the_frames():
    reading, writing = os.pipe()
    ended, end = os.pipe()
    Sender(writing).send(np.ones((2, 3), np.float32), part="test")
    os.write(end, b"x")
    receiver = Receiver(reading, ended)
    assert receiver.frame() is not None and receiver.frame() is None
    for descriptor in (reading, writing, ended, end):
        os.close(descriptor)
