"""The embedded chain: anvil, with its state in the data folder."""

import json
import shutil
from pathlib import Path

from agora.runtime import probes
from agora.runtime.folder import Folder, write_private
from agora.runtime.processes import Part, PartFailed

CHAIN_ID = 31337
_DEPTH = 12  # empty blocks that follow a transaction: the deepest confirmation anybody asks for
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
    """A chain of one node that mines every transaction at once.

    Empty blocks, which give a transaction its depth, come either every `block_seconds`, or, with
    None, from `tick` and only after a transaction: a chain left alone does not grow.
    """

    def __init__(
        self, folder: Folder, *, port: int, block_seconds: float | None, durable: bool
    ) -> None:
        self.port = port
        self.block_seconds = block_seconds
        self.durable = durable
        self.home = folder.root / "anvil"
        self.home.mkdir(exist_ok=True)
        self.live = self.home / "live.json"
        self.good = self.home / "good.json"
        self._seen_height = 0
        self._blocks_due = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def keep_state(self) -> None:
        """Keep the newest whole state: anvil writes its file in place, and may die half-way."""
        if not self.live.exists():
            return
        if self.good.exists() and self.good.stat().st_mtime >= self.live.stat().st_mtime:
            return
        text = self.live.read_text()
        try:
            json.loads(text)
        except ValueError:
            return
        write_private(self.good, text)

    def tick(self) -> None:
        """Mine one of the empty blocks that are due after the newest transaction."""
        answer = probes.rpc(self.url, "eth_blockNumber")
        if not isinstance(answer, str):
            return
        height = int(answer, 16)
        if height > self._seen_height:
            self._blocks_due = _DEPTH
        if self._blocks_due:
            probes.rpc(self.url, "anvil_mine", "0x1")
            self._blocks_due -= 1
            height += 1
        self._seen_height = height

    def part(self) -> Part:
        self.keep_state()
        pace = [] if self.block_seconds is None else ["--block-time", str(self.block_seconds)]
        state = ["--dump-state", str(self.live), "--state-interval", "2"]
        if self.good.exists():
            state += ["--load-state", str(self.good)]
        return Part(
            name="anvil",
            command=[
                str(anvil_binary()),
                *(
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(self.port),
                    "--chain-id",
                    str(CHAIN_ID),
                ),
                *("--quiet", "--slots-in-an-epoch", "1"),
                *([*pace, "--mixed-mining"] if pace else []),
                # Without a limit anvil writes every old state to disk, about 100 kB a block.
                *("--prune-history", "256", "--cache-path", str(self.home / "cache")),
                *(state if self.durable else []),
            ],
            ready=lambda: probes.rpc(self.url, "eth_chainId") == hex(CHAIN_ID),
        )
