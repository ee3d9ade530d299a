"""What a text says, and what it does not."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlintern.author.grounding.supports import says_number, why_not


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a learning rate of 1e-4", 1e-4),
        ("a learning rate of 10^{-4}", 0.0001),
        (r"a learning rate of $3 \times 10^{-4}$", 3e-4),
        ("4,000 examples", 4000),
        ("4{,}000 examples", 4000),
        ("(n= 20,798, d_{x} = 380)", 20798),
        ("100K steps", 100_000),
        ("1.5M parameters", 1_500_000),
        ("dropout of 10 %", 0.1),
        ("dropout of 10%", 10),
        ("36--60 points", 36),
        ("36–60 points", 60),
        ("1/8 of the data", 0.125),
        ("three runs", 3),
        ("a stack of N = 6 layers", 6),
        ("about −0.5 of it", -0.5),
        ("94 ± 2 percent", 94.0),
        ("40-dimensional inputs", 40),
        ("β_1 = 0.9, β_2 = 0.98", 0.98),
        ("2^{13} tokens", 8192),
        ("lrate = d^{-0.5} · step", -0.5),
        ("a power f^{0.75} of it", 0.75),
        ("searched in {1,10,100}", 10),
        ("searched in [64,128]", 128),
        (r"searched in \{0.5, 1,10\}", 10),
    ],
)
def test_a_number_is_said_however_it_is_spelled(text, value):
    assert why_not(text, value) == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a learning rate of 1e-4", 1e-3),
        ("a learning rate of 0.01", 0.001),
        ("a batch of 128", 12),
        ("ResNet18 on VGG16", 18),
        ("4,000 examples", 4),
        ("dropout of 10", 0.1),
        ("4000/1000 examples", 4),
        ("10^{-4}", 10),
        ("10^{-0.5}", -0.5),
        ("our layers^{3}", 3),
        ("{4,000} examples", 4),
        ("4,100 examples", 100),
        ("\\text{4,100} examples", 100),
        ("no number here", 1),
    ],
)
def test_a_number_that_is_not_said(text, value):
    assert "does not hold the value" in why_not(text, value)


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("the Adam optimizer", "adam", True),
        ("the AdamW optimizer", "adam", False),
        ("the Adam optimizer", "adamw", False),
        ("with ReLUs", "relu", True),
        ("a cross-entropy loss", "cross_entropy", True),
        ("a cosine schedule", "linear", False),
        ("the Adam optimizer", "torch.optim.Adam", True),
        ("the batch has 128 examples", "128", True),
        ("", "x", False),
        ("setting them to −∞", "-∞", True),
        ("setting them to ∞", "-∞", False),
        ("setting them to -∞", "∞", False),
        ("a step of 1/(20n)", "1/(20n)", True),
        ("a step of 5", "d^{-0.5}", False),
        ("lrate = d^{-0.5}", "d^{-0.5}", True),
    ],
)
def test_words_are_said_as_words(text, value, said):
    assert (why_not(text, value) == "") is said


@pytest.mark.parametrize(
    ("text", "key", "value", "said"),
    [
        ("with Nesterov momentum", "optimizer.nesterov", True, True),
        ("without Nesterov momentum", "optimizer.nesterov", True, False),
        ("without Nesterov momentum", "optimizer.nesterov", False, True),
        ("with Nesterov momentum", "optimizer.nesterov", False, False),
        ("we use dropout", "optimizer.nesterov", True, False),
        ("layers have no biases", "model.bias", False, True),
    ],
)
def test_truth_values_need_their_thing_and_their_negation(text, key, value, said):
    assert (why_not(text, value, key) == "") is said


def test_a_value_of_another_quantity_is_not_taken():
    assert "does not speak of lr" in why_not("a batch size of 100", 100, "optimizer.lr")
    assert why_not("a batch size of 100", 100, "trainer.batch_size") == ""
    assert (
        why_not("We set it to 100", 100, "trainer.batch_size", context="The batch size matters. We set it to 100") == ""
    )
    assert "does not speak of dropout" in why_not("accuracy rose by 0.1", 0.1, "model.dropout")


def test_every_element_of_a_list_must_be_said():
    assert why_not("β = (0.9, 0.98)", [0.9, 0.98], "optimizer.betas") == ""
    assert "0.999" in why_not("β = (0.9, 0.98)", [0.9, 0.999], "optimizer.betas")


def test_nothing_says_an_empty_value():
    assert why_not("nothing at all", None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9))
def test_an_integer_is_said_by_itself_and_not_by_its_successor(n):
    assert says_number(f"we use {n} of them", n)
    assert says_number(f"we use {n:,} of them", n)
    assert not says_number(f"we use {n} of them", n + 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(1e-12, 1e12))
def test_a_float_is_said_in_its_own_spelling(x):
    assert says_number(f"set to {x!r}.", x)


@pytest.mark.parametrize("text", ["each of the 2^{L} terms", "2^L terms", "2^{-k} of them"])
def test_the_base_of_a_power_of_a_variable_is_no_value(text):
    assert not says_number(text, 2)
    assert says_number(f"2 layers, {text}", 2)


def test_initials_say_an_abbreviation_and_nothing_shorter():
    assert not why_not("the mean-squared error as loss", "mse", "loss")
    assert not why_not("stochastic gradient descent", "sgd", "optimizer")
    assert why_not("the mean of errors", "mse", "loss")
    assert why_not("an error", "ae", "loss")


@pytest.mark.parametrize(
    ("text", "key", "context", "said"),
    [
        ("we use no weight decay", "optimizer.weight_decay", "", True),
        ("without any dropout", "model.dropout", "", True),
        ("without label smoothing", "loss.label_smoothing", "", True),
        ("weight decay is not used", "optimizer.weight_decay", "", True),
        ("no warm-up", "scheduler.warmup_steps", "", True),
        ("none", "model.dropout", "Dropout: none", True),
        ("no learning rate decay", "optimizer.weight_decay", "", False),
        ("weight decay but no dropout", "optimizer.weight_decay", "", False),
        ("no dropout", "optimizer.lr", "", False),
        ("we use dropout", "model.dropout", "", False),
        ("we use dropout", "model.dropout", "no dropout in the other model", False),
        ("no decay", "optimizer.steps", "", False),
    ],
)
def test_none_of_something_is_zero_of_it(text, key, context, said):
    assert (why_not(text, 0, key, context) == "") is said
    assert why_not(text, 1, key, context) != ""


@pytest.mark.parametrize(
    ("cell", "key", "headers", "value", "said"),
    [
        ("✓", "model.groupnorm", "GN Whether GroupNorm is used", True, True),
        ("✗", "model.groupnorm", "GN Whether GroupNorm is used", False, True),
        ("✗", "model.groupnorm", "GN Whether GroupNorm is used", True, False),
        ("✓", "model.group_norm", "Model GN", True, True),
        ("yes", "model.bias", "Model Bias", True, True),
        ("–", "model.bias", "Model Bias", False, True),
        ("–", "model.bias", "Model Bias", True, False),
        ("✓", "model.bias", "Model Dropout", True, False),
        ("✓ 3.1", "model.bias", "Model Bias", True, False),
    ],
)
def test_a_cells_mark_is_a_truth_value_of_its_header(cell, key, headers, value, said):
    assert (why_not(cell, value, key, headers) == "") is said


@pytest.mark.parametrize(
    ("text", "key", "value", "said"),
    [
        ("Zero-Shot accuracy", "evaluation.shots", 0, True),
        ("a 5-shot evaluation", "evaluation.shots", 5, True),
        ("a two-layer network", "model.layers", 2, True),
        ("a two-layer network", "model.heads", 2, False),
        ("a two-layer network", "model.layers", 3, False),
        ("λ in (0,1)", "model.range", 0, True),
        ("λ in (0,1]", "model.range", 1, True),
        ("of them (10,240)", "model.range", 10, False),
        ("of them (4,000)", "model.range", 4, False),
    ],
)
def test_compounds_and_intervals(text, key, value, said):
    assert (why_not(text, value, key) == "") is said
