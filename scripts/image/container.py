"""Runs an image as a container: own mounts and processes, a read-only root, and the numeric user of the image.

Linux namespaces by util-linux (`unshare`, `mount`, `nsenter`, `setpriv`); no container engine takes part. The network
is the machine's own. The kernel mounts the root read-only, so that a write fails with "Read-only file system".
"""

from __future__ import annotations

import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.image.building import Image

_STOP_SECONDS = 60
_PROC = "mount -t proc proc {root}/proc"
_MOUNTS = """
mount --make-rprivate /
mount --bind {root} {root}
mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
mount --rbind /dev {root}/dev
mount -t sysfs -o ro sysfs {root}/sys
mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm
"""


@dataclass
class Container:
    """A running container: `process` is the program outside, `pid` its entry point as the machine numbers it."""

    image: Image
    root: Path
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        """The number of the entry point's process."""
        (child,) = psutil.Process(self.process.pid).children()
        return child.pid

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as the user of the image."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid"]
        inside = _inside(self.image, self.root, words, environment)
        return subprocess.run([*enter, *inside], capture_output=True, text=True, check=False)


@contextmanager
def started(
    image: Image, root: Path, mounts: Mapping[Path, str], writable: Mapping[Path, str], words: Sequence[str]
) -> Iterator[Container]:
    """Start the image's entry point with these words; stop it at the end of the block.

    `mounts` are folders by their place inside, read-only; `writable` are volumes, owned by the image's user.
    """
    uid, gid = image.user.split(":")
    for volume in writable:
        subprocess.run(["chown", f"{uid}:{gid}", str(volume)], check=True)
    script = _script(image, root, mounts, writable, [*image.entrypoint, *words])
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(600, process.kill)
    watchdog.start()
    try:
        yield Container(image, root, process)
    finally:
        watchdog.cancel()
        with suppress(psutil.NoSuchProcess, IndexError):
            psutil.Process(process.pid).children()[0].terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        process.kill()
        process.wait()


def _script(
    image: Image, root: Path, mounts: Mapping[Path, str], writable: Mapping[Path, str], words: Sequence[str]
) -> str:
    place = shlex.quote(str(root))
    lines = [_MOUNTS.format(root=place), _PROC.format(root=place)]
    for source, inside in {**mounts, **writable}.items():
        lines.append(f"mount --bind {shlex.quote(str(source))} {place}{inside}")
    lines += [f"mount -o remount,bind,ro {place}{inside}" for inside in mounts.values()]
    lines.append(f"mount -o remount,bind,ro {place}")
    lines.append(f"exec {shlex.join(_inside(image, root, words, {}))}")
    return "\n".join(lines)


def _inside(image: Image, root: Path, words: Sequence[str], more: Mapping[str, str]) -> list[str]:
    """Return the command that enters the root as the image's user, without rights and with its variables alone."""
    uid, gid = image.user.split(":")
    variables = [f"{name}={value}" for name, value in {**image.environment, **more}.items()]
    rights = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    go = ["env", "-i", *variables, "sh", "-c", 'cd "$0" && exec "$@"', image.folder, *words]
    return ["chroot", str(root), *rights, *go]
