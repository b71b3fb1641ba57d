"""A page as a browser shows it: headless Chromium, where there is one."""

import os
import pathlib
import re
import shutil
import subprocess

FOUND = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WHY = "no chromium on this machine (Debian: apt-get install chromium)"


def dump(page: pathlib.Path, profile: pathlib.Path) -> tuple[str, list[str]]:
    """Load a page and let its scripts run.

    Parameters
    ----------
    page : pathlib.Path
        HTML file.
    profile : pathlib.Path
        Folder that the browser may fill.

    Returns
    -------
    document : str
        As the scripts left it.
    console : list of str
        What was written to the console, errors and refused requests among them.
    """
    assert FOUND is not None
    command = [
        FOUND, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--enable-logging=stderr", "--v=0",
        "--virtual-time-budget=5000", f"--user-data-dir={profile}", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    environment = {**os.environ, "HOME": str(profile)}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=300, check=True
    )
    return done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr)
