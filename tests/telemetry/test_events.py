"""The event log, its followers, and the technical log."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from swarm.adapters.clock import SystemClock
from swarm.adapters.telemetry import EventLog, configure_logging, follow
from swarm.domain.errors import OutageFault
from swarm.domain.events import Event
from swarm.domain.redaction import Redactor


def event(text: str = "", **data: object) -> Event:
    return Event(at=1.5, kind="task.tool", run="api-aaaa", task="api", text=text, data=data)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_event_is_one_line_of_json_and_reaches_the_listeners(tmp_path: Path) -> None:
    heard: list[Event] = []
    log = EventLog(tmp_path / "events.jsonl", [heard.append])
    log.publish(event("one\ntwo", turn=1))
    (line,) = lines(tmp_path / "events.jsonl")
    assert Event.model_validate(line) == event("one\ntwo", turn=1)
    assert heard == [event("one\ntwo", turn=1)]


def test_a_listener_that_raises_harms_neither_the_run_nor_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def broken(_event: Event) -> None:
        raise RuntimeError("the view broke")

    log = EventLog(tmp_path / "events.jsonl", [broken, heard.append])
    log.publish(event("x"))
    assert len(heard) == 1
    assert "the view broke" in caplog.text


def test_secrets_reach_neither_the_file_nor_the_listeners(tmp_path: Path) -> None:
    heard: list[Event] = []
    log = EventLog(tmp_path / "events.jsonl", [heard.append], redactor=Redactor(["hunter2-secret"]))
    log.publish(event("key hunter2-secret", command={"env": ["TOKEN=hunter2-secret"]}))
    assert "hunter2" not in (tmp_path / "events.jsonl").read_text()
    assert "hunter2" not in heard[0].model_dump_json()


def test_events_from_many_threads_are_all_whole(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")

    def work(number: int) -> None:
        for turn in range(50):
            log.publish(event("x" * 5000, thread=number, turn=turn))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(tmp_path / "events.jsonl")) == 400


def test_a_line_torn_by_a_kill_does_not_swallow_the_next_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path).publish(event("first"))
    with path.open("a") as file:
        file.write('{"at": 1.0, "ki')
    EventLog(path).publish(event("second"))
    assert [e.text for e in follow(path, until=lambda: True)] == ["first", "second"]


def test_a_log_that_cannot_be_written_is_an_outage(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "gone" / "events.jsonl")
    with pytest.raises(OutageFault, match="gone"):
        log.publish(event())


def test_following_gives_what_is_there_and_then_what_comes(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.publish(event("before"))
    done = threading.Event()

    def later() -> None:
        time.sleep(0.1)
        log.publish(event("after"))
        done.set()

    threading.Thread(target=later).start()
    assert [e.text for e in follow(path, until=done.is_set, poll=0.02)] == ["before", "after"]


def test_following_waits_for_the_file_and_for_the_rest_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    text = event("whole").model_dump_json() + "\n"
    done = threading.Event()

    def later() -> None:
        time.sleep(0.05)
        path.write_text(text[:30])
        time.sleep(0.1)
        path.write_text(text)
        done.set()

    threading.Thread(target=later).start()
    assert [e.text for e in follow(path, until=done.is_set, poll=0.02)] == ["whole"]


def test_following_a_file_that_never_comes_ends_when_told(tmp_path: Path) -> None:
    assert list(follow(tmp_path / "none.jsonl", until=lambda: True)) == []


@pytest.fixture
def technical_log(tmp_path: Path) -> Iterator[Path]:
    undo = configure_logging(tmp_path / "log.jsonl", "info", redactor=Redactor(["hunter2-secret"]))
    yield tmp_path / "log.jsonl"
    undo()


def test_structured_and_standard_logs_go_to_the_file_as_json(
    technical_log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    structlog.get_logger("swarm.x").info("merged", task="api", commit="abc")
    logging.getLogger("some.library").warning("slow: %s", 3)
    merged, slow = lines(technical_log)
    assert (merged["event"], merged["task"], merged["level"], merged["logger"]) == (
        "merged",
        "api",
        "info",
        "swarm.x",
    )
    assert (slow["event"], slow["level"]) == ("slow: 3", "warning")
    assert "timestamp" in merged
    assert capfd.readouterr() == ("", "")


def test_the_level_holds_for_both(technical_log: Path) -> None:
    structlog.get_logger("swarm.x").debug("noise")
    logging.getLogger("some.library").debug("noise")
    assert lines(technical_log) == []


def test_tracebacks_are_kept_and_secrets_are_not(technical_log: Path) -> None:
    try:
        int("hunter2-secret")
    except ValueError:
        structlog.get_logger("swarm.x").exception("failed")
        logging.getLogger("some.library").exception("failed too")
    for line in lines(technical_log):
        assert "Traceback" in str(line["exception"])
    assert "hunter2" not in technical_log.read_text()


def test_undoing_the_logging_lets_go_of_the_file(tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    configure_logging(tmp_path / "log.jsonl")()
    assert logging.getLogger().handlers == before


def test_the_system_clock_gives_seconds() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 1
    first = clock.monotonic()
    assert clock.monotonic() >= first
