"""The embedded chain: anvil, with its state in the data folder."""

import json
import shutil
from pathlib import Path

from agora.runtime import probes
from agora.runtime.folder import Folder, write_private
from agora.runtime.processes import Part, PartFailed

CHAIN_ID = 31337
_TOOLS = Path(__file__).resolve().parents[2] / "contracts" / "node_modules"


def anvil_binary() -> Path:
    """The program itself: npm's starter script would stand between it and our signals."""
    found = sorted(_TOOLS.glob("@foundry-rs/anvil-*/bin/anvil"))
    if found:
        return found[0]
    installed = shutil.which("anvil")
    if installed is None:
        raise PartFailed("anvil is not installed. Run `make setup` (it needs node 20 or newer).")
    return Path(installed)


class Anvil:
    """A chain of one node. Transactions are mined at once, empty blocks follow for their depth."""

    def __init__(self, folder: Folder, *, port: int, block_seconds: float, durable: bool) -> None:
        self.port = port
        self.block_seconds = block_seconds
        self.durable = durable
        self.state = folder.root / "anvil" / "state.json"
        self.good = self.state.with_name("state.good.json")
        self.state.parent.mkdir(exist_ok=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Go back to the last whole copy if anvil was killed while it wrote its state."""
        if self.state.exists() and not _is_whole(self.state):
            self.state.unlink()
            if self.good.exists():
                shutil.copy(self.good, self.state)

    def keep_copy(self) -> None:
        """Keep the newest whole state: anvil writes its file in place, not in one step."""
        if not self.state.exists() or not _is_whole(self.state):
            return
        if not self.good.exists() or self.good.stat().st_mtime < self.state.stat().st_mtime:
            write_private(self.good, self.state.read_text())

    def part(self) -> Part:
        keep = ["--state", str(self.state), "--state-interval", "2", "--preserve-historical-states"]
        return Part(
            name="anvil",
            command=[
                str(anvil_binary()),
                *("--host", "127.0.0.1", "--port", str(self.port), "--chain-id", str(CHAIN_ID)),
                *("--block-time", str(self.block_seconds), "--mixed-mining"),
                *(keep if self.durable else []),
            ],
            ready=lambda: probes.rpc(self.url, "eth_chainId") == hex(CHAIN_ID),
        )


def _is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True
