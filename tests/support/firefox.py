"""A headless Firefox of the system, driven over WebDriver BiDi: Playwright drives only a Firefox of its own.

Firefox speaks the protocol itself, so that no other program is needed. It is JSON over a WebSocket: a command has an
id, and its answer has the same one; a message without an id is an event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.processes import PATIENCE, Process, wait_until

_ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_ENTER = "\ue007"
#: A browser of a test calls nobody, and asks nothing at its first start.
_SETTINGS = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.topsites.contile.enabled": False,
    "browser.newtabpage.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class Firefox:
    """One tab of a browser that runs; `complaints` are the errors of its page."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.sent = socket, 0
        self.complaints: list[str] = []
        self._send("session.new", {"capabilities": {}})
        self._send("session.subscribe", {"events": ["log.entryAdded"]})
        self.tab = self._send("browsingContext.getTree", {})["contexts"][0]["context"]

    def go(self, url: str) -> None:
        self._send("browsingContext.navigate", {"context": self.tab, "url": url, "wait": "interactive"})

    def find(self, role: str, name: str) -> dict[str, Any]:
        """Wait for an element of this role and name, as a screen reader tells them."""
        wanted = {"type": "accessibility", "value": {"role": role, "name": name}}
        return self._wait_for_node(wanted, f"the {role} {name!r}")

    def find_by_style(self, selector: str) -> dict[str, Any]:
        """Wait for an element that has no role of its own, such as a field for a secret."""
        return self._wait_for_node({"type": "css", "value": selector}, selector)

    def click(self, element: dict[str, Any]) -> None:
        """Click in the middle of an element, as a person does with a mouse."""
        self._call("element => element.scrollIntoView({ block: 'center' })", element)
        origin = {"type": "element", "element": {"sharedId": element["sharedId"]}}
        moved = {"type": "pointerMove", "x": 0, "y": 0, "origin": origin}
        clicks = [moved, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._perform({"type": "pointer", "id": "mouse", "actions": clicks})

    def type(self, text: str) -> None:
        """Press the keys of a text, where the focus is."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._perform({"type": "key", "id": "keyboard", "actions": keys})

    def press_enter(self) -> None:
        self.type(_ENTER)

    def read(self, expression: str) -> Any:
        """Return the text, number or truth that an expression has on the page."""
        asked = {"expression": expression, "target": {"context": self.tab}, "awaitPromise": True}
        answer = self._send("script.evaluate", asked)
        if answer["type"] == "exception":
            raise AssertionError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    def wait_until(self, expression: str) -> None:
        wait_until(lambda: self.read(f"Boolean({expression})"), what=expression)

    def _wait_for_node(self, locator: dict[str, Any], what: str) -> dict[str, Any]:
        def locate() -> list[dict[str, Any]]:
            nodes = self._send("browsingContext.locateNodes", {"context": self.tab, "locator": locator})["nodes"]
            return list(nodes)

        return wait_until(locate, what=what)[0]

    def _call(self, function: str, element: dict[str, Any]) -> None:
        given = {"functionDeclaration": function, "arguments": [{"sharedId": element["sharedId"]}]}
        self._send("script.callFunction", {**given, "target": {"context": self.tab}, "awaitPromise": False})

    def _perform(self, *actions: dict[str, Any]) -> None:
        self._send("input.performActions", {"context": self.tab, "actions": list(actions)})

    def _send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": params}))
        while True:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout=PATIENCE))
            if message.get("id") == self.sent:
                break
            self._hear(message)
        if message["type"] == "error":
            raise AssertionError(f"{method}: {message['error']}: {message['message']}")
        return dict(message["result"])

    def _hear(self, event: dict[str, Any]) -> None:
        entry = event.get("params", {})
        if event.get("method") == "log.entryAdded" and entry.get("level") == "error":
            self.complaints.append(entry.get("text") or "")


@contextmanager
def open_firefox(program: str, folder: Path) -> Iterator[Firefox]:
    """Start Firefox with an empty profile in a folder; it ends with the block."""
    profile = folder / "profile"
    profile.mkdir()
    settings = (f'user_pref("{name}", {json.dumps(value)});' for name, value in _SETTINGS.items())
    (profile / "user.js").write_text("\n".join(settings))
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = Process(command, output=folder / "firefox.log", folder=folder, variables={"HOME": str(folder)})
    try:
        process.wait_until(lambda: _ADDRESS.search(process.output), what="the address of WebDriver BiDi")
        address = _ADDRESS.findall(process.output)[0]
        with connect(f"{address}/session", open_timeout=PATIENCE, max_size=None, origin=None) as socket:
            yield Firefox(socket)
    finally:
        process.kill_group()
