"""Honest packs are not refused: what papers do composes, passes the trial before the first step, and trains two steps.

A new check of the trial costs nothing as long as no row here says so; a wrong refusal is one more row.
"""

import pytest

from tests.engine.cells import BCE, MSE, trained

HERE = "papers.numbers.honest."


def model(name, **arguments):
    return [f"model._target_={HERE}{name}", *(f"+model.{key}={value}" for key, value in arguments.items())]


def data(kind, **more):
    return [
        f"data.source={{_target_: {HERE}Data, kind: {kind}}}",
        *(f"data.{key}={value}" for key, value in more.items()),
    ]


def loss(name):
    return ["~loss.label_smoothing", f"loss._target_={name if '.' in name else HERE + name}"]


def metric(name):
    return ["~metrics.accuracy", f"+metrics.own._target_={HERE}{name}", "protocol.metric=loss"]


def method(name):
    return [f"method._target_={HERE}{name}"]


def optimizer(name, *more):
    target = name if "." in name else HERE + name
    own = [f"~optimizer.{name}" for name in ("betas", "eps", "weight_decay", "fused")]
    return [*own, f"optimizer._target_={target}", *more]


def dense(kind, *more):
    return [*data("table"), *model("Dense", kind=kind), *more]


def conv(kind, *more):
    return [*data("images"), *model("Conv", kind=kind), *more]


TABLE = dense("plain")
REAL = [*data("real"), *model("Dense", outputs=1, flat="true"), *MSE]
TOKENS = [*data("tokens"), *model("Transformer")]
MASKS = [*data("masks"), *model("Dots")]
NEXT = [*data("next"), *model("Transformer", causal="true")]

HONEST = {
    "batch_norm": conv("batch"),
    "dropout": dense("dropout"),
    "lstm": [*data("series"), *model("Recurrent"), *MSE],
    "tied_weights_and_ignored_labels": NEXT,
    "attention": TOKENS,
    "padding": [*data("padded"), *model("Transformer")],
    "multi_label": [*data("many"), *model("Dense", outputs=4), *BCE],
    "a_number": REAL,
    "autoencoder": [*data("self"), *model("Coder"), *MSE],
    "stochastic_depth": conv("stochastic"),
    "own_loss": [*TABLE, *loss("Smoothed")],
    "own_method": [*TABLE, *method("Adversarial")],
    "classes_by_rows": TABLE,
    "group_norm": conv("group"),
    "instance_norm": conv("instance"),
    "weight_standardisation": conv("standardised"),
    "spectral_norm": conv("spectral"),
    "squeeze_and_excite": conv("squeeze"),
    "depthwise": conv("depthwise"),
    "spatial_dropout": conv("drop"),
    "bytes": [*data("bytes"), *model("Conv")],
    "batch_norm_of_rows": dense("batch"),
    "layer_norm": dense("layer"),
    "rms_norm": dense("rms"),
    "weight_norm": dense("weight_norm"),
    "frozen_first_layer": dense("frozen"),
    "zero_initialised_head": dense("zero_head"),
    "monte_carlo_dropout": dense("monte_carlo"),
    "maxout": dense("maxout"),
    "gated": dense("gated"),
    "rezero": dense("rezero"),
    "random_features": dense("random_features"),
    "neural_ode": dense("ode"),
    "radial": dense("radial"),
    "cosine_classifier": dense("cosine"),
    "experts": dense("experts"),
    "masked_logits": dense("masked"),
    "noise_in_training": dense("noise"),
    "checkpointed": dense("checkpointed"),
    "a_constant_column": [*data("constant_column"), *model("Dense", kind="batch", inputs=9)],
    "log_softmax": dense("log_softmax", *loss("torch.nn.NLLLoss")),
    "label_smoothing": [*TABLE, "loss.label_smoothing=0.1"],
    "class_weights": [*TABLE, "+loss.weight=[1.0,2.0,0.5]"],
    "multi_margin": [*TABLE, "~loss.label_smoothing", "loss=multi_margin"],
    "soft_labels": [*data("soft"), *model("Dense"), "protocol.metric=loss", *metric("Miss")],
    "soft_labels_by_divergence": [
        *data("soft"),
        *model("Dense", kind="log_softmax"),
        *loss("torch.nn.KLDivLoss"),
        "+loss.reduction=sum",
        *metric("Miss"),
    ],
    "one_logit": [*data("two"), *model("Dense", outputs=1), *BCE],
    "one_logit_flat": [*data("two_floats"), *model("Dense", outputs=1, flat="true"), *BCE],
    "one_logit_weighted": [*data("two_floats"), *model("Dense", outputs=1), *BCE, "+loss.pos_weight=[3.0]"],
    "probabilities": [*data("two"), *model("Dense", kind="sigmoid", outputs=1), *loss("torch.nn.BCELoss")],
    "soft_margin": [
        *data("signed"),
        *model("Dense", outputs=1, flat="true"),
        *loss("torch.nn.SoftMarginLoss"),
        *metric("Miss"),
    ],
    "a_number_as_a_column": [*data("real"), *model("Dense", outputs=1), *MSE],
    "a_column_as_a_number": [*data("real_column"), *model("Dense", outputs=1, flat="true"), *MSE],
    "huber": [*REAL, *loss("torch.nn.HuberLoss")[1:]],
    "absolute": [*REAL, *loss("torch.nn.L1Loss")[1:]],
    "counts": [
        *data("counts"),
        *model("Dense", outputs=1, flat="true"),
        *loss("torch.nn.PoissonNLLLoss"),
        *metric("Miss"),
    ],
    "quantiles": [*data("real"), *model("Dense"), *loss("Pinball"), *metric("Miss")],
    "mean_and_variance": [*data("real"), *model("Dense", outputs=2), *loss("Gaussian"), *metric("Miss")],
    "ordinal": [*data("table"), *model("Dense", outputs=2), *loss("Ordinal"), *metric("Miss")],
    "focal": [*TABLE, *loss("Focal")],
    "supervised_contrastive": [*data("table"), *model("Dense", outputs=5), *loss("Supervised"), *metric("Miss")],
    "top_two": [*TABLE, "~metrics.accuracy", f"+metrics.top_two._target_={HERE}TopTwo", "protocol.metric=top_two"],
    "boxes": [*data("boxes"), *model("Boxes"), *MSE, *loss("torch.nn.SmoothL1Loss")[1:]],
    "segmentation": MASKS,
    "segmentation_ignored": [*data("masks_ignored"), *model("Dots"), "+loss.ignore_index=255"],
    "dice": [*MASKS, *loss("Overlap")],
    "heatmap": [*data("heatmap"), *model("Dots", outputs=1), *MSE],
    "image_autoencoder": [*data("image_self"), *model("Dots", outputs=3), *MSE],
    "gru": [*data("series"), *model("Recurrent", kind="GRU"), *MSE],
    "both_ways": [*data("tokens"), *model("Recurrent", tokens="true", both="true")],
    "padding_index": [*data("padded"), *model("Recurrent", tokens="true")],
    "packed": [*data("padded"), *model("Packed")],
    "mean_of_embeddings": [*data("padded"), *model("Pooled")],
    "largest_of_embeddings": [*data("padded"), *model("Pooled", kind="max")],
    "torchs_encoder": [*data("padded"), *model("Transformer", ready="true")],
    "dilated": [*data("forecast"), *model("Dilated"), *MSE],
    "siamese": [*data("pairs"), *model("Siamese"), *BCE],
    "variational": [*data("self"), *model("Coder", variational="true"), *MSE, *method("Variational")],
    "denoising": [*data("self"), *model("Coder"), *MSE, *method("Denoising")],
    "gradient_penalty": [*TABLE, *method("Penalised")],
    "consistency": dense("dropout", *method("Consistent")),
    "distillation": [*TABLE, *method("Distilled")],
    "cutmix": conv("batch", *method("Cut")),
    "mixup": conv("batch", "method=mixup"),
    "augmentation": conv("batch", f"augment={{_target_: {HERE}Flips}}"),
    "warm_restarts": [*TABLE, f"scheduler={{_target_: {HERE}Restarts}}"],
    "warm_up": [*TABLE, "scheduler=warmup_cosine", "scheduler.warmup_steps=1"],
    "lion": [*TABLE, *optimizer("Lion")],
    "sharpness_aware": [*TABLE, *optimizer("Sharpness")],
    "lbfgs": [*TABLE, *optimizer("torch.optim.LBFGS")],
    "rmsprop": [*TABLE, *optimizer("torch.optim.RMSprop")],
    "whitened": [*TABLE, f"data.preprocess={{_target_: {HERE}Whitened}}"],
    "a_view": [*TABLE, f"data.view={{_target_: {HERE}Sorted}}"],
    "clipped": [*TABLE, "trainer.clip_norm=1.0"],
    "shards": dense("dropout", "trainer.shards=2"),
    "shards_of_weighted_labels": [*NEXT, "trainer.shards=2"],
    "whole_batch": [*TABLE, "trainer.batch_size=180"],
    "bfloat16": dense("layer", "trainer.precision=bf16-mixed"),
    "double": [*REAL, "trainer.precision=64-true"],
    "last_protocol": ["protocol=last", *TABLE],
}
FIRST = 12
"""As many of them are tried by default."""
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in list(HONEST)[FIRST:]]


@pytest.mark.parametrize("name", [*list(HONEST)[:FIRST], *SLOW])
def test_what_papers_do_is_not_refused(tmp_path, name):
    record = trained(tmp_path, "trainer.max_steps=2", "trainer.eval_every=2", *HONEST[name])
    assert record["metrics"]["test"].keys() >= {"loss"}


def test_there_are_many():
    assert len(HONEST) > 90
