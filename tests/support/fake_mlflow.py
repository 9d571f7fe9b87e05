"""The part of MLflow's REST interface that an import uses, in memory, with faults at chosen requests.

It is fast enough to repeat an import for every request and every fault. A test compares it with a real server.
"""

import json
import re
import socket
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]

# The faults of a request. "before": the server does not carry it out. "after": it does, and only the answer is spoilt.
FAULTS = (
    "closed before", "closed after", "reset before", "reset after", "500 before", "500 after", "429 before", "503 before",
    "garbage before", "garbage after", "foreign json before", "foreign json after", "a page before", "truncated after",
    "empty before", "empty after",
)  # fmt: skip
BODIES = {"garbage": b"\x00\xffno json", "foreign json": b'{"foreign": 1}', "a page": b"<html>Log in</html>", "empty": b""}


class Refusal(Exception):
    """A request that MLflow answers with an error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.body = status, {"error_code": code, "message": message}


@dataclass
class FakeMlflow:
    """The store: experiments and runs by id, artifacts by path, and all requests so far."""

    experiments: dict[str, Json] = field(default_factory=dict)
    runs: dict[str, Json] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    faulty: range = range(0)  # which requests get the fault, counted from 0
    fault: str = ""
    url: str = ""
    lock: Any = field(default_factory=threading.RLock)

    def answer(self, method: str, path: str, query: Json, body: bytes) -> Json:
        """Carry out a request and return MLflow's answer to it."""
        with self.lock:
            if "mlflow-artifacts/artifacts" in path:
                return self._artifact(method, unquote(path.partition("mlflow-artifacts/artifacts/")[2]), body, query)
            name = path.partition("/mlflow/")[2].replace("/", "_").replace("-", "_")
            given = query if method == "GET" else json.loads(body or b"{}")
            act = getattr(self, f"_{name}", None)
            if act is None:
                raise Refusal(404, "ENDPOINT_NOT_FOUND", path)
            found: Json = act(given)
            return found

    def _artifact(self, method: str, path: str, body: bytes, query: Json) -> Json:
        if method == "PUT":
            self.artifacts[path] = body
            return {}
        folder = query["path"]
        names = [name.removeprefix(f"{folder}/") for name in self.artifacts if name.startswith(f"{folder}/")]
        return {"files": [{"path": n, "is_dir": False, "file_size": len(self.artifacts[f"{folder}/{n}"])} for n in names]}

    def _experiments_get_by_name(self, given: Json) -> Json:
        for experiment in self.experiments.values():
            if experiment["name"] == given["experiment_name"]:
                return {"experiment": experiment}
        raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", "no such experiment")

    def _experiments_create(self, given: Json) -> Json:
        if any(one["name"] == given["name"] for one in self.experiments.values()):
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", "it exists")
        number = str(len(self.experiments) + 1)
        place = given.get("artifact_location") or f"mlflow-artifacts:/{number}"
        self.experiments[number] = {
            "experiment_id": number, "name": given["name"], "artifact_location": place, "lifecycle_stage": "active",
            "tags": [],
        }  # fmt: skip
        return {"experiment_id": number}

    def _experiments_set_experiment_tag(self, given: Json) -> Json:
        tags = self.experiments[given["experiment_id"]]["tags"]
        tags[:] = [tag for tag in tags if tag["key"] != given["key"]] + [{"key": given["key"], "value": given["value"]}]
        return {}

    def _runs_create(self, given: Json) -> Json:
        run_id, number = uuid.uuid4().hex, given["experiment_id"]
        place = self.experiments[number]["artifact_location"]
        info = {
            "run_id": run_id, "run_uuid": run_id, "run_name": given.get("run_name", ""), "experiment_id": number,
            "status": "RUNNING", "start_time": given["start_time"], "lifecycle_stage": "active",
            "artifact_uri": f"{place}/{run_id}/artifacts", "user_id": given.get("user_id", ""),
        }  # fmt: skip
        tags = {tag["key"]: tag["value"] for tag in given.get("tags", [])} | {"mlflow.runName": given.get("run_name", "")}
        self.runs[run_id] = {"info": info, "tags": tags, "params": {}, "points": {}, "inputs": []}
        return {"run": self._shown(run_id)}

    def _shown(self, run_id: str) -> Json:
        if run_id not in self.runs:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"no run {run_id!r}")
        run = self.runs[run_id]
        last = {key: max(points) for key, points in run["points"].items()}
        return {
            "info": run["info"],
            "data": {
                "metrics": [{"key": k, "value": v, "timestamp": t, "step": s} for k, (s, t, v) in last.items()],
                "params": [{"key": k, "value": v} for k, v in run["params"].items()],
                "tags": [{"key": k, "value": v} for k, v in run["tags"].items()],
            },
            "inputs": {"dataset_inputs": [{"dataset": one} for one in run["inputs"]]},
        }

    def _runs_get(self, given: Json) -> Json:
        return {"run": self._shown(given["run_id"])}

    def _runs_search(self, given: Json) -> Json:
        wanted = dict(re.findall(r"tags\.`([^`]+)` = '([^']*)'", given.get("filter", "")))
        stages = {"ACTIVE_ONLY": {"active"}, "ALL": {"active", "deleted"}}[given.get("run_view_type", "ACTIVE_ONLY")]
        found = [
            run_id for run_id, run in self.runs.items()
            if run["info"]["experiment_id"] in given["experiment_ids"] and run["info"]["lifecycle_stage"] in stages
            and wanted.items() <= run["tags"].items()
        ]  # fmt: skip
        first = int(given.get("page_token") or 0)
        some = found[first : first + 3]  # pages have 3 runs here; those of a real server have 1,000
        more = {"next_page_token": str(first + 3)} if len(found) > first + 3 else {}
        return {"runs": [self._shown(run_id) for run_id in some], **more}

    def _runs_log_batch(self, given: Json) -> Json:
        self._shown(given["run_id"])
        run = self.runs[given["run_id"]]
        for param in given.get("params", []):
            if run["params"].setdefault(param["key"], param["value"]) != param["value"]:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "a parameter cannot change")
        for point in given.get("metrics", []):
            place = int(point.get("step", 0)), int(point["timestamp"]), float(point["value"])
            run["points"].setdefault(point["key"], set()).add(place)
        return {}

    def _metrics_get_history(self, given: Json) -> Json:
        self._shown(given["run_id"])
        key = given["metric_key"]
        points = sorted(self.runs[given["run_id"]]["points"].get(key, ()))
        return {"metrics": [{"key": key, "value": v, "timestamp": t, "step": s} for s, t, v in points]}

    def _runs_update(self, given: Json) -> Json:
        self._shown(given["run_id"])
        info = self.runs[given["run_id"]]["info"]
        info |= {name: given[name] for name in ("status", "end_time") if name in given}
        return {"run_info": info}

    def _runs_set_tag(self, given: Json) -> Json:
        self._shown(given["run_id"])
        self.runs[given["run_id"]]["tags"][given["key"]] = given["value"]
        return {}

    def _runs_delete(self, given: Json) -> Json:
        self._shown(given["run_id"])
        self.runs[given["run_id"]]["info"]["lifecycle_stage"] = "deleted"
        return {}

    def _runs_log_inputs(self, given: Json) -> Json:
        self._shown(given["run_id"])
        inputs = self.runs[given["run_id"]]["inputs"]
        inputs += [one["dataset"] for one in given["datasets"] if one["dataset"] not in inputs]
        return {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each answer waits 40 ms for an acknowledgement
    store: FakeMlflow

    def log_message(self, *_: Any) -> None:
        pass

    def _do(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.store.lock:
            number = len(self.store.requests)
            self.store.requests.append(f"{self.command} {parts.path}")
        fault, when = "", ""
        if number in self.store.faulty:
            fault, _, when = self.store.fault.rpartition(" ")
        status, answer = (200, b"{}") if when == "before" else self._answered(parts.path, query, body)
        self._send(fault, status, answer)

    do_GET = do_POST = do_PUT = do_PATCH = _do  # noqa: N815  as the base class calls them

    def _answered(self, path: str, query: Json, body: bytes) -> tuple[int, bytes]:
        try:
            return 200, json.dumps(self.store.answer(self.command, path, query, body)).encode()
        except Refusal as refusal:
            return refusal.status, json.dumps(refusal.body).encode()

    def _send(self, fault: str, status: int, answer: bytes) -> None:
        if fault in ("closed", "reset"):
            if fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if fault in ("500", "429", "503"):
            status, answer = int(fault), b'{"error_code": "INTERNAL_ERROR", "message": "no"}'
        answer = BODIES.get(fault, answer)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer) + (20 if fault == "truncated" else 0)))
        self.end_headers()
        self.wfile.write(answer)
        self.close_connection = fault == "truncated" or self.close_connection


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass  # a fault closed the connection on purpose


@contextmanager
def fake_mlflow() -> Iterator[FakeMlflow]:
    """Serve an empty store at the address in its `url`."""
    store = FakeMlflow()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": store}))
    store.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
