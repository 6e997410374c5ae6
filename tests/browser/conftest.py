"""Headless Chromium, and servers that may be killed and started again at the same address."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests import servers

# Chromium takes the last such list only, so that Playwright's own is in it, as far as it concerns Chromium. The last
# two are pages of the browser's own, which each window would load for its address line: more work than most tests.
WITHOUT = [
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxPopup",
]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(WITHOUT)}",
]
PATIENCE = 15_000
"""How long, in milliseconds, a page may take to show what it should: the longest backoff and some."""


# Not for the session: while Playwright is started, its event loop is in the way of async tests. Here are none.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


class Server:
    """An application under a server, which may be killed and started again at the same address."""

    def __init__(self, stack: ExitStack, app: str, name: str = "uvicorn", env: Mapping[str, str] | None = None) -> None:
        self.stack = stack
        self.name = name
        self.app = app
        self.env = env
        self.running = stack.enter_context(servers.serve(name, app, env=env))

    @property
    def url(self) -> str:
        return self.running.http()

    def kill(self) -> None:
        """End it as a crash would: no close frame and no goodbye."""
        self.running.signal(signal.SIGKILL)
        self.running.process.wait()

    def start(self) -> None:
        again = servers.serve(self.name, self.app, env=self.env, port=self.running.port)
        self.running = self.stack.enter_context(again)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of one's own; a page whose script raises fails the test."""
    expect.set_options(timeout=PATIENCE)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []
