"""One mutation at a time: checks and rules catch it, and a check that catches none survives."""

from __future__ import annotations

import json
import os
import select
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from lab.author import registry
from lab.author.runner import Runner
from lab.mutate import survey
from lab.mutate.mutant import Mutant, Mutation
from lab.mutate.mutations import MUTATIONS
from lab.record.results import Outcome
from tests.kernel.helpers import DEADLINE_S, WAITING, processes_marked, read_until, run_lab, scenario_file, started_lab


def surviving(file: Path, family: int) -> list[str]:
    scenario = registry.find([str(file)]).scenarios[0]
    with closing(Runner()) as runner:
        surveyed = survey.survey(runner, scenario, family)
        assert surveyed.result.outcome is Outcome.PASS, surveyed.result
        tried = survey.attack(runner, scenario, surveyed.targets)
    assert len(tried) == len(surveyed.targets) > 0
    return [each.target.check.subject for each in tried if each.killed_by is None]


def test_every_kind_of_check_notices(tmp_path: Path, family: int) -> None:
    file = scenario_file(
        tmp_path,
        """
        server = lab.kernel.listen(port=80)
        peer, other = lab.peer(to=server), lab.peer(to=server)
        connection = peer.open()
        other.open()
        peer.send("PA", payload="hello")
        peer.expect("A", seq=1, ack=6, window=None, options=[])
        connection.expect_poll("POLLIN POLLOUT")
        connection.expect_data("hello")
        lab.verify("connections", 2, lab.kernel.count("ESTABLISHED"))
        lab.verify("what TCP_INFO says", 0, connection.tcp_info()["unacked"])
        lab.verify("the queue", 0, lab.kernel.inet_diag(peer).receive_queue)
        lab.verify("resets sent", 0, lab.kernel.counter("TcpOutRsts"))
        peer.expect_silence()
        connection.close()
        peer.expect("FA", seq=1, ack=6)
        lab.verify("the peer", "CLOSE-WAIT", peer.state.value)
        lab.kernel.expect_state(peer, "FIN-WAIT-1")
        """,
    )
    assert surviving(file, family) == []


def test_a_check_that_catches_nothing_survives(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, 'lab.kernel.counter("TcpOutRsts")\nlab.verify("nothing", 1, 1)')
    assert surviving(file, 4) == ["nothing"]


def test_a_survey_that_is_tried_again_lists_the_readings_of_the_last_try(tmp_path: Path) -> None:
    prologue = "from lab import Inconclusive\nTRIES: list[int] = []"
    body = """
    TRIES.append(1)
    for _ in range(2):
        lab.verify("resets", 0, lab.kernel.counter("TcpOutRsts"))
    if len(TRIES) < 3:
        raise Inconclusive("too late")
    """
    scenario = registry.find([str(scenario_file(tmp_path, body, prologue=prologue))]).scenarios[0]
    mutant = Mutant()
    with closing(Runner()) as runner:
        assert runner.run(scenario, 4, mutant).outcome is Outcome.PASS
    assert [each.position for each in mutant.readings if each.kind == "counter"] == [(0, 0), (1, 0)]


def test_a_mutation_is_tried_once(tmp_path: Path) -> None:
    """One that makes a scenario inconclusive is no reason to wait for it three times."""
    tried = tmp_path / "tried"
    body = f"""
    with open({str(tried)!r}, "a") as file:
        file.write("x")
    if lab.kernel.counter("TcpOutRsts"):
        raise Inconclusive("too late")
    lab.verify("nothing", 1, 1)
    """
    scenario = registry.find([str(scenario_file(tmp_path, body, prologue="from lab import Inconclusive"))]).scenarios[0]
    with closing(Runner()) as runner:
        surveyed = survey.survey(runner, scenario, 4)
        (check,) = surveyed.targets
        survey.attack(runner, scenario, [check])
    anew = 1
    assert len(tried.read_text()) == 2 * len(check.mutations) + 1 + anew


def test_each_mutation_of_a_frame_is_listed(tmp_path: Path) -> None:
    scenario = registry.find([str(scenario_file(tmp_path, _EXCHANGE))]).scenarios[0]
    with closing(Runner()) as runner:
        honest = Mutant()
        assert runner.run(scenario, 4, honest).outcome is Outcome.PASS
        spot = [reading.position for reading in honest.readings if reading.kind == "frame"][1]

        def tell(name: str) -> bool:
            mutant = Mutant(Mutation("frame", spot, name))
            runner.run(scenario, 4, mutant)
            return mutant.applied

        with ThreadPoolExecutor(8) as pool:
            told = dict(zip(MUTATIONS["frame"], pool.map(tell, MUTATIONS["frame"]), strict=True))
    assert [name for name, was in told.items() if not was] == []


_EXCHANGE = dedent(
    """
    peer = lab.peer(to=lab.kernel.listen(port=80), timestamps=True, sack_permitted=True)
    connection = peer.open()
    connection.send("hello")
    peer.expect("PA", payload="hello")
    """
)


def test_retransmissions_are_mutated_too(tmp_path: Path) -> None:
    scenario = registry.find([str(scenario_file(tmp_path, _RETRANSMISSION))]).scenarios[0]
    with closing(Runner()) as runner:
        shapes = survey.survey(runner, scenario, 4).shapes
        first, again = (
            survey.attack_rules(runner, scenario, 4, shapes[name]) for name in ("PA <> text", "PA <> again text")
        )
    assert "same-text" not in first
    assert "same-text" in again


_RETRANSMISSION = dedent(
    """
    peer = lab.peer(to=lab.kernel.listen(port=80))
    connection = peer.open()
    connection.send("hello")
    peer.expect("PA", payload="hello")
    peer.expect("PA", payload="hello")
    """
)


def test_the_command_tells_check_by_check() -> None:
    done = run_lab("mutate", "handshake.kernel_as_server", "--json", "-")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (scenario,) = report["scenarios"]
    assert all(check["killed_by"] for check in scenario["checks"])
    assert f"{len(scenario['checks'])} checks, {len(scenario['checks'])} caught a mutation" in done.stderr
    assert report["rules"]["well-formed"].startswith("a wrong checksum")


def test_a_pattern_that_matches_nothing_is_wrong_usage() -> None:
    done = run_lab("mutate", "nowhere")
    assert done.returncode == 2
    assert "no scenario matches 'nowhere'" in done.stderr


def test_a_scenario_that_takes_all_memory_ends_it(tmp_path: Path) -> None:
    """In a process of its own, from which the reason has to come here."""
    done = run_lab("mutate", scenario_file(tmp_path, "bytes(2**62)", "takes_all"))
    assert done.returncode == 3
    said = "the lab cannot run here: it has run out of memory in 'takes_all.takes_all', line 6\n"
    assert done.stderr == said + "allow it more: ulimit -v shows a limit\n"


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
@pytest.mark.parametrize("whom", ["parent", "group"])
def test_when_it_is_killed_nothing_is_left(tmp_path: Path, name: str, whom: str) -> None:
    """The workers end with it, and have no semaphores with a name. One of them waits in its scenario for minutes."""
    scenario_file(tmp_path, "lab.peer(to=81).send('R')", "a")
    scenario_file(tmp_path, WAITING, "b")
    mark, before = f"mutating {name} {whom}", set(Path("/dev/shm").iterdir())
    with started_lab("mutate", tmp_path, mark=mark) as process:
        read_until(process, "a.a ")
        assert len(processes_marked(mark)) > 1
        workers = [os.pidfd_open(each) for each in processes_marked(mark) if each != process.pid]
        (os.kill if whom == "parent" else os.killpg)(process.pid, getattr(signal, name))
        code = process.wait(timeout=DEADLINE_S)
        for worker in workers:
            assert select.select([worker], [], [], 30)[0]
            os.close(worker)
    assert code == (130 if name == "SIGINT" else -getattr(signal, name))
    assert processes_marked(mark) == []
    assert set(Path("/dev/shm").iterdir()) == before
