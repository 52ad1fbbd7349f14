"""A server that speaks as much of the Hugging Face hub's HTTP protocol as an upload and a download of one repository need.

It makes repositories, looks at the front matter of their cards, answers which files are to be uploaded as LFS objects, takes those
(the basic transfer) and their verification, and commits as newline-delimited JSON; what it holds it gives back, file by file. It
refuses what the hub refuses: a missing or wrong token, an object whose bytes are not those of its hash, a commit that names an
object that was not uploaded. Not there: Xet storage, multipart transfers, pull requests, other branches than main.

Imported by name.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import yaml

TOKEN = "hf_of-a-test"
COMMIT = "c0ffee" + "0" * 34
RELATIONS = ("adapter", "finetune", "merge", "quantized")
AS_OBJECTS = re.compile(r"\.(safetensors|parquet|jpg|npz)$")


class Hub(ThreadingHTTPServer):
    """What was uploaded, and in which requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.messages: list[str] = []
        self.validated: list[str] = []  # cards
        self.fails_at: str | None = None  # a piece of a path whose requests get HTTP 500


@contextmanager
def hub() -> Iterator[Hub]:
    with Hub() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Requests(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._may("POST"):
            return
        if self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", self.path):
            self._preupload(found[1], json.loads(body))
        elif found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self.path):
            self._batch(json.loads(body))
        elif self.path == "/verify":
            about = json.loads(body)
            self._answer(200 if len(self.server.objects.get(about["oid"], b"")) == about["size"] else 404, {})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", self.path):
            self._commit(found[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._answer(404, {"error": f"no such path: {self.path}"})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(f"PUT {self.path}")
        oid = self.path.rpartition("/")[2]
        if hashlib.sha256(body).hexdigest() != oid:
            return self._answer(400, {"error": "these are not the bytes of that hash"})
        self.server.objects[oid] = body
        self._answer(200, {})

    def do_GET(self) -> None:
        if not self._may("GET"):
            return
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/[^/?]+(\?.*)?", self.path):
            files = self.server.repositories[found[1]]
            about = {
                "id": found[1],
                "modelId": found[1],
                "sha": COMMIT,
                "private": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
            }
            return self._answer(200, {**about, "siblings": [{"rfilename": name} for name in files]})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/?]+(\?.*)?", self.path):
            files = self.server.repositories[found[1]]
            return self._answer(200, [_entry(name, content) for name, content in files.items()])
        self._file(with_body=True)

    def do_HEAD(self) -> None:
        if self._may("HEAD"):
            self._file(with_body=False)

    def _create(self, about: dict[str, Any]) -> None:
        name = f"{about.get('organization') or 'me'}/{about['name']}"
        if name in self.server.repositories:
            return self._answer(
                409, {"error": "You already created this model repo", "url": f"{self.server.endpoint}/{name}"}
            )
        self.server.repositories[name], self.server.private[name] = (
            {},
            "private" in (about.get("visibility"), about.get("private") and "private"),
        )
        self._answer(200, {"url": f"{self.server.endpoint}/{name}", "name": name})

    def _validate(self, card: str) -> None:
        """As far as the hub says in its documentation what it takes; that is less than it checks."""
        self.server.validated.append(card)
        found = yaml.safe_load(card.split("---")[1])
        wrong = [
            what
            for what, right in {
                "tags": all(isinstance(each, str) for each in found["tags"]),
                "base_model": re.fullmatch(r"[\w.-]+/[\w.-]+", found.get("base_model", "a/b")),
                "base_model_relation": found.get("base_model_relation", "adapter") in RELATIONS,
                "license": re.fullmatch(r"[a-z0-9.-]+", found.get("license", "mit")),
            }.items()
            if not right
        ]
        self._answer(400 if wrong else 200, {"errors": [{"message": each} for each in wrong], "warnings": []})

    def _preupload(self, repository: str, about: dict[str, Any]) -> None:
        files = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if AS_OBJECTS.search(each["path"]) else "regular",
                "shouldIgnore": False,
            }
            for each in about["files"]
        ]
        self._answer(200 if repository in self.server.repositories else 404, {"files": files})

    def _batch(self, about: dict[str, Any]) -> None:
        def asked_for(each: dict[str, Any]) -> dict[str, Any]:
            href, verify = f"{self.server.endpoint}/objects/{each['oid']}", f"{self.server.endpoint}/verify"
            return {**each, "actions": {"upload": {"href": href}, "verify": {"href": verify}}}

        self._answer(200, {"transfer": "basic", "objects": [asked_for(each) for each in about["objects"]]})

    def _commit(self, repository: str, lines: list[dict[str, Any]]) -> None:
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.server.messages.append(value["summary"])
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile" and value["oid"] in self.server.objects:
                files[value["path"]] = self.server.objects[value["oid"]]
            else:
                return self._answer(400, {"error": f"no such object: {value}"})
        self.server.repositories[repository] |= files
        url = f"{self.server.endpoint}/{repository}/commit/{COMMIT}"
        self._answer(200, {"success": True, "commitUrl": url, "commitOid": COMMIT, "hookOutput": ""})

    def _file(self, with_body: bool) -> None:
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/([^?]+)", self.path)
        content = self.server.repositories.get(found[1], {}).get(found[2]) if found else None
        if content is None:
            return self._answer(404, {"error": "Entry not found"})
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        self._send(200, content, headers, with_body)

    def _may(self, method: str) -> bool:
        """Whether a request is let through; it was answered where not."""
        self.server.asked.append(f"{method} {self.path}")
        if self.server.fails_at and self.server.fails_at in self.path:
            self._answer(400, {"error": "not today"})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid username or password."})
        else:
            return True
        return False

    def _answer(self, status: int, body: Any) -> None:
        self._send(status, json.dumps(body).encode(), {"Content-Type": "application/json"}, self.command != "HEAD")

    def _send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _entry(name: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
