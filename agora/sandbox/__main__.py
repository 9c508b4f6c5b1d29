"""Start the sandbox: python -m agora.sandbox --port 8900 --data .data/sandbox"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

import uvloop
from aiohttp import web

from agora.sandbox.app import build
from agora.sandbox.config import Options

# Connections that may wait to be taken: a fan-out opens hundreds at once.
BACKLOG = 1024
DESCRIPTION = """\
Local servers that speak the wire protocol of Alpaca paper v2, Fireblocks v1 and Binance spot v3, with
books of their own and faults on request. The vendors' SDKs run against them unchanged:

  Alpaca trading      http://HOST:PORT/alpaca         (url_override of TradingClient)
  Alpaca market data  http://HOST:PORT/alpaca-data    (url_override of StockHistoricalDataClient)
  Fireblocks          http://HOST:PORT/fireblocks/v1  (base_path of ClientConfiguration)
  Binance spot        http://HOST:PORT/binance        (base_path of binance-sdk-spot; then /api/v3/...)
  Control             http://HOST:PORT/control/...    (faults, books, market; see docs/sandbox.md)

Prints one JSON line {"ready": true, "port": PORT} when it listens. SIGTERM or Ctrl-C stops it;
everything it answered for is on disk at any moment, so that a killed process goes on where it was.
Only the exchange saves in batches: a kill may cost it the last seconds, a stop costs it nothing.
"""
ENVIRONMENT = """\
environment:
  ALPACA_API_KEY, ALPACA_API_SECRET   key pair that requests must carry (sandbox-key, sandbox-secret)
  FIREBLOCKS_API_KEY                  API user that JWTs must name (sandbox-fireblocks-key)
  FIREBLOCKS_PUBLIC_KEY               RSA public key (PEM text) that JWTs are verified with; without it
                                      and without the flag a key pair is made in the data folder:
                                      fireblocks_client.pem is the private key for the client
"""


def parse(arguments: list[str]) -> Options:
    """Options from the command line and the environment."""
    defaults = Options(data=Path())
    parser = argparse.ArgumentParser(
        prog="python -m agora.sandbox",
        description=DESCRIPTION,
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of books and keys",
    )
    add("--port", type=int, default=0, help="TCP port; 0 (default) takes a free one")
    add(
        "--host",
        default=defaults.host,
        help="address to listen on (default %(default)s)",
    )
    add(
        "--fill-delay",
        type=float,
        default=defaults.fill_delay,
        metavar="SECONDS",
        help="from accepting an order to filling it (default %(default)s)",
    )
    add(
        "--status-delay",
        type=float,
        default=defaults.status_delay,
        metavar="SECONDS",
        help="time a custody transaction stays in each status (default %(default)s)",
    )
    add(
        "--market",
        choices=("open", "closed", "clock"),
        default=defaults.market,
        help="market hours at the first start: always open, always closed, or NYSE hours",
    )
    add("--seed", type=int, default=defaults.seed, help="seed of the price path")
    add(
        "--cash",
        type=Decimal,
        default=defaults.cash,
        metavar="USD",
        help="cash of the paper account at the first start (default %(default)s)",
    )
    add(
        "--alpaca-rate-limit",
        type=int,
        default=defaults.alpaca_rate_limit,
        metavar="N",
        help="Alpaca requests per minute; the vendor's is 200 (default %(default)s)",
    )
    add(
        "--binance-prices",
        choices=("static", "path"),
        default=defaults.binance_prices,
        help="prices of the exchange: fixed levels, or moving on a seeded path (default %(default)s)",
    )
    add(
        "--binance-weight-limit",
        type=int,
        default=defaults.binance_weight_limit,
        metavar="N",
        help="request weight of the exchange per address and minute (default %(default)s)",
    )
    add("--fireblocks-public-key", type=Path, metavar="FILE",
        help="RSA public key (PEM) that verifies the client's JWTs")  # fmt: skip
    chosen = parser.parse_args(arguments)
    key_file: Path | None = chosen.fireblocks_public_key
    public_key = os.environ.get("FIREBLOCKS_PUBLIC_KEY") or None
    return Options(
        data=chosen.data, host=chosen.host, port=chosen.port, fill_delay=chosen.fill_delay,
        status_delay=chosen.status_delay, market=chosen.market, seed=chosen.seed,
        cash=chosen.cash, alpaca_rate_limit=chosen.alpaca_rate_limit,
        binance_prices=chosen.binance_prices, binance_weight_limit=chosen.binance_weight_limit,
        alpaca_key=os.environ.get("ALPACA_API_KEY") or defaults.alpaca_key,
        alpaca_secret=os.environ.get("ALPACA_API_SECRET") or defaults.alpaca_secret,
        fireblocks_api_key=os.environ.get("FIREBLOCKS_API_KEY") or defaults.fireblocks_api_key,
        fireblocks_public_key=public_key if key_file is None else key_file.read_text(),
    )  # fmt: skip


async def serve(options: Options) -> None:
    """Listen until SIGTERM or SIGINT."""
    runner = web.AppRunner(build(options), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await web.TCPSite(runner, options.host, options.port, backlog=BACKLOG).start()
        port = runner.addresses[0][1]
        sys.stdout.write(json.dumps({"ready": True, "port": port}) + "\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    try:
        options = parse(sys.argv[1:])
        uvloop.run(serve(options))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
