"""Fixtures of every suite. Each test that starts a gateway does so in a network namespace of its own."""
import pytest

from support import machine
from support.gateway import Gateway


@pytest.fixture(scope="session", autouse=True)
def _root_only():
    machine.require_root()


@pytest.fixture
def namespace():
    """This test's own network namespace: the test's thread and all it starts are in it until the test ends."""
    with machine.own_namespace() as space:
        yield space
        left = space.processes()
        for process in left:
            process.kill()
        assert not left, f"left running after the test: {left}"


@pytest.fixture
def gateway(namespace):
    """A function that starts a gateway: `gateway(mcpServers={…}, …)`. All are stopped at the end, and each must stop
    cleanly unless the test said `gateway.expect_dead`."""
    started = []

    def start(**config):
        one = Gateway(**config)
        started.append(one)
        return one.start()

    yield start
    for one in reversed(started):
        one.stop()
