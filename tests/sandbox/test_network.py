"""Networks of a sandbox: none, a loopback of its own, or the host's; and layers that must hold or nothing runs."""

import sys

import pytest

from mlintern.core.errors import UserError
from mlintern.sandbox import landlock, process, seccomp
from mlintern.sandbox.limits import Limits
from mlintern.sandbox.process import run_sandboxed
from tests.sandbox.conftest import LIMITS
from tests.sandbox.layers import capabilities
from tests.sandbox.test_isolation import CONNECT, Listener

TALK = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: server.accept()[0].sendall(b"heard"), daemon=True).start()
print(socket.create_connection(server.getsockname()).recv(10).decode())
"""


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.close()


def test_a_loopback_of_its_own_reaches_itself_and_not_the_host(run, listener):
    assert run(TALK, network="loopback").stdout == b"heard\n"
    done = run(CONNECT.format(port=listener.port), network="loopback")
    assert done.stdout.startswith(b"no") and listener.connections == 0


def test_without_a_network_there_is_no_socket_to_talk_by(run):
    assert b"heard" not in run(TALK).stdout


def test_peers_is_the_hosts_network_and_all_else_stays_closed(run, listener, tmp_path):
    done = run(CONNECT.format(port=listener.port), network="peers")
    assert done.stdout == b"connected\n" and listener.connections == 1
    assert "network namespace" not in done.layers and "mount namespace" in done.layers and "seccomp" in done.layers
    (tmp_path / "secret").write_text("canary")
    done = run(f"print(open({str(tmp_path / 'secret')!r}).read())", network="peers")
    assert b"canary" not in done.stdout


@pytest.mark.parametrize("layer", [landlock, seccomp])
def test_a_kernel_without_a_layer_is_one_line_that_names_it(layer, scratch, monkeypatch, tmp_path):
    """The supervisor is a script: its copy, told that the kernel has no such layer, must refuse."""
    if not capabilities("unshare"):
        pytest.skip("unshare does not work on this host")
    name = layer.__name__.rpartition(".")[2]
    patched = tmp_path / "supervisor.py"
    source = process.Path(process.__file__).with_name("supervisor.py").read_text()
    source = source.replace("Path(__file__).resolve().parents[2]", repr(str(process.Path(process.__file__).parents[2])))
    given = "landlock.abi = lambda: 0" if name == "landlock" else "seccomp._AUDIT_ARCH = {}"
    patched.write_text(source.replace("_NAMESPACES = {", f"{given}\n_NAMESPACES = {{", 1))
    monkeypatch.setattr(process.Path, "with_name", lambda self, given: patched)
    limits = Limits(**LIMITS)
    with pytest.raises(UserError, match="no Landlock" if name == "landlock" else "no seccomp filter") as refused:
        run_sandboxed(
            [sys.executable, "-c", ""],
            readonly=[tmp_path],
            scratch=scratch,
            limits=limits,
            env={},
            backend=process._TriedOut("unshare"),
        )
    assert "\n" not in str(refused.value)
