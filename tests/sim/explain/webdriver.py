"""A browser driven as a user would: chromedriver's own protocol, nothing between."""
import base64
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"enter": "\ue007", "escape": "\ue00c", "left": "\ue012", "right": "\ue014"}


class Browser:
    """A headless Chromium with an empty profile; ends with close()."""

    def __init__(self, width=1400, height=900):
        for program in ("chromedriver", "chromium"):
            if shutil.which(program) is None:
                raise RuntimeError(f"{program} is missing: ./setup test installs it")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
        try:
            self.url = f"http://127.0.0.1:{self._port()}"
            options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu",
                                "--disable-dev-shm-usage", "--hide-scrollbars",
                                f"--window-size={width},{height}",
                                "--host-resolver-rules=MAP * ~NOTFOUND"]}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                      "goog:loggingPrefs": {"browser": "ALL"}}
            session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self.session = "/session/" + session["sessionId"]
        except BaseException:
            self.driver.kill()
            self.driver.wait()
            raise

    def _port(self):
        for line in self.driver.stdout:
            started = re.search(r"started successfully on port (\d+)", line)
            if started:
                return int(started[1])
        raise RuntimeError("chromedriver does not start")

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from None

    def close(self):
        try:
            self._call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(timeout=20)
            self.driver.stdout.close()

    def open(self, path):
        self._call("POST", self.session + "/url", {"url": f"file://{path}"})

    def script(self, text):
        return self._call("POST", self.session + "/execute/sync", {"script": text, "args": []})

    def find(self, selector):
        found = self._call("POST", self.session + "/element",
                           {"using": "css selector", "value": selector})
        return found[ELEMENT]

    def text(self, selector):
        return self._call("GET", f"{self.session}/element/{self.find(selector)}/text")

    def click(self, selector):
        self._call("POST", f"{self.session}/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self._call("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": text})

    def key(self, name):
        """Of the keyboard, wherever the focus is."""
        value = KEYS.get(name, name)
        self._actions([{"type": "key", "id": "keyboard",
                        "actions": [{"type": "keyDown", "value": value},
                                    {"type": "keyUp", "value": value}]}])

    def wheel(self, selector, x, y, by):
        """Over a point of an element, counted from its middle."""
        self._actions([{"type": "wheel", "id": "wheel", "actions": [
            {"type": "scroll", "x": int(x), "y": int(y), "deltaX": 0, "deltaY": by,
             "origin": {ELEMENT: self.find(selector)}}]}])

    def drag(self, selector, x, y, to_x, to_y):
        """The same point, for a mouse; without a way to go it is a click."""
        origin = {ELEMENT: self.find(selector)}

        def move(to_x, to_y):
            return {"type": "pointerMove", "x": int(to_x), "y": int(to_y), "origin": origin,
                    "duration": 50}

        self._actions([{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
                        "actions": [move(x, y), {"type": "pointerDown", "button": 0},
                                    move(to_x, to_y), {"type": "pointerUp", "button": 0}]}])

    def _actions(self, actions):
        self._call("POST", self.session + "/actions", {"actions": actions})

    def emulate(self, scheme):
        """light or dark"""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("POST", self.session + "/goog/cdp/execute",
                   {"cmd": "Emulation.setEmulatedMedia", "params": {"features": [feature]}})

    def complaints(self):
        """What the page's console says: errors and warnings."""
        entries = self._call("POST", self.session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", self.session + "/screenshot")))
