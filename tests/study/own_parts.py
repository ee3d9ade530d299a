"""Code of a pack's own in every place that the trusted side leaves to it: loss, metric, view and preprocessing."""

CODE = '''


class OwnLoss(nn.Module):
    """Cross entropy, as the pack writes it."""

    def forward(self, outputs, targets):
        return -torch.log_softmax(outputs, dim=1).gather(1, targets[:, None]).mean()


class Right:
    """Accuracy, as the pack writes it."""

    name = "right"
    higher_is_better = True

    def per_example(self, outputs, targets):
        return (outputs.argmax(dim=1) == targets).double()


class Doubled:
    """A view."""

    def __call__(self, features):
        return features * 2.0


class Centred:
    """Preprocessing that learns a mean."""

    def __init__(self, mean=None):
        self.mean = mean

    def fit(self, features):
        return Centred(features.mean(axis=0))

    def transform(self, features):
        return features - self.mean
'''

PAPERS = "papers.local_tiny.modules"

OPTIONS = {
    "loss/own.yaml": f"_target_: {PAPERS}.OwnLoss\n",
    "metrics/right.yaml": f"right:\n  _target_: {PAPERS}.Right\n",
    "data/seen.yaml": (
        f"name: seen\nsource:\n  _target_: {PAPERS}.Blobs\n  n: 300\npreprocess:\n  _target_: {PAPERS}.Centred\n"
        f"view:\n  _target_: {PAPERS}.Doubled\nclasses: 2\n"
    ),
    "protocol/peeking.yaml": (
        "name: peeking\nfit_on: [train]\nvalid_fraction: 0.0\nselect_on: test\nmetric: accuracy\nmode: null\n"
        "split_seed: 0\n"
    ),
}
