"""The interoperability matrix: clients of other people × servers of other people × features, directly and through the
gateway. Through it a cell is as good as directly, or a line in reasons.py says why not."""
import pytest

from interop import document, matrix, plan, reasons
from support import machine
from support.gateway import Gateway


def gateway_of(isolation, port):
    gateway = Gateway(listen={"http": {"bind": "loopback", "port": port}}, mcpServers=matrix.entries(isolation))
    gateway.port = port
    return gateway


def ready(gateway):
    """A server has started once its tools are listed."""
    with gateway.client() as client:
        machine.eventually(lambda: {tool["name"].split("__")[0] for tool in client.tools()} >= set(matrix.SERVERS), 60, "all servers list their tools")


@pytest.fixture(scope="module")
def cells():
    found = matrix.direct()
    with machine.own_namespace() as space:
        shared, own = gateways = gateway_of("shared", 8080), gateway_of("session", 8081)
        try:
            for gateway in gateways:
                gateway.start()
            for gateway in gateways:
                ready(gateway)
            found |= matrix.through(shared, own, machine.program("clawql"))
        finally:
            for gateway in gateways:
                gateway.stop()
        space.wait_empty()
    document.save(found)
    return found


PAIRS = [(client, server) for client in matrix.CLIENTS for server in matrix.SERVERS]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("client, server", PAIRS)
def test_every_cell_works_or_says_why_not(cells, client, server):
    wrong = []
    for feature in plan.FEATURES:
        for way in matrix.ways_of(client):
            cell, line = cells[client, server, feature, way], reasons.stated(client, server, feature, way)
            if not cell.able:
                continue  # the program itself has no command for it, and says so
            if not cell.ok and line is None:
                wrong.append(f"{feature} ({way}) does not work and no reason is stated: {cell.why}")
            if cell.ok and line is not None:
                wrong.append(f"{feature} ({way}) works, but reasons.py says: {line}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(900)
def test_no_client_lacks_a_feature_only_because_it_failed_to_connect(cells):
    lost = {(key[0], key[1], key[3]): cell.why for key, cell in cells.items()
            if cell.why.startswith("no connection") and reasons.stated(*key) is None}
    assert not lost, lost


@pytest.mark.timeout(900)
def test_the_document_shows_what_ran(cells):
    assert document.written() == document.render(cells), "run `cd tests && python3 -m interop.document` and look at the difference"
