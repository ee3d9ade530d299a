"""What determinism=portable replaces computes the same here; other CPUs are tried by tests/portability."""

import json
import os
import subprocess
import sys

import yaml

from mlintern.core.roots import ROOT
from mlintern.engine.determinism import Determinism

_PROBE = """
import json, sys
import numpy as np, torch, yaml
from mlintern.core.roots import ROOT
from mlintern.engine.determinism import Determinism

draw = torch.Generator().manual_seed(0)
x = torch.rand(5000, generator=draw) * 100
torch.manual_seed(0)
lstm = torch.nn.LSTM(4, 5)
square = torch.randn(3, 12, 12, generator=draw)
square = square @ square.mT + 12 * torch.eye(12)
bad, leaf = square.clone(), square.clone().requires_grad_()
bad[1, 4, 4] = -1.0
torch.linalg.cholesky(leaf).sum().backward()
factor = {
    "cholesky": torch.linalg.cholesky(square),
    "gradient": leaf.grad.clone(),
    "info": torch.linalg.cholesky_ex(bad)[1].tolist(),
}
plain = {"sqrt": x.sqrt(), "atan": x.atan(), "lstm": lstm(x[:400].reshape(20, 5, 4) / 100)[0].detach()}
level = Determinism(**yaml.safe_load((ROOT / "conf/determinism/portable.yaml").read_text()))
level.check_pins()
level.apply()
compiler = "torch._inductor" in sys.modules
level.apply()
root = torch.from_numpy(np.sqrt(x.numpy()))
one, out, z = x.clone(), torch.empty(0), x.clone().requires_grad_()
z.sqrt().sum().backward()
hidden = lstm(x[:400].reshape(20, 5, 4) / 100)[0]
lower, upper = torch.linalg.cholesky(square), torch.linalg.cholesky(square, upper=True)
leaf.grad = None
torch.linalg.cholesky(leaf).sum().backward()
_, info = torch.linalg.cholesky_ex(bad)
try:
    torch.linalg.cholesky(bad)
    refused = ""
except torch.linalg.LinAlgError as error:
    refused = str(error)
hermitian = torch.complex(square, torch.zeros_like(square))
names, waiting = set(), [hidden.grad_fn]
while waiting:
    node = waiting.pop()
    if node is not None and node.name() not in names:
        names.add(node.name())
        waiting += [following for following, _ in node.next_functions]
checks = {
    "correctly rounded": torch.equal(x.sqrt(), root),
    "in place": torch.equal(one.sqrt_(), root) and torch.equal(one, root),
    "out": torch.equal(torch.sqrt(x, out=out), root) and torch.equal(out, root),
    "powers": all(torch.equal(r, root) for r in (x**0.5, x.pow(0.5), torch.pow(x, 0.5), torch._foreach_sqrt([x])[0])),
    "other powers": torch.equal(x**2, x * x) and torch.equal(2.0**x, torch.pow(2.0, x)),
    "gradient": torch.equal(z.grad, 1 / (2 * root)),
    "types": [t.sqrt().dtype for t in (x.double(), x.bfloat16(), torch.tensor(4))]
    == [torch.float64, torch.bfloat16, torch.float32],
    "strides": x.reshape(50, 100).t().sqrt().stride() == (1, 100) and x[::2].sqrt().shape == (2500,),
    "scalars": float(torch.tensor(4.0).sqrt()) == 2.0 and torch.empty(0).sqrt().numel() == 0,
    "near torch's": all(
        torch.allclose(found, plain[name], atol=1e-6)
        for name, found in {"sqrt": x.sqrt(), "atan": x.atan(), "lstm": hidden}.items()
    ),
    "factors": torch.allclose(lower @ lower.mT, square, atol=1e-4) and torch.equal(lower, lower.tril())
    and torch.allclose(upper, lower.mT, atol=1e-5) and torch.equal(upper, upper.triu())
    and torch.allclose(lower, factor["cholesky"], atol=1e-5),
    "factor of complex numbers": torch.allclose(torch.linalg.cholesky(hermitian).real, lower, atol=1e-5),
    "gradient of the factor": torch.allclose(leaf.grad, factor["gradient"], atol=1e-5),
    "not positive definite": info.tolist() == factor["info"] and "order 5" in refused,
    "no compiler, which takes seconds to import": not compiler and torch.are_deterministic_algorithms_enabled(),
    "told where it is imported later": __import__("torch._inductor.config")._inductor.config.deterministic,
    "no oneDNN in the LSTM": not any("Mkldnn" in name for name in names) and torch._C._get_mkldnn_enabled(),
}
print(json.dumps([name for name, holds in checks.items() if not holds]))
"""


def test_replaced_operations_compute_the_same():
    level = yaml.safe_load((ROOT / "conf/determinism/portable.yaml").read_text())
    environment = {**os.environ, **Determinism(**level).pins()}
    argv = [sys.executable, "-W", "error::UserWarning", "-c", _PROBE]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
